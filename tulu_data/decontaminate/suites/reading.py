"""Read the files of a suite: raw rows, a field map, instances.

The one idea: a map that finds no question in a whole file, or a column that is not there, is refused
with what the file has; a single row that is no instance is counted with its reason.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.decontaminate.suites import refusals
from tulu_data.decontaminate.suites.fields import ROWS, exists, names_of, read_fields
from tulu_data.decontaminate.suites.maps import Reading
from tulu_data.errors import SourceError, SuiteError
from tulu_data.sources.files import SourceFile
from tulu_data.sources.readers import read_raw
from tulu_data.sources.rows import RawBatch
from tulu_data.sources.where import Where
from tulu_data.specs.layouts import Layout
from tulu_data.specs.paths import paths_of
from tulu_data.specs.suite import PSEUDO


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRows:
    """The instances of one file."""

    rows: pa.Table
    """Schema ROWS, before repeated rows are joined."""
    bad: tuple[tuple[int, str], ...]
    """Rows that could not be read: number (1-based), reason."""


@dataclass(kw_only=True)
class _Progress:
    """What is known of a file while it is read."""

    reading: Reading
    name: str
    map: Layout | None = None
    """The map, once the first rows have settled it."""
    columns: dict[str, None] = field(default_factory=dict)
    seen: int = 0


def read_files(files: Sequence[SourceFile], reading: Reading) -> list[FileRows]:
    """Read the files of a suite; raise SuiteError when one is none of this reading."""
    return [_read_file(file, name, reading) for file, name in zip(files, names_of(files), strict=True)]


def _read_file(file: SourceFile, name: str, reading: Reading) -> FileRows:
    """Read one file of a suite, in which it goes by a name."""
    try:
        return _read_rows(file, name, reading)
    except SourceError as error:
        text = str(error)
        raise SuiteError(text if text.startswith(file.origin) else f"{file.origin}: {text}") from None


def _read_rows(file: SourceFile, name: str, reading: Reading) -> FileRows:
    if reading.header is not None and file.format not in ("csv", "tsv"):
        raise SuiteError(
            f"{file.origin}: only csv and tsv files can lack names; remove columns or the layout"
        )
    where = Where(reading.where) if reading.where is not None else None
    progress = _Progress(reading=reading, name=name)
    tables: list[pa.Table] = [ROWS.empty_table()]
    bad: list[tuple[int, str]] = []
    for batch in _batches(file, reading, where):
        progress.columns |= dict.fromkeys(batch.table.column_names)
        progress.seen += batch.read
        bad += [(row.row, row.reason) for row in batch.bad if reading.rows is None or row.row <= reading.rows]
        if batch.table.num_rows:
            rows, reasons = _read_batch(file, batch, progress, where)
            tables.append(rows)
            bad += reasons
    rows = pa.concat_tables(tables)
    _check_columns(file, progress, where)
    if not rows.num_rows:
        raise refusals.no_instance(file, progress.seen, bad, ours=reading.ours)
    return FileRows(rows=rows, bad=tuple(sorted(bad)))


def _batches(file: SourceFile, reading: Reading, where: Where | None) -> Iterator[RawBatch]:
    """Yield raw rows with the columns that are needed, as far as that is known."""
    only = None
    if reading.fields is not None:
        names = {*reading.fields.columns()}
        names |= {name for tried in reading.required for name in tried}
        names |= {reading.each or ""}
        only = frozenset(name.lower() for name in names) | (where.columns() if where else frozenset())
    read = 0
    for batch in read_raw(file, only, reading.header):
        yield batch
        read += batch.read
        if reading.rows is not None and read >= reading.rows:
            return


def _read_batch(
    file: SourceFile, batch: RawBatch, progress: _Progress, where: Where | None
) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Turn one batch into instances."""
    reading, table, numbers = progress.reading, batch.table, batch.rows
    if reading.header is not None and progress.seen == batch.read:
        _check_header(file, reading.header)
    if progress.map is None or reading.ours:
        progress.map = reading.settled(file, table.column_names)
    if reading.rows is not None:
        table, numbers = _kept(table, numbers, pc.less_equal(numbers, reading.rows))
    if where is not None:
        full = table
        for name in where.missing(frozenset(table.column_names)):
            full = full.append_column(name, pa.nulls(table.num_rows))
        table, numbers = _kept(table, numbers, where.values(full))
    bad: list[tuple[int, str]] = []
    settled = progress.map
    if settled.each is not None:
        table, numbers, bad = _unnested(table, numbers, settled.each)
    rows, reasons = read_fields(
        table, numbers, settled.fields, suite=settled.suite, split=reading.split, name=progress.name
    )
    if settled.each is not None:
        rows = _numbered(rows)
    return rows, [*bad, *reasons]


