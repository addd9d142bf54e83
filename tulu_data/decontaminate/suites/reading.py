"""Read one file of a suite: raw rows, a field map, instances.

The one idea: `Reading` says all that the instances depend on besides the file's bytes and name, so
its key and theirs name the result. A map that finds no question in a whole file is refused with what
the file has; a single row that is none is counted.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.decontaminate.suites import refusals
from tulu_data.decontaminate.suites.fields import ROWS, exists, names_of, read_fields
from tulu_data.errors import SourceError, SpecError, SuiteError
from tulu_data.sources.files import SourceFile
from tulu_data.sources.readers import READER_VERSION, read_raw
from tulu_data.sources.rows import RawBatch
from tulu_data.sources.where import Where
from tulu_data.specs.layouts import EVAL_KEY, LAYOUTS, OURS, Layout, fitting_layouts
from tulu_data.specs.paths import paths_of
from tulu_data.specs.suite import PSEUDO, Fields, SuiteFile, SuiteSource

SUITES_VERSION = 1
"""Raised whenever the same files and maps would give other instances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the files of a suite are read."""

    fields: Fields | None = None
    """The map; None where the columns tell it."""
    extra: Fields | None = None
    """Fields that a spec gives besides; they go before the map's."""
    required: tuple[tuple[str, ...], ...] = ()
    """Paths and templates, of each group of which every file must have the columns of one."""
    suite: str | None = None
    each: str | None = None
    header: tuple[str, ...] | None = None
    where: str | None = None
    rows: int | None = None
    split: str = "test"
    several: bool = False
    """The suite has several files, so a row's number alone does not name it."""
    ours: bool = False
    """The map is one of our two layouts, which the columns tell apart."""

    @classmethod
    def of(cls, suite: SuiteSource, *, several: bool) -> "Reading":
        """Return how a spec says that a suite is read."""
        given = suite.fields
        layout = LAYOUTS[suite.layout] if suite.layout else None
        alone = layout is None and given is not None and given.question is not None
        required = [] if given is None else [*given.groups()]
        return cls(
            fields=_merged(layout.fields, given) if layout else given if alone else None,
            extra=None if layout or alone else given,
            required=(*((name,) for name in sorted(layout.needs if layout else ())), *required),
            each=suite.each or (layout.each if layout else None),
            header=suite.columns or (layout.columns if layout else None),
            where=suite.where, rows=suite.rows, split=suite.split, several=several,
        )  # fmt: skip

    @property
    def key(self) -> str:
        """Name the reading by all that it says."""
        told = None if self.fields or self.ours else _layouts_key()
        said = [_dumped(self.fields), _dumped(self.extra), self.required, self.suite, self.each]
        rest = [self.header, self.where, self.rows, self.split, self.several, self.ours, told]
        text = json.dumps([SUITES_VERSION, READER_VERSION, *said, *rest])
        return sha256(text.encode()).hexdigest()[:32]


