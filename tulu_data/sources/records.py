"""Any dataset named on a command line, as records.

The one idea: a command does not care where its input lies; it gets batches of normalised records
with the name of the file that each came from, and the rows that were none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.schema import TEXT, Kind
from tulu_data.sources.adapters import kind_looked_like
from tulu_data.sources.cache import NormalisedFile, normalise
from tulu_data.sources.files import SourceFile
from tulu_data.sources.location import resolve_source
from tulu_data.sources.readers import read_raw
from tulu_data.sources.rows import BAD
from tulu_data.sources.scan import Reading
from tulu_data.specs.source import Adapter, Source
from tulu_data.store import Store

_BATCH_ROWS = 8192


@dataclass(frozen=True, kw_only=True)
class Records:
    """A dataset opened for reading."""

    name: str
    """The stored version's `name@id`, or the uri as given."""
    kind: Kind
    files: tuple[NormalisedFile, ...]

    @property
    def read(self) -> int:
        """Raw rows in all files."""
        return sum(f.read for f in self.files)

    @property
    def rows(self) -> int:
        """Records in all files."""
        return sum(f.table.num_rows for f in self.files)

    @cached_property
    def bad(self) -> pa.Table:
        """The rows that are no records: `rows.BAD` with the origin `file:row` before it."""
        schema = pa.schema([("origin", TEXT), *BAD])
        parts = [_with_origin(f) for f in self.files if f.bad.num_rows]
        return pa.concat_tables([schema.empty_table(), *parts])

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the origin of a file and a normalised batch of it, in file order."""
        for file in self.files:
            for batch in file.table.to_batches(max_chunksize=_BATCH_ROWS):
                yield file.file.origin, batch


def open_records(
    uri: str, *, base: Path, store: Store, cache: Path, kind: Kind | None = None, adapter: Adapter = "auto"
) -> Records:
    """Open a path, glob, `name@version`, stored name or hub dataset; the kind is told by the columns.

    Raises SourceError, StoreError or HubError.
    """
    stored = uri in store.names() and not (base / uri).exists()
    found = resolve_source("", Source(uri=f"{uri}@latest" if stored else uri), base=base, store=store)
    kind = kind or _kind_of_files(found.files)
    # No verifier is run on what a command reads; a name keeps rows without one from being bad.
    reading = Reading(kind=kind, adapter=adapter, verifier="unnamed" if kind == "rlvr" else None)
    files = tuple(normalise(f, reading, (), cache) for f in found.files)
    return Records(name=found.version_ref or uri, kind=kind, files=files)


def _kind_of_files(files: tuple[SourceFile, ...]) -> Kind:
    """Return the one kind of all files; raise SourceError when they differ or one is not plain."""
    kinds: dict[Kind, str] = {}
    for file in files:
        schema = next((raw.table.schema for raw in read_raw(file) if raw.table.num_rows), None)
        if schema is None:
            continue
        try:
            kinds.setdefault(kind_looked_like(schema), file.origin)
        except SourceError as error:
            raise SourceError(f"{file.origin}: {error}") from None
    if len(kinds) > 1:
        said = ", ".join(f"{kind} in {origin}" for kind, origin in sorted(kinds.items()))
        raise SourceError(f"files of different kinds: {said}; name the files of one kind")
    return next(iter(kinds), "sft")


def _with_origin(file: NormalisedFile) -> pa.Table:
    rows = file.bad.column("row").cast(TEXT)
    origin = pa.chunked_array([pa.array([f"{file.file.origin}:{r}" for r in rows.to_pylist()], TEXT)])
    return file.bad.add_column(0, "origin", origin)
