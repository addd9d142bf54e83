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

from tulu_data.kernels.folding import Folding, folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.shingles import (
    Shingling,
    Texts,
    Units,
    fixed_texts,
    new_units,
    read_units,
    size_of,
    write_shingles,
)
from tulu_data.kernels.words import Hashes, Ints, fixed

Levels = NDArray[np.uint8]
"""How often the weight of a shingle is halved, by its place; one place where all count the same."""
Counts = NDArray[np.uint32]
Marks = NDArray[np.bool_]
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


def count(texts: Texts, shingling: Shingling, tally: Tally, before: int) -> None:
    """Count the texts that hold each shingle; `before` is how many texts the tally has seen."""
    texts, size, unit = fixed_texts(texts), size_of(texts), shingling.unit
    room = np.empty(size.units(unit), np.uint64)
    count_texts(
        texts, unit == "characters", shingling.n, folding(), new_units(size, unit), room, before, tally
    )


def held(texts: Texts, shingling: Shingling, places: Marks) -> tuple[Numbers, Ints]:
    """Return the marked places that each text's shingles fall on, and how many there are of each text."""
    texts, size, unit = fixed_texts(texts), size_of(texts), shingling.unit
    everything = size_of(texts._replace(first=fixed(np.array([0, len(texts.begin)]))))
    found, sizes = np.empty(everything.units(unit), np.int32), np.empty(len(texts.first) - 1, np.int64)
    list_places(
        texts, unit == "characters", shingling.n, folding(), new_units(size, unit),
        np.empty(size.units(unit), np.uint64), fixed(places), found, sizes,
    )  # fmt: skip
    return found[: int(sizes.sum())].copy(), sizes


def levels_of(counts: Counts, most: float) -> Levels:
    """Return the levels where a shingle that `most` texts hold still counts in full."""
    bounds = most * 2.0 ** (np.arange(DEEPEST) + 0.5)
    return fixed(np.searchsorted(bounds, counts).astype(np.uint8))


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
def count_texts(
    texts: Texts, characters: bool, n: int, tables: Folding, units: Units, shingles: Hashes, before: int,
    tally: Tally,
) -> None:  # fmt: skip
    """Count each text once at the place of each of its shingles."""
    last = np.uint64(len(tally.counts) - 1)
    for k in range(len(texts.first) - 1):
        here = read_units(texts, k, characters, tables, units)
        stamp = np.uint32(before + k + 1)
        for p in range(write_shingles(units.hashes, 0, here, n, shingles, 0)):
            place = shingles[p] >> _S20 & last
            if tally.stamps[place] != stamp:
                tally.stamps[place] = stamp
                tally.counts[place] += np.uint32(1)


@kernel
def list_places(
    texts: Texts, characters: bool, n: int, tables: Folding, units: Units, shingles: Hashes, places: Marks,
    found: Numbers, sizes: Ints,
) -> None:  # fmt: skip
    """Write the marked places of each text, one text after the other, and how many they are."""
    last, made = np.uint64(len(places) - 1), 0
    for k in range(len(sizes)):
        here, before = read_units(texts, k, characters, tables, units), made
        for p in range(write_shingles(units.hashes, 0, here, n, shingles, 0)):
            place = shingles[p] >> _S20 & last
            found[made] = place
            made += places[place]
        sizes[k] = made - before