OWN = Reading(ours=True)
"""How a file is read that no spec names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRows:
    """The instances of one file."""

    rows: pa.Table
    """Schema ROWS, before repeated rows are joined."""
    bad: tuple[tuple[int, str], ...]
    """Rows that could not be read: number (1-based), reason."""
    layout: str | None
    """The layout that the columns told."""


@dataclass(kw_only=True)
class _Progress:
    """What is known of a file while it is read."""

    reading: Reading
    name: str
    map: Layout | None = None
    """The map as it is now settled."""
    layout: str | None = None
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
    return FileRows(rows=rows, bad=tuple(sorted(bad)), layout=progress.layout)


def _batches(file: SourceFile, reading: Reading, where: Where | None) -> Iterator[RawBatch]:
    """Yield raw rows with the columns that are needed, as far as that is known."""
    only = None
    if reading.fields is not None:
        names = {*reading.fields.columns()}
        names |= {name for tried in reading.required for name in tried}
        names |= {reading.each or "", reading.suite or ""}
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
    progress.map = _settled(file, table.column_names, progress)
    if reading.rows is not None:
        table, numbers = _kept(table, numbers, pc.less_equal(numbers, reading.rows))
    if where is not None:
        full = table
        for name in where.missing(frozenset(table.column_names)):
            full = full.append_column(name, pa.nulls(table.num_rows))
        table, numbers = _kept(table, numbers, where.mask(full))
    bad: list[tuple[int, str]] = []
    each = reading.each or progress.map.each
    fields = _with_id(progress.map.fields, reading)
    if each is not None:
        table, numbers, bad = _unnested(table, numbers, each)
    rows, reasons = read_fields(
        table, numbers, fields, suite=progress.map.suite, split=reading.split, name=progress.name
    )
    if each is not None:
        rows = _numbered(rows)
    return rows, [*bad, *reasons]


def _settled(file: SourceFile, columns: Sequence[str], progress: _Progress) -> Layout:
    """Return the map for a batch: as given, told by the first columns, or one of ours for each batch."""
    reading = progress.reading
    if reading.ours:
        return EVAL_KEY if EVAL_KEY.needs <= {*columns} else OURS
    if progress.map is not None:
        return progress.map
    if reading.fields is not None:
        return Layout(about="", needs=frozenset(), fields=reading.fields, suite=reading.suite)
    fitting = fitting_layouts(columns)
    if len(fitting) != 1:
        raise refusals.untold(file, columns, fitting)
    progress.layout = fitting[0]
    told = LAYOUTS[fitting[0]]
    return Layout(about="", needs=told.needs, fields=_merged(told.fields, reading.extra), each=told.each)


def _merged(fields: Fields, over: Fields | None) -> Fields:
    """Return a map with the fields of another before its own."""
    if over is None:
        return fields
    return fields.model_copy(update={name: getattr(over, name) for name in over.model_fields_set})


def _with_id(fields: Fields, reading: Reading) -> Fields:
    """Return a map that names instances by row, and by file where there are several, if nothing else does."""
    row = "{file}/{row}" if reading.several else "{row}"
    made = fields.id if isinstance(fields.id, tuple) else () if fields.id is None else (fields.id,)
    return fields if reading.ours else fields.model_copy(update={"id": (*made, row)})


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


def told_layout(files: Sequence[SourceFile], reading: Reading) -> str | None:
    """Return the layout that the columns of a suite's files tell, None where a spec says it.

    Raises SuiteError when they tell none, or more than one.
    """
    if reading.fields is not None:
        return None
    columns = _all_columns(files[0], reading)
    fitting = fitting_layouts(columns)
    if len(fitting) != 1:
        raise refusals.untold(files[0], columns, fitting)
    return fitting[0]


def compile_suite_wheres(file: SuiteFile) -> None:
    """Compile the conditions of a spec; raise SpecError with every one that cannot work."""
    problems = []
    for name, suite in file.spec.suites.items():
        try:
            Where(suite.where or "true")
        except SourceError as error:
            text = str(error).removeprefix("where ")
            problems.append(file.document.problem(("suites", name, "where"), text))
    if problems:
        raise SpecError(problems)


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
            raise refusals.no_column(file, str(lacking[0]), _all_columns(file, reading) or columns)
    if where is not None and (missing := where.missing(frozenset(columns))):
        raise where.unknown(missing[0], frozenset(columns))


def _lacking(text: str, columns: Sequence[str]) -> str | None:
    """Return the first column of a path or template that is not there."""
    if text in columns:
        return None
    return next((p.column for p in paths_of(text) if not exists(p, columns, PSEUDO)), None)


def _all_columns(file: SourceFile, reading: Reading) -> list[str]:
    """Return the columns of a file's first rows, those too that are not read."""
    return next((batch.table.column_names for batch in read_raw(file, None, reading.header)), [])


def _dumped(fields: Fields | None) -> Mapping[str, object] | None:
    return None if fields is None else fields.model_dump(mode="json", exclude_none=True)


@lru_cache(maxsize=1)
def _layouts_key() -> str:
    """Name the table of layouts by its content."""
    table = {
        name: [sorted(layout.needs), _dumped(layout.fields), layout.each, layout.columns]
        for name, layout in LAYOUTS.items()
    }
    return sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:32]
