"""One dataset version, opened for reading.

A version is an immutable folder: Arrow stream shards that `datasets.load_from_disk` opens, and a
manifest. Opening checks the size of every shard; `table` maps the files into memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from tulu_data.errors import StoreError, nearest
from tulu_data.schema import Kind, version_schema
from tulu_data.store.manifest import Manifest, ShardEntry, read_manifest

if TYPE_CHECKING:
    from datasets import Dataset

SHORT = 8
"""Digits of a content id that people read and type."""
TRAIN = "train"
"""The split that a version in splits is trained on."""
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

    def file(self, name: str) -> Path:
        """Return a file of its account; raise StoreError where it is not there."""
        path = self.path / name
        if not path.is_file():
            raise StoreError(f"{path}: is missing; the version is damaged, build it again")
        return path

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of every shard."""
        return version_schema(self.kind)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of its splits, `train` first; none where it is not split."""
        return tuple(self.manifest.splits)

    def shards(self, split: str | None = None) -> tuple[ShardEntry, ...]:
        """Return the shards of a split, or of the whole version; raise StoreError where there is no such."""
        if split is None:
            return self.manifest.shards
        if split not in self.splits:
            have = f"(it has {', '.join(self.splits)})" if self.splits else "(it is not split)"
            raise StoreError(f"{self.ref}: no split {split!r}{nearest(split, self.splits)} {have}")
        return tuple(shard for shard in self.manifest.shards if shard.split == split)

    def batches(
        self, columns: Sequence[str] | None = None, split: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the record batches in the version's order, memory-mapped, a shard at a time.

        Of all splits where none is named, `train` first.
        """
        for shard in self.shards(split):
            with pa.memory_map(str(self.path / shard.file)) as source, pa.ipc.open_stream(source) as reader:
                for batch in reader:
                    yield batch.select(list(columns)) if columns is not None else batch

    def dataset(self, split: str | None = None) -> "Dataset":
        """Open a version, or a split of it, as a memory-mapped `datasets.Dataset`, as other trainers take it.

        Of a version in splits, `train` where none is named.
        """
        from datasets import Dataset

        if split is None and not self.splits:
            return Dataset.load_from_disk(str(self.path))
        self.shards(split or TRAIN)
        return Dataset.load_from_disk(str(self.path / (split or TRAIN)))

    def table(self, columns: Sequence[str] | None = None, split: str | None = None) -> pa.Table:
        """Return the whole version, or a split of it, as one memory-mapped table."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(c) for c in columns])
        return pa.Table.from_batches(self.batches(columns, split), schema=schema)
