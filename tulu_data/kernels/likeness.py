"""How alike two texts are as sets of shingles, counted exactly.

The one idea: the shingles of one text go into a table, those of another are looked up in it, each once; what
both hold, and what each holds, is added up in weights that are whole numbers, so the same pair gives the same
numbers everywhere. So are single units, unweighed; and numbers, as a multiset: words with a digit in them, or
runs of digits where units are characters. It chooses no pairs and judges none.
"""

from typing import Any, NamedTuple

import numpy as np

from tulu_data.kernels.frames import UNIT, Levels, level_of
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.shingles import write_shingles
from tulu_data.kernels.units import POINT, Units, fixed_units
from tulu_data.kernels.words import Hashes, Ints, fixed, mixed, signed

_FACTOR, _S20 = np.uint64(0x9E3779B97F4A7C15), np.uint64(20)
_NONE, _ONE, _LOWEST = np.uint64(0), np.uint64(1), np.uint32(1)
_ZERO, _NINE = 0x30, 0x39

COLUMNS = 6
BOTH, LEFT, RIGHT, PLAIN_BOTH, PLAIN_LEFT, PLAIN_RIGHT = range(COLUMNS)
"""What is counted of the shingles of a pair: the weight of what both hold and of what each holds; then how
many these are."""
SINGLE_COLUMNS = 5
SINGLE_BOTH, SINGLE_LEFT, SINGLE_RIGHT, ONLY_LEFT, ONLY_RIGHT = range(SINGLE_COLUMNS)
"""What is counted of its units: how many both hold and each holds; and the numbers that one alone holds."""


class Room(NamedTuple):
    """Room for a pair."""

    shingles: Hashes
    left: Hashes
    right: Hashes
    """Tables of what each side holds, by open addressing; 0 where empty."""
    mine: Hashes
    theirs: Hashes
    """Numbers of each side."""


def compare(left: Units, right: Units, pairs: Ints, n: int, levels: Levels) -> Ints:
    """Count what n-grams pairs share, rows (of `left`, of `right`), with one row of COLUMNS for each.

    Pairs of one left text should follow one another.
    """
    made = np.zeros((len(pairs), COLUMNS), np.int64)
    room = _new_room(left, right, pairs)
    compare_shingles(fixed_units(left), fixed_units(right), fixed(pairs), n, levels, room, made)
    return made


def compare_single(left: Units, right: Units, pairs: Ints, unit: str) -> Ints:
    """Count what single units and what numbers pairs share, with one row of SINGLE_COLUMNS for each."""
    made = np.zeros((len(pairs), SINGLE_COLUMNS), np.int64)
    room, runs = _new_room(left, right, pairs), unit == "characters"
    compare_units(fixed_units(left), fixed_units(right), fixed(pairs), runs, room, made)
    return made


def _new_room(left: Units, right: Units, pairs: Ints) -> Room:
    """Make room for the largest texts of pairs."""
    sides = ((left, pairs[:, 0]), (right, pairs[:, 1]))
    most = max(int((side.end[rows] - side.begin[rows]).max(initial=1)) for side, rows in sides)
    shingles, mine, theirs = (np.empty(most, np.uint64) for _ in range(3))
    one, other = (np.empty(_slots(most), np.uint64) for _ in range(2))
    return Room(shingles, one, other, mine, theirs)


def _slots(units: int) -> int:
    """Return a power of two that at least halves as many are empty of."""
    return 1 << max(3, (2 * units).bit_length())


@inner
def _cleared(table: Hashes, units: int | np.signedinteger[Any]) -> np.uint64:
    """Empty the part of a table that so many units need; return its last slot."""
    slots = np.uint64(8)
    while slots <= np.uint64(2 * units):
        slots += slots
    for slot in range(slots):
        table[slot] = _NONE
    return slots - _ONE


@inner
def _insert(table: Hashes, key: np.uint64, last: np.uint64) -> bool:
    """Put a key where it is not yet; tell whether it was new."""
    place = key >> _S20 & last
    while table[place] != _NONE:
        if table[place] == key:
            return False
        place = (place + _ONE) & last
    table[place] = key
    return True


@inner
def _holds(table: Hashes, key: np.uint64, last: np.uint64) -> bool:
    """Tell whether a key is there."""
    place = key >> _S20 & last
    while table[place] != _NONE:
        if table[place] == key:
            return True
        place = (place + _ONE) & last
    return False


