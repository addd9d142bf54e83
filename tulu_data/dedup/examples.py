"""A few of the records that a search dropped, for a person to see what its thresholds mean.

The one idea: of each tenth of similarity the pair that is least alike is shown, for there a threshold is
decided, and of the records that are held by others the one that is held least. Nothing is computed that the
search has not settled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tulu_data.dedup.differing import Spans, differing
from tulu_data.dedup.finder import Outcome
from tulu_data.dedup.reasons import CONTAINED, NEAR
from tulu_data.kernels.words import Hashes, Ints

SHOWN = 5
"""Examples, and largest clusters, at most."""
CROWD = 1000
"""A record that is compared with so many is in a crowd."""
_TENTHS = 10
_SLACK = 1e-9
"""What 0.3 may lack in binary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A record that is dropped, and the one that it is like."""

    origins: tuple[str, str]
    jaccard: float
    containment: float
    texts: tuple[str, str]
    """What was compared of both; empty where it is not at hand."""
    spans: tuple[Spans, Spans]
    """What of each the other lacks, where both are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """A cluster with many records."""

    size: int
    origin: str
    """Of the record that stays."""
    text: str
    """What was compared of it; empty where it is not at hand."""
    spans: Spans
    """What of it is not in the least alike of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """A record that very many others are enough like to be compared with it."""

    origin: str
    compared: int
    """With how many it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown of a search."""

    examples: tuple[Example, ...] = ()
    largest: tuple[Large, ...] = ()
    crowded: tuple[Crowded, ...] = ()
    """Records whose bands are crowded, the most crowded first: what a search takes its time for."""


def shown_of(outcome: Outcome, ids: Hashes, origins: pa.ChunkedArray, text: Callable[[int], str]) -> Shown:
    """Choose what to show; `text` gives what was compared of a record, by its row, or nothing."""

    def both(row: int, other: int) -> tuple[tuple[str, str], tuple[Spans, Spans]]:
        texts = (text(row), text(other))
        left, right = differing(texts[:1], texts[1:]) if all(texts) else ([[]], [[]])
        return texts, (left[0], right[0])

    def example(row: int) -> Example:
        texts, spans = both(row, int(outcome.alike[row]))
        return Example(
            origins=(origins[row].as_py(), origins[int(outcome.alike[row])].as_py()), texts=texts,
            jaccard=float(outcome.jaccard[row]), containment=float(outcome.containment[row]), spans=spans,
        )  # fmt: skip

    def large(row: int, size: int) -> Large:
        texts, spans = both(row, _least_alike(outcome, ids, row))
        return Large(size=size, origin=origins[row].as_py(), text=texts[0], spans=spans[0])

    return Shown(
        examples=tuple(map(example, _chosen(outcome, ids))),
        largest=tuple(large(row, size) for row, size in _largest(outcome, ids)),
        crowded=tuple(
            Crowded(origin=origins[row].as_py(), compared=int(outcome.crowds[row]))
            for row in _crowded(outcome, ids)
        ),
    )


def tenths(outcome: Outcome) -> dict[str, int]:
    """Count near-duplicates by their Jaccard similarity, tenth by tenth, from the first to the last."""
    where = _tenth_of(outcome)[outcome.reason == NEAR]
    if not len(where):
        return {}
    counts = enumerate(np.bincount(where).tolist())
    first = int(where.min())
    return {f"{k / _TENTHS:.1f}-{(k + 1) / _TENTHS:.1f}": count for k, count in counts if k >= first}


def _tenth_of(outcome: Outcome) -> Ints:
    """Return the tenth of each record's similarity; the very same belongs to the last."""
    tenth = np.floor(outcome.jaccard * _TENTHS + _SLACK).astype(np.int64)
    found: Ints = np.minimum(tenth, _TENTHS - 1)
    return found


def _chosen(outcome: Outcome, ids: Hashes) -> Sequence[int]:
    """Return the record that is least alike of each tenth, then the one that is held least."""
    near = np.flatnonzero(outcome.reason == NEAR)
    near = near[np.lexsort((ids[near, 1], ids[near, 0], outcome.jaccard[near]))]
    _, first = np.unique(_tenth_of(outcome)[near], return_index=True)
    held = np.flatnonzero(outcome.reason == CONTAINED)
    held = held[np.lexsort((ids[held, 1], ids[held, 0], outcome.containment[held]))][:1]
    chosen: list[int] = near[first][: SHOWN - len(held)].tolist() + held.tolist()
    return chosen


def _largest(outcome: Outcome, ids: Hashes) -> Sequence[tuple[int, int]]:
    """Return the records that stay for most, with the size of their clusters, in the order of the table."""
    sizes = np.bincount(outcome.stays, minlength=len(outcome.stays))
    rows = np.flatnonzero(sizes > 1)
    rows = rows[np.lexsort((ids[rows, 1], ids[rows, 0], -sizes[rows]))][:SHOWN]
    return list(zip(rows.tolist(), sizes[rows].tolist(), strict=True))


def _crowded(outcome: Outcome, ids: Hashes) -> Sequence[int]:
    """Return the records that were compared with most others, where these are very many."""
    rows = np.flatnonzero(outcome.crowds >= CROWD)
    found: list[int] = rows[np.lexsort((ids[rows, 1], ids[rows, 0], -outcome.crowds[rows]))][:SHOWN].tolist()
    return found


def _least_alike(outcome: Outcome, ids: Hashes, kept: int) -> int:
    """Return the record of a cluster that is least like the one it was dropped for."""
    rows = np.flatnonzero((outcome.stays == kept) & (outcome.alike >= 0))
    return int(rows[np.lexsort((ids[rows, 1], ids[rows, 0], outcome.jaccard[rows]))[0]])
