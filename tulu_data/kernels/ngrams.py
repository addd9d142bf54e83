"""An index of the word n-grams of many short texts, and the search for them in long ones.

The one idea: a text of at least n words is its n-grams; a shorter one is a single gram, the whole
phrase (below `WHOLE` words it must even be the whole of a turn). Grams get slots: one slot per
DIFFERENT sequence of words, compared word by word while building, so a slot never stands for two.
A search compares hashes alone and may therefore name too many slots, never too few; `same_words`
settles it. Everything is a flat array, and the same suites give the same arrays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import Folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import MOST_POINTS, MOST_WORDS, Bytes, Hashes, hash_words, mixed, next_word

Ints = NDArray[np.int64]
Slots = NDArray[np.int32]

WHOLE = 4
"""Texts with fewer words than this match only a turn that has no other words."""
PART_BITS = 5
"""A walk's position is kept as `byte << PART_BITS | part`; no code point has more than 18 parts."""

_BASE = np.uint64(0xD6E8FEB86659FD93)
_SALT = np.uint64(0xA24BAED4963EE407)
_S16, _S40, _S46 = np.uint64(16), np.uint64(40), np.uint64(46)
_LOW, _ONE = np.uint64(63), np.uint64(1)
_ENDING = WHOLE << 1
"""Shape under which the last `WHOLE` words of a phrase are kept in `endings`."""


class Grams(NamedTuple):
    """The index. A shape is `words << 1 | whole`."""

    text: Bytes
    """The indexed texts (units), one after another."""
    begin: Ints
    end: Ints
    """Bytes of each unit."""
    words: Ints
    """Words of each unit."""
    first: Ints
    """Where the grams of each unit start in `slots`, and their total at the end."""
    slots: Slots
    """Slot of every gram of every unit, in order."""
    shape: Ints
    """Shape of the grams of each unit; 0 for a unit without words."""
    keys: Hashes
    """Key of each slot."""
    home: Ints
    """Per slot: walk position of its first occurrence, and the unit of that."""
    starts: Ints
    """Where the postings of each slot start, and their total at the end."""
    postings: Slots
    """Units that hold each slot, once per occurrence."""
    table: Slots
    """Open addressing from keys to slots, -1 where empty; its size is a power of two."""
    filter: Hashes
    """Bitmap of three bits per key within one word: answers most searches from the cache."""
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
    return mixed(h + np.uint64(shape) * _SALT) & mask


@inner
def _bits(key: np.uint64) -> np.uint64:
    """Return the three bits of a key within its word of the filter."""
    return _ONE << (key >> _S40 & _LOW) | _ONE << (key >> _S46 & _LOW) | _ONE << (key & _LOW)


@inner
def sift(grams: Grams, hashes: Hashes, words: int, marks: Ints) -> int:
    """Write `word << 1` where an n-gram may end, `word << 1 | 1` for a phrase; return how many.

    Every word stores its place and only a pass moves on: no branch that can be guessed wrong.
    """
    bitmap, endings, mask, n, passed = grams.filter, grams.endings, grams.mask, grams.n, 0
    h, out, h4, out4 = np.uint64(0), np.uint64(1), np.uint64(0), np.uint64(1)
    last, last4 = np.uint64(len(bitmap) - 1), np.uint64(len(endings) - 1)
    for _ in range(n):
        out *= _BASE
    for _ in range(WHOLE):
        out4 *= _BASE
    for j in range(words):
        h = h * _BASE + hashes[j]
        h4 = h4 * _BASE + hashes[j]
        if j >= n:
            h -= hashes[j - n] * out
        if j >= WHOLE:
            h4 -= hashes[j - WHOLE] * out4
        key, key4 = gram_key(h, n << 1, mask), gram_key(h4, _ENDING, mask)
        bits, bits4 = _bits(key), _bits(key4)
        marks[passed] = j << 1
        passed += (j >= n - 1) & (bitmap[(key >> _S16) & last] & bits == bits)
        marks[passed] = j << 1 | 1
        passed += (j >= WHOLE - 1) & (endings[(key4 >> _S16) & last4] & bits4 == bits4)
    return passed


