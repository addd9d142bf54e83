"""One dataset version, opened for reading.

A version is an immutable folder: Arrow stream shards that `datasets.load_from_disk` opens, and a
manifest. Opening checks the size of every shard; `table` maps the files into memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from tulu_data.errors import StoreError
from tulu_data.schema import Kind, version_schema
from tulu_data.store.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    from datasets import Dataset

SHORT = 8
"""Digits of a content id that people read and type."""
SIGNATURES = "signatures"
"""Folder of a version for what is made of its records to compare others with them; it can be made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An immutable build of a dataset."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> "Version":
        """Open a version folder; raise StoreError when it is not whole."""
        manifest = read_manifest(path)
        for shard in manifest.shards:
            file = path / shard.file
            size = file.stat().st_size if file.is_file() else None
            if size != shard.bytes:
                found = "it is missing" if size is None else f"it has {size} bytes"
                raise StoreError(
                    f"{file}: the manifest says {shard.bytes} bytes, {found}; "
                    "the version is damaged, build it again"
                )
        return cls(path=path, manifest=manifest)

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.manifest.name

    @property
    def kind(self) -> Kind:
        """Kind of its records."""
        return self.manifest.kind

    @property
    def content_id(self) -> str:
        """Full content id, 64 hexadecimal digits."""
        return self.manifest.content_id

    @property
    def ref(self) -> str:
        """Name and short id, as people type it: `sft_v3@9f31c2aa`."""
        return f"{self.name}@{self.content_id[:SHORT]}"

    @property
    def num_rows(self) -> int:
        """Rows in the version, copies counted."""
        return self.manifest.rows

    @property
    def bytes(self) -> int:
        """Bytes of the records on disk."""
        return sum(shard.bytes for shard in self.manifest.shards)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of every shard."""
        return version_schema(self.kind)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the record batches in the version's order, memory-mapped, a shard at a time."""
        for shard in self.manifest.shards:
            with pa.memory_map(str(self.path / shard.file)) as source, pa.ipc.open_stream(source) as reader:
                for batch in reader:
                    yield batch.select(list(columns)) if columns is not None else batch

    def dataset(self) -> "Dataset":
        """Open the version as a `datasets.Dataset`, memory-mapped, as other trainers take it."""
        from datasets import Dataset

        return Dataset.load_from_disk(str(self.path))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the whole version as one memory-mapped table."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(c) for c in columns])
        return pa.Table.from_batches(self.batches(columns), schema=schema)
