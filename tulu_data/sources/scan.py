"""Read one file through its adapter, with conditions evaluated on the way.

The one idea: a batch of raw rows is read once, and gives records, bad rows, and for every
condition a mask over both. The adapter is chosen on the first rows of a file and kept. Columns
that a JSON file first shows later are null before; one that never comes is an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.engine.local import default_workers, ordered_map
from tulu_data.errors import SourceError
from tulu_data.sources.adapters import LAYOUTS, Adapted, adapt, choose
from tulu_data.sources.adapters.adapt import is_stored
from tulu_data.sources.adapters.parts import alternatives
from tulu_data.sources.archives import Told, untold
from tulu_data.sources.expression import Expression
from tulu_data.sources.files import SourceFile
from tulu_data.sources.readers import read_parts, read_raw
from tulu_data.sources.reading import Reading
from tulu_data.sources.rows import Part, RawBatch, bad_table
from tulu_data.sources.where import Where, held


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


def scan_file(
    file: SourceFile,
    reading: Reading,
    wheres: Sequence[Where] = (),
    *,
    ids: bool = True,
    workers: int | None = None,
    told: Told = untold,
) -> Iterator[Scanned]:
    """Yield the records, bad rows and masks of a file; raise SourceError when it cannot be read.

    As many threads as workers (default: one per core) each read a part of it at a time. Without `ids`,
    those of the records are null. `told` hears of the bytes of the file that are read.
    """
    try:
        parts = read_parts(file, told=told)
        yield from _scan(parts, reading, _Columns(wheres), ids=ids, workers=workers or default_workers())
    except SourceError as error:
        raise _at(file, error) from None


def _scan(
    parts: Iterator[Part], reading: Reading, watch: "_Columns", *, ids: bool, workers: int
) -> Iterator[Scanned]:
    """Yield what becomes of the parts of a file, in their order."""
    start, looked = _first_look(parts)
    settled = _settle(looked, reading) if reading.adapter == "auto" and looked is not None else reading
    wanted = _needed(settled) & frozenset(looked.names if looked is not None else ())

    def read(part: Part) -> tuple[RawBatch, Adapted]:
        raw = _completed(part(), wanted)
        adapted = adapt(
            raw, kind=settled.kind, adapter=settled.adapter, columns=settled.mapping,
            verifier=settled.verifier, ids=ids,
        )  # fmt: skip
        return raw, adapted

    every = chain(start, parts)
    del start
    for raw, adapted in ordered_map(read, every, workers):
        watch.see(raw)
        bad = bad_table(adapted.bad)
        masks = watch.values(raw.table)
        yield Scanned(
            records=adapted.records,
            bad=bad,
            masks=_looked_up(raw.rows, masks, adapted.records.column("row")),
            bad_masks=_looked_up(raw.rows, masks, bad.column("row").combine_chunks()),
            read=raw.read,
        )
    watch.finish()


def _first_look(parts: Iterator[Part]) -> tuple[list[Part], pa.Schema | None]:
    """Read parts up to the first that holds rows; return them, and the columns of those rows."""
    start: list[Part] = []
    for part in parts:
        raw = part()
        start.append(partial(_same, raw))
        if raw.table.num_rows:
            return start, raw.table.schema
    return start, None


def _same(raw: RawBatch) -> RawBatch:
    return raw


def _completed(raw: RawBatch, wanted: frozenset[str]) -> RawBatch:
    """Add columns that the first rows of a ragged file had and these lack, as nulls."""
    absent = sorted(wanted - {*raw.table.column_names}) if raw.table.num_rows else ()
    for name in absent:
        raw = replace(raw, table=raw.table.append_column(name, pa.nulls(raw.table.num_rows)))
    return raw


def scan_values(file: SourceFile, expression: Expression) -> Iterator[tuple[pa.Int64Array, pa.Array]]:
    """Yield row numbers and what the expression gives, reading only the columns that it needs."""
    watch = _Columns((expression,))
    try:
        for raw in read_raw(file, expression.columns()):
            watch.see(raw)
            yield raw.rows, watch.values(raw.table)[0]
        if expression.missing(frozenset(watch.seen)):
            # The other columns were not read; they are needed now to say what there is.
            for raw in read_raw(file):
                watch.see(raw)
        watch.finish()
    except SourceError as error:
        raise _at(file, error) from None


class _Columns:
    """The columns that a file has shown so far, and whether expressions can use them."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self.expressions = expressions
        self.seen: dict[str, None] = {}
        self.rows = 0

    def see(self, raw: RawBatch) -> None:
        """Note a batch's columns; raise SourceError where an expression reads one of conflicting types."""
        self.seen.update(dict.fromkeys(raw.table.column_names))
        self.rows += raw.table.num_rows
        for each in self.expressions:
            for name in sorted(n for n in raw.mixed if each.reads(n)):
                first, last = raw.rows[0].as_py(), raw.rows[-1].as_py()
                raise each.error(
                    f"column {name!r} holds values of different types in rows {first} to {last}; "
                    "make them one type in the file"
                )

    def values(self, table: pa.Table) -> list[pa.Array]:
        """Return what every expression gives for every row; a column that these rows lack is null."""
        if table.num_rows:
            have = frozenset(table.column_names)
            for name in dict.fromkeys(name for each in self.expressions for name in each.missing(have)):
                table = table.append_column(name, pa.nulls(table.num_rows))
        conditions = [each for each in self.expressions if isinstance(each, Where)]
        if len(conditions) == len(self.expressions):
            return held(conditions, table)
        return [each.values(table) for each in self.expressions]

    def finish(self) -> None:
        """Raise SourceError when an expression names a column that the file never had."""
        for each in self.expressions:
            missing = each.missing(frozenset(self.seen))
            if missing and self.rows:
                raise each.unknown(missing[0], frozenset(self.seen))


def _settle(schema: pa.Schema, reading: Reading) -> Reading:
    """Choose the adapter for the rest of the file; stored records need none."""
    if is_stored(schema, reading.kind, reading.mapping):
        return reading
    return replace(reading, adapter=choose(schema, reading.kind, reading.mapping))


def _needed(reading: Reading) -> frozenset[str]:
    """Return the columns that an adapter may ask for."""
    layout = LAYOUTS.get(reading.adapter)
    names = [n for part in layout.parts.values() for n in part] if layout else []
    named = [c for said in reading.mapping.values() for c in (said, *alternatives(said))]
    return frozenset([*names, *(c.split(".")[0] for c in named), *named])


def _looked_up(
    rows: pa.Int64Array, masks: Sequence[pa.BooleanArray], wanted: pa.Int64Array
) -> tuple[pa.BooleanArray, ...]:
    """Return each mask over `rows` for the wanted rows; numbers that are not known count as held."""
    if not len(wanted) or wanted.equals(rows):
        return tuple(mask.slice(0, len(wanted)) for mask in masks)
    if not len(rows):
        return tuple(pa.array(np.ones(len(wanted), dtype=bool)) for _ in masks)
    known: npt.NDArray[np.int64] = rows.to_numpy(zero_copy_only=False)
    numbers = wanted.to_numpy(zero_copy_only=False)
    at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    is_known = known[at] == numbers
    values = (mask.to_numpy(zero_copy_only=False)[at] for mask in masks)
    return tuple(pa.array(np.where(is_known, held, True)) for held in values)  # noqa: FBT003


def _at(file: SourceFile, error: SourceError) -> SourceError:
    """Name the file in an error that does not."""
    if not str(error).startswith(file.origin):
        error.args = (f"{file.origin}: {error}",)
    return error
