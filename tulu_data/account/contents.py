"""Are the records of a version what was written: bytes, ids, content id, counts.

The one idea: nothing that a file says of itself is believed. Ids are computed anew from what the records say,
and the content id from these. It reads one version, and nothing else.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.engine.local import ordered_map
from tulu_data.kernels.id_words import id_words
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import Kind
from tulu_data.sources.digests import sha256_of
from tulu_data.store import Manifest, ShardEntry
from tulu_data.store.content_id import content_id_of_splits

_NAMED = 3
"""Records that a fault names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something about a version that does not hold."""

    where: str
    """File, source or check that it is about."""
    what: str
    """What was found, beside what should be."""

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.where}: {self.what}"


@dataclass(slots=True)
class Read:
    """What was read of the records, enough to name the version by it."""

    ids: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    source: list[npt.NDArray[np.int64]] = field(default_factory=list)
    copies: list[npt.NDArray[np.int64]] = field(default_factory=list)
    origins: dict[str, list[pa.Array]] = field(default_factory=dict)
    """Origins of the rows of each source."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take note of a batch."""
        coded = batch.column("source").dictionary_encode()
        names = coded.dictionary.to_pylist()
        self.sources += [name for name in names if name not in self.sources]
        places = np.array([self.sources.index(name) for name in names], np.int64)
        self.source.append(places[coded.indices.to_numpy()])
        self.ids.append(id_words(batch.column("id")))
        self.copies.append(batch.column("copy").to_numpy().astype(np.int64))
        for number, name in enumerate(names):
            mine = batch.column("origin").filter(pc.equal(coded.indices, number))
            self.origins.setdefault(name, []).append(mine)

    def content_id(self, kind: Kind, splits: Mapping[str, int]) -> str:
        """Return the content id of what was read."""
        none = np.zeros(0, np.int64)
        ids = np.concatenate([np.zeros((0, 2), np.uint64), *self.ids])
        source, copies = (np.concatenate([none, *parts]) for parts in (self.source, self.copies))
        return content_id_of_splits(kind, splits, ids, self.sources, source, copies)


def content_faults(path: Path, manifest: Manifest, workers: int) -> Iterator[Fault]:
    """Yield what is wrong with the shards of a version and the records in them."""
    read, rows, is_readable = Read(), 0, True
    for shard in manifest.shards:
        damage = list(bytes_faults(path, shard))
        yield from damage
        if not (path / shard.file).is_file():
            is_readable = False
            continue
        found: list[str] = []
        try:
            for batch, wrong in _batches(path / shard.file, manifest.kind, workers, is_damaged=bool(damage)):
                found += [f"row {rows + at + 1:,} ({batch['id'][at]})" for at in wrong.tolist()]
                rows += batch.num_rows
                read.add(batch)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            is_readable = False
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            yield Fault(where=shard.file, what=f"not readable as records ({said})")
        if found:
            named = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
            yield Fault(
                where=shard.file,
                what=f"{len(found):,} of its records do not say what their ids name: {named}",
            )
    if is_readable:
        yield from _count_faults(manifest, read, rows)


def bytes_faults(folder: Path, shard: ShardEntry) -> Iterator[Fault]:
    """Compare a file of a version with what was written."""
    path = folder / shard.file
    if not path.is_file():
        yield Fault(where=shard.file, what="is missing")
        return
    size = path.stat().st_size
    if size != shard.bytes:
        yield Fault(where=shard.file, what=f"has {size:,} bytes, {shard.bytes:,} were written")
    digest = sha256_of(path)
    if digest != shard.sha256:
        yield Fault(
            where=shard.file,
            what=f"its sha256 is {digest[:12]}, that of what was written {shard.sha256[:12]}",
        )


def _batches(
    path: Path, kind: Kind, workers: int, *, is_damaged: bool
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.int64]]]:
    """Yield the batches of a shard, each with its rows whose content does not have their ids."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        yield from ordered_map(partial(_checked, kind=kind, is_damaged=is_damaged), reader, workers)


def _checked(
    batch: pa.RecordBatch, kind: Kind, *, is_damaged: bool
) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    """Find the rows of a batch whose content does not have their ids."""
    if is_damaged:
        # Offsets that point anywhere would take a kernel there.
        batch.validate(full=True)
    equal = pc.equal(record_ids(batch, kind), batch.column("id"))
    return batch, np.flatnonzero(~equal.to_numpy(zero_copy_only=False))


def _count_faults(manifest: Manifest, read: Read, rows: int) -> Iterator[Fault]:
    """Compare what was read with what the manifest says of it."""
    found = read.content_id(manifest.kind, manifest.splits)
    if found != manifest.content_id:
        yield Fault(
            where="content id", what=f"the records make it {found[:12]}, not {manifest.content_id[:12]}"
        )
    if rows != manifest.rows:
        yield Fault(where="rows", what=f"{rows:,} are there, the manifest says {manifest.rows:,}")
    counts = Counter({name: sum(map(len, parts)) for name, parts in read.origins.items()})
    for entry in manifest.sources:
        different = len(pa.chunked_array(read.origins.get(entry.name, []), pa.large_string()).unique())
        for word, have, told in (("rows", counts[entry.name], entry.rows), ("kept", different, entry.kept)):
            if have != told:
                yield Fault(where=f"source {entry.name}", what=f"{have:,} {word}, the manifest says {told:,}")
    for name in sorted(set(counts) - {entry.name for entry in manifest.sources}):
        yield Fault(where=f"source {name}", what=f"{counts[name]:,} rows, the manifest has no such source")
