"""Normalised files, kept by content so that no file is read and hashed row by row twice.

The one idea: the key is the file's sha256, how it is read and the version of the code that reads,
so a cached file is never stale; it is whole when its folder exists, because the folder is renamed
into place last. Two processes may do the same work; one result wins, both are right. What a machine that went
down left torn, by its sizes and sums, is made anew.
"""

import hashlib
import json
import mmap
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.sources.files import SourceFile
from tulu_data.sources.reading import ADAPTER_VERSION, READER_VERSION, Reading
from tulu_data.sources.where import Where
from tulu_data.store.locks import making

Rows = npt.NDArray[np.int64]
_RECORDS, _NUMBERS, _BAD, _META = "records.arrow", "numbers.int64", "bad.arrow", "meta.json"
_LAYOUT = 4
"""Raised when other files lie in a folder of the cache, or the same ones otherwise."""


class Held(NamedTuple):
    """What a condition holds for in a file."""

    records: Rows
    """Places of records in the file, ascending."""
    bad: Rows
    """Places of bad rows among those of the file."""


class Opened:
    """A file that is open for reading as long as somebody has this."""

    def __init__(self, path: Path) -> None:
        """Open it; raise OSError where it cannot be."""
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def __del__(self) -> None:
        """Close it."""
        if hasattr(self, "number"):
            os.close(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalisedFile:
    """One file's records, mapped from the cache."""

    file: SourceFile
    folder: Path
    """Folder of the cache that holds what is known of it."""
    table: pa.Table
    """In `normalised_schema(kind)`, memory-mapped, in file order."""
    bad: pa.Table
    """In `rows.BAD`."""
    ids: npt.NDArray[np.uint64]
    """The ids of the records as two words each."""
    lines: Rows
    """The row of the file that each record is."""
    read: int
    held: dict[str, Held]
    """What each condition, given by its SQL, holds for."""
    mapped: mmap.mmap
    """The memory that the table lies in; Python keeps a file open for it."""

    def opened(self) -> Opened:
        """Open the file that is mapped, to read from it; one that nobody reads so would count twice as open.

        Raises SourceError where it cannot be.
        """
        try:
            return Opened(self.folder / _RECORDS)
        except OSError as error:
            raise SourceError(f"{self.folder}: cannot be read again ({error.strerror})") from None

    def release(self) -> None:
        """Let go of what was read of the table; it is read again where it is asked for.

        Pages of a file that are mapped count as a process's own, though any of them can be had again.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)

    def rows(self, where: str | None) -> Rows:
        """Return the places of the records that a condition, given by its SQL, holds for, ascending.

        `normalise` was told of the condition; without one, these are all.
        """
        return np.arange(self.table.num_rows, dtype=np.int64) if where is None else self.held[where].records

    def bad_rows(self, where: str | None) -> pa.Table:
        """Return the bad rows that a condition holds for."""
        return self.bad if where is None else self.bad.take(pa.array(self.held[where].bad))


def normalise(
    file: SourceFile, reading: Reading, wheres: Sequence[Where], cache: Path, *, workers: int | None = None
) -> NormalisedFile:
    """Return a file's records, reading it only when the cache lacks them or what a condition holds for."""
    folder = cache / cache_key(file, reading)
    found = _open(file, folder, wheres)
    if found is None:
        # Without its last file, or torn by a machine that went down.
        shutil.rmtree(folder, ignore_errors=True)
        _write(file, reading, wheres, folder, workers)
        found = _open(file, folder, wheres)
    if found is None:
        raise SourceError(f"{folder}: does not hold what was written there; choose another store")
    return found


def normalised(
    file: SourceFile, reading: Reading, cache: Path, wheres: Sequence[Where] = ()
) -> NormalisedFile | None:
    """Return a file's records where the cache has them, and what all conditions hold for."""
    folder = cache / cache_key(file, reading)
    is_known = all(_read_numbers(folder / _held_name(where)) is not None for where in wheres)
    return _open(file, folder, wheres) if is_known else None


def _open(file: SourceFile, folder: Path, wheres: Sequence[Where]) -> NormalisedFile | None:
    """Map a file's records from its folder of the cache; None where that is not there or torn."""
    about, numbers = _about(folder), _read_numbers(folder / _NUMBERS)
    if about is None or numbers is None:
        return None
    with (folder / _RECORDS).open("rb") as records:
        mapped = mmap.mmap(records.fileno(), 0, access=mmap.ACCESS_READ)
    table = pa.ipc.open_file(pa.py_buffer(mapped)).read_all()
    bad = pa.ipc.open_file(pa.memory_map(str(folder / _BAD))).read_all()
    held = {w.sql: _held(file, w, folder, table, bad) for w in wheres}
    ids, lines = numbers[: 2 * len(table)].view(np.uint64).reshape(-1, 2), numbers[2 * len(table) :]
    return NormalisedFile(
        file=file, folder=folder, table=table, bad=bad, ids=ids, lines=lines, read=about["read"], held=held,
        mapped=mapped,
    )  # fmt: skip


def _about(folder: Path) -> dict[str, int] | None:
    """Return what was noted of a folder, None where a file of it is not as large as it was."""
    # Absent, torn or foreign: all the same.
    with suppress(OSError, ValueError, KeyError, TypeError):
        about: dict[str, int] = json.loads((folder / _META).read_bytes())
        if all((folder / name).stat().st_size == about[name] for name in (_RECORDS, _BAD)):
            return about
    return None


def cache_key(file: SourceFile, reading: Reading) -> str:
    """Name what a file's records depend on: bytes, format, how they are read, and the reading code."""
    parts = [
        file.sha256, file.format, file.compression, reading.kind, reading.adapter, reading.columns,
        reading.verifier, READER_VERSION, ADAPTER_VERSION, _LAYOUT,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _write(
    file: SourceFile, reading: Reading, wheres: Sequence[Where], folder: Path, workers: int | None
) -> None:
    """Normalise a file into a folder of the cache."""
    from tulu_data.sources.normalising import write_records  # and with it all that reads files

    with _new_folder(folder) as new:
        made = write_records(file, reading, wheres, new / _RECORDS, workers)
        file.check()
        _write_numbers(new / _NUMBERS, made.numbers.ids.ravel().view(np.int64), made.numbers.rows)
        replace_table(new / _BAD, made.bad)
        for where, held in zip(wheres, made.held, strict=True):
            _write_held(new / _held_name(where), Held(*map(np.flatnonzero, held)))
        sizes = {name: (new / name).stat().st_size for name in (_RECORDS, _BAD)}
        (new / _META).write_text(json.dumps({"read": made.read, **sizes}), "utf-8")


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of `folder` when all went well."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    except OSError as error:
        raise SourceError(
            f"{folder.parent}: cannot be written ({error.strerror}); choose another cache folder"
        ) from None
    try:
        with making(new):
            yield new
        try:
            new.rename(folder)
        except OSError:
            # Another process was faster, or a folder without its last file lies there.
            if not (folder / _META).is_file():
                shutil.rmtree(folder, ignore_errors=True)
                new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _held(file: SourceFile, where: Where, folder: Path, table: pa.Table, bad: pa.Table) -> Held:
    """Return what a condition holds for from the cache, evaluating it first where it is new."""
    path = folder / _held_name(where)
    known = _read_numbers(path)
    if known is None:
        from tulu_data.sources.normalising import held_of

        held = held_of(file, where, [table.column("row"), bad.column("row")])
        file.check()
        found = Held(*map(np.flatnonzero, held))
        _write_held(path, found)
        return found
    return Held(records=known[1 : known[0] + 1], bad=known[known[0] + 1 :])


def _held_name(where: Where) -> str:
    return f"held-{hashlib.sha256(where.sql.encode()).hexdigest()[:40]}.int64"


def _write_held(path: Path, held: Held) -> None:
    """Write what a condition holds for: how many records these are, their places, those of bad rows."""
    _write_numbers(path, np.array([len(held.records)]), held.records, held.bad)


def _write_numbers(path: Path, *parts: Rows) -> None:
    """Write numbers behind a sum of their bytes: whether they reached the disk shows when they are read."""
    numbers = np.concatenate(parts).astype(np.int64)
    with _replacing(path) as name, Path(name).open("wb") as sink:
        np.array([zlib.crc32(numbers.data)]).astype(np.int64).tofile(sink)
        numbers.tofile(sink)


def _read_numbers(path: Path) -> Rows | None:
    """Read numbers, None where they are not there or torn."""
    # Read and not mapped: all are wanted, and a page that is mapped costs more than its bytes.
    with suppress(OSError):
        found = np.fromfile(path, np.int64)
        if len(found) and zlib.crc32(found[1:].data) == found[0]:
            return found[1:]
    return None


def replace_table(path: Path, table: pa.Table) -> None:
    """Write an Arrow file beside a normalised file, whole or not at all."""
    with (
        _replacing(path) as name,
        pa.OSFile(name, "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


@contextmanager
def _replacing(path: Path) -> Iterator[str]:
    """Yield the name of a file that takes the place of another one when all went well."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    os.close(handle)
    try:
        yield name
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
