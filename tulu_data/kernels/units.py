"""Texts as rows of units: a number of 32 bits for each word, or for each character of the normalised text.

The one idea: a text is read once; whatever looks at its shingles later reads its units. The unit of a word is
a part of its hash, and its lowest bit tells whether a digit is in it; that of a character is its code point.
Who says a piece enters its units, so the same word said by others is another. Of two words, one pair in two
billion has the same unit. Nothing is compared here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import Folding, folding
from tulu_data.kernels.jit import kernel
from tulu_data.kernels.normalised import SPACE, Pen, new_pen, write_points
from tulu_data.kernels.texts import Texts, fixed_texts, size_of, size_of_all
from tulu_data.kernels.words import Hashes, Ints, Marks, fixed, hash_numeric

Numbers = NDArray[np.uint32]
Voices = NDArray[np.uint8]

MOST_VOICES = 8
"""Code points leave room for so many."""
POINT = np.uint32(0x1FFFFF)
"""The bits of a character's unit that are its code point."""

_FACTOR, _SALT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_S32, _S21, _ONE = np.uint64(32), np.uint64(21), np.uint64(1)
_NO_VOICES: Voices = np.zeros(0, np.uint8)


class Units(NamedTuple):
    """Texts as rows of units."""

    units: Numbers
    begin: Ints
    end: Ints
    """Where the units of each text lie."""

    def chosen(self, rows: Ints) -> "Units":
        """Return some of the texts."""
        return Units(self.units, fixed(self.begin[rows]), fixed(self.end[rows]))

    @property
    def sizes(self) -> Ints:
        """Units of each text."""
        sizes: Ints = self.end - self.begin
        return sizes


class Room(NamedTuple):
    """Room for the units of one text while it is read."""

    hashes: Hashes
    at: Ints
    numeric: Marks
    pen: Pen


def units_of(texts: Texts, unit: str, voices: Voices = _NO_VOICES) -> Units:
    """Return the words, or the characters, of texts; `voices` says of each piece whose it is, 0 where absent.

    Pieces of characters have a space between them. No voice is MOST_VOICES or more.
    """
    texts, size = fixed_texts(texts), size_of(texts)
    most, total = size.units(unit), size_of_all(texts).units(unit)
    room = Room(
        np.empty(most, np.uint64), np.empty(size.pieces + 1, np.int64), np.empty(most, np.bool_),
        new_pen(size.ascii, size.other),
    )  # fmt: skip
    units, ends = np.empty(total, np.uint32), np.empty(len(texts.first) - 1, np.int64)
    voices = fixed(voices if len(voices) else np.zeros(len(texts.begin), np.uint8))
    write = write_characters if unit == "characters" else write_words
    write(texts, voices, folding(), room, units, ends)
    made = int(ends[-1]) if len(ends) else 0
    begins = np.concatenate([np.zeros(1, np.int64), ends])[:-1]
    return Units(fixed(units[:made]), fixed(begins), fixed(ends))


def fixed_units(units: Units) -> Units:
    """Return units as kernels take them."""
    return Units(*(fixed(array) for array in units))


@kernel
def write_words(
    texts: Texts, voices: Voices, tables: Folding, room: Room, units: Numbers, ends: Ints
) -> None:
    """Write the units of the words of each text, and where they end."""
    count = np.uint64(0)
    for k in range(len(ends)):
        low, high = texts.first[k], texts.first[k + 1]
        begin, end = texts.begin[low:high], texts.end[low:high]
        hash_numeric(texts.text, begin, end, tables, room.pen.word, room.hashes, room.at, room.numeric)
        for t in range(high - low):
            salt = np.uint64(voices[low + t]) * _SALT
            for p in range(np.uint64(room.at[t]), np.uint64(room.at[t + 1])):
                h = (room.hashes[p] ^ salt) * _FACTOR >> _S32
                units[count] = h & ~_ONE | np.uint64(room.numeric[p])
                count += _ONE
        ends[k] = count


@kernel
def write_characters(
    texts: Texts, voices: Voices, tables: Folding, room: Room, units: Numbers, ends: Ints
) -> None:
    """Write the units of the characters of each text, and where they end."""
    count = np.uint64(0)
    for k in range(len(ends)):
        start = count
        for t in range(texts.first[k], texts.first[k + 1]):
            begin, end = texts.begin[t : t + 1], texts.end[t : t + 1]
            made = write_points(texts.text, begin, end, tables, room.pen, room.hashes)
            voice = np.uint64(voices[t]) << _S21
            if made and count > start:
                units[count] = SPACE | voice
                count += _ONE
            for p in range(np.uint64(made)):
                units[count] = room.hashes[p] | voice
                count += _ONE
        ends[k] = count
