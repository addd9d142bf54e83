"""Words of a text, read in place from its UTF-8 bytes.

The one idea: a transducer without context (see `folding`) walks the bytes once and yields words as
64-bit hashes with their places in the ORIGINAL text; nothing is copied or rewritten. `next_word` says
what a word is; `hash_ascii` takes runs of ASCII by a shorter way that agrees with it. A
walk's position is a byte and, inside a code point that becomes several, a part of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bits import BLOCK, classes, load, lowest, multiply
from tulu_data.kernels.folding import (
    ACCENT,
    CLASS_BITS,
    EXPANDS,
    IGNORED,
    PAGE_BITS,
    PRIME,
    SEPARATES,
    SINGLE,
    WORD,
    Folding,
    spread,
)
from tulu_data.kernels.jit import inner, kernel

Bytes = NDArray[np.uint8]
Points = NDArray[np.int32]
Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]
Marks = NDArray[np.bool_]
Word = tuple[np.uint64, int, int, int, int]
"""Hash, first byte, end byte (the first after it), and where to go on: byte, part. First is -1 at the end."""

MOST_POINTS = 6
"""Folded code points per byte of text, at most (U+FDFA: 18 from 3 bytes)."""
MOST_WORDS = 2
"""Words per byte of text, at most (U+FDFA: 4 words from 3 bytes)."""

_SEED, _SALT = np.uint64(0x2545F4914F6CDD1D), np.uint64(0xE7037ED1A0B428DB)
_ZERO, _ONE, _TWO, _THREE, _LOAD, _LOADS = (np.uint64(number) for number in (0, 1, 2, 3, 8, 16))
_ALL, _LOWER = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x2020202020202020)
_BLOCK, _REACH = np.uint64(BLOCK), np.uint64(BLOCK + 16)
_TURN, _BACK = np.uint64(11), np.uint64(53)
_SIGN = np.uint8(7)
_DIGITS = np.uint64(0x1010101010101010)
_ASCII, _NOUGHT, _NINE = 0x80, 0x30, 0x39
_CLASS = (1 << CLASS_BITS) - 1
_PAGE = (1 << PAGE_BITS) - 1

mixed = inner(spread)
"""Spread the bits of a hash, in a kernel."""


@inner
def signed(number: np.unsignedinteger[Any] | np.signedinteger[Any]) -> int:
    """Widen a number of an array; mixed with unsigned ones it would become a float."""
    return np.int64(number)  # type: ignore[return-value]  # in a kernel there is no other int


@inner
def decode(text: Bytes, i: int, end: int) -> tuple[int, int]:
    """Return the code point that starts at byte `i` and its width; a broken one is U+FFFD of width 1."""
    b = signed(text[i])
    if b < _ASCII:
        return b, 1
    width = 1 + (b >= 0xC2) + (b >= 0xE0) + (b >= 0xF0)
    if width == 1 or b >= 0xF5 or i + width > end:
        return 0xFFFD, 1
    point = b & (0xFF >> (width + 1))
    for k in range(1, width):
        point = point << 6 | signed(text[i + k]) & 0x3F
    return min(point, 0x10FFFF), width


@inner
def _emit(out: Points, point: int, accent: bool) -> None:
    """Append a folded code point; an accent goes, negated, to its sorted place among the last accents."""
    at = signed(out[0]) + 1
    out[0] = at
    if accent:
        while at > 1 and out[at - 1] < 0 and out[at - 1] < -point:
            out[at] = out[at - 1]
            at -= 1
        point = -point
    out[at] = point


@inner
def joined(h: np.uint64, low: np.uint64, high: np.uint64) -> np.uint64:
    """Return the hash of an ASCII word that goes on for up to 16 letters."""
    return multiply(h ^ low, high ^ _SALT)


@inner
def lettered(
    h: np.uint64, low: np.uint64, high: np.uint64, size: np.uint64, letter: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Append a letter to an ASCII word: the hash so far, and the last letters with their number."""
    if size == _LOADS:
        h, low, high, size = joined(h, low, high), _ZERO, _ZERO, _ZERO
    if size < _LOAD:
        low |= letter << (size << _THREE)
    else:
        high |= letter << (size - _LOAD << _THREE)
    return h, low, high, size + _ONE


