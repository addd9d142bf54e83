"""Where in a spec what goes wrong while sources are read is written.

The one idea: an error of reading knows the file and the expression, and the spec knows who asked for them, so
an error gets its place where both are at hand. It reads nothing and changes no words of an error.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tulu_data.errors import SourceError
from tulu_data.sources.adapters import PartError
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
        _put(file, _of_source(file.mixture, names, error), error)
        raise


@contextmanager
def told_at_dates(file: MixtureFile) -> Iterator[None]:
    """Put the place of an expression that gives dates before what evaluating it raises."""
    try:
        yield
    except ExpressionError as error:
        for path in _of_dates(file.mixture, error):
            _put(file, path, error)
            break
        raise


def _put(file: MixtureFile, path: KeyPath, error: SourceError) -> None:
    error.args = (file.document.problem(path, str(error)),)


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
