"""An index of the word n-grams of many short texts.

The one idea: a text of at least n words is its n-grams; a shorter one is a single gram, the whole
phrase (below `WHOLE` words it must even be the whole of a turn). Grams get slots by their keys, which
are hashes: two different grams may share one, so a search names too many slots, never too few, and the
words themselves settle it (`decontaminate.evidence`). A search looks only at every few words for a part
that each gram there must hold (`sift`), and a gram that thousands of units share names few of them: those
that such grams alone can hit (`tell`). Everything is a flat array, the same texts give the same arrays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.measure import GRAMS, Measure, Slots, is_hit, overlap
from tulu_data.kernels.words import Hashes, Ints, fixed

Marks = NDArray[np.bool_]

WHOLE = 4
"""Texts with fewer words than this match only a turn that has no other words."""
FEW = 8
"""A gram of so many units names them all."""

_BASE = np.uint64(0xD6E8FEB86659FD93)
_SQUARE = np.uint64(int(_BASE) ** 2 % (1 << 64))
_SALT = np.uint64(0xA24BAED4963EE407)
_S6, _S12, _S18, _S24, _S32 = (np.uint64(shift) for shift in (6, 12, 18, 24, 32))
_ZERO, _ONE, _TWO, _LOW, _SLOT = (np.uint64(number) for number in (0, 1, 2, 63, 0xFFFFFFFF))


class Grams(NamedTuple):
    """The index. A shape is `words << 1 | whole`."""

    words: Ints
    """Words of each unit, as an indexed text is called."""
    first: Ints
    """Where the grams of each unit start in `slots`, and their total at the end."""
    slots: Slots
    """Slot of every gram of every unit, in order."""
    shape: Ints
    """Shape of the grams of each unit; 0 for a unit without words."""
    starts: Ints
    """Where the postings of each slot start, and their total at the end."""
    postings: Slots
    """Units that each slot names, once per occurrence, those with the least `need` first; of equal units,
    the first stands for all."""
    passed: Ints
    """Per unit: how many of its grams do not name it. Those alone are no hit."""
    need: Ints
    """Per unit: how many different grams a hit shares with it, at least."""
    equals: Ints
    """Units that are named, equal ones together, the first of them first."""
    equal: Ints
    """Where in `equals` the equals of each unit start, and their total at the end; none but of first ones."""
    table: Hashes
    """Open addressing by key: upper half of a key, then its slot + 1; 0 where empty; a power of two long."""
    filter: Hashes
    """Bitmap of four bits per key within one word: answers most searches from the cache."""
    gate: Hashes
    """The same for every part of `part_of(n)` words of an n-gram."""
    hints: Hashes
    """The same for the parts of `part_of(WHOLE)` words with which phrases begin; empty without phrases."""
    n: int
    mask: np.uint64
    """Bits of a key that count: all, but for tests that need collisions."""


@inner
def gram_hash(hashes: Hashes, first: int | np.uint64, count: int | np.uint64) -> np.uint64:
    """Return the polynomial hash of `count` words from `first` on, one or more; two at a time are faster."""
    at, odd = np.uint64(first), np.uint64(count) & _ONE
    stop, h = at + np.uint64(count), np.uint64(hashes[at] * odd)
    at += odd
    while at < stop:
        h = h * _SQUARE + (hashes[at] * _BASE + hashes[at + _ONE])
        at += _TWO
    return h


@inner
def gram_key(h: np.uint64, shape: int, mask: np.uint64) -> np.uint64:
    """Turn a polynomial hash and a shape into a key."""
    h += np.uint64(shape) * _SALT
    return (h ^ h >> _S32) & mask


@inner
def part_of(n: int) -> tuple[int, int]:
    """Return a number of words and a step; any n words hold a run of so many that starts at such a step."""
    step = max(1, n // 2)
    return n - step + 1, step


@inner
def _bits(key: np.uint64) -> np.uint64:
    """Return the four bits of a key within its word of a bitmap."""
    low = _ONE << (key & _LOW) | _ONE << (key >> _S6 & _LOW)
    return low | _ONE << (key >> _S12 & _LOW) | _ONE << (key >> _S18 & _LOW)


@inner
def _place(bitmap: Hashes, key: np.uint64) -> np.uint64:
    """Return the place of a key's word in a bitmap, whose length is a power of two."""
    return (key >> _S24) & np.uint64(len(bitmap) - 1)


@inner
def may_hold(bitmap: Hashes, key: np.uint64) -> bool:
    """Tell whether a bitmap holds a key; now and then it says so of others."""
    bits = _bits(key)
    return bitmap[_place(bitmap, key)] & bits == bits  # type: ignore[no-any-return]


