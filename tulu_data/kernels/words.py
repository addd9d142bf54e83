"""Words of a text, read in place from its UTF-8 bytes.

The one idea: a transducer without context (see `folding`) walks the bytes once and yields words as
64-bit hashes with their places in the ORIGINAL text; nothing is copied or rewritten. Every user of
words (n-grams, evidence, near-duplicates) goes through `next_word`, so all agree on what a word is.
A walk's position is a byte and, inside a code point that becomes several, a part of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import (
    ACCENT,
    CLASS_BITS,
    EXPANDS,
    IGNORED,
    PAGE_BITS,
    SEPARATES,
    SINGLE,
    WORD,
    Folding,
)
from tulu_data.kernels.jit import inner, kernel

Bytes = NDArray[np.uint8]
Points = NDArray[np.int32]
Hashes = NDArray[np.uint64]
Word = tuple[np.uint64, int, int, int, int]
"""Hash, first byte, end byte (the first after it), and where to go on: byte, part. First is -1 at the end."""

MOST_POINTS = 6
"""Folded code points per byte of text, at most (U+FDFA: 18 from 3 bytes)."""
MOST_WORDS = 2
"""Words per byte of text, at most (U+FDFA: 4 words from 3 bytes)."""

_SEED = np.uint64(0x2545F4914F6CDD1D)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_S32, _S29 = np.uint64(32), np.uint64(29)
_CLASS = (1 << CLASS_BITS) - 1
_PAGE = (1 << PAGE_BITS) - 1


@inner
def mixed(h: np.uint64) -> np.uint64:
    """Spread the bits of a hash (two rounds of multiply and shift)."""
    h = (h ^ (h >> _S32)) * _MIX
    return h ^ (h >> _S29)


@inner
def signed(number: np.unsignedinteger[Any] | np.signedinteger[Any]) -> int:
    """Widen a number of an array; mixed with unsigned ones it would become a float."""
    return np.int64(number)  # type: ignore[return-value]  # in a kernel there is no other int


@inner
def decode(text: Bytes, i: int, end: int) -> tuple[int, int]:
    """Return the code point that starts at byte `i` and its width; a broken one is U+FFFD of width 1."""
    b = signed(text[i])
    if 0xC2 <= b < 0xE0 and i + 1 < end:
        return (b & 0x1F) << 6 | signed(text[i + 1]) & 0x3F, 2
    if 0xE0 <= b < 0xF0 and i + 2 < end:
        return (b & 0x0F) << 12 | (signed(text[i + 1]) & 0x3F) << 6 | signed(text[i + 2]) & 0x3F, 3
    if 0xF0 <= b < 0xF5 and i + 3 < end:
        high = (b & 0x07) << 18 | (signed(text[i + 1]) & 0x3F) << 12
        point = high | (signed(text[i + 2]) & 0x3F) << 6 | signed(text[i + 3]) & 0x3F
        return min(point, 0x10FFFF), 4
    return 0xFFFD, 1


@inner
def spelling(point: int, tables: Folding) -> tuple[int, int]:
    """Return how many folded code points one becomes, and the one (`point << 3 | class`) or their index."""
    entry = signed(tables.entries[tables.pages[point >> PAGE_BITS] + (point & _PAGE)])
    if entry & _CLASS != EXPANDS:
        return 1, entry + (point << CLASS_BITS)
    index = entry >> CLASS_BITS
    return signed(tables.expansions[index]), index + 1


@inner
def _emit(out: Points, point: int, accent: bool) -> None:
    """Append a folded code point; an accent goes, negated, to its sorted place among the last accents."""
    at = out[0] + 1
    out[0] = at
    if accent:
        while at > 1 and out[at - 1] < 0 and out[at - 1] < -point:
            out[at] = out[at - 1]
            at -= 1
        point = -point
    out[at] = point


@kernel
def next_word(text: Bytes, i: int, part: int, end: int, tables: Folding, out: Points | None) -> Word:
    """Return the next word of `text[i:end]`.

    With `out`, its folded code points are written from out[1] on and counted in out[0]; accents stand
    negated and sorted, so that equal words are equal arrays.
    """
    h, first, stop, single = _SEED, -1, i, False
    if out is not None:
        out[0] = 0
    while i < end:
        count, at, width = 1, 0, 1
        if text[i] < 128:
            folded = signed(tables.ascii[text[i]])
            element = folded << CLASS_BITS | (WORD if folded else SEPARATES)
        else:
            point, width = decode(text, i, end)
            count, at = spelling(point, tables)
            element = at
        while part < count:
            if count > 1:
                element = signed(tables.expansions[at + part])
            kind, point = element & _CLASS, element >> CLASS_BITS
            starts = WORD <= kind <= SINGLE
            if first >= 0 and (kind == SEPARATES or (starts and (single or kind == SINGLE))):
                return mixed(h), first, stop, i, part
            if starts and first < 0:
                first, single = i, kind == SINGLE
            if first >= 0 and kind != IGNORED:
                if kind == ACCENT:
                    h += mixed(np.uint64(point) * _PRIME)
                else:
                    h = (h ^ np.uint64(point)) * _PRIME
                if out is not None:
                    _emit(out, point, kind == ACCENT)
                stop = i + width
            part += 1
        i += width
        part = 0
    return mixed(h), first, stop, i, part


@inner
def _ascii_words(
    text: Bytes, i: int, end: int, tables: Folding, hashes: Hashes, count: int
) -> tuple[int, int]:
    """Hash ASCII words from byte `i` on; return the new count and where the first other word starts.

    Every byte stores the hash so far and a separator moves on: no branch that can be guessed wrong.
    """
    h, start, ascii_table = _SEED, i, tables.ascii
    while i < end and text[i] < 128:
        folded = ascii_table[text[i]]
        hashes[count] = h
        count += (folded == 0) & (h != _SEED)
        h = (h ^ np.uint64(folded)) * _PRIME if folded else _SEED
        i += 1
        start = start if folded else i
    if i < end or h == _SEED:
        return count, start
    hashes[count] = h
    return count + 1, end


@inner
def hash_words(text: Bytes, begin: int, end: int, tables: Folding, hashes: Hashes) -> int:
    """Write the hashes of the words of `text[begin:end]` and return their number.

    `hashes` holds at least `MOST_WORDS * (end - begin) + 1`.
    """
    count, i, part = 0, begin, 0
    while i < end:
        if part == 0 and text[i] < 128:
            before = count
            count, i = _ascii_words(text, i, end, tables, hashes, count)
            for k in range(before, count):
                hashes[k] = mixed(hashes[k])
        if i < end:
            h, first, _, i, part = next_word(text, i, part, end, tables, None)
            if first >= 0:
                hashes[count] = h
                count += 1
    return count


@kernel
def read_words(text: Bytes, begin: int, end: int, tables: Folding) -> Hashes:
    """Return the hashes of the words of `text[begin:end]`."""
    hashes = np.empty(MOST_WORDS * (end - begin) + 1, np.uint64)
    return hashes[: hash_words(text, begin, end, tables, hashes)].copy()