@kernel
def next_word(text: Bytes, i: int, part: int, end: int, tables: Folding, out: Points) -> Word:
    """Return the next word of `text[i:end]`.

    Unless `out` is empty, the word's folded code points are written from out[1] on and counted in
    out[0]; accents stand negated and sorted, so that equal words are equal arrays.
    """
    h, first, stop, single = _SEED, -1, i, False
    plain, short, low, high, size = True, _SEED, _ZERO, _ZERO, _ZERO
    if len(out):
        out[0] = 0
    while i < end:
        point, width = decode(text, i, end)
        element, count, at = signed(tables[signed(tables[point >> PAGE_BITS]) + (point & _PAGE)]), 1, 0
        if element & _CLASS == EXPANDS:
            at = (element >> CLASS_BITS) + 1
            count = signed(tables[at - 1])
        else:
            element += point << CLASS_BITS
        while part < count:
            if at:
                element = signed(tables[at + part])
            kind, point = element & _CLASS, element >> CLASS_BITS
            starts = WORD <= kind <= SINGLE
            if first >= 0 and (kind == SEPARATES or (starts and (single or kind == SINGLE))):
                return joined(short, low, high) if plain else h, first, stop, i, part
            if starts and first < 0:
                first, single = i, kind == SINGLE
            if first >= 0 and kind != IGNORED:
                h = (h if kind == ACCENT else h << _TURN | h >> _BACK) + mixed(np.uint64(point) * PRIME)
                plain &= point < _ASCII
                if plain:
                    short, low, high, size = lettered(short, low, high, size, np.uint64(point))
                if len(out):
                    _emit(out, point, kind == ACCENT)
                stop = i + width
            part += 1
        i += width
        part = 0
    return joined(short, low, high) if plain else h, first, stop, i, part


@inner
def _letters(text: Bytes, at: np.uint64, size: np.uint64) -> np.uint64:
    """Return the next letters and digits of a word in lower case, eight at most, of `size` that are left."""
    # Of letters and digits, this bit tells upper case alone; shifted twice, since 64 would be too far.
    unused = (_LOAD - min(size, _LOAD)) << _TWO
    return (load(text, at) | _LOWER) & (_ALL >> unused >> unused)


@inner
def _digits(letters: np.uint64) -> np.uint64:
    """Mark which of eight letters and digits are digits: these alone have this bit without the one above."""
    return letters & ~(letters >> _TWO) & _DIGITS


@inner
def _has_digit(word: Points) -> bool:
    """Tell whether a digit is in a word that `next_word` wrote out."""
    found = False
    for x in range(1, signed(word[0]) + 1):
        found |= _NOUGHT <= word[x] <= _NINE
    return found


@inner
def hash_ascii(
    text: Bytes,
    i: np.uint64,
    stop: np.uint64,
    hashes: Hashes,
    count: np.uint64,
    places: Ints | None,
    numeric: Marks | None,
) -> tuple[np.uint64, np.uint64]:
    """Hash ASCII words from byte `i` on; return where they end, and the new count.

    They end at `stop`, before a word that is not ASCII or longer than a block, or near the end of the
    array, of which nothing beyond is read. Where `places` is given, it gets first and end byte of each;
    where `numeric` is, whether a digit is in it.
    Unsigned, because numba looks at every signed index for counting from the end.
    """
    while i < stop and i + _REACH <= np.uint64(len(text)):
        inside, beyond = classes(text, i)
        room = min(stop - i, _BLOCK)
        kept = _ALL >> (_BLOCK - room)
        cut = beyond & kept & (~beyond + _ONE)
        inside &= kept if cut == 0 else cut - _ONE
        begins, ends = inside & ~(inside << _ONE), ~inside & (inside << _ONE) & ~cut
        while ends:
            at = lowest(begins)
            size = lowest(ends) - at
            at += i
            if places is not None:
                places[count, 0], places[count, 1] = at, at + size
            low, high = _letters(text, at, size), _letters(text, at + _LOAD, max(size, _LOAD) - _LOAD)
            h, digits = joined(_SEED, low, high), _digits(low) | _digits(high)
            while size > _LOADS:
                at, size = at + _LOADS, size - _LOADS
                low, high = _letters(text, at, size), _letters(text, at + _LOAD, max(size, _LOAD) - _LOAD)
                h, digits = joined(h, low, high), digits | _digits(low) | _digits(high)
            hashes[count] = h
            if numeric is not None:
                numeric[count] = digits != 0
            count += _ONE
            begins &= begins - _ONE
            ends &= ends - _ONE
        whole = begins == 0
        i += min(lowest(begins), lowest(cut), room)
        if cut or not (whole or lowest(begins)):
            break
    return i, count


