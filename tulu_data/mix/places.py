"""Where in a spec what goes wrong while sources are read is written.

The one idea: an error of reading knows the file and the expression, and the spec knows who asked for them, so
an error gets its place where both are at hand. It reads nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tulu_data.errors import SourceError
from tulu_data.sources.adapters import LayoutError, PartError
from tulu_data.sources.expression import ExpressionError
from tulu_data.specs.document import KeyPath
from tulu_data.specs.mixture import Mixture, MixtureFile
from tulu_data.specs.steps import FilterStep


@contextmanager
def told_at_source(file: MixtureFile, names: Sequence[str]) -> Iterator[None]:
    """Put the place of a source, of the first of `names` that asked for it, before what reading raises."""
    try:
        yield
    except SourceError as error:
        path = _of_source(file.mixture, names, error)
        asked = ("uri", "columns", "adapter") if isinstance(error, LayoutError) else ()
        against = [("sources", path[1], key) for key in asked] + [("kind",)] * bool(asked)
        _put(file, path, error, against)
        raise


@contextmanager
def told_at_tokenizer(file: MixtureFile) -> Iterator[None]:
    """Put the place of the tokenizer before what loading it raises."""
    try:
        yield
    except SourceError as error:
        error.args = (str(error).removeprefix("tokenizer: "),)
        _put(file, ("tokenizer",), error)
        raise


@contextmanager
def told_at_dates(file: MixtureFile) -> Iterator[None]:
    """Put the place of an expression that gives dates before what evaluating it raises."""
    try:
        yield
    except ExpressionError as error:
        for path in _of_dates(file.mixture, error):
            if path[-1] == "of" and len(file.mixture.sources) > 1:
                error.args = (f"{error}; name the sources that have dates: {{of: {{NAME: {error.sql}}}}}",)
            _put(file, path, error)
            break
        raise


def _put(file: MixtureFile, path: KeyPath, error: SourceError, against: Sequence[KeyPath] = ()) -> None:
    error.args = (file.document.problem(path, str(error), against=against),)


def _of_source(mixture: Mixture, names: Sequence[str], error: SourceError) -> KeyPath:
    if isinstance(error, ExpressionError):
        for name in names:
            if getattr(mixture.sources[name], error.key, None) == error.sql:
                return ("sources", name, error.key)
    if isinstance(error, PartError):
        for name in names:
            source = mixture.sources[name]
            if error.mapped and error.part in source.columns:
                return ("sources", name, "columns", error.part)
            if not error.mapped and source.adapter != "auto":
                return ("sources", name, "adapter")
    return ("sources", names[0])


def _of_dates(mixture: Mixture, error: ExpressionError) -> Iterator[KeyPath]:
    """Yield the places of the expression at fault."""
    for i, step in enumerate(mixture.steps):
        for j, entry in enumerate(step.drop if isinstance(step, FilterStep) else ()):
            of = entry.date.of if entry.date else {}
            place = ("steps", i, "drop", j, "date", "of")
            if of == error.sql:
                yield place
            elif not isinstance(of, str):
                yield from ((*place, name) for name, sql in of.items() if sql == error.sql)
