"""The normalised text of a text: its words, folded, with one space between them.

The one idea: words are those of `words`, written out as code points, so two texts have the same words
exactly where these are the same. Accents on one letter stand in the order of their code points. It does
not say what is done with the text, and hashes nothing.
"""

from typing import NamedTuple

import numpy as np

from tulu_data.kernels.folding import Folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import MOST_POINTS, Bytes, Hashes, Ints, Points, hash_ascii, next_word, signed

MOST_CHARACTERS, MOST_BYTES = 7, 12
"""Of normalised text, a space behind each word, per byte of text that is not ASCII, at most (U+FDFA)."""

SPACE = np.uint64(0x20)
_LOWER = np.uint8(0x20)
_ASCII, _ZERO = 0x80, np.uint64(0)
_FIRST, _BYTE, _CONTINUED, _SIX, _LOW = (np.uint64(number) for number in (0xF00, 0xFF, 0x80, 6, 0x3F))
_TWO_BYTES, _THREE_BYTES, _FOUR_BYTES = (np.uint64(point) for point in (0x80, 0x800, 0x10000))


class Pen(NamedTuple):
    """Room for writing one text."""

    word: Points
    """A word written out: a count, then code points."""
    hashes: Hashes
    places: Ints
    """First and end byte of words, in a run of ASCII."""


def new_pen(ascii_bytes: int, other_bytes: int) -> Pen:
    """Make room for writing texts of so many bytes at most."""
    most = ascii_bytes // 2 + 1
    word = np.empty(ascii_bytes + MOST_POINTS * other_bytes + 2, np.int32)
    return Pen(word, np.empty(most, np.uint64), np.empty((most, 2), np.int64))


@inner
def _write_ascii(text: Bytes, begin: int, end: int, points: Hashes, count: int) -> int:
    """Write an ASCII word and a space; return the number of code points now."""
    for b in range(begin, end):
        # Of letters and digits, this bit tells upper case alone.
        points[count] = text[b] | _LOWER
        count += 1
    points[count] = SPACE
    return count + 1


@inner
def _write_word(word: Points, points: Hashes, count: int) -> int:
    """Write a word that `next_word` spelt, and a space; return the number of code points now."""
    for x in range(1, signed(word[0]) + 1):
        points[count] = abs(signed(word[x]))
        count += 1
    points[count] = SPACE
    return count + 1


@kernel
def write_points(text: Bytes, begin: Ints, end: Ints, tables: Folding, pen: Pen, points: Hashes) -> int:
    """Write the code points of the text in pieces `text[begin[k]:end[k]]`; return how many.

    No word reaches over the border of two pieces.
    """
    count = 0 * len(begin)
    for k in range(len(begin)):
        i, part, stop = begin[k], 0 * begin[k], end[k]
        while i < stop:
            if part == 0 and text[i] < _ASCII:
                j, run = hash_ascii(text, np.uint64(i), np.uint64(stop), pen.hashes, _ZERO, pen.places, None)
                for r in range(np.int64(run)):
                    count = _write_ascii(text, pen.places[r, 0], pen.places[r, 1], points, count)
                i = np.int64(j)
            if i < stop:
                _, first, _, i, part = next_word(text, i, part, stop, tables, pen.word)
                if first >= 0:
                    count = _write_word(pen.word, points, count)
    return count - (count > 0)


@inner
def encode(point: np.uint64, data: Bytes, at: int) -> int:
    """Write a code point in UTF-8; return where the next one goes."""
    if point < _TWO_BYTES:
        data[at] = point
        return at + 1
    width = 2 + (point >= _THREE_BYTES) + (point >= _FOUR_BYTES)
    for k in range(width - 1, 0, -1):
        data[at + k] = _CONTINUED | point & _LOW
        point >>= _SIX
    data[at] = (_FIRST >> np.uint64(width)) & _BYTE | point
    return at + width  # type: ignore[return-value]
