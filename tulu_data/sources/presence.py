"""Which files that a mixture names are not there, as far as its workspace can tell.

The one idea: paths are looked for where a build would look for them, by the same rules and with the same
words, and no file is opened. What lies elsewhere, and whether the store has a version, is not asked here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tulu_data.errors import SourceError
from tulu_data.sources.files import data_files, found_at
from tulu_data.specs.document import KeyPath
from tulu_data.specs.mixture import MixtureFile
from tulu_data.specs.source import Source
from tulu_data.specs.steps import DecontaminateStep
from tulu_data.specs.uris import SQL

_ELSEWHERE = ("@", ":")
"""In a path: a stored version, and what lies elsewhere."""


class _Named(NamedTuple):
    """A path that a spec names, where it does so, and what looks for it."""

    place: KeyPath
    path: str
    look: Callable[[str, Path], object]


def absent_files(file: MixtureFile, base: Path) -> list[str]:
    """Return a problem for every path from `base` that nothing fit to be read is at."""
    problems = []
    for place, path, look in _named(file):
        try:
            look(path, base)
        except SourceError as error:
            problems.append(file.document.problem(place, str(error)))
    return problems


def _named(file: MixtureFile) -> Iterator[_Named]:
    """Yield the paths of a mixture."""
    for name, source in file.mixture.sources.items():
        yield from _of_source(("sources", name), source)
    for i, step in enumerate(file.mixture.steps):
        if isinstance(step, DecontaminateStep):
            for j, path in enumerate(step.against):
                if not any(mark in path for mark in _ELSEWHERE):
                    yield _Named(("steps", i, "against", j), path, found_at)
            if step.decisions is not None:
                yield _Named(("steps", i, "decisions"), step.decisions, found_at)
    if file.mixture.tokenizer is not None:
        yield _Named(("tokenizer",), file.mixture.tokenizer, _tokenizer_at)


def _tokenizer_at(name: str, base: Path) -> None:
    """Raise SourceError for a folder that is not there; what is no path here may be an id of the hub."""
    if name.startswith((".", "/", "~")) or ("/" in name and (base / name).parent.is_dir()):
        found_at(name, base)


def _of_source(place: KeyPath, source: Source) -> Iterator[_Named]:
    """Yield the path of a source, or those that its query sees."""
    if not any(mark in source.uri for mark in _ELSEWHERE):
        yield _Named((*place, "uri"), source.uri, data_files)
    if source.uri.startswith(SQL):
        for name, what in source.attach.items():
            kind, is_database, path = what.partition(":")
            if not is_database:
                yield _Named((*place, "attach", name), what, data_files)
            elif kind != "postgres":
                yield _Named((*place, "attach", name), path, found_at)
