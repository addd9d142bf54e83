"""Words of texts as exact numbers.

The one idea: words are written out and kept in a table by their hashes, but compared by their code
points. So equal words have equal numbers and others have not, whatever their hashes are. The texts that
are sought give the table its words; in the texts that may hold them, any other word is just unknown.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import Folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import (
    MOST_POINTS,
    Bytes,
    Hashes,
    Ints,
    Points,
    beyond_ascii,
    fixed,
    hash_ascii,
    next_word,
    signed,
    word_room,
)

Numbers = NDArray[np.int32]


class Known(NamedTuple):
    """Words that have a number, written out."""

    table: Numbers
    """Open addressing by hash: number + 1, 0 where empty; a power of two long."""
    points: Points
    """Folded code points of all words; accents stand negated and sorted, so equal words are equal here."""
    ends: Ints
    """Where the points of each word start, and the end of the last one."""
    made: Ints
    """One number: how many words there are."""


class Numbered(NamedTuple):
    """The words of some texts."""

    ids: Numbers
    """Number of each word, -1 where it has none."""
    characters: Ints
    """First and end character of each word in its text, one row a word."""
    at: Ints
    """Where the words of each text start, and their total at the end."""


class Room(NamedTuple):
    """Room for one text."""

    word: Points
    """A word written out: a count, then code points."""
    hashes: Hashes
    places: Ints
    """First and end byte of words, in a run of ASCII."""


@inner
def _number(known: Known, h: np.uint64, word: Points, adding: bool) -> int:
    """Return the number of a word, `word[0]` code points from word[1] on; -1 if it is not known or added."""
    size, last = signed(word[0]), np.uint64(len(known.table) - 1)
    place = h & last
    while known.table[place] != 0:
        number = signed(known.table[place]) - 1
        first = known.ends[number]
        same = known.ends[number + 1] - first == size
        for x in range(size if same else 0):
            if known.points[first + x] != word[x + 1]:
                same = False
                break
        if same:
            return number
        place = (place + np.uint64(1)) & last
    if not adding:
        return -1
    number = signed(known.made[0])
    first = known.ends[number]
    for x in range(size):
        known.points[first + x] = word[x + 1]
    known.ends[number + 1] = first + size
    known.table[place] = known.made[0] = number + 1
    return number


@inner
def _characters(text: Bytes, begin: int, end: int) -> int:
    """Count the characters that start in some bytes."""
    count = 0
    for b in range(begin, end):
        count += text[b] & 0xC0 != 0x80
    return count


@inner
def _lower(text: Bytes, begin: int, end: int, word: Points) -> None:
    """Write an ASCII word out as `next_word` does."""
    word[0] = end - begin
    for x in range(end - begin):
        # Of letters and digits, this bit tells upper case alone.
        word[x + 1] = text[begin + x] | 0x20


@kernel
def number_texts(
    text: Bytes, begin: Ints, end: Ints, tables: Folding, room: Room, known: Known, adding: bool,
    numbered: Numbered,
) -> None:  # fmt: skip
    """Write the numbers of the words of the texts `text[begin[k]:end[k]]`, and their characters."""
    ids, places, word, count = numbered.ids, numbered.characters, room.word, 0
    for k in range(len(begin)):
        numbered.at[k] = count
        i, part, stop = begin[k], 0 * begin[k], end[k]
        # So many characters start before `byte`.
        byte, characters, before = begin[k], 0, 0
        while i < stop:
            if part == 0 and text[i] < 0x80:
                characters += _characters(text, byte, i)
                j, run = hash_ascii(
                    text, np.uint64(i), np.uint64(stop), room.hashes, np.uint64(0), room.places, None
                )
                for r in range(np.int64(run)):
                    first, last = room.places[r, 0], room.places[r, 1]
                    _lower(text, first, last, word)
                    ids[count] = _number(known, room.hashes[r], word, adding)
                    places[count, 0], places[count, 1] = characters + first - i, characters + last - i
                    count += 1
                characters += np.int64(j) - i
                byte = i = np.int64(j)
            if i < stop:
                h, first, last, i, part = next_word(text, i, part, stop, tables, word)
                if first >= 0:
                    ids[count] = _number(known, h, word, adding)
                    # A word may start in the same code point in which the last one ended.
                    places[count, 0] = (
                        characters + _characters(text, byte, first) if first >= byte else before
                    )
                    characters += _characters(text, byte, last)
                    before, byte = characters - 1, max(byte, last)
                    places[count, 1] = characters
                    count += 1
    numbered.at[len(begin)] = count


def number_new(text: Bytes, begin: Ints, end: Ints, tables: Folding, words: int) -> tuple[Known, Numbered]:
    """Give numbers to the words of the texts `text[begin[k]:end[k]]`, `words` of them at most."""
    points = int((end - begin).sum()) + (MOST_POINTS - 1) * beyond_ascii(text, begin, end)
    known = Known(
        np.zeros(1 << max(4, (2 * words).bit_length()), np.int32), np.empty(points, np.int32),
        np.zeros(words + 1, np.int64), np.zeros(1, np.int64),
    )  # fmt: skip
    return known, _number_all(text, begin, end, tables, known, words, adding=True)


def number_known(text: Bytes, begin: Ints, end: Ints, tables: Folding, known: Known) -> Numbered:
    """Return numbers for the words of the texts `text[begin[k]:end[k]]` that are known."""
    return _number_all(text, begin, end, tables, known, word_room(text, begin, end), adding=False)


def _number_all(
    text: Bytes, begin: Ints, end: Ints, tables: Folding, known: Known, words: int, *, adding: bool
) -> Numbered:
    """Make room, and number the words of texts."""
    most = int((end - begin).max(initial=0))
    room = Room(
        np.empty(MOST_POINTS * most + 2, np.int32), np.empty(most // 2 + 1, np.uint64),
        np.empty((most // 2 + 1, 2), np.int64),
    )  # fmt: skip
    made = Numbered(
        np.empty(words, np.int32), np.empty((words, 2), np.int64), np.empty(len(begin) + 1, np.int64)
    )
    number_texts(fixed(text), fixed(begin), fixed(end), tables, room, known, adding, made)
    total = made.at[-1]
    return Numbered(fixed(made.ids[:total]), fixed(made.characters[:total]), fixed(made.at))