@kernel
def sift(bitmap: Hashes, hashes: Hashes, words: int, n: int, mask: np.uint64, marks: Ints) -> int:
    """Write the places at which a part of a gram of n words may stand; return how many.

    A gram that starts at word s holds the part at the first step from s on. Texts are not told apart, so
    that short ones cost no more; a part may reach over a border.
    """
    passed, at = _ZERO, _ZERO
    width, step = np.uint64(part_of(n)[0]), np.uint64(part_of(n)[1])
    while at + width <= np.uint64(words):
        marks[passed] = at
        passed += np.uint64(may_hold(bitmap, gram_key(gram_hash(hashes, at, width), 0, mask)))
        at += step
    return np.int64(passed)  # type: ignore[return-value]


@inner
def slot_of(table: Hashes, key: np.uint64) -> int:
    """Return the slot of a key, -1 when there is none."""
    place, last = key & np.uint64(len(table) - 1), np.uint64(len(table) - 1)
    while table[place] != 0:
        if (table[place] ^ key) >> _S32 == 0:
            return np.int64(table[place] & _SLOT) - 1  # type: ignore[return-value]
        place = (place + _ONE) & last
    return -1


@kernel
def fill_keys(hashes: Hashes, at: Ints, shape: Ints, first: Ints, mask: np.uint64, keys: Hashes) -> None:
    """Write the keys of all grams."""
    for u in range(len(at) - 1):
        for g in range(first[u], first[u + 1]):
            h = gram_hash(hashes, at[u] + g - first[u], shape[u] >> 1)
            keys[g] = gram_key(h, shape[u], mask)


@kernel
def assign_slots(keys: Hashes, table: Hashes, slots: Slots) -> int:
    """Give every key a slot, in order of first occurrence, by way of an empty table; return how many."""
    count, last = 0, np.uint64(len(table) - 1)
    for g in range(len(keys)):
        key = keys[g]
        place = key & last
        while table[place] != 0 and (table[place] ^ key) >> _S32 != 0:
            place = (place + _ONE) & last
        if table[place] == 0:
            count += 1
            table[place] = (key >> _S32) << _S32 | np.uint64(count)
        slots[g] = np.int64(table[place] & _SLOT) - 1
    return count


@kernel
def find_equal(slots: Slots, first: Ints, shape: Ints, table: Slots, leads: Ints) -> None:
    """Write the first unit with the same grams as each unit, by way of an empty table (unit + 1)."""
    last = np.uint64(len(table) - 1)
    for u in range(len(leads)):
        size, h = first[u + 1] - first[u], _ZERO
        for g in range(first[u], first[u + 1]):
            h = (h ^ np.uint64(slots[g])) * _BASE
            h ^= h >> _S32
        place, leads[u] = h & last, u
        while table[place] != 0:
            other = table[place] - 1
            same = shape[other] == shape[u] and first[other + 1] - first[other] == size
            for k in range(size if same else 0):
                if slots[first[other] + k] != slots[first[u] + k]:
                    same = False
                    break
            if same:
                leads[u] = other
                break
            place = (place + _ONE) & last
        if leads[u] == u:
            table[place] = u + 1


@kernel
def tell(
    slots: Slots, first: Ints, words: Ints, shape: Ints, leads: Ints, common: Ints, measure: Measure,
    times: Ints, telling: Marks, passed: Ints, need: Ints,
) -> None:  # fmt: skip
    """Mark the grams that name their units, count the others of each unit, and what a hit needs.

    `common` is how many units share each slot, `times` as many zeros. Left out are the most common grams of
    a unit, as many as together are no hit: a hit shares some other gram as well.
    """
    for u in range(len(leads)):
        if leads[u] != u:
            continue
        begin, end, width = first[u], first[u + 1], shape[u] >> 1
        whole, step = (end - begin, 1) if measure.counted == GRAMS else (words[u], width)
        most, low, high = 1, 0 * u + FEW, 0 * u + FEW
        for g in range(begin, end):
            high = max(high, common[slots[g]])
            times[slots[g]] += 1
            most = max(most, times[slots[g]])
        while low < high:
            bar = (low + high) // 2
            covered = overlap(slots, begin, end, width, measure.counted, common, bar + 1)
            if is_hit(covered, whole, measure):
                low = bar + 1
            else:
                high = bar
        for g in range(begin, end):
            times[slots[g]] = 0
            telling[g] = common[slots[g]] <= low
            passed[u] += not telling[g]
        need[u] = 1
        while need[u] * most * step < whole and not is_hit(need[u] * most * step, whole, measure):
            need[u] += 1


@kernel
def post_units(slots: Slots, first: Ints, order: Ints, telling: Marks, free: Ints, postings: Slots) -> None:
    """Write the units of each slot, which are taken in an order, from `free` on, which moves."""
    for k in range(len(order)):
        for g in range(first[order[k]], first[order[k] + 1]):
            if telling[g]:
                postings[free[slots[g]]] = order[k]
                free[slots[g]] += 1