@inner
def unit_shape(words: int, n: int) -> int:
    """Return the shape of the grams of a unit."""
    if words >= n:
        return n << 1
    return words << 1 | (words < WHOLE) if words else 0


@kernel
def hash_units(text: Bytes, begin: Ints, end: Ints, tables: Folding) -> tuple[Hashes, Ints]:
    """Return the hashes of the words of all units, and where each unit's start (and the total)."""
    first = np.zeros(len(begin) + 1, np.int64)
    hashes = np.empty(1024, np.uint64)
    for u in range(len(begin)):
        need = first[u] + MOST_WORDS * (end[u] - begin[u]) + 1
        if need > len(hashes):
            wider = np.empty(2 * need, np.uint64)
            for k in range(first[u]):
                wider[k] = hashes[k]
            hashes = wider
        first[u + 1] = first[u] + hash_words(text, begin[u], end[u], tables, hashes[first[u] :])
    return hashes[: first[-1]], first


@kernel
def unit_keys(hashes: Hashes, at: Ints, n: int, mask: np.uint64) -> tuple[Hashes, Hashes, Ints, Ints]:
    """Return the keys of all grams, the phrases' marks for the filter, the units' first grams and shapes."""
    units = len(at) - 1
    first, shape = np.zeros(units + 1, np.int64), np.zeros(units, np.int64)
    for u in range(units):
        shape[u] = unit_shape(at[u + 1] - at[u], n)
        width = shape[u] >> 1
        first[u + 1] = first[u] + (at[u + 1] - at[u] - width + 1 if width else 0)
    keys, marks, phrases = np.empty(first[-1], np.uint64), np.empty(units, np.uint64), 0
    for u in range(units):
        width = shape[u] >> 1
        for q in range(first[u + 1] - first[u]):
            keys[first[u] + q] = gram_key(gram_hash(hashes, at[u] + q, width), shape[u], mask)
        if WHOLE <= width < n:
            marks[phrases] = gram_key(gram_hash(hashes, at[u + 1] - WHOLE, WHOLE), _ENDING, mask)
            phrases += 1
    return keys, marks[:phrases], first, shape


@kernel
def assign_slots(
    text: Bytes, begin: Ints, end: Ints, first: Ints, shape: Ints, keys: Hashes, tables: Folding, size: int
) -> tuple[Slots, Hashes, Ints, Slots]:
    """Give every different gram a slot, in order of first occurrence; return slots, keys, homes, table."""
    slots, table = np.empty(len(keys), np.int32), np.full(size, -1, np.int32)
    kept, home, count = np.empty(len(keys), np.uint64), np.empty((len(keys), 2), np.int64), 0
    for u in range(len(begin)):
        i, part = begin[u], 0
        for g in range(first[u], first[u + 1]):
            at = i << PART_BITS | part
            place = np.int64((keys[g] >> _S16) & np.uint64(size - 1))
            while table[place] >= 0:
                slot = table[place]
                other = home[slot, 1]
                if (
                    kept[slot] == keys[g]
                    and shape[other] == shape[u]
                    and same_words(text, at, end[u], text, home[slot, 0], end[other], shape[u] >> 1, tables)
                ):
                    break
                place = (place + 1) & (size - 1)
            if table[place] < 0:
                table[place] = count
                kept[count], home[count, 0], home[count, 1] = keys[g], at, u
                count += 1
            slots[g] = table[place]
            _, _, _, i, part = next_word(text, i, part, end[u], tables, None)
    return slots, kept[:count].copy(), home[:count].copy(), table


