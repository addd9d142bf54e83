"""What a record and an eval text really share, word by word.

The one idea: the words of both are written out and numbered together, equal words alike, and so are
pairs of numbers, pairs of pairs and on to whole n-grams. Equal numbers are equal words: no hash is
trusted, so a collision never becomes a hit. All of it is columns of numbers, so there is nothing to
compile and thousands of hits cost no more than a few. It finds no candidates.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.kernels.coverage import Turns
from tulu_data.kernels.folding import folding
from tulu_data.kernels.measure import GRAMS, RUN, WORDS, Measure
from tulu_data.kernels.ngrams import Grams
from tulu_data.kernels.words import Bytes, Ints, Spelled, spell_all

_CHUNK = 1 << 22
"""Words and bytes looked at together, about: it bounds memory."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The words of some records' turns, then of some units, as numbers; equal words have equal numbers."""

    ids: Ints
    at: Ints
    """Where the words of each text start, and their total at the end."""
    text: Ints
    """Text of each word."""
    characters: Ints
    """First and end character of each word in its text."""
    owner: Ints
    """Record of each turn, from 0."""
    starts: Ints
    ends: Ints
    """Words between which the grams of each text stand: its own, or those of all turns of its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """Grams of pairs that their records hold, in the order of pair and place."""

    pair: Ints
    at: Ints
    """First word, in the unit."""
    low: Ints
    high: Ints
    """Range of `places` of the same gram in the record."""
    places: Ints
    """First words, in records."""


def explain(turns: Turns, pairs: Ints, units: Units, grams: Grams, measure: Measure) -> Evidence:
    """Read candidate pairs, ordered by record, and return those that are hits with what they share."""
    parts = [_explain(turns, part, units, grams, measure) for part in _chunks(turns, pairs, grams)]
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


def _explain(turns: Turns, pairs: Ints, units: Units, grams: Grams, measure: Measure) -> Evidence:
    """Read one run of pairs."""
    records, record = np.unique(pairs[:, 0], return_inverse=True)
    named, unit = np.unique(pairs[:, 1], return_inverse=True)
    count = turns.first[records + 1] - turns.first[records]
    chosen = _ranges(turns.first[records], count)
    words = _words(
        spell_all(turns.text, turns.begin[chosen], turns.end[chosen], folding()),
        spell_all(units.text, units.begin[named], units.end[named], folding()),
        np.repeat(np.arange(len(records)), count),
        turns.joined,
    )
    shapes = grams.shape[pairs[:, 1]]
    shared = _joined(
        [_match(words, shapes, shape, record, unit + len(chosen)) for shape in np.unique(shapes)]
    )
    width = shapes >> 1
    wholes = np.diff(grams.first) if measure.counted == GRAMS else grams.words
    whole, covered = wholes[pairs[:, 1]], _covered(shared, width, len(pairs), measure)
    limit = measure.threshold * whole
    hit = (covered > limit) | (measure.inclusive & (covered >= limit - 1e-9))
    ours = _spans(words, *_kept(hit, shared.pair, shared.at), width)
    theirs = _spans(words, *_kept(hit, *_in_records(shared)), width)
    ends = [np.cumsum(np.bincount(spans[:, 0], minlength=len(pairs))[hit]) for spans in (theirs, ours)]
    columns = [*pairs[hit].T, covered[hit], whole[hit], *ends]
    turn = turns.number[chosen][theirs[:, 1]]
    return Evidence(
        hits=np.stack(columns, axis=1), ours=ours[:, 2:], theirs=np.column_stack([turn, theirs[:, 2:]])
    )


def _ranges(starts: Ints, counts: Ints) -> Ints:
    """Return start, start + 1, ... for each start, as many as its count."""
    before = np.cumsum(counts) - counts
    ranges: Ints = np.repeat(starts - before, counts) + np.arange(counts.sum())
    return ranges


def _words(theirs: Spelled, ours: Spelled, owner: Ints, joined: bool) -> _Words:
    """Give numbers to the words of both sides by their code points."""
    points = np.concatenate([theirs.points, ours.points])
    ends = np.concatenate([[0], theirs.ends, len(theirs.points) + ours.ends]) * points.itemsize
    spelled = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(ends) - 1, [None, pa.py_buffer(ends), pa.py_buffer(points)]
    )
    at = np.concatenate([theirs.at, theirs.at[-1] + ours.at[1:]])
    starts, ends_of = at[:-1].copy(), at[1:].copy()
    if joined:
        starts[: len(owner)] = at[np.searchsorted(owner, owner)]
        ends_of[: len(owner)] = at[np.searchsorted(owner, owner, "right")]
    return _Words(
        ids=_numbers(spelled), at=at, text=np.repeat(np.arange(len(at) - 1), np.diff(at)), owner=owner,
        starts=starts, ends=ends_of,
        characters=np.concatenate([theirs.characters, ours.characters]),
    )  # fmt: skip


def _numbers(values: pa.Array) -> Ints:
    """Give numbers to values, equal ones alike."""
    numbers: Ints = values.dictionary_encode().indices.to_numpy().astype(np.int64)
    return numbers


def _gram_numbers(ids: Ints, width: int) -> Ints:
    """Give numbers to the grams of `width` words that start at each word, equal ones alike."""
    numbers, built = ids, 1
    while built < width and len(ids) >= width:
        step = min(built, width - built)
        numbers = _numbers(pa.array(numbers[:-step] << 32 | numbers[step:]))
        built += step
    return numbers


def _match(words: _Words, shapes: Ints, shape: int, record: Ints, text: Ints) -> _Shared:
    """Find the grams of the pairs of one shape in their records; `text` is the text of each pair's unit."""
    width, pair = int(shape) >> 1, np.flatnonzero(shapes == shape)
    numbers = _gram_numbers(words.ids, width)
    count = words.ends[text[pair]] - words.at[text[pair]] - width + 1
    at, owner = _ranges(words.at[text[pair]], count), np.repeat(pair, count)
    places = np.arange(words.at[len(words.owner)])
    room = words.ends[words.text[places]] - places
    if shape & 1:
        places = places[(room == width) & (words.starts[words.text[places]] == places)]
    else:
        places = places[room >= width]
    wanted = np.zeros(len(words.ids), np.bool_)
    wanted[numbers[at]] = True
    places = places[wanted[numbers[places]]]
    keys = words.owner[words.text[places]] * len(wanted) + numbers[places]
    order = np.argsort(keys, kind="stable")
    sought = record[owner] * len(wanted) + numbers[at]
    low, high = (np.searchsorted(keys[order], sought, side) for side in ("left", "right"))
    found = high > low
    return _Shared(pair=owner[found], at=at[found], low=low[found], high=high[found], places=places[order])


