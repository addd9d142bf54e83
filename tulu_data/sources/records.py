"""Any dataset named on a command line, as records.

The one idea: a command does not care where its input lies; it gets batches of normalised records
with the name of the file that each came from, and the rows that were none. What an earlier build has
normalised is used, but nothing is kept here: a file may be larger than memory and disk.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from tulu_data.engine.local import default_workers, ordered_map
from tulu_data.errors import SourceError, nearest
from tulu_data.schema import Kind
from tulu_data.sources.adapters import LAYOUTS, choose, kind_looked_like
from tulu_data.sources.adapters.parts import alternatives
from tulu_data.sources.archives import Told, untold
from tulu_data.sources.cache import NormalisedFile, normalised
from tulu_data.sources.files import SourceFile
from tulu_data.sources.location import resolve_source
from tulu_data.sources.readers import read_raw
from tulu_data.sources.reading import Reading
from tulu_data.sources.rows import BAD
from tulu_data.sources.scan import scan_file
from tulu_data.specs.source import Adapter, Source
from tulu_data.store import Store

_BATCH_ROWS = 8192
_SHOWN_COLUMNS = 8
_NO_COLUMNS: Mapping[str, str] = MappingProxyType({})
_LIKELY = {
    "prompt": ("question", "query", "problem", "input", "instruction"),
    "completion": ("answer", "output", "response", "solution", "target"),
}
"""Columns that an error proposes for a part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Consecutive rows of a file: the records among them, and the bad rows."""

    origin: str
    """Of the file."""
    records: pa.RecordBatch
    """In `normalised_schema(kind)`, with null ids where they were read just now."""
    bad: pa.Table
    """In `rows.BAD`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """A dataset opened for reading."""

    name: str
    """The stored version's `name@id`, or the uri as given."""
    kind: Kind
    files: tuple[SourceFile, ...]
    reading: Reading
    cache: Path

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.path.stat().st_size for file in self.files)

    def batches(self, *, workers: int | None = None, told: Told = untold) -> Iterator[Rows]:
        """Yield the rows of all files in their order, in bounded memory.

        `told` hears of the bytes of the files that are read.
        """
        for file in self.files:
            kept = normalised(file, self.reading, self.cache)
            if kept is not None:
                yield from _kept_rows(kept, told)
                continue
            for part in scan_file(file, self.reading, ids=False, workers=workers, told=told):
                yield Rows(origin=file.origin, records=part.records, bad=part.bad)


def _kept_rows(kept: NormalisedFile, told: Told) -> Iterator[Rows]:
    """Yield the rows of a file out of the cache; bad rows come first."""
    origin, size = kept.file.origin, kept.file.path.stat().st_size
    yield Rows(origin=origin, records=pa.RecordBatch.from_pylist([], kept.table.schema), bad=kept.bad)
    for batch in kept.table.to_batches(max_chunksize=_BATCH_ROWS):
        told(size * batch.num_rows / kept.table.num_rows)
        yield Rows(origin=origin, records=batch, bad=BAD.empty_table())


def open_records(
    uri: str,
    *,
    base: Path,
    store: Store,
    cache: Path,
    kind: Kind | None = None,
    adapter: Adapter = "auto",
    columns: Mapping[str, str] = _NO_COLUMNS,
    skip: Sequence[Path] = (),
) -> Records:
    """Open a path, glob, `name@version`, stored name or hub dataset; the kind is told by the columns.

    `columns` names the column that plays a part. Files below a folder of `skip` are left out where a
    folder or a glob stands for them. Raises SourceError, StoreError or HubError.
    """
    _check_parts(adapter, columns)
    stored = uri in store.names() and not (base / uri).exists()
    source = Source(uri=f"{uri}@latest" if stored else uri, adapter=adapter)
    found = resolve_source("", source, base=base, store=store)
    named = found.version_ref or found.pin or (base / uri).is_file()
    files = found.files if named else tuple(file for file in found.files if not lies_in(file.path, skip))
    if not files:
        folders = ", ".join(str(folder) for folder in skip)
        raise SourceError(
            f"{uri}: its data files all lie in {folders}, which holds no data; name other files"
        )
    if kind is None or columns:
        kind = _kind_of_files(files, adapter, columns, kind)
    # No verifier is run on what a command reads; a name keeps rows without one from being bad.
    reading = Reading(
        kind=kind,
        adapter=adapter,
        columns=tuple(sorted(columns.items())),
        verifier="unnamed" if kind == "rlvr" else None,
    )
    return Records(name=found.version_ref or uri, kind=kind, files=files, reading=reading, cache=cache)


def lies_in(path: Path, folders: Sequence[Path]) -> bool:
    """Say whether a file really lies in one of some folders."""
    return any(path.resolve().is_relative_to(folder.resolve()) for folder in folders)


def _check_parts(adapter: Adapter, columns: Mapping[str, str]) -> None:
    """Raise SourceError where `columns` gives a part that no layout has."""
    layouts = [LAYOUTS[adapter]] if adapter in LAYOUTS else LAYOUTS.values()
    known = sorted({part for layout in layouts for part in layout.parts})
    for part, column in columns.items():
        if part not in known:
            near, parts = nearest(part, known), ", ".join(known)
            raise SourceError(f"--columns {part}={column}: no part {part!r}{near} (parts: {parts})")