@kernel
def post_units(slots: Slots, first: Ints, count: int) -> tuple[Ints, Slots]:
    """Return where each slot's postings start, and the postings in the order of the units."""
    starts, postings = np.zeros(count + 1, np.int64), np.empty(len(slots), np.int32)
    for slot in slots:
        starts[slot + 1] += 1
    for k in range(count):
        starts[k + 1] += starts[k]
    free = starts[:-1].copy()
    for u in range(len(first) - 1):
        for g in range(first[u], first[u + 1]):
            postings[free[slots[g]]] = u
            free[slots[g]] += 1
    return starts, postings


@kernel
def fill_filter(bitmap: Hashes, keys: Hashes) -> None:
    """Set the bits of every key; the length of the bitmap is a power of two."""
    for key in keys:
        bitmap[(key >> _S16) & np.uint64(len(bitmap) - 1)] |= _bits(key)


@inner
def same_words(
    a: Bytes, at: int, end: int, b: Bytes, bt: int, bend: int, count: int, tables: Folding
) -> bool:
    """Tell whether the next `count` words of two texts are the same, by their folded code points."""
    i, ip, k, kp = at >> PART_BITS, at & 31, bt >> PART_BITS, bt & 31
    for _ in range(count):
        i0, p0, k0, q0 = i, ip, k, kp
        _, f, stop, i, ip = next_word(a, i, ip, end, tables, None)
        _, g, halt, k, kp = next_word(b, k, kp, bend, tables, None)
        if f < 0 or g < 0:
            return False
        plain = stop - f == halt - g
        for x in range(stop - f if plain else 0):
            plain = plain and a[f + x] == b[g + x] and a[f + x] < 128
        if plain:
            continue
        out = np.empty(MOST_POINTS * (i + 4 - i0) + 2, np.int32)
        other = np.empty(MOST_POINTS * (k + 4 - k0) + 2, np.int32)
        next_word(a, i0, p0, end, tables, out)
        next_word(b, k0, q0, bend, tables, other)
        for x in range(out[0] + 1):
            if out[x] != other[x]:
                return False
    return True


@inner
def grown(rows: Ints, need: int) -> Ints:
    """Return the same rows with room for `need` of them."""
    if need <= len(rows):
        return rows
    columns = rows.shape[1]
    wider = np.empty((max(need, 2 * len(rows)), columns), np.int64)
    # Plain loops: a slice assignment takes numba seconds to compile.
    for row in range(len(rows)):
        for column in range(columns):
            wider[row, column] = rows[row, column]
    return wider


@inner
def _collect(grams: Grams, key: np.uint64, at: int, shape: int, found: Ints, count: int) -> tuple[Ints, int]:
    """Append (first word, slot, shape) for every slot that has the key."""
    size = len(grams.table)
    place = np.int64((key >> _S16) & np.uint64(size - 1))
    while grams.table[place] >= 0:
        slot = grams.table[place]
        if grams.keys[slot] == key:
            found = grown(found, count + 1)
            found[count, 0], found[count, 1], found[count, 2] = at, slot, shape
            count += 1
        place = (place + 1) & (size - 1)
    return found, count


@inner
def find_grams(grams: Grams, hashes: Hashes, words: int, marks: Ints, found: Ints) -> tuple[Ints, int]:
    """Find the grams of the index in one turn of `words` words; return (first word, slot, shape) rows.

    `marks` has room for two numbers a word, and one more.
    """
    n, mask, count = grams.n, grams.mask, 0
    for k in range(sift(grams, hashes, words, marks)):
        last, phrase = marks[k] >> 1, marks[k] & 1
        for width in range(WHOLE if phrase else n, min(n - 1, last + 1) + 1 if phrase else n + 1):
            at = last - width + 1
            key = gram_key(gram_hash(hashes, at, width), width << 1, mask)
            found, count = _collect(grams, key, at, width << 1, found, count)
    if 0 < words < min(WHOLE, n):
        shape = words << 1 | 1
        key = gram_key(gram_hash(hashes, 0, words), shape, mask)
        found, count = _collect(grams, key, 0, shape, found, count)
    return found, count
