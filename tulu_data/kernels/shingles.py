"""Texts as sets of shingles: n-grams of their words, or of the characters of their normalised text.

The one idea: a text is a row of units, word hashes or code points, and a shingle is the hash of n units in
a row; a text of fewer units is one shingle, of all of them. Shingles come as often as they stand in the
text; `distinct` makes sets of them. It does not say what sets are compared for.
"""

from typing import Literal, NamedTuple

import numpy as np

from tulu_data.kernels.folding import Folding, folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.normalised import MOST_CHARACTERS, Pen, new_pen, write_points
from tulu_data.kernels.words import (
    MOST_WORDS,
    Bytes,
    Hashes,
    Ints,
    Points,
    fixed,
    hash_texts,
    mixed,
    signed,
)

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_ZERO, _SIGN, _S32 = np.uint64(0), np.uint8(7), np.uint64(32)


class Sets(NamedTuple):
    """Sets of shingles."""

    hashes: Hashes
    """The shingles of one set after the other."""
    at: Ints
    """Where each set starts, and their total at the end."""


class Texts(NamedTuple):
    """Texts in pieces that follow one another; a shingle may reach over their borders, a word may not."""

    text: Bytes
    begin: Ints
    end: Ints
    """Bytes of each piece."""
    first: Ints
    """Where the pieces of each text start, and their total at the end."""


class Shingling(NamedTuple):
    """What a shingle is."""

    unit: Literal["words", "characters"]
    n: int
    """Units in a row, at least 1."""


class Units(NamedTuple):
    """Room for the units of one text."""

    hashes: Hashes
    """Word hashes, or code points."""
    at: Ints
    nothing: Points
    pen: Pen


class Size(NamedTuple):
    """What texts need room for, at most."""

    ascii: int
    other: int
    """Bytes of a text that are ASCII, and that are not."""
    pieces: int

    def units(self, unit: str) -> int:
        """Return a number that the units of a text, and one more, never pass."""
        if unit == "words":
            return self.ascii // 2 + (MOST_WORDS + 1) * self.other + self.pieces + 1
        return self.ascii + MOST_CHARACTERS * self.other + self.pieces + 1


def fixed_texts(texts: Texts) -> Texts:
    """Return texts as kernels take them."""
    return Texts(*(fixed(array) for array in texts))


def size_of(texts: Texts) -> Size:
    """Measure the largest of texts."""
    return Size(*widest(*fixed_texts(texts)))


def new_units(size: Size, unit: str) -> Units:
    """Make room for the units of texts."""
    hashes, at = np.empty(size.units(unit), np.uint64), np.empty(size.pieces + 1, np.int64)
    pen = new_pen(size.ascii, size.other) if unit == "characters" else new_pen(0, 0)
    return Units(hashes, at, np.empty(0, np.int32), pen)


def shingles(words: Hashes, at: Ints, n: int) -> Sets:
    """Return the n-grams of texts, given by their word hashes and where each text's start."""
    sizes = np.diff(at)
    counts = np.where(sizes > n, sizes - n + 1, np.minimum(sizes, 1))
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    hashes = np.empty(first[-1], np.uint64)
    hash_shingles(fixed(words), fixed(at), n, fixed(first), hashes)
    return Sets(fixed(hashes), fixed(first))


def shingles_of(texts: Texts, shingling: Shingling) -> Sets:
    """Return the shingles of texts."""
    texts, unit = fixed_texts(texts), shingling.unit
    units, at = new_units(size_of(texts), unit), np.empty(len(texts.first), np.int64)
    hashes = np.empty(_total(texts, unit), np.uint64)
    shingle_texts(texts, unit == "characters", shingling.n, folding(), units, hashes, at)
    return Sets(fixed(hashes[: at[-1]].copy()), fixed(at))


def _total(texts: Texts, unit: str) -> int:
    """Return a number that the units of all texts together, and one more, never pass."""
    everything = np.array([0, len(texts.begin)])
    return size_of(texts._replace(first=fixed(everything))).units(unit)


def distinct(sets: Sets) -> Sets:
    """Return the sets without repeats, each in order."""
    sizes = np.diff(sets.at)
    hashes, at = np.empty(len(sets.hashes), np.uint64), np.empty(len(sets.at), np.int64)
    starts = np.empty(int(sizes.max(initial=0)) + 1, np.int64)
    keep_distinct(fixed(sets.hashes), fixed(sets.at), starts, hashes, at)
    return Sets(fixed(hashes[: at[-1]].copy()), fixed(at))


