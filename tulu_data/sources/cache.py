"""Normalised files, kept by content so that no file is read and hashed row by row twice.

The one idea: the key is the file's sha256, how it is read and the version of the code that reads,
so a cached file is never stale; it is whole when its folder exists, because the folder is renamed
into place last. Two processes may do the same work; one result wins, both are right.
"""

import hashlib
import json
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.errors import SourceError
from tulu_data.schema import normalised_schema
from tulu_data.sources.adapters import ADAPTER_VERSION
from tulu_data.sources.files import SourceFile
from tulu_data.sources.readers import READER_VERSION
from tulu_data.sources.rows import BAD
from tulu_data.sources.scan import Reading, Scanned, scan_file, scan_values
from tulu_data.sources.where import Where

_RECORDS, _BAD, _META = "records.arrow", "bad.parquet", "meta.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Which records and bad rows of a file a condition holds for."""

    records: pa.BooleanArray
    bad: pa.BooleanArray


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
    read: int
    masks: dict[str, Mask]
    mapped: mmap.mmap | None = None
    """The memory that the table lies in; None where there is none."""

    def release(self) -> None:
        """Let go of what was read of the table; it is read again where it is asked for.

        Pages of a file that are mapped count as a process's own, though any of them can be had again.
        """
        if self.mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)

    def mask(self, where: str) -> pa.BooleanArray:
        """Return which records a condition, given by its SQL, holds for; `normalise` was told of it."""
        return self.masks[where].records

    def bad_mask(self, where: str) -> pa.BooleanArray:
        """Return which bad rows a condition holds for."""
        return self.masks[where].bad


def normalise(
    file: SourceFile, reading: Reading, wheres: Sequence[Where], cache: Path, *, workers: int | None = None
) -> NormalisedFile:
    """Return a file's records, reading it only when the cache lacks them or a condition's mask."""
    folder = cache / cache_key(file, reading)
    if not (folder / _META).is_file():
        _write(file, reading, wheres, folder, workers)
    return _open(file, folder, wheres)


def normalised(
    file: SourceFile, reading: Reading, cache: Path, wheres: Sequence[Where] = ()
) -> NormalisedFile | None:
    """Return a file's records where the cache has them, and the masks of all conditions."""
    folder = cache / cache_key(file, reading)
    wanted = [folder / _META, *(folder / _mask_name(where) for where in wheres)]
    return _open(file, folder, wheres) if all(path.is_file() for path in wanted) else None


def _open(file: SourceFile, folder: Path, wheres: Sequence[Where]) -> NormalisedFile:
    """Map a file's records from its folder of the cache."""
    read = json.loads((folder / _META).read_bytes())["read"]
    with (folder / _RECORDS).open("rb") as source:
        mapped = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
    table = pa.ipc.open_file(pa.py_buffer(mapped)).read_all()
    bad = pq.read_table(folder / _BAD, schema=BAD)
    masks = {w.sql: _mask(file, w, folder, table, bad) for w in wheres}
    return NormalisedFile(
        file=file, folder=folder, table=table, bad=bad, read=read, masks=masks, mapped=mapped
    )


def cache_key(file: SourceFile, reading: Reading) -> str:
    """Name what a file's records depend on: bytes, format, how they are read, and the reading code."""
    parts = [
        file.sha256, file.format, file.compression, reading.kind, reading.adapter, reading.columns,
        reading.verifier, READER_VERSION, ADAPTER_VERSION,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _write(
    file: SourceFile, reading: Reading, wheres: Sequence[Where], folder: Path, workers: int | None
) -> None:
    """Normalise a file into a folder of the cache."""
    with _new_folder(folder) as new:
        schema = normalised_schema(reading.kind)
        none = pa.RecordBatch.from_pylist([], schema)
        scanned: list[Scanned] = []
        with pa.OSFile(str(new / _RECORDS), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for part in scan_file(file, reading, wheres, workers=workers):
                writer.write_batch(part.records)
                # Records are on disk now; only bad rows and masks stay. A slice would hold on to them.
                scanned.append(replace(part, records=none))
        bad = pa.concat_tables([BAD.empty_table(), *(s.bad for s in scanned)])
        pq.write_table(bad, new / _BAD)
        for i, where in enumerate(wheres):
            held = pa.chunked_array([s.masks[i] for s in scanned], pa.bool_())
            bad_held = pa.chunked_array([s.bad_masks[i] for s in scanned], pa.bool_())
            _write_mask(new / _mask_name(where), held, bad_held)
        (new / _META).write_text(json.dumps({"read": sum(s.read for s in scanned)}), "utf-8")


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


def _mask(file: SourceFile, where: Where, folder: Path, table: pa.Table, bad: pa.Table) -> Mask:
    """Return a condition's mask from the cache, evaluating it first where it is new."""
    path = folder / _mask_name(where)
    if not path.is_file():
        rows, held = _held_rows(file, where)
        _write_mask(path, _looked_up(rows, held, table), _looked_up(rows, held, bad))
    found = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    kinds = found.column("bad").to_numpy()
    held_all = found.column("held").combine_chunks()
    return Mask(records=held_all.filter(pa.array(~kinds)), bad=held_all.filter(pa.array(kinds)))


def _held_rows(file: SourceFile, where: Where) -> tuple[pa.Array, pa.Array]:
    """Evaluate a condition over a file's raw rows."""
    parts = list(scan_values(file, where))
    rows = pa.concat_arrays([pa.array([], pa.int64()), *(r for r, _ in parts)])
    return rows, pa.concat_arrays([pa.array([], pa.bool_()), *(h for _, h in parts)])


def _looked_up(rows: pa.Array, held: pa.Array, table: pa.Table) -> pa.ChunkedArray:
    """Return whether each row of a table is held; a row that was never parsed belongs to every condition."""
    wanted = table.column("row").to_numpy()
    numbers, values = rows.to_numpy(), held.to_numpy(zero_copy_only=False)
    if not len(numbers):
        return pa.chunked_array([pa.array(np.ones(len(wanted), dtype=bool))])
    at = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
    return pa.chunked_array([pa.array(np.where(numbers[at] == wanted, values[at], True))])  # noqa: FBT003


def _mask_name(where: Where) -> str:
    return f"where-{hashlib.sha256(where.sql.encode()).hexdigest()[:40]}.arrow"


def _write_mask(path: Path, held: pa.ChunkedArray, bad_held: pa.ChunkedArray) -> None:
    """Write one mask file: the records' values, then the bad rows'."""
    values = pa.chunked_array([*held.chunks, *bad_held.chunks], pa.bool_())
    is_bad = np.repeat([False, True], [len(held), len(bad_held)])
    replace_table(path, pa.table({"held": values, "bad": pa.array(is_bad)}))


def replace_table(path: Path, table: pa.Table) -> None:
    """Write an Arrow file beside a normalised file, whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    os.close(handle)
    try:
        with pa.OSFile(name, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
