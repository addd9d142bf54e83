"""Read one file through its adapter, with conditions evaluated on the way.

The one idea: a batch of raw rows is read once, and gives records, bad rows, and for every
condition a mask over both. The adapter is chosen on the first rows of a file and kept. Columns
that a JSON file first shows later are null before; one that never comes is an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.schema import Kind
from tulu_data.sources.adapters import LAYOUTS, adapt, choose
from tulu_data.sources.adapters.adapt import is_stored
from tulu_data.sources.files import SourceFile
from tulu_data.sources.readers import read_raw
from tulu_data.sources.rows import RawBatch, bad_table
from tulu_data.sources.where import Where
from tulu_data.specs.source import Adapter, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Kind, adapter and its settings; hashable, so that two sources over one file share the work."""

    kind: Kind
    adapter: Adapter = "auto"
    columns: tuple[tuple[str, str], ...] = ()
    """Pairs of part and column, sorted."""
    verifier: str | None = None

    @classmethod
    def of(cls, kind: Kind, source: Source) -> "Reading":
        """Return how a spec says that a source is read."""
        return cls(
            kind=kind,
            adapter=source.adapter,
            columns=tuple(sorted(source.columns.items())),
            verifier=source.verifier,
        )

    @property
    def mapping(self) -> dict[str, str]:
        """Column by part."""
        return dict(self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What became of one batch of raw rows: `read = records + bad`, always."""

    records: pa.RecordBatch
    bad: pa.Table
    masks: tuple[pa.BooleanArray, ...]
    """For every condition, which records it holds for."""
    bad_masks: tuple[pa.BooleanArray, ...]
    """The same over bad rows; a row that could not be parsed belongs to every condition."""
    read: int


def scan_file(file: SourceFile, reading: Reading, wheres: Sequence[Where] = ()) -> Iterator[Scanned]:
    """Yield the records, bad rows and masks of a file; raise SourceError when it cannot be read."""
    watch = _Columns(wheres)
    settled = reading
    for raw in _named(file, read_raw(file)):
        try:
            watch.see(raw)
            if settled.adapter == "auto" and raw.table.num_rows:
                settled = _settle(raw.table.schema, settled)
            full = replace(raw, table=watch.completed(raw.table, _needed(settled)))
            adapted = adapt(
                full,
                kind=settled.kind,
                adapter=settled.adapter,
                columns=settled.mapping,
                verifier=settled.verifier,
            )
            bad = bad_table(adapted.bad)
            held = [_by_row(raw.rows, where.mask(full.table)) for where in wheres]
        except SourceError as error:
            raise _at(file, error) from None
        yield Scanned(
            records=adapted.records,
            bad=bad,
            masks=tuple(h(adapted.records.column("row")) for h in held),
            bad_masks=tuple(h(bad.column("row").combine_chunks()) for h in held),
            read=raw.read,
        )
    try:
        watch.finish()
    except SourceError as error:
        raise _at(file, error) from None


def scan_masks(file: SourceFile, where: Where) -> Iterator[tuple[pa.Int64Array, pa.BooleanArray]]:
    """Yield row numbers and whether the condition holds, reading only the columns that it needs."""
    watch = _Columns((where,))
    for raw in _named(file, read_raw(file, where.columns())):
        try:
            watch.see(raw)
            yield raw.rows, where.mask(watch.completed(raw.table, frozenset()))
        except SourceError as error:
            raise _at(file, error) from None
    if where.missing(frozenset(watch.seen)):
        # The other columns were not read; they are needed now to say what there is.
        for raw in _named(file, read_raw(file)):
            watch.see(raw)
    try:
        watch.finish()
    except SourceError as error:
        raise _at(file, error) from None


class _Columns:
    """The columns that a file has shown so far, and whether its conditions can use them."""

    def __init__(self, wheres: Sequence[Where]) -> None:
        self.wheres = wheres
        self.seen: dict[str, None] = {}
        self.rows = 0

    def see(self, raw: RawBatch) -> None:
        """Note a batch's columns; raise SourceError when a condition reads one of conflicting types."""
        self.seen.update(dict.fromkeys(raw.table.column_names))
        self.rows += raw.table.num_rows
        for where in self.wheres:
            for name in sorted(n for n in raw.mixed if where.reads(n)):
                first, last = raw.rows[0].as_py(), raw.rows[-1].as_py()
                raise SourceError(
                    f"where {where.sql!r}: column {name!r} holds values of different types in rows "
                    f"{first} to {last}; make them one type in the file"
                )

    def completed(self, table: pa.Table, needed: frozenset[str]) -> pa.Table:
        """Add columns that this batch of a ragged file happens to lack, as nulls."""
        if not table.num_rows:
            return table
        absent = [n for n in self.seen if n in needed and n not in table.column_names]
        for where in self.wheres:
            absent += where.missing(frozenset(table.column_names))
        for name in dict.fromkeys(absent):
            table = table.append_column(name, pa.nulls(table.num_rows))
        return table

    def finish(self) -> None:
        """Raise SourceError when a condition names a column that the file never had."""
        for where in self.wheres:
            missing = where.missing(frozenset(self.seen))
            if missing and self.rows:
                raise where.unknown(missing[0], frozenset(self.seen))


def _settle(schema: pa.Schema, reading: Reading) -> Reading:
    """Choose the adapter for the rest of the file; stored records need none."""
    if is_stored(schema, reading.kind, reading.mapping):
        return reading
    return replace(reading, adapter=choose(schema, reading.kind, reading.mapping))


def _needed(reading: Reading) -> frozenset[str]:
    """Return the columns that an adapter may ask for."""
    layout = LAYOUTS.get(reading.adapter)
    names = [n for part in layout.parts.values() for n in part] if layout else []
    return frozenset(
        [*names, *(c.split(".")[0] for c in reading.mapping.values()), *reading.mapping.values()]
    )


class _by_row:  # noqa: N801 - reads as a function where it is used
    """Look rows up by number; numbers that are not known count as held."""

    def __init__(self, rows: pa.Int64Array, held: pa.BooleanArray) -> None:
        self.rows: npt.NDArray[np.int64] = rows.to_numpy(zero_copy_only=False)
        self.held: npt.NDArray[np.bool_] = held.to_numpy(zero_copy_only=False)

    def __call__(self, wanted: pa.Int64Array) -> pa.BooleanArray:
        """Return whether each of the wanted rows is held."""
        numbers = wanted.to_numpy(zero_copy_only=False)
        if not len(self.rows):
            return pa.array(np.ones(len(numbers), dtype=bool))
        at = np.minimum(np.searchsorted(self.rows, numbers), len(self.rows) - 1)
        return pa.array(np.where(self.rows[at] == numbers, self.held[at], True))  # noqa: FBT003


def _named(file: SourceFile, batches: Iterator[RawBatch]) -> Iterator[RawBatch]:
    """Pass batches on, with the file's name in front of an error."""
    try:
        yield from batches
    except SourceError as error:
        raise _at(file, error) from None


def _at(file: SourceFile, error: SourceError) -> SourceError:
    text = str(error)
    return error if text.startswith(file.origin) else SourceError(f"{file.origin}: {text}")