@kernel
def widest(text: Bytes, begin: Ints, end: Ints, first: Ints) -> tuple[int, int, int]:
    """Return the most bytes of a text that are ASCII, that are not, and the most pieces of a text."""
    most, others, pieces = 0, _ZERO, 0
    for k in range(len(first) - 1):
        size, other = 0, _ZERO
        for t in range(first[k], first[k + 1]):
            size += end[t] - begin[t]
            for i in range(np.uint64(begin[t]), np.uint64(end[t])):
                other += np.uint64(text[i] >> _SIGN)
        most, others = max(most, signed(size - np.int64(other))), max(others, other)
        pieces = max(pieces, signed(first[k + 1] - first[k]))
    return most, np.int64(others), pieces  # type: ignore[return-value]


@inner
def read_units(texts: Texts, k: int, characters: bool, tables: Folding, units: Units) -> int:
    """Write the units of a text; return how many."""
    low, high = texts.first[k], texts.first[k + 1]
    begin, end = texts.begin[low:high], texts.end[low:high]
    if characters:
        return write_points(texts.text, begin, end, tables, units.pen, units.hashes)
    hash_texts(texts.text, begin, end, tables, units.nothing, units.hashes, units.at)
    return units.at[high - low]  # type: ignore[no-any-return]


@inner
def write_shingles(units: Hashes, start: int, count: int, n: int, hashes: Hashes, to: int) -> int:
    """Write the shingles of `count` units from place `to` on; return how many."""
    size = min(count, n)
    made = count - size + (size > 0)
    for p in range(made):
        hashes[to + p] = size
    for j in range(size):
        for p in range(made):
            hashes[to + p] = mixed((hashes[to + p] ^ units[start + j + p]) * _FACTOR)
    return made


@kernel
def hash_shingles(words: Hashes, at: Ints, n: int, first: Ints, hashes: Hashes) -> None:
    """Write the n-grams of each text from the place that `first` gives."""
    for k in range(len(at) - 1):
        write_shingles(words, at[k], at[k + 1] - at[k], n, hashes, first[k])


@kernel
def shingle_texts(
    texts: Texts, characters: bool, n: int, tables: Folding, units: Units, hashes: Hashes, at: Ints
) -> None:
    """Write the shingles of texts, one text after the other, and where each text's start."""
    count = 0 * n
    for k in range(len(texts.first) - 1):
        at[k] = count
        here = read_units(texts, k, characters, tables, units)
        count += write_shingles(units.hashes, 0, here, n, hashes, count)
    at[len(texts.first) - 1] = count


@inner
def _place(h: np.uint64, size: np.uint64) -> np.uint64:
    """Return about where a hash stands among so many in order."""
    return (h >> _S32) * size >> _S32


@inner
def _sort(hashes: Hashes, begin: int, end: int, starts: Ints, sorted_: Hashes, to: int) -> None:
    """Write hashes in order: they are spread evenly, so their leading bits leave little to do."""
    size = np.uint64(end - begin)
    starts[: end - begin + 1] = 0
    for p in range(begin, end):
        starts[_place(hashes[p], size) + np.uint64(1)] += 1
    for x in range(1, end - begin):
        starts[x] += starts[x - 1]
    for p in range(begin, end):
        h = hashes[p]
        bucket = _place(h, size)
        at = to + starts[bucket]
        starts[bucket] += 1
        sorted_[at] = h
    for p in range(to + 1, to + end - begin):
        h, at = sorted_[p], p
        while at > to and sorted_[at - 1] > h:
            sorted_[at] = sorted_[at - 1]
            at -= 1
        sorted_[at] = h


@kernel
def keep_distinct(hashes: Hashes, at: Ints, starts: Ints, kept: Hashes, first: Ints) -> None:
    """Write each set in order and without repeats, and where it starts."""
    count = 0 * len(at)
    for k in range(len(at) - 1):
        first[k] = count
        _sort(hashes, at[k], at[k + 1], starts, kept, count)
        begin = count
        for p in range(begin, begin + at[k + 1] - at[k]):
            if p == begin or kept[p] != kept[count - 1]:
                kept[count] = kept[p]
                count += 1
    first[len(at) - 1] = count
