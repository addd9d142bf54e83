"""What can be said around a question that finds no row, or a row of a file that is another by now.

The one idea: a file that a source read may have changed since, may be shorter than the row that is asked for,
and where messages are joined into threads, a question is no row but a part of some. It decides no fate.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tulu_data.account.fates import Made
from tulu_data.account.inputs import InputChange, Looked, Place, look, source_changes
from tulu_data.account.sought import Sought
from tulu_data.errors import TuluDataError
from tulu_data.sources.readers import read_raw
from tulu_data.sources.threads import answers_through
from tulu_data.store.manifest import FileEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known besides the fates of rows."""

    changed: tuple[InputChange, ...] = ()
    """Files of the sources that are asked about which are not what they were."""
    files: tuple[FileEntry, ...] = ()
    """Files that are meant, as the version read them; none where no file is named, or no source reads it."""
    answers: tuple[int, ...] = ()
    """Rows that end the threads of which the row that is asked for is a part."""


def look_around(made: Made, wanted: Sought, place: Place, *, is_found: bool) -> Around:
    """Find out what can be said; files are hashed where one is named, or nothing was found."""
    sources = made.mixture.sources
    entries = [
        entry
        for entry in made.version.manifest.sources
        if wanted.file is None or any(wanted.means(file.origin) for file in entry.files)
    ]
    if not entries or (is_found and wanted.file is None):
        return Around()
    asked = {entry.name: sources[entry.name] for entry in entries}
    looked = look(made.mixture.model_copy(update={"sources": asked}), place)
    changed = tuple(source_changes(made.version.manifest, place, looked))
    if wanted.file is None:
        return Around(changed=changed)
    meant = {file.origin: file for entry in entries for file in entry.files if wanted.means(file.origin)}
    return Around(
        changed=tuple(one for one in changed if one.origin in meant), files=tuple(meant.values()),
        answers=() if is_found else tuple(_answers(wanted, looked, meant)),
    )  # fmt: skip


def _answers(wanted: Sought, looked: dict[str, Looked], meant: dict[str, FileEntry]) -> Iterator[int]:
    """Yield the rows that end the threads of a row, in files of trees that are what they were."""
    found = {file.origin: file for one in looked.values() for file in one.files or () if file.threads}
    for origin, entry in meant.items():
        file = found.get(origin)
        if file is not None and file.sha256 == entry.sha256:
            for row in wanted.rows:
                try:
                    yield from answers_through(read_raw(replace(file, threads=False)), row, origin)
                except TuluDataError:
                    return
