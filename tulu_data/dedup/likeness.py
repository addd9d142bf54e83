"""When two texts are near-duplicates, and how pairs are looked for.

The one idea: whether two texts are alike follows from them and from the frames alone, never from what else
a search has met: their shingles are counted, and signatures only say which pairs to count. It
holds settings and verdicts; it keeps and drops nothing.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.dedup.pile import Piled
from tulu_data.dedup.results import differ
from tulu_data.kernels.bands import Bands, bands_for
from tulu_data.kernels.frames import Levels
from tulu_data.kernels.likeness import (
    BOTH,
    LEFT,
    ONLY_LEFT,
    ONLY_RIGHT,
    PLAIN_BOTH,
    PLAIN_LEFT,
    PLAIN_RIGHT,
    RIGHT,
    SINGLE_BOTH,
    SINGLE_LEFT,
    SINGLE_RIGHT,
    compare,
    compare_single,
)
from tulu_data.kernels.minhash import Permutations, new_permutations, sign_datasketch
from tulu_data.kernels.shingles import Shingling
from tulu_data.kernels.sketch import Fast, Signatures, new_fast, sign
from tulu_data.kernels.words import Ints
from tulu_data.specs.near import Near

_SPREAD = 3.0
"""Standard deviations of an estimate that may tell a pair away unseen."""


class Likeness(NamedTuple):
    """What was counted of some pairs."""

    jaccard: NDArray[np.float64]
    """Weight that both hold, of that which either holds."""
    containment: NDArray[np.float64]
    """Weight that both hold, of that which the first holds."""
    near: NDArray[np.bool_]
    """Whether the first is a near-duplicate of the second."""
    inside: NDArray[np.bool_]
    """Whether it is one for nearly all of it stands in the second, and for nothing else."""
    template: NDArray[np.bool_]
    """Whether it would be one, but for other numbers or another result."""


@dataclass(frozen=True)
class Search:
    """How near-duplicates are looked for, by some settings."""

    near: Near

    @property
    def shingling(self) -> Shingling:
        """What a shingle is."""
        return Shingling(self.near.shingles, self.near.n)

    @cached_property
    def scheme(self) -> Fast | Permutations:
        """How texts are signed."""
        make = new_fast if self.near.scheme == "fast" else new_permutations
        return make(self.near.num_perm, self.near.seed)

    @cached_property
    def bands(self) -> Bands:
        """How signatures are cut; raise ValueError where the recall cannot be met."""
        return bands_for(self.near.jaccard_threshold, self.near.recall, self.near.num_perm)

    @property
    def agreeing(self) -> int:
        """Lanes that the signatures of alike texts share at least, but for one pair in a thousand."""
        lanes, expected = self.near.num_perm, self.near.jaccard_threshold
        return max(1, int(lanes * expected - _SPREAD * (lanes * expected * (1 - expected)) ** 0.5))

    def sign(self, texts: Piled, levels: Levels) -> Signatures:
        """Return the signatures of texts; those of datasketch have no weights."""
        if isinstance(self.scheme, Permutations):
            return sign_datasketch(texts.texts, self.shingling, self.scheme)
        return sign(texts.units, self.near.n, self.scheme, levels)

    def judge(self, left: Piled, right: Piled, pairs: Ints, levels: Levels) -> Likeness:
        """Tell of pairs, rows (of `left`, of `right`), if the first is a near-duplicate of the second."""
        counts = compare(left.units, right.units, pairs, self.near.n, levels)
        either = counts[:, LEFT] + counts[:, RIGHT] - counts[:, BOTH]
        jaccard = counts[:, BOTH] / np.maximum(either, 1)
        containment = counts[:, BOTH] / np.maximum(counts[:, LEFT], 1)
        enough, held = jaccard >= self.near.jaccard_threshold, containment >= self.near.containment_threshold
        # Single words and numbers of most pairs are never asked for.
        asked = np.flatnonzero(enough | held)
        single = compare_single(left.units, right.units, pairs[asked], self.near.shingles)
        enough[asked] &= self._same_words(single)
        alike = enough | held
        template = np.zeros(len(pairs), np.bool_)
        if not self.near.swapped_numbers:
            swapped = self._swapped(counts[asked], single)
            others = differ(left.results[pairs[asked, 0]], right.results[pairs[asked, 1]])
            template[asked] = alike[asked] & (swapped | others)
        return Likeness(jaccard, containment, alike & ~template, held & ~enough, template)

    def _same_words(self, single: Ints) -> NDArray[np.bool_]:
        """Tell where enough of the single words are the same."""
        if self.near.shingles == "characters":
            return np.ones(len(single), np.bool_)
        either = single[:, SINGLE_LEFT] + single[:, SINGLE_RIGHT] - single[:, SINGLE_BOTH]
        enough: NDArray[np.bool_] = single[:, SINGLE_BOTH] >= self.near.words_threshold * either
        return enough

    def _swapped(self, counts: Ints, single: Ints) -> NDArray[np.bool_]:
        """Tell where other numbers, each instead of one, make at least half of the difference."""
        swapped = np.minimum(single[:, ONLY_LEFT], single[:, ONLY_RIGHT])
        more = np.maximum(counts[:, PLAIN_LEFT], counts[:, PLAIN_RIGHT]) - counts[:, PLAIN_BOTH]
        return (swapped > 0) & (2 * self.near.n * swapped >= more)
