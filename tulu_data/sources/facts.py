"""Facts about the records of a normalised file, kept beside it so that no text is read for them twice.

The one idea: a fact is named by all that it depends on besides the record itself (what looks, its settings
and its version), so what is kept is never stale. A table holds the rows that were looked at so far, going up;
what is asked of others is found out and added. It does not know what a fact says. Two builds at once may each
find the same out; the last to write wins, and both are right.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.engine.local import ordered_map
from tulu_data.errors import StoreError
from tulu_data.sources.cache import NormalisedFile, replace_table

Rows = NDArray[np.int64]
_ROW = pa.field("row", pa.int64())
"""Place of a record in its normalised file, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What can be found out about records."""

    name: str
    key: str
    """All that it depends on besides the records, as text."""
    schema: pa.Schema
    look: Callable[[pa.RecordBatch], pa.RecordBatch]
    """Finds it out: one row for each record."""

    @property
    def file(self) -> str:
        """Return the name of the file that keeps it."""
        return _file_of(self.name, self.key)


def _file_of(name: str, key: str) -> str:
    return f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:40]}.arrow"


def known_facts(kept: NormalisedFile, name: str, key: str) -> pa.Table | None:
    """Return what is known of a file's records, with their places in it as `row`; nothing is found out."""
    path = kept.folder / _file_of(name, key)
    return _mapped(path) if path.is_file() else None


def facts_of(kept: NormalisedFile, rows: Rows, fact: Fact, workers: int) -> pa.Table:
    """Return a fact about some records, by their places in the file, ascending.

    Raises StoreError where what is new cannot be kept.
    """
    known = _read(kept, fact)
    new = rows[~_held(known, rows)]
    if len(new):
        known = _joined(known, list(_find(kept, new, fact, workers)))
        try:
            replace_table(kept.folder / fact.file, known)
        except OSError as error:
            text = f"{kept.folder}: cannot keep what was found ({error.strerror or error}); make room"
            raise StoreError(f"{text}, or choose another store with --store") from None
    places = np.searchsorted(known.column("row").to_numpy(), rows)
    found = known.drop_columns(["row"])
    is_whole = len(places) == len(found) and np.array_equal(places, np.arange(len(found)))
    return found if is_whole else found.take(pa.array(places))


def _read(kept: NormalisedFile, fact: Fact) -> pa.Table:
    """Map what is known already."""
    path = kept.folder / fact.file
    if not path.is_file():
        return pa.schema([_ROW, *fact.schema]).empty_table()
    return _mapped(path)


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _held(known: pa.Table, rows: Rows) -> NDArray[np.bool_]:
    """Tell of which rows something is known."""
    have = known.column("row").to_numpy()
    if not len(have):
        return np.zeros(len(rows), np.bool_)
    held: NDArray[np.bool_] = have[np.minimum(np.searchsorted(have, rows), len(have) - 1)] == rows
    return held


def _find(kept: NormalisedFile, rows: Rows, fact: Fact, workers: int) -> Iterator[pa.Table]:
    """Find a fact out about rows, batch by batch."""

    def look(part: tuple[int, pa.RecordBatch, Rows]) -> pa.Table:
        start, batch, at = part
        # Copying records costs more than looking at a few too many.
        whole = 2 * len(at) >= batch.num_rows
        looked = np.arange(batch.num_rows) if whole else at
        found = fact.look(batch if whole else batch.take(pa.array(at)))
        numbers = pa.array(looked + start)
        return pa.table([numbers, *found.columns], schema=pa.schema([_ROW, *fact.schema]))

    return ordered_map(look, _parts(kept, rows), workers)


def _parts(kept: NormalisedFile, rows: Rows) -> Iterator[tuple[int, pa.RecordBatch, Rows]]:
    """Yield the batches that hold some of the rows: first row, batch, and which of its rows they are."""
    start = 0
    for batch in kept.table.to_batches():
        first, last = np.searchsorted(rows, [start, start + batch.num_rows])
        if last > first:
            yield start, batch, rows[first:last] - start
        start += batch.num_rows


def _joined(known: pa.Table, found: list[pa.Table]) -> pa.Table:
    """Add what was found to what is known, in the order of the rows, each once."""
    both = pa.concat_tables([known, *found])
    numbers = both.column("row").to_numpy()
    if len(known):
        _, first = np.unique(numbers, return_index=True)
        both = both.take(pa.array(first))
    return both.combine_chunks()
