"""What a record and an eval text really share, word by word.

The one idea: candidates are few, so the words of both sides are written out and compared for real
(`kernels.spelling`, `kernels.sharing`): no hash is trusted, so a collision never becomes a hit. Pairs are
read in runs, so memory is bounded. It finds no candidates.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tulu_data.kernels.coverage import Turns
from tulu_data.kernels.folding import folding
from tulu_data.kernels.measure import GRAMS, Measure
from tulu_data.kernels.ngrams import Grams
from tulu_data.kernels.sharing import Asked, Desk, Shared, read_pairs, table_size
from tulu_data.kernels.spelling import number_known, number_new
from tulu_data.kernels.words import Bytes, Ints, fixed

_CHUNK = 1 << 22
"""Words and bytes looked at together, about: it bounds memory."""
_SPANS = 1 << 16
"""Spans for which there is room at once, unless one pair may have more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The indexed texts."""

    text: Bytes
    begin: Ints
    end: Ints
    """Bytes of each unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Hits, one row each, and their spans in the order of the hits."""

    hits: Ints
    """(record, unit, covered, whole, end of its record spans, end of its unit spans)."""
    theirs: Ints
    """(turn, first character, end character) of each span of a record."""
    ours: Ints
    """(first character, end character) of each span of a unit."""


def explain(turns: Turns, pairs: Ints, units: Units, grams: Grams, measure: Measure) -> Evidence:
    """Read candidate pairs, ordered by record, and return those that are hits with what they share."""
    parts = [
        part for run in _chunks(turns, pairs, grams) for part in _explain(turns, run, units, grams, measure)
    ]
    hits, theirs, ours = (
        np.concatenate([np.empty((0, width), np.int64), *(getattr(part, name) for part in parts)])
        for name, width in (("hits", 6), ("theirs", 3), ("ours", 2))
    )
    sizes = np.cumsum([[0, 0], *([len(p.theirs), len(p.ours)] for p in parts)], axis=0)
    hits[:, 4:] += np.repeat(sizes[: len(parts)], [len(p.hits) for p in parts], axis=0)
    return Evidence(hits=hits, theirs=theirs, ours=ours)


def _chunks(turns: Turns, pairs: Ints, grams: Grams) -> Iterator[Ints]:
    """Cut pairs into runs of about `_CHUNK` bytes of records and words of units."""
    text = np.concatenate([[0], np.cumsum(turns.end - turns.begin)])[turns.first]
    fresh = np.diff(pairs[:, 0], prepend=-1) != 0
    cost = np.cumsum(np.where(fresh, np.diff(text)[pairs[:, 0]], 0) + grams.words[pairs[:, 1]])
    cuts = np.flatnonzero(np.diff(cost // _CHUNK, prepend=0)).tolist()
    for low, high in zip([0, *cuts], [*cuts, len(pairs)], strict=True):
        if low < high:
            yield pairs[low:high]


def _explain(turns: Turns, pairs: Ints, units: Units, grams: Grams, measure: Measure) -> Iterator[Evidence]:
    """Read one run of pairs."""
    asked = _asked(turns, pairs, units, grams, measure)
    desk, shared = _desk(asked), _room(asked)
    start = 0
    while start < len(pairs):
        made, start = read_pairs(asked, start, measure, desk, shared)
        hits = shared.hits[:made]
        theirs, ours = hits[-1, 2:] if made else (0, 0)
        columns = [*pairs[hits[:, 0]].T, hits[:, 1], asked.whole[hits[:, 0]], *hits[:, 2:].T]
        yield Evidence(
            hits=np.stack(columns, axis=1),
            theirs=shared.theirs[:theirs].copy(),
            ours=shared.ours[:ours].copy(),
        )


def _asked(turns: Turns, pairs: Ints, units: Units, grams: Grams, measure: Measure) -> Asked:
    """Give numbers to the words of both sides of pairs."""
    fresh = np.diff(pairs[:, 0], prepend=-1) != 0
    records, record = pairs[fresh, 0], np.cumsum(fresh) - 1
    named = np.flatnonzero(np.bincount(pairs[:, 1]))
    unit = np.searchsorted(named, pairs[:, 1])
    count = turns.first[records + 1] - turns.first[records]
    first = np.concatenate([[0], np.cumsum(count)])
    chosen = np.repeat(turns.first[records] - first[:-1], count) + np.arange(first[-1])
    total = int(grams.words[named].sum())
    known, ours = number_new(units.text, units.begin[named], units.end[named], folding(), total)
    theirs = number_known(turns.text, turns.begin[chosen], turns.end[chosen], folding(), known)
    wholes = np.diff(grams.first) if measure.counted == GRAMS else grams.words
    shape, words = grams.shape[pairs[:, 1]], [np.diff(theirs.at[first])[record], np.diff(ours.at)[unit]]
    # Spans stand apart by a word at least, or at the border of a turn.
    most = np.stack(words, axis=1) // ((shape >> 1) + 1)[:, None] + 1
    most[:, 0] += count[record]
    number, first, record, unit, shape, whole, most = (
        fixed(array)
        for array in (turns.number[chosen], first, record, unit, shape, wholes[pairs[:, 1]], most)
    )
    return Asked(theirs, number, first, turns.joined, ours, record, unit, shape, whole, most, grams.n)


def _desk(asked: Asked) -> Desk:
    """Make room for any record."""
    words = int(np.diff(asked.turns.at[asked.first]).max())
    seen = np.full(int(asked.units.ids.max(initial=-1)) + 1, -1)
    table, before = np.empty(2 * table_size(words), np.int32), np.empty(2 * words, np.int32)
    return Desk(seen, table, before, np.empty(words, np.int32), np.zeros(words // 64 + 1, np.uint64))


def _room(asked: Asked) -> Shared:
    """Make room for the spans of any pair, and of more where they are few."""
    theirs, ours = np.minimum(asked.most.sum(axis=0), np.maximum(asked.most.max(axis=0), _SPANS))
    hits = np.empty((len(asked.record), 4), np.int64)
    return Shared(hits, np.empty((theirs, 3), np.int64), np.empty((ours, 2), np.int64))