def _check_header(file: SourceFile, header: Sequence[str]) -> None:
    """Raise SuiteError where a file that should have no names of columns begins with them."""
    first = next((b.table.slice(0, 1) for b in read_raw(file, None, header) if b.table.num_rows), None)
    if first is not None and refusals.is_header(values := [str(v) for v in first.to_pylist()[0].values()]):
        raise refusals.has_header(file, values)


def _kept(table: pa.Table, numbers: pa.Int64Array, mask: pa.BooleanArray) -> tuple[pa.Table, pa.Int64Array]:
    return table.filter(mask), numbers.filter(mask)


def _unnested(
    table: pa.Table, numbers: pa.Int64Array, each: str
) -> tuple[pa.Table, pa.Int64Array, list[tuple[int, str]]]:
    """Repeat every row for each element of a list, which then stands for that element."""
    if each not in table.column_names:
        return table.slice(0, 0), numbers.slice(0, 0), []
    column = table.column(each).combine_chunks()
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return (
            table.slice(0, 0),
            numbers.slice(0, 0),
            [(n, f"no list in {each}") for n in numbers.to_pylist()],
        )
    empty = pc.fill_null(pc.equal(pc.list_value_length(column), 0), fill_value=True)
    bad = [(n, f"no list in {each}") for n in numbers.filter(empty).to_pylist()]
    parents = pc.list_parent_indices(column)
    index = table.column_names.index(each)
    return table.take(parents).set_column(index, each, pc.list_flatten(column)), numbers.take(parents), bad


def _numbered(rows: pa.Table) -> pa.Table:
    """Tell the instances of one row apart: the second one of `81` is `81/2`."""
    counts: Counter[str] = Counter()
    ids = []
    for key, number in zip(rows["id"].to_pylist(), rows["number"].to_pylist(), strict=True):
        counts[f"{number} {key}"] += 1
        times = counts[f"{number} {key}"]
        ids.append(key if times == 1 else f"{key}/{times}")
    return rows.set_column(ROWS.get_field_index("id"), "id", pa.array(ids, ROWS.field("id").type))


def _check_columns(file: SourceFile, progress: _Progress, where: Where | None) -> None:
    """Raise SuiteError when a file lacks a column that is asked for."""
    reading, columns = progress.reading, [*progress.columns]
    if not progress.seen:
        return
    if reading.ours and "question" not in columns:
        raise refusals.not_ours(file, columns)
    wanted = [*reading.required, *([(reading.each,)] if reading.each else [])]
    for tried in wanted:
        lacking = [_lacking(text, columns) for text in tried]
        if all(lacking):
            raise refusals.no_column(file, str(lacking[0]), columns_of(file, reading.header) or columns)
    if where is not None and (missing := where.missing(frozenset(columns))):
        raise where.unknown(missing[0], frozenset(columns))


def _lacking(text: str, columns: Sequence[str]) -> str | None:
    """Return the first column of a path or template that is not there."""
    if text in columns:
        return None
    return next((p.column for p in paths_of(text) if not exists(p, columns, PSEUDO)), None)


def columns_of(file: SourceFile, header: Sequence[str] | None = None) -> list[str]:
    """Return the columns of a file's first rows, those too that no map reads."""
    return next((batch.table.column_names for batch in read_raw(file, None, header)), [])