@kernel
def fill_filter(bitmap: Hashes, keys: Hashes) -> None:
    """Set the bits of every key."""
    for k in range(len(keys)):
        bitmap[_place(bitmap, keys[k])] |= _bits(keys[k])


@kernel
def fill_parts(hashes: Hashes, at: Ints, n: int, mask: np.uint64, gate: Hashes, hints: Hashes) -> None:
    """Set the bits of all parts of n-grams, and of the parts with which phrases begin."""
    width, (begin, steps) = part_of(n)[0], part_of(WHOLE)
    for u in range(len(at) - 1):
        words = at[u + 1] - at[u]
        if words >= n:
            for k in range(at[u], at[u + 1] - width + 1):
                key = gram_key(gram_hash(hashes, k, width), 0, mask)
                gate[_place(gate, key)] |= _bits(key)
        elif words >= WHOLE:
            for k in range(at[u], at[u] + steps):
                key = gram_key(gram_hash(hashes, k, begin), 0, mask)
                hints[_place(hints, key)] |= _bits(key)


def index_units(hashes: Hashes, at: Ints, n: int, mask: np.uint64, measure: Measure, named: Marks) -> Grams:
    """Index units by the hashes of their words, which start at `at` (and the total), for a measure.

    Only the units that are `named` are ever found; of equal ones, the first must be.
    """
    words = np.diff(at)
    shape = np.where(words >= n, n << 1, np.where(words > 0, words << 1 | (words < WHOLE), 0))
    first = np.concatenate([[0], np.cumsum(np.where(words > 0, words - (shape >> 1) + 1, 0))])
    keys = np.empty(first[-1], np.uint64)
    fill_keys(fixed(hashes), fixed(at), fixed(shape), fixed(first), mask, keys)
    table, slots, count = _slots(fixed(keys))
    posted = _post(fixed(slots), count, fixed(first), fixed(words), fixed(shape), measure, named)
    phrases = int(np.count_nonzero((words >= WHOLE) & (words < n)))
    bitmap, gate = np.zeros(_power(count // 8), np.uint64), np.zeros(_power(count // 8), np.uint64)
    hints = np.zeros(_power(phrases // 4) if phrases else 0, np.uint64)
    fill_filter(bitmap, fixed(keys))
    fill_parts(fixed(hashes), fixed(at), n, mask, gate, hints)
    arrays = (fixed(a) for a in (words, first, slots, shape, *posted, table, bitmap, gate, hints))
    return Grams(*arrays, n, mask)  # type: ignore[call-arg, arg-type]


def _slots(keys: Hashes) -> tuple[Hashes, Slots, int]:
    """Return the table of keys, the slot of each key, and how many slots there are."""
    slots = np.empty(len(keys), np.int32)
    table = np.zeros(_power(len(keys) * 3 // 2), np.uint64)
    count = assign_slots(keys, table, slots)
    if _power(count * 3 // 2) < len(table):
        # Many texts share grams: in a table no larger than need be, more searches end in the cache.
        table = np.zeros(_power(count * 3 // 2), np.uint64)
        count = assign_slots(keys, table, slots)
    return table, slots, count


def _post(
    slots: Slots, count: int, first: Ints, words: Ints, shape: Ints, measure: Measure, named: Marks
) -> tuple[Ints, Slots, Ints, Ints, Ints, Ints]:
    """Return what is posted: starts, postings, passed, need, equals, equal."""
    units = len(words)
    leads, passed, need = np.empty(units, np.int64), np.zeros(units, np.int64), np.zeros(units, np.int64)
    telling, times = np.zeros(len(slots), np.bool_), np.zeros(count, np.int64)
    find_equal(slots, first, shape, np.zeros(_power(2 * units), np.int32), leads)
    common = np.bincount(slots[np.repeat(leads == np.arange(units), np.diff(first))], minlength=count)
    tell(slots, first, words, shape, fixed(leads), fixed(common), measure, times, telling, passed, need)
    starts = np.concatenate([[0], np.cumsum(np.bincount(slots[telling], minlength=count))])
    postings = np.empty(starts[-1], np.int32)
    post_units(slots, first, fixed(np.argsort(need, kind="stable")), telling, starts[:-1].copy(), postings)
    equals = np.argsort(leads, kind="stable")
    equals = equals[named[equals]]
    return starts, postings, passed, need, equals, np.searchsorted(leads[equals], np.arange(units + 1))


def _power(size: int) -> int:
    """Return the smallest power of two that is at least `size`, and at least 1,024."""
    return 1 << max(10, (max(size, 1) - 1).bit_length())
