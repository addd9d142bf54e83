"""How much a shingle counts: less, the more texts hold it.

The one idea: a system prompt or an instruction that stands in thousands of texts says little about two of
them being the same, so a shingle that more than a stated number of texts hold counts half for each doubling,
down to a sixteenth. Texts are counted by the place of a shingle in a table that is far larger than the
shingles that many texts hold, and not by the shingle itself: a rare one that falls on such a place counts
less too. It does not compare anything.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.shingles import write_shingles
from tulu_data.kernels.units import Units, fixed_units
from tulu_data.kernels.words import Hashes, Ints, Marks, fixed

Levels = NDArray[np.uint8]
"""How often the weight of a shingle is halved, by its place; one place where all count the same."""
Counts = NDArray[np.uint32]
Numbers = NDArray[np.int32]

PLACES = 1 << 20
DEEPEST = 4
"""Halvings at most."""
UNIT = 1 << DEEPEST
"""Weight of a shingle that counts in full; weights are whole numbers."""

_S20 = np.uint64(20)

PLAIN: Levels = fixed(np.zeros(1, np.uint8))
"""Every shingle counts in full."""


class Tally(NamedTuple):
    """Counts of one worker."""

    counts: Counts
    stamps: Counts
    """The text last counted at each place, from 1 on."""


def new_tally() -> Tally:
    """Make room for counting."""
    return Tally(np.zeros(PLACES, np.uint32), np.zeros(PLACES, np.uint32))


def count(units: Units, n: int, tally: Tally, before: int) -> None:
    """Count the texts that hold each shingle; `before` is how many texts the tally has seen."""
    count_texts(fixed_units(units), n, _room(units), before, tally)


def held(units: Units, n: int, places: Marks) -> tuple[Numbers, Ints]:
    """Return the marked places that each text's shingles fall on, and how many there are of each text."""
    found, sizes = np.empty(int(units.sizes.sum()) + 1, np.int32), np.empty(len(units.begin), np.int64)
    list_places(fixed_units(units), n, _room(units), fixed(places), found, sizes)
    return found[: int(sizes.sum())].copy(), sizes


def _room(units: Units) -> Hashes:
    """Make room for the shingles of any one text."""
    return np.empty(int(units.sizes.max(initial=0)), np.uint64)


def levels_of(counts: Counts, most: float) -> Levels:
    """Return the levels where a shingle that `most` texts hold still counts in full."""
    levels = np.zeros(len(counts), np.uint8)
    for bound in most * 2.0 ** (np.arange(DEEPEST) + 0.5):
        levels += counts > bound
    return fixed(levels)


def near_bounds(counts: Counts, most: float, halvings: float) -> Marks:
    """Mark the places whose level would change if their counts did by so many doublings or halvings."""
    low, high = (levels_of((counts * 2.0**by).astype(np.uint32), most) for by in (-halvings, halvings))
    marks: Marks = low != high
    return marks


@inner
def level_of(shingle: np.uint64, levels: Levels) -> np.uint8:
    """Return how often the weight of a shingle is halved."""
    return levels[shingle >> _S20 & np.uint64(len(levels) - 1)]  # type: ignore[no-any-return]


@kernel
def count_texts(units: Units, n: int, shingles: Hashes, before: int, tally: Tally) -> None:
    """Count each text once at the place of each of its shingles."""
    last = np.uint64(len(tally.counts) - 1)
    for k in range(len(units.begin)):
        stamp, begin = np.uint32(before + k + 1), units.begin[k]
        for p in range(np.uint64(write_shingles(units.units, begin, units.end[k] - begin, n, shingles, 0))):
            place = shingles[p] >> _S20 & last
            if tally.stamps[place] != stamp:
                tally.stamps[place] = stamp
                tally.counts[place] += np.uint32(1)


@kernel
def list_places(units: Units, n: int, shingles: Hashes, places: Marks, found: Numbers, sizes: Ints) -> None:
    """Write the marked places of each text, one text after the other, and how many they are.

    `found` has room for one more than all shingles.
    """
    last, made = np.uint64(len(places) - 1), np.uint64(0)
    for k in range(len(sizes)):
        begin, before = units.begin[k], made
        for p in range(np.uint64(write_shingles(units.units, begin, units.end[k] - begin, n, shingles, 0))):
            place = shingles[p] >> _S20 & last
            found[made] = place
            made += np.uint64(places[place])
        sizes[k] = made - before
