"""How alike two texts are as sets of shingles, counted exactly.

The one idea: the shingles of one text go into a table, those of another are looked up in it, each once; what
both hold, and what each holds, is added up in weights that are whole numbers, so the same pair gives the same
numbers everywhere. So are single words, unweighed; and numbers in digits, as a multiset. It chooses no pairs
and judges none.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import Folding, folding
from tulu_data.kernels.frames import UNIT, Levels, level_of
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.shingles import (
    Shingling,
    Size,
    Texts,
    Units,
    fixed_texts,
    new_units,
    read_units,
    write_shingles,
)
from tulu_data.kernels.words import Hashes, Ints, fixed, mixed, signed

Numbers = NDArray[np.int32]

_FACTOR, _ONE, _S20 = np.uint64(0x9E3779B97F4A7C15), np.uint64(1), np.uint64(20)
_ZERO, _NINE = 0x30, 0x39

COLUMNS = 11
BOTH, LEFT, RIGHT, PLAIN_BOTH, PLAIN_LEFT, PLAIN_RIGHT, UNIT_BOTH, UNIT_LEFT, UNIT_RIGHT = range(9)
ONLY_LEFT, ONLY_RIGHT = range(9, COLUMNS)
"""What is counted of a pair: the weight of what both hold and of what each holds; the same in shingles,
and in single words or characters; and the numbers that one alone holds."""


class Sides(NamedTuple):
    """The shingles of two texts, by open addressing; entries of other stamps are empty."""

    left: Hashes
    left_stamp: Numbers
    right: Hashes
    right_stamp: Numbers


class Digits(NamedTuple):
    """The numbers of two texts."""

    left: Hashes
    right: Hashes


def compare(left: Texts, right: Texts, pairs: Ints, shingling: Shingling, levels: Levels, size: Size) -> Ints:
    """Count what pairs share, rows (of `left`, of `right`), with one row of COLUMNS for each.

    Pairs of one left text should follow one another; no text is larger than `size`.
    """
    unit = shingling.unit
    room = size.units(unit)
    slots = 1 << max(4, (4 * room).bit_length())
    tables = [(np.empty(slots, np.uint64), np.zeros(slots, np.int32)) for _ in range(2)]
    digits = Digits(*(np.empty(most_numbers(size), np.uint64) for _ in range(2)))
    made = np.zeros((len(pairs), COLUMNS), np.int64)
    compare_pairs(
        fixed_texts(left), fixed_texts(right), fixed(pairs), unit == "characters", shingling.n, folding(),
        levels, new_units(size, unit), np.empty(room, np.uint64), Sides(*tables[0], *tables[1]), digits, made,
    )  # fmt: skip
    return made


def most_numbers(size: Size) -> int:
    """Return a number that the numbers of a text never pass: any byte may part two of them."""
    return (size.ascii + size.other + size.pieces) // 2 + 1


@inner
def _mask(units: int) -> np.uint64:
    """Return the last slot that a text of so many units needs: small ones stay in a small part of a table."""
    slots = 8
    while slots < 4 * units:
        slots *= 2
    return np.uint64(slots - 1)


@inner
def _insert(table: Hashes, stamps: Numbers, stamp: int, key: np.uint64, last: np.uint64) -> bool:
    """Put a key where it is not yet; tell whether it was new."""
    place = key >> _S20 & last
    while stamps[place] == stamp:
        if table[place] == key:
            return False
        place = (place + _ONE) & last
    stamps[place], table[place] = stamp, key
    return True


@inner
def _holds(table: Hashes, stamps: Numbers, stamp: int, key: np.uint64, last: np.uint64) -> bool:
    """Tell whether a key is there."""
    place = key >> _S20 & last
    while stamps[place] == stamp:
        if table[place] == key:
            return True
        place = (place + _ONE) & last
    return False


@inner
def _numbers(texts: Texts, k: int, found: Hashes) -> int:
    """Write the numbers of a text in order, as hashes of their digits; return how many."""
    text, count = texts.text, 0
    for t in range(texts.first[k], texts.first[k + 1]):
        i, end = texts.begin[t], texts.end[t]
        while i < end:
            if not _ZERO <= text[i] <= _NINE:
                i += 1
                continue
            h = np.uint64(0)
            while i < end and _ZERO <= text[i] <= _NINE:
                h = mixed((h ^ np.uint64(text[i])) * _FACTOR)
                i += 1
            found[count] = h
            count += 1
    _sort(found, count)
    return count


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
def _apart(digits: Digits, left: int, right: int, row: Ints) -> None:
    """Count the numbers that one side alone holds."""
    i, j = 0, 0
    while i < left and j < right:
        a, b = digits.left[i], digits.right[j]
        row[ONLY_LEFT] += a < b
        row[ONLY_RIGHT] += b < a
        i += a <= b
        j += b <= a
    row[ONLY_LEFT] += left - i
    row[ONLY_RIGHT] += right - j


@kernel
def compare_pairs(
    left: Texts, right: Texts, pairs: Ints, characters: bool, n: int, tables: Folding, levels: Levels,
    units: Units, shingles: Hashes, sides: Sides, digits: Digits, made: Ints,
) -> None:  # fmt: skip
    """Write the counts of each pair."""
    last, stamp, numbers = _mask(0), 0, 0
    weight, distinct, single = 0, 0, 0
    for x in range(len(pairs)):
        a, b, row = pairs[x, 0], pairs[x, 1], made[x]
        if x == 0 or a != pairs[x - 1, 0]:
            stamp, weight, distinct = x + 1, 0, 0
            here, single = read_units(left, a, characters, tables, units), 0
            last = _mask(here)
            for p in range(here):
                single += _insert(sides.left, sides.left_stamp, stamp, units.hashes[p] * _FACTOR, last)
            for p in range(write_shingles(units.hashes, 0, here, n, shingles, 0)):
                if _insert(sides.left, sides.left_stamp, stamp, shingles[p], last):
                    weight += UNIT >> signed(level_of(shingles[p], levels))
                    distinct += 1
            numbers = _numbers(left, a, digits.left)
        row[LEFT], row[PLAIN_LEFT], row[UNIT_LEFT] = weight, distinct, single
        here = read_units(right, b, characters, tables, units)
        beyond = _mask(here)
        for p in range(here):
            key = units.hashes[p] * _FACTOR
            if _insert(sides.right, sides.right_stamp, x + 1, key, beyond):
                row[UNIT_RIGHT] += 1
                row[UNIT_BOTH] += _holds(sides.left, sides.left_stamp, stamp, key, last)
        for p in range(write_shingles(units.hashes, 0, here, n, shingles, 0)):
            key = shingles[p]
            if _insert(sides.right, sides.right_stamp, x + 1, key, beyond):
                each = UNIT >> signed(level_of(key, levels))
                row[RIGHT] += each
                row[PLAIN_RIGHT] += 1
                if _holds(sides.left, sides.left_stamp, stamp, key, last):
                    row[BOTH] += each
                    row[PLAIN_BOTH] += 1
        _apart(digits, numbers, _numbers(right, b, digits.right), row)
