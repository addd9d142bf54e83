"""What commands read: files, hub datasets and stored versions, as streams of records with their places.

The one idea: a dataset is opened by name and read once, in order, in bounded memory; every record says
its source and its origin, and every row that is none is delivered beside the records. It judges no record.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.errors import SourceError
from tulu_data.schema import TEXT, Kind
from tulu_data.sources.archives import Told
from tulu_data.sources.files import files_below
from tulu_data.sources.quality import Qualities, Quality, read_qualities
from tulu_data.sources.records import Records, lies_in, open_records
from tulu_data.specs.source import Adapter
from tulu_data.store import Store, Version

DATA_FOLDER = "data"
"""Folder of a workspace whose files are read when no dataset is named."""

PLACE = ("source", "origin")
"""Columns that say of each record its source and where it stands, as `file:row`."""

QUALITY = "quality"
"""Column of numbers, where records are read with them."""

QUARANTINED = pa.schema([(name, TEXT) for name in ("dataset", "origin", "reason", "detail", "raw")])
"""Arrow schema of the rows that are no records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Consecutive rows of a dataset."""

    records: pa.RecordBatch
    """Records, with the columns of PLACE, and with QUALITY where the reading names one."""
    bad: pa.Table
    """Rows that are none, of schema QUARANTINED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset opened for reading."""

    name: str
    kind: Kind
    size: int
    """Bytes of its files."""
    batches: Callable[[Told, int | None], Iterator[Placed]]
    """Reads its rows with a number of workers, telling of the bytes that are read."""
    content: frozenset[str]
    """What it is read from: its files, each under its one real path, or the version."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Sha256 of each file that it is read from, by origin; a version is named by its content instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files are read, where their columns do not say it, and which are no data."""

    kind: Kind | None = None
    adapter: Adapter = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column that plays each part."""
    skip: tuple[Path, ...] = ()
    """Folders whose files are never found as data."""
    quality: Quality | None = None
    """What says how good records are: each then has a number in the column QUALITY, or NaN."""


Find = Callable[[Path, Store, Sequence[Path]], list[str]]
"""Names what is read of a workspace where nobody names a dataset, without the folders that are no data.

It raises SourceError where that is nothing.
"""


def data_files(base: Path, store: Store, skip: Sequence[Path]) -> list[str]:
    """Name every data file below `data/`."""
    if names := _files(base, skip):
        return names
    known = ", ".join(f"{name}@latest" for name in store.names()) or "none"
    raise SourceError(
        f"{base}: no dataset to read: no data file lies below {DATA_FOLDER}/; name a file, a glob, "
        f"hf://owner/name or a stored version (versions: {known})"
    )


def everything(base: Path, store: Store, skip: Sequence[Path]) -> list[str]:
    """Name the latest version of every name in the store, and every data file below `data/`."""
    if names := [store.resolve(name).ref for name in store.names()] + _files(base, skip):
        return names
    raise SourceError(
        f"{base}: no dataset to read: the store {store.root} is empty and no data file lies below "
        f"{DATA_FOLDER}/; name a file, a glob, hf://owner/name or name@version"
    )


def _files(base: Path, skip: Sequence[Path]) -> list[str]:
    """Name the data files below `data/` that lie in no folder of `skip`."""
    found = files_below(base / DATA_FOLDER, base)
    return [origin for origin, path in found if not lies_in(path, skip)]


def open_dataset(name: str, base: Path, store: Store, reading: Reading) -> Dataset:
    """Open a path, glob, hub dataset or stored version, which needs no `reading`.

    Raises SourceError or StoreError; so does reading it.
    """
    if not (base / name).exists() and name.partition("@")[0] in store.names():
        version = store.resolve(name)
        return Dataset(
            name=version.ref, kind=version.kind, size=sum(shard.bytes for shard in version.manifest.shards),
            batches=lambda told, _workers: _of_version(version, told, reading.quality),
            content=frozenset([version.ref]),
        )  # fmt: skip
    records = open_records(
        name, base=base, store=store, cache=store.root / "cache" / "normalised", kind=reading.kind,
        adapter=reading.adapter, columns=reading.columns, skip=reading.skip,
    )  # fmt: skip
    return Dataset(
        name=records.name, kind=records.kind, size=records.size,
        batches=lambda told, workers: _of_files(records, told, workers, reading.quality),
        content=frozenset(str(file.path.resolve()) for file in records.files),
        files={file.origin: file.sha256 for file in records.files},
    )  # fmt: skip


def _of_files(records: Records, told: Told, workers: int | None, quality: Quality | None) -> Iterator[Placed]:
    """Yield the rows of files."""
    files, numbers = {file.origin: file for file in records.files}, dict[str, Qualities]()
    for rows in records.batches(workers=workers, told=told):
        batch, bad = rows.records, rows.bad.sort_by("row")
        source = pa.repeat(pa.scalar(records.name, TEXT), batch.num_rows)
        named = pa.repeat(pa.scalar(records.name, TEXT), bad.num_rows)
        placed = batch.append_column("source", source).append_column("origin", _origins(rows.origin, batch))
        if quality is not None:
            if rows.origin not in numbers:
                numbers = {rows.origin: read_qualities(files[rows.origin], quality)}
            mine = numbers[rows.origin].of(batch.column("row").to_numpy(zero_copy_only=False))
            placed = placed.append_column(QUALITY, pa.array(mine))
        columns = [named, _origins(rows.origin, bad), *(bad.column(n) for n in ("reason", "detail", "raw"))]
        yield Placed(records=placed, bad=pa.table(columns, schema=QUARANTINED))


def _origins(file: str, rows: pa.RecordBatch | pa.Table) -> pa.Array | pa.ChunkedArray:
    """Return `file:row` for each row."""
    numbers = rows.column("row").cast(TEXT)
    return pc.binary_join_element_wise(pa.scalar(file, TEXT), numbers, pa.scalar(":", TEXT))


def _of_version(version: Version, told: Told, quality: Quality | None) -> Iterator[Placed]:
    """Yield a version's records; its sources are told apart as `name@id source`."""
    prefix = pa.scalar(version.ref, TEXT)
    size = sum(shard.bytes for shard in version.manifest.shards)
    start = 1
    for batch in version.batches():
        numbers = [] if quality is None else [_qualities(version, batch, start, quality)]
        start += batch.num_rows
        told(size * batch.num_rows / version.num_rows)
        source = pc.binary_join_element_wise(prefix, batch.column("source"), pa.scalar(" ", TEXT))
        at = batch.schema.get_field_index("source")
        placed = batch.set_column(at, "source", source)
        for column in numbers:
            placed = placed.append_column(QUALITY, column)
        yield Placed(records=placed, bad=QUARANTINED.empty_table())


def _qualities(version: Version, batch: pa.RecordBatch, start: int, quality: Quality) -> pa.Array:
    """Return how good records of a version are, by its own columns; `start` is the number of the first."""
    names = frozenset(batch.schema.names)
    for name in quality.missing(names):
        raise SourceError(f"{version.ref}: {quality.unknown(name, names)}")
    rows = pa.array(range(start, start + batch.num_rows), pa.int64())
    return pa.array(quality.numbers(version.ref, rows, quality.values(pa.Table.from_batches([batch]))))
