"""Licences of records that come out of stored versions, row by row.

The one idea: a version says of every row which source it came through, and that source's licences are those
of the row; where the source is a version itself, its row is asked in turn. So a version that is made of
versions counts rows by licence as if it were made of their sources. It reads sources and origins alone.
"""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.errors import StoreError
from tulu_data.mix.plan import Plan
from tulu_data.mix.pool import Pool
from tulu_data.specs.licences import UNKNOWN, licence_ids
from tulu_data.store import SourceEntry, Store, Version

Index = npt.NDArray[np.int64]


def with_licence_rows(plan: Plan, pool: Pool, store: Store) -> tuple[SourceEntry, ...]:
    """Return the sources of a plan; those that are versions of several licences with the rows of each."""
    return tuple(_counted(entry, number, plan, pool, store) for number, entry in enumerate(plan.sources))


def _counted(entry: SourceEntry, number: int, plan: Plan, pool: Pool, store: Store) -> SourceEntry:
    source = pool.sources[number]
    if source.resolved.version_ref is None or len(entry.licences) < 2 or not entry.rows:
        return entry
    version = store.resolve(source.resolved.version_ref)
    mine = plan.entry[pool.source[plan.entry] == number]
    batch, _ = pool.places_of(mine)
    starts = _starts(version)
    begins = np.array([starts.get(origin, 0) for origin in pool.origins], np.int64)
    counts = _by_licence(version, begins[batch] + pool.lines[pool.row[mine]] - 1, store)
    stated = licence_ids(source.spec.licence)
    if UNKNOWN in counts and stated:
        counts[said(stated)] += counts.pop(UNKNOWN)
    return entry.model_copy(update={"licence_rows": dict(sorted(counts.items()))})


def said(licences: tuple[str, ...]) -> str:
    """Name the licences that rows are under together."""
    return " and ".join(licences or (UNKNOWN,))


def _starts(version: Version) -> dict[str, int]:
    """Return the row at which each shard begins, by the name that origins give it."""
    ends = np.cumsum([0, *(shard.rows for shard in version.manifest.shards)])
    return {f"{version.ref}/{s.file}": int(at) for s, at in zip(version.manifest.shards, ends, strict=False)}


def _by_licence(version: Version, rows: Index, store: Store) -> Counter[str]:
    """Count rows of a version by the licences of the sources that they came through."""
    table = version.table(["source", "origin"]).take(pa.array(rows))
    counts = Counter[str]()
    for entry in version.manifest.sources:
        part = table.filter(pc.equal(table["source"], entry.name))
        if not part.num_rows:
            continue
        parent = _parent(entry, store) if entry.licence_rows else None
        if parent is None:
            counts[said(entry.licences)] += part.num_rows
        else:
            counts += _by_licence(parent, _rows_in(parent, part["origin"]), store)
    return counts


def _parent(entry: SourceEntry, store: Store) -> Version | None:
    """Open the version that a source was, if it is still there."""
    try:
        return Version.open(store.root / entry.uri.partition("@")[0] / str(entry.revision))
    except StoreError:
        return None


def _rows_in(version: Version, origins: pa.ChunkedArray) -> Index:
    """Return the rows of a version that origins name."""
    parts = pc.extract_regex(origins, r"^(?P<file>.*):(?P<row>\d+)$").combine_chunks()
    files = parts.field("file").dictionary_encode()
    starts = _starts(version)
    begins = np.array([starts[name] for name in files.dictionary.to_pylist()], np.int64)
    found: Index = begins[files.indices.to_numpy()] + parts.field("row").cast(pa.int64()).to_numpy() - 1
    return found
