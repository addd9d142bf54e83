"""What records and units really share, by exact numbers of their words.

The one idea: the n-grams of a record that have only words of its units stand in a small table, where
equal ones are chained; it is probed by the grams of each unit in order, and every equality is one of
numbers, never of hashes. Places in the record are bits, so they come out sorted and each once. It
allocates nothing and finds no candidates.
"""

from typing import NamedTuple

import numpy as np

from tulu_data.kernels.bits import lowest
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.measure import GRAMS, WORDS, Measure, is_hit
from tulu_data.kernels.ngrams import WHOLE
from tulu_data.kernels.spelling import Numbered, Numbers
from tulu_data.kernels.words import Hashes, Ints, signed

_BASE = np.uint64(0xD6E8FEB86659FD93)
_ZERO, _ONE, _S6, _S32, _LOW = (np.uint64(number) for number in (0, 1, 6, 32, 63))


class Asked(NamedTuple):
    """Pairs of records and units, ordered by record."""

    turns: Numbered
    """The words of all turns of the records."""
    number: Ints
    """Position of each turn among the messages of its record."""
    first: Ints
    """Where the turns of each record start, and their total at the end."""
    joined: bool
    """Whether the turns of a record are one text."""
    units: Numbered
    record: Ints
    """Record of each pair."""
    unit: Ints
    """Unit of each pair."""
    shape: Ints
    """Shape of the grams of each pair's unit."""
    whole: Ints
    """What is counted of each pair's unit when all of it is shared."""
    most: Ints
    """Spans of the record and of the unit that each pair may have, at most."""
    n: int


class Desk(NamedTuple):
    """Room for one record at a time; each but `seen` has room for its words."""

    seen: Ints
    """Per word: last record whose units have it; -1 at first."""
    table: Numbers
    """Twice a table of grams by hash: first word of the last of equal ones, from 1; 0 where empty."""
    before: Numbers
    """Twice, per gram: the one before it that is equal, from 1; 0 where none is."""
    reach: Numbers
    """Per word: how many words from it on are words of the units and stand in one text."""
    bits: Hashes
    """Bitmap of the places that a pair shares, empty between pairs."""


class Shared(NamedTuple):
    """Room for hits and their spans."""

    hits: Ints
    """(pair, covered, end of its record spans, end of its unit spans)."""
    theirs: Ints
    """(turn, first character, end character) of each span of a record."""
    ours: Ints
    """(first character, end character) of each span of a unit."""


def table_size(words: int) -> int:
    """Return how long a table for so many grams is."""
    size = 16
    while size < 2 * words:
        size *= 2
    return size


_size = inner(table_size)


@inner
def _hash(ids: Numbers, at: int, width: int) -> np.uint64:
    """Return a hash of the words from a place on."""
    h = _ZERO
    for k in range(at, at + width):
        h = (h ^ np.uint64(ids[k])) * _BASE
    return h ^ h >> _S32


@inner
def _equal(ours: Numbers, a: int, theirs: Numbers, b: int, width: int) -> bool:
    """Tell whether the same words stand at two places."""
    for k in range(width):  # noqa: SIM110  (numba has no generators without allocation)
        if ours[a + k] != theirs[b + k]:
            return False
    return True


@inner
def _place(
    table: Numbers, base: int, size: int, theirs: Numbers, low: int, ours: Numbers, at: int, width: int
) -> int:
    """Return the place of a gram of `ours`, or of where it would stand, in a table of `theirs`."""
    last = np.uint64(size - 1)
    place = _hash(ours, at, width) & last
    while True:
        head = table[base + np.int64(place)]
        if head == 0 or _equal(ours, at, theirs, low + head - 1, width):
            return base + np.int64(place)  # type: ignore[return-value]
        place = (place + _ONE) & last


@inner
def _prepare(asked: Asked, desk: Desk, record: int, start: int, stop: int) -> int:
    """Mark the words of the units of the pairs of a record, and measure the reaches of its words.

    Returns how many tables the units need.
    """
    parts, at = 1, asked.turns.at
    low = at[asked.first[record]]
    for p in range(start, stop):
        shape, unit = asked.shape[p], asked.unit[p]
        if shape >> 1 != asked.n and not shape & 1:
            parts = 2
        for w in range(asked.units.at[unit], asked.units.at[unit + 1]):
            desk.seen[asked.units.ids[w]] = record
    reach = 0
    for back in range(asked.first[record + 1] - asked.first[record]):
        turn = asked.first[record + 1] - 1 - back
        if not asked.joined:
            reach = 0
        for w in range(at[turn + 1] - 1, at[turn] - 1, -1):
            word = asked.turns.ids[w]
            reach = reach + 1 if word >= 0 and desk.seen[word] == record else 0
            desk.reach[w - low] = reach
    return parts


@inner
def _chain(ids: Numbers, low: int, high: int, desk: Desk, part: int, size: int, width: int) -> None:
    """Put the grams of a record, the words from `low` to `high`, into one of its tables."""
    base, words = part * size, high - low
    for place in range(base, base + size):
        desk.table[place] = 0
    for w in range(words):
        if desk.reach[w] >= width:
            place = _place(desk.table, base, size, ids, low, ids, low + w, width)
            desk.before[part * words + w] = desk.table[place]
            desk.table[place] = w + 1


@inner
def _mark(bits: Hashes, place: int) -> None:
    """Note a place of a record."""
    bits[np.uint64(place) >> _S6] |= _ONE << (np.uint64(place) & _LOW)