def _joined(parts: list[_Shared]) -> _Shared:
    """Join what was found for each shape."""
    base = np.cumsum([0, *(len(part.places) for part in parts)])
    pair, at, places = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("pair", "at", "places")
    )
    low = np.concatenate([part.low + base[k] for k, part in enumerate(parts)])
    high = np.concatenate([part.high + base[k] for k, part in enumerate(parts)])
    order = np.argsort(pair, kind="stable")
    return _Shared(pair=pair[order], at=at[order], low=low[order], high=high[order], places=places)


def _covered(shared: _Shared, width: Ints, pairs: int, measure: Measure) -> Ints:
    """Return what a measure counts of each pair's unit, of whose grams some are shared."""
    if measure.counted == RUN:
        start, last = _runs(shared.pair, shared.pair, shared.at, width)
        longest, pair = np.zeros(pairs, np.int64), shared.pair[start]
        np.maximum.at(longest, pair, shared.at[last] + width[pair] - shared.at[start])
        return longest
    added = np.ones(len(shared.pair), np.int64)
    if measure.counted == WORDS:
        added = width[shared.pair]
        same = shared.pair[1:] == shared.pair[:-1]
        added[1:][same] = np.minimum(added[1:], np.diff(shared.at))[same]
    return np.bincount(shared.pair, weights=added, minlength=pairs).astype(np.int64)


def _runs(pair: Ints, inside: Ints, at: Ints, width: Ints) -> tuple[Ints, Ints]:
    """Return first and last of each run of grams of a pair, inside one text, that overlap or touch."""
    first = np.ones(len(pair), np.bool_)
    apart = at[1:] > (at + width[pair])[:-1]
    first[1:] = (pair[1:] != pair[:-1]) | (inside[1:] != inside[:-1]) | apart
    return np.flatnonzero(first), np.flatnonzero(np.append(first[1:], len(pair) > 0))


def _in_records(shared: _Shared) -> tuple[Ints, Ints]:
    """Return pair and first word, in the record, of every place of the shared grams, sorted."""
    _, once = np.unique(shared.pair * (len(shared.places) + 1) + shared.low, return_index=True)
    count = shared.high[once] - shared.low[once]
    pair, place = np.repeat(shared.pair[once], count), shared.places[_ranges(shared.low[once], count)]
    order = np.lexsort((place, pair))
    return pair[order], place[order]


def _kept(hit: NDArray[np.bool_], pair: Ints, at: Ints) -> tuple[Ints, Ints]:
    """Keep the grams of pairs that are hits."""
    return pair[hit[pair]], at[hit[pair]]


def _spans(words: _Words, pair: Ints, at: Ints, width: Ints) -> Ints:
    """Join grams that overlap or touch: (pair, text, first character, end character) rows."""
    start, last = _runs(pair, words.starts[words.text[at]], at, width)
    pair, begin, end = pair[start], at[start], at[last] + width[pair[last]]
    # A run that reaches over turns becomes a span in each of them that has a word of it.
    count = words.text[end - 1] - words.text[begin] + 1
    text, run = _ranges(words.text[begin], count), np.repeat(np.arange(len(pair)), count)
    begin, end = np.maximum(begin[run], words.at[text]), np.minimum(end[run], words.at[text + 1])
    some = begin < end
    begin, end = words.characters[begin[some], 0], words.characters[end[some] - 1, 1]
    return np.stack([pair[run[some]], text[some], begin, end], axis=1)
