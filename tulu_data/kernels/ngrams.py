"""An index of the word n-grams of many short texts.

The one idea: a text of at least n words is its n-grams; a shorter one is a single gram, the whole
phrase (below `WHOLE` words it must even be the whole of a turn). Grams get slots by their keys, which
are hashes: two different grams may share one, so a search names too many slots, never too few, and the
words themselves settle it (`decontaminate.evidence`). Everything is a flat array, and the same texts
give the same arrays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Hashes, Ints, fixed

Slots = NDArray[np.int32]

WHOLE = 4
"""Texts with fewer words than this match only a turn that has no other words."""

_BASE = np.uint64(0xD6E8FEB86659FD93)
_SALT = np.uint64(0xA24BAED4963EE407)
_S6, _S12, _S18, _S24, _S32 = (np.uint64(shift) for shift in (6, 12, 18, 24, 32))
_ZERO, _ONE, _LOW, _SLOT = np.uint64(0), np.uint64(1), np.uint64(63), np.uint64(0xFFFFFFFF)
_ENDING = WHOLE << 1
"""Shape under which the last `WHOLE` words of a phrase are kept in `endings`."""


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
    """Units that hold each slot, once per occurrence."""
    table: Hashes
    """Open addressing by key: upper half of a key, then its slot + 1; 0 where empty; a power of two long."""
    filter: Hashes
    """Bitmap of four bits per key within one word: answers most searches from the cache."""
    endings: Hashes
    """The same for the last `WHOLE` words of each phrase; apart, because it is far smaller."""
    n: int
    mask: np.uint64
    """Bits of a key that count: all, but for tests that need collisions."""


@inner
def gram_hash(hashes: Hashes, first: int, count: int) -> np.uint64:
    """Return the polynomial hash of `count` words from `first` on."""
    h = np.uint64(0)
    for k in range(first, first + count):
        h = h * _BASE + hashes[k]
    return h


@inner
def gram_key(h: np.uint64, shape: int, mask: np.uint64) -> np.uint64:
    """Turn a polynomial hash and a shape into a key."""
    h += np.uint64(shape) * _SALT
    return (h ^ h >> _S32) & mask


@inner
def _bits(key: np.uint64) -> np.uint64:
    """Return the four bits of a key within its word of the filter."""
    low = _ONE << (key & _LOW) | _ONE << (key >> _S6 & _LOW)
    return low | _ONE << (key >> _S12 & _LOW) | _ONE << (key >> _S18 & _LOW)


@inner
def sift(grams: Grams, hashes: Hashes, words: int, marks: Ints) -> int:
    """Write `word << 1` where an n-gram may end, `word << 1 | 1` for a phrase; return how many.

    Texts are not told apart, so that short ones cost no more; a mark may reach back over a border.
    """
    bitmap, endings, mask, n, whole = grams.filter, grams.endings, grams.mask, grams.n, np.uint64(WHOLE)
    h, out, h4, out4, passed, wide = _ZERO, _ONE, _ZERO, _ONE, _ZERO, np.uint64(n)
    last, last4 = np.uint64(len(bitmap) - 1), np.uint64(len(endings) - 1)
    for _ in range(n):
        out *= _BASE
    for _ in range(WHOLE):
        out4 *= _BASE
    for j in range(_ZERO, np.uint64(words)):
        h = h * _BASE + hashes[j]
        h4 = h4 * _BASE + hashes[j]
        if j >= wide:
            h -= hashes[j - wide] * out
        if j >= whole:
            h4 -= hashes[j - whole] * out4
        key, key4 = gram_key(h, n << 1, mask), gram_key(h4, _ENDING, mask)
        bits, bits4 = _bits(key), _bits(key4)
        gram, phrase = (
            bitmap[(key >> _S24) & last] & bits == bits,
            endings[(key4 >> _S24) & last4] & bits4 == bits4,
        )
        if gram | phrase:
            marks[passed] = j << _ONE
            passed += np.uint64(gram)
            marks[passed] = j << _ONE | _ONE
            passed += np.uint64(phrase)
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
def post_units(slots: Slots, first: Ints, free: Ints, postings: Slots) -> None:
    """Write the units of each slot from `free` on, which moves, in the order of the units."""
    for u in range(len(first) - 1):
        for g in range(first[u], first[u + 1]):
            postings[free[slots[g]]] = u
            free[slots[g]] += 1


@kernel
def fill_filter(bitmap: Hashes, keys: Hashes) -> None:
    """Set the bits of every key; the length of the bitmap is a power of two."""
    for k in range(len(keys)):
        bitmap[(keys[k] >> _S24) & np.uint64(len(bitmap) - 1)] |= _bits(keys[k])


def index_units(hashes: Hashes, at: Ints, n: int, mask: np.uint64) -> Grams:
    """Index units by the hashes of their words, which start at `at` (and the total)."""
    words = np.diff(at)
    shape = np.where(words >= n, n << 1, np.where(words > 0, words << 1 | (words < WHOLE), 0))
    first = np.concatenate([[0], np.cumsum(np.where(words > 0, words - (shape >> 1) + 1, 0))])
    keys, marks = _keys(hashes, at, n, mask, shape, first)
    table, slots = np.zeros(_power(len(keys) * 3 // 2), np.uint64), np.empty(len(keys), np.int32)
    count = assign_slots(fixed(keys), table, slots)
    starts = np.concatenate([[0], np.cumsum(np.bincount(slots, minlength=count))])
    postings = np.empty(len(slots), np.int32)
    post_units(fixed(slots), fixed(first), starts[:-1].copy(), postings)
    bitmap, endings = np.zeros(_power(count // 8), np.uint64), np.zeros(_power(len(marks) // 8), np.uint64)
    fill_filter(bitmap, fixed(keys))
    fill_filter(endings, fixed(marks))
    arrays = (fixed(a) for a in (words, first, slots, shape, starts, postings, table, bitmap, endings))
    return Grams(*arrays, n, mask)  # type: ignore[call-arg, arg-type]


def _keys(
    hashes: Hashes, at: Ints, n: int, mask: np.uint64, shape: Ints, first: Ints
) -> tuple[Hashes, Hashes]:
    """Return the keys of all grams, and of the last `WHOLE` words of each phrase that has them."""
    place = np.repeat(at[:-1] - first[:-1], np.diff(first)) + np.arange(first[-1])
    keys, marks = np.empty(len(place), np.uint64), [np.empty(0, np.uint64)]
    for width in range(1, n + 1):
        units = np.flatnonzero(shape >> 1 == width)
        grams = first[units] if width < n else np.repeat(shape >> 1 == n, np.diff(first))
        keys[grams] = _key(_poly(hashes, place[grams], width), shape[units] if width < n else n << 1, mask)
        if WHOLE <= width < n:
            marks.append(_key(_poly(hashes, at[units] + width - WHOLE, WHOLE), _ENDING, mask))
    return keys, np.concatenate(marks)


def _poly(hashes: Hashes, starts: Ints, width: int) -> Hashes:
    """Return `gram_hash` of the `width` words from each start on."""
    h = np.zeros(len(starts), np.uint64)
    for k in range(width):
        h = h * _BASE + hashes[starts + k]
    return h


def _key(h: Hashes, shape: int | Ints, mask: np.uint64) -> Hashes:
    """Return `gram_key` of many grams."""
    h = h + np.asarray(shape).astype(np.uint64) * _SALT
    return (h ^ h >> _S32) & mask


def _power(size: int) -> int:
    """Return the smallest power of two that is at least `size`, and at least 1,024."""
    return 1 << max(10, (max(size, 1) - 1).bit_length())