@inner
def _mark_turns(asked: Asked, bits: Hashes, record: int, at: int, width: int) -> bool:
    """Note the texts of a record that are just a phrase; tell whether there are any."""
    first, last = asked.first[record], asked.first[record + 1]
    step = last - first if asked.joined else 1
    found = False
    for turn in range(first, last, step):
        begin, end = asked.turns.at[turn], asked.turns.at[turn + step]
        if end - begin == width and _equal(asked.units.ids, at, asked.turns.ids, begin, width):
            _mark(bits, begin - asked.turns.at[first])
            found = True
    return found


@inner
def _mark_grams(
    ours: Numbers, at: int, theirs: Numbers, low: int, words: int, desk: Desk, part: int, size: int,
    width: int, sought: int,
) -> bool:  # fmt: skip
    """Note the places of a gram of a unit in a record; tell whether there are any.

    The table looked into is by the first `sought` of its `width` words.
    """
    found = False
    place = signed(desk.table[_place(desk.table, part * size, size, theirs, low, ours, at, sought)])
    if place and desk.bits[np.uint64(place - 1) >> _S6] >> (np.uint64(place - 1) & _LOW) & _ONE:
        # The same gram stood in the unit before.
        return True
    while place:
        w = place - 1
        if desk.reach[w] >= width and _equal(ours, at + sought, theirs, low + w + sought, width - sought):
            _mark(desk.bits, w)
            found = True
        place = signed(desk.before[part * words + w])
    return found


@inner
def _read_unit(
    asked: Asked, desk: Desk, pair: int, low: int, words: int, size: int, measure: Measure, shared: Shared,
    ours: int,
) -> tuple[int, int]:  # fmt: skip
    """Look for the grams of a unit in a record; return what is covered, and how many unit spans there are."""
    unit, shape, characters = asked.unit[pair], asked.shape[pair], asked.units.characters
    width, start = shape >> 1, asked.units.at[unit]
    part, sought = (0, width) if width == asked.n else (1, WHOLE + 0 * width)
    covered, begin, reach = 0, start, start
    for at in range(start, asked.units.at[unit + 1] - width + 1):
        if shape & 1:
            found = _mark_turns(asked, desk.bits, asked.record[pair], at, width)
        else:
            found = _mark_grams(
                asked.units.ids, at, asked.turns.ids, low, words, desk, part, size, width, sought
            )
        if not found:
            continue
        if at > reach or reach == start:
            begin, ours = at, ours + 1
            shared.ours[ours - 1, 0] = characters[at, 0]
        if measure.counted == WORDS:
            covered += at + width - max(reach, at)
        elif measure.counted == GRAMS:
            covered += 1
        else:
            covered = max(covered, at + width - begin)
        reach = at + width
        shared.ours[ours - 1, 1] = characters[reach - 1, 1]
    return covered, ours


@inner
def _read_record(
    asked: Asked, desk: Desk, pair: int, low: int, high: int, shared: Shared, theirs: int, keep: bool
) -> int:
    """Empty the bitmap of a pair, and write the spans of its record if asked to; return how many there are.

    A gram that reaches over turns becomes a span in each of them that has a word of it.
    """
    width, at, characters = asked.shape[pair] >> 1, asked.turns.at, asked.turns.characters
    turn, reach, border = asked.first[asked.record[pair]], low, low
    for word in range((np.uint64(high - low) + _LOW) >> _S6):
        bits = desk.bits[word]
        desk.bits[word] = _ZERO
        while keep and bits:
            begin = low + np.int64((np.uint64(word) << _S6) + lowest(bits))
            bits &= bits - _ONE
            apart = bool(begin > reach or begin >= border)
            reach = begin + width
            while begin < reach:
                if apart:
                    while at[turn + 1] <= begin:
                        turn += 1
                    border = high if asked.joined else at[turn + 1]
                    shared.theirs[theirs, 0] = asked.number[turn]
                    shared.theirs[theirs, 1] = characters[begin, 0]
                    theirs += 1
                begin, apart = min(reach, at[turn + 1]), True
                shared.theirs[theirs - 1, 2] = characters[begin - 1, 1]
    return theirs


@kernel
def read_pairs(asked: Asked, start: int, measure: Measure, desk: Desk, shared: Shared) -> tuple[int, int]:
    """Write the hits among pairs from `start` on; return how many, and the pair at which the room ended."""
    # A plain 0 would be a type of its own at first, for which what is called is compiled once more.
    p, fresh, made, theirs, ours = start, start, 0 * start, 0 * start, 0 * start
    low, high, size = start, start, start
    while p < len(asked.record):
        record = asked.record[p]
        if p == fresh:
            while fresh < len(asked.record) and asked.record[fresh] == record:
                fresh += 1
            low, high = asked.turns.at[asked.first[record]], asked.turns.at[asked.first[record + 1]]
            size = _size(high - low)
            for part in range(_prepare(asked, desk, record, p, fresh)):
                _chain(asked.turns.ids, low, high, desk, part, size, WHOLE if part else asked.n)
        if theirs + asked.most[p, 0] > len(shared.theirs) or ours + asked.most[p, 1] > len(shared.ours):
            break
        covered, last = _read_unit(asked, desk, p, low, high - low, size, measure, shared, ours)
        hit = is_hit(covered, asked.whole[p], measure)
        theirs = _read_record(asked, desk, p, low, high, shared, theirs, hit)
        if hit:
            ours = last
            shared.hits[made, 0], shared.hits[made, 1] = p, covered
            shared.hits[made, 2], shared.hits[made, 3] = theirs, ours
            made += 1
        p += 1
    return made, p