@inner
def _hash_texts(
    text: Bytes, begin: Ints, end: Ints, tables: Folding, word: Points, hashes: Hashes, at: Ints,
    numeric: Marks | None,
) -> None:  # fmt: skip
    """Write the hashes of the words of texts, where each text's start, and which words hold a digit."""
    count = _ZERO
    for k in range(len(begin)):
        at[k] = count
        # A plain 0 would be a type of its own at first, and `next_word` be compiled for it.
        i, part, stop = begin[k], 0 * begin[k], end[k]
        while i < stop:
            if part == 0 and text[i] < _ASCII:
                j, count = hash_ascii(text, np.uint64(i), np.uint64(stop), hashes, count, None, numeric)
                i = np.int64(j)
            if i < stop:
                h, first, _, i, part = next_word(text, i, part, stop, tables, word)
                hashes[count] = h
                if numeric is not None and first >= 0:
                    numeric[count] = _has_digit(word)
                count += np.uint64(first >= 0)
    at[len(begin)] = count


@kernel
def hash_texts(
    text: Bytes, begin: Ints, end: Ints, tables: Folding, nothing: Points, hashes: Hashes, at: Ints
) -> None:
    """Write the hashes of the words of the texts `text[begin[k]:end[k]]`, and where each text's start.

    `nothing` is an empty array to write into.
    """
    _hash_texts(text, begin, end, tables, nothing, hashes, at, None)


@kernel
def hash_numeric(
    text: Bytes, begin: Ints, end: Ints, tables: Folding, word: Points, hashes: Hashes, at: Ints,
    numeric: Marks,
) -> None:  # fmt: skip
    """Write what `hash_texts` does, and which words hold a digit once folded.

    `word` has room for one that is written out.
    """
    _hash_texts(text, begin, end, tables, word, hashes, at, numeric)


def fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only contiguous array, the one kind for which kernels are compiled."""
    array = np.ascontiguousarray(array)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def hash_all(text: Bytes, begin: Ints, end: Ints, tables: Folding) -> tuple[Hashes, Ints]:
    """Return the hashes of the words of the texts `text[begin[k]:end[k]]`, and where each text's start."""
    hashes, at = np.empty(word_room(text, begin, end), np.uint64), np.empty(len(begin) + 1, np.int64)
    hash_texts(fixed(text), fixed(begin), fixed(end), tables, np.empty(0, np.int32), hashes, at)
    return hashes[: at[-1]], at


def word_room(text: Bytes, begin: Ints, end: Ints) -> int:
    """Return a number that the words of some texts, and one more, never pass.

    ASCII alone has a separator after each word but the last; any other byte may be or end more words.
    """
    return int((end - begin).sum()) // 2 + (MOST_WORDS + 1) * beyond_ascii(text, begin, end) + len(begin) + 1


def beyond_ascii(text: Bytes, begin: Ints, end: Ints) -> int:
    """Count the bytes of some texts that are not ASCII."""
    return count_beyond(fixed(text), fixed(begin), fixed(end))


@kernel
def count_beyond(text: Bytes, begin: Ints, end: Ints) -> int:
    """Count the bytes of some texts that are not ASCII."""
    count = _ZERO
    for k in range(len(begin)):
        for i in range(np.uint64(begin[k]), np.uint64(end[k])):
            count += np.uint64(text[i] >> _SIGN)
    return np.int64(count)  # type: ignore[return-value]