@kernel
def compare_shingles(
    left: Units, right: Units, pairs: Ints, n: int, levels: Levels, room: Room, made: Ints
) -> None:
    """Write the counts of the shingles of each pair."""
    last, weight, distinct = _NONE, 0, 0
    for x in range(len(pairs)):
        a, b, row = pairs[x, 0], pairs[x, 1], made[x]
        if x == 0 or a != pairs[x - 1, 0]:
            weight, distinct, begin, here = 0, 0, left.begin[a], left.end[a] - left.begin[a]
            last = _cleared(room.left, here)
            for p in range(np.uint64(write_shingles(left.units, begin, here, n, room.shingles, 0))):
                # An empty slot is 0, so no key is.
                if _insert(room.left, max(room.shingles[p], _ONE), last):
                    weight += UNIT >> signed(level_of(room.shingles[p], levels))
                    distinct += 1
        begin, here = right.begin[b], right.end[b] - right.begin[b]
        beyond, both, every, shared, others = _cleared(room.right, here), 0, 0, 0, 0
        for p in range(np.uint64(write_shingles(right.units, begin, here, n, room.shingles, 0))):
            key = max(room.shingles[p], _ONE)
            if _insert(room.right, key, beyond):
                each, is_shared = UNIT >> signed(level_of(key, levels)), _holds(room.left, key, last)
                every += each
                others += 1
                both += each * is_shared
                shared += is_shared
        row[BOTH], row[LEFT], row[RIGHT] = both, weight, every
        row[PLAIN_BOTH], row[PLAIN_LEFT], row[PLAIN_RIGHT] = shared, distinct, others


@kernel
def compare_units(left: Units, right: Units, pairs: Ints, runs: bool, room: Room, made: Ints) -> None:
    """Write the counts of the units of each pair; numbers are `runs` of digits, or units that hold one."""
    last, distinct, numbers = _NONE, 0, 0
    for x in range(len(pairs)):
        a, b, row = pairs[x, 0], pairs[x, 1], made[x]
        if x == 0 or a != pairs[x - 1, 0]:
            distinct, begin, end = 0, np.uint64(left.begin[a]), np.uint64(left.end[a])
            last = _cleared(room.left, np.int64(end - begin))
            for p in range(begin, end):
                distinct += _insert(room.left, _key(left.units[p]), last)
            numbers = _numbers(left, a, runs, room.mine)
        begin, end = np.uint64(right.begin[b]), np.uint64(right.end[b])
        beyond, both, others = _cleared(room.right, np.int64(end - begin)), 0, 0
        for p in range(begin, end):
            key = _key(right.units[p])
            if _insert(room.right, key, beyond):
                others += 1
                both += _holds(room.left, key, last)
        row[SINGLE_BOTH], row[SINGLE_LEFT], row[SINGLE_RIGHT] = both, distinct, others
        _apart(room, numbers, _numbers(right, b, runs, room.theirs), row)


@inner
def _key(unit: np.uint32) -> np.uint64:
    """Return a unit spread over 64 bits, which is never 0."""
    return (np.uint64(unit) + _ONE) * _FACTOR


@inner
def _numbers(units: Units, k: int, runs: bool, found: Hashes) -> int:
    """Write the numbers of a text in order, as hashes; return how many."""
    p, end, count = np.uint64(units.begin[k]), np.uint64(units.end[k]), 0
    while p < end:
        h = np.uint64(units.units[p])
        if not runs:
            found[count] = h
            count += signed(units.units[p] & _LOWEST)
        elif _is_digit(units.units[p]):
            while p + _ONE < end and _is_digit(units.units[p + _ONE]):
                p += _ONE
                h = mixed((h ^ np.uint64(units.units[p])) * _FACTOR)
            found[count] = h
            count += 1
        p += _ONE
    _sort(found, count)
    return count


@inner
def _is_digit(unit: np.uint32) -> bool:
    """Tell whether a character is a digit."""
    return bool(_ZERO <= unit & POINT <= _NINE)


@inner
def _sort(found: Hashes, count: int) -> None:
    """Put hashes in order, in steps that get shorter (Shell's way): rows may be long."""
    gap = 1
    while 3 * gap < count:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, count):
            h, at = found[k], k
            while at >= gap and found[at - gap] > h:
                found[at] = found[at - gap]
                at -= gap
            found[at] = h
        gap //= 3


@inner
def _apart(room: Room, left: int, right: int, row: Ints) -> None:
    """Count the numbers that one side alone holds."""
    i, j = 0, 0
    while i < left and j < right:
        a, b = room.mine[i], room.theirs[j]
        row[ONLY_LEFT] += a < b
        row[ONLY_RIGHT] += b < a
        i += a <= b
        j += b <= a
    row[ONLY_LEFT] += left - i
    row[ONLY_RIGHT] += right - j
