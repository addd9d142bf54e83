"""Texts as sets of shingles: n-grams of their words, or of the characters of their normalised text.

The one idea: a text is a row of units, and a shingle is the hash of n units in a row; a text of fewer units
is one shingle, of all of them. Shingles come as often as they stand in the text; `distinct` makes sets of
them. It does not say what sets are compared for.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.units import Units, fixed_units
from tulu_data.kernels.words import Hashes, Ints, fixed, mixed

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_S32 = np.uint64(32)


class Sets(NamedTuple):
    """Sets of shingles."""

    hashes: Hashes
    """The shingles of one set after the other."""
    at: Ints
    """Where each set starts, and their total at the end."""


class Shingling(NamedTuple):
    """What a shingle is."""

    unit: Literal["words", "characters"]
    n: int
    """Units in a row, at least 1."""


def shingles(units: NDArray[np.unsignedinteger[Any]], at: Ints, n: int) -> Sets:
    """Return the n-grams of texts, given by their units, or any hashes, and where each text's start."""
    first = _first(np.diff(at), n)
    hashes = np.empty(first[-1], np.uint64)
    hash_shingles(fixed(units), fixed(at), n, fixed(first), hashes)
    return Sets(fixed(hashes), fixed(first))


def shingles_of_units(units: Units, n: int) -> Sets:
    """Return the shingles of texts that are given by their units."""
    first = _first(units.sizes, n)
    hashes = np.empty(first[-1], np.uint64)
    hash_units(fixed_units(units), n, fixed(first), hashes)
    return Sets(fixed(hashes), fixed(first))


def _first(sizes: Ints, n: int) -> Ints:
    """Return where the shingles of each text start, and their total."""
    counts = np.where(sizes > n, sizes - n + 1, np.minimum(sizes, 1))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def distinct(sets: Sets) -> Sets:
    """Return the sets without repeats, each in order."""
    sizes = np.diff(sets.at)
    hashes, at = np.empty(len(sets.hashes), np.uint64), np.empty(len(sets.at), np.int64)
    starts = np.empty(int(sizes.max(initial=0)) + 1, np.int64)
    keep_distinct(fixed(sets.hashes), fixed(sets.at), starts, hashes, at)
    return Sets(fixed(hashes[: at[-1]].copy()), fixed(at))


@inner
def write_shingles(
    units: NDArray[np.unsignedinteger[Any]], start: int, count: int, n: int, hashes: Hashes, to: int
) -> int:
    """Write the shingles of `count` units from place `to` on; return how many."""
    size = min(count, n)
    made = count - size + (size > 0)
    # Unsigned, because numba looks at every signed index for counting from the end.
    first, at, number = np.uint64(start), np.uint64(to), np.uint64(made)
    for p in range(number):
        hashes[at + p] = size
    for j in range(np.uint64(size)):
        for p in range(number):
            hashes[at + p] = hashes[at + p] * _FACTOR + np.uint64(units[first + j + p])
    for p in range(number):
        hashes[at + p] = mixed(hashes[at + p] * _FACTOR)
    return made


@kernel
def hash_shingles(
    units: NDArray[np.unsignedinteger[Any]], at: Ints, n: int, first: Ints, hashes: Hashes
) -> None:
    """Write the n-grams of each text from the place that `first` gives."""
    for k in range(len(at) - 1):
        write_shingles(units, at[k], at[k + 1] - at[k], n, hashes, first[k])


@kernel
def hash_units(units: Units, n: int, first: Ints, hashes: Hashes) -> None:
    """Write the shingles of each text from the place that `first` gives."""
    for k in range(len(first) - 1):
        write_shingles(units.units, units.begin[k], units.end[k] - units.begin[k], n, hashes, first[k])


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
