"""Frames: shingles that so many of the texts hold that they say little about two being the same.

The one idea: they are counted in what is left of the texts, or in a part of them that the texts' own keys
choose, so neither order nor threads matter, and what is dropped is counted out again. It drops nothing.
"""

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.dedup.likeness import Search
from tulu_data.dedup.pile import Piled
from tulu_data.engine.local import ordered_map
from tulu_data.kernels.frames import (
    PLACES,
    PLAIN,
    Levels,
    Tally,
    count,
    held,
    levels_of,
    near_bounds,
    new_tally,
)
from tulu_data.kernels.words import Hashes, Ints

FEWEST = 32
"""A shingle that so many texts hold is no frame yet."""
ENOUGH = 1 << 14
"""Texts that frames are counted in, at least, where there are so many."""
_RUN = 1 << 18
"""Units looked at at a time."""
_LIKELY = 0.15
"""A shingle this near to where its weight would be halved may change it in a later round."""


class _Held(NamedTuple):
    """Which of some places texts hold."""

    places: NDArray[np.bool_]
    found: NDArray[np.int32]
    """A place for each time that a text holds it."""
    owner: NDArray[np.int32]
    """Its text."""
    total: int
    """How many texts there are."""

    def knows(self, places: NDArray[np.bool_]) -> bool:
        """Tell whether all of the marked places were looked for."""
        return not (places & ~self.places).any()

    def told(self, places: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which texts hold a marked place."""
        holds = np.zeros(self.total, np.bool_)
        holds[self.owner[places[self.found]]] = True
        return holds


class Frames:
    """How much each shingle counts among texts, some of which may be left out."""

    def __init__(self, texts: Piled, keys: Hashes, search: Search, workers: int) -> None:
        """Count the shingles of texts, whose `keys` say which of them are looked at where there are many."""
        self._texts, self._keys, self._search, self._workers = texts, keys[:, 0], search, workers
        self._is_left = np.ones(len(keys), np.bool_)
        self._held: _Held | None = None
        sample = self._sample() if self._weighs else np.zeros(0, np.int64)
        self._counts, self._counted = self._count(sample), len(sample)

    @property
    def _weighs(self) -> bool:
        return self._search.near.frames > 0 and self._search.near.scheme == "fast"

    @property
    def levels(self) -> Levels:
        """How often the weight of each shingle is halved."""
        if not self._weighs:
            return PLAIN
        return levels_of(self._counts, self._common)

    @property
    def _common(self) -> float:
        """Texts that may hold a shingle which still counts in full."""
        return max(self._search.near.frames * self._counted, FEWEST)

    def leave_out(self, rows: Ints) -> None:
        """Count texts out."""
        self._change(rows, is_left=False)

    def put_back(self, rows: Ints) -> None:
        """Count texts in again."""
        self._change(rows, is_left=True)

    def _change(self, rows: Ints, *, is_left: bool) -> None:
        if not self._weighs or not len(rows):
            return
        before, part = self._sample(), self._part
        self._is_left[rows] = is_left
        sample = self._sample()
        if self._part == part:
            self._counts -= self._count(np.setdiff1d(before, sample, assume_unique=True))
            self._counts += self._count(np.setdiff1d(sample, before, assume_unique=True))
        else:
            # So many are left now that another part of them is looked at.
            self._counts = self._count(sample)
        self._counted = len(sample)
        if is_left:
            self._held = None

    def _sample(self) -> Ints:
        """Return the texts to look at: one in two, four, ... of those that are left, but enough."""
        return np.flatnonzero(self._is_left & (self._keys & np.uint64(self._part) == 0))

    @property
    def _part(self) -> int:
        """The bits that are 0 in the keys of texts that are looked at."""
        return (1 << max(0, (int(self._is_left.sum()) // ENOUGH).bit_length() - 1)) - 1

    def holding(self, rows: Ints, places: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which texts hold a shingle at a marked place, one of those whose weight changed."""
        if self._held is None or not self._held.knows(places):
            likely = near_bounds(self._counts, self._common, _LIKELY)
            self._held = self._hold(np.flatnonzero(self._is_left), places | likely)
        return self._held.told(places)[rows]

    def _hold(self, rows: Ints, places: NDArray[np.bool_]) -> "_Held":
        """List the marked places of texts."""
        units = self._texts.units

        def work(part: tuple[int, int]) -> tuple[NDArray[np.int32], Ints]:
            return held(units.chosen(rows[part[0] : part[1]]), self._search.near.n, places)

        done = list(ordered_map(work, self._texts.runs(rows, _RUN), self._workers))
        sizes = np.concatenate([np.zeros(0, np.int64), *(sizes for _, sizes in done)])
        owner = np.repeat(rows.astype(np.int32), sizes)
        found = np.concatenate([np.zeros(0, np.int32), *(one for one, _ in done)])
        return _Held(places, found, owner, len(self._is_left))

    def _count(self, rows: Ints) -> NDArray[np.uint32]:
        """Return how many of some texts hold each shingle."""
        if not len(rows):
            return np.zeros(PLACES, np.uint32)
        local, tallies, units = threading.local(), list[Tally](), self._texts.units

        def tell(part: tuple[int, int]) -> None:
            if not hasattr(local, "tally"):
                local.tally = new_tally()
                tallies.append(local.tally)
            begin, end = part
            count(units.chosen(rows[begin:end]), self._search.near.n, local.tally, begin)

        for _ in ordered_map(tell, self._texts.runs(rows, _RUN), self._workers):
            pass
        total = np.zeros(PLACES, np.uint32)
        for tally in tallies:
            total += tally.counts
        return total