def _kind_of_files(
    files: tuple[SourceFile, ...], adapter: Adapter, columns: Mapping[str, str], asked: Kind | None
) -> Kind:
    """Return the one kind of all files; raise SourceError when they differ or one is not plain.

    Where a kind is asked for, it is that one, of files that the columns can be read as.
    """
    kinds: dict[Kind, str] = {}
    for file, schema in zip(files, ordered_map(_first_schema, files, default_workers()), strict=True):
        if schema is None:
            continue
        try:
            if asked is not None:
                _check_columns(schema, columns)
                if adapter == "auto":
                    _check_fit(schema, asked, columns)
            kinds.setdefault(asked or _kind_of(schema, adapter, columns), file.origin)
        except SourceError as error:
            raise SourceError(f"{file.origin}: {error}") from None
    if len(kinds) > 1:
        said = ", ".join(f"{kind} in {origin}" for kind, origin in sorted(kinds.items()))
        raise SourceError(f"files of different kinds: {said}; name the files of one kind")
    return next(iter(kinds), asked or "sft")


def _first_schema(file: SourceFile) -> pa.Schema | None:
    """Return the columns of a file's first rows; None where it has none."""
    return next((raw.table.schema for raw in read_raw(file) if raw.table.num_rows), None)


def _check_columns(schema: pa.Schema, columns: Mapping[str, str]) -> None:
    """Raise SourceError where `columns` names a column that is not there."""
    named = [column for said in columns.values() for column in alternatives(said)]
    absent = [column for column in named if column.split(".")[0] not in schema.names]
    if absent:
        raise SourceError(
            f"no column {absent[0]!r}{nearest(absent[0], schema.names)} ({_columns_of(schema)})"
        )


def _check_fit(schema: pa.Schema, kind: Kind, columns: Mapping[str, str]) -> None:
    """Raise SourceError where no layout fits, with the part that is missing where one is given."""
    try:
        choose(schema, kind, columns)
    except SourceError:
        missing = _LIKELY.keys() - columns.keys()
        if kind == "sft" and len(missing) == 1 and not missing & {*schema.names}:
            raise _no_layout(schema, columns) from None
        raise


def _kind_of(schema: pa.Schema, adapter: Adapter, columns: Mapping[str, str]) -> Kind:
    """Return the kind of one file, with its columns under the names of the parts that they play."""
    of_adapter = LAYOUTS[adapter].kinds if adapter in LAYOUTS else ()
    if len(of_adapter) == 1:
        return of_adapter[0]
    _check_columns(schema, columns)
    played = {part: _type_of(schema, alternatives(said)[0]) for part, said in columns.items()}
    named = {column for said in columns.values() for column in alternatives(said)}
    rest = {f.name: f.type for f in schema if f.name not in named}
    try:
        kind = kind_looked_like(pa.schema({**rest, **played}))
    except SourceError as error:
        if of_adapter:
            return of_adapter[0]
        told, _, known = str(error).partition("; known are ")
        if not known:
            raise
        if _LIKELY.keys() <= columns.keys():
            raise SourceError(f"{told}; say which kind with --kind") from None
        raise _no_layout(schema, columns) from None
    return of_adapter[0] if of_adapter and kind not in of_adapter else kind


def _type_of(schema: pa.Schema, column: str) -> pa.DataType:
    """Return the type of a column; dots reach into structs."""
    name, *inner = column.split(".")
    found = schema.field(name).type
    for key in inner:
        index = found.get_field_index(key) if pa.types.is_struct(found) else -1
        found = found.field(index).type if index >= 0 else pa.null()
    return found


def _no_layout(schema: pa.Schema, columns: Mapping[str, str]) -> SourceError:
    """Say that columns fit no layout, and how they could be named; of a pair half given, the other half."""
    free = [name for name in schema.names if name not in columns.values()]
    parts = {
        part: next((name for name in names if name in free), "COLUMN")
        for part, names in _LIKELY.items()
        if part not in columns
    }
    if len(parts) == 1:
        given = ", ".join(f"{part}={column}" for part, column in columns.items())
        (missing,) = parts
        return SourceError(
            f"{missing} is missing beside {given} ({_columns_of(schema)}); "
            f"add --columns {missing}={parts[missing]}"
        )
    options = " ".join(f"--columns {part}={column}" for part, column in parts.items())
    mapping = ", ".join(f"{part}: {column}" for part, column in parts.items())
    return SourceError(
        f"fits no known layout ({_columns_of(schema)}); say what is what with {options} "
        f"(or --adapter, --kind), or in a mixture spec with columns: {{{mapping}}} "
        "and try it with mix --dry-run"
    )


def _columns_of(schema: pa.Schema) -> str:
    """List the first columns of a file."""
    names = sorted(schema.names)
    more = f" and {len(names) - _SHOWN_COLUMNS} more" if len(names) > _SHOWN_COLUMNS else ""
    return f"columns: {', '.join(names[:_SHOWN_COLUMNS])}{more}" if names else "no columns"
