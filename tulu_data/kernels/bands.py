"""Signatures cut into bands, and how alike two of them are.

The one idea: texts are compared where a band, some lanes in a row, is the same in both; many narrow bands
overlook little and compare much. How many there are is what `datasketch` has as best for a threshold and for
the weight of what is overlooked. It does not know how signatures were made.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import kernel
from tulu_data.kernels.words import Hashes, Ints, fixed, mixed

Signatures = NDArray[np.uint32]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_WEIGHTS = 100


class Bands(NamedTuple):
    """How a signature is cut."""

    number: int
    rows: int
    """Lanes of a band; those that are left over in the end are in none."""

    def recall(self, jaccard: float) -> float:
        """Return the probability that texts so alike share a band, if lanes agree each for itself."""
        return float(1 - (1 - jaccard**self.rows) ** self.number)


class _Errors(NamedTuple):
    """What each way to cut a signature costs, at some threshold."""

    ways: list[Bands]
    met: NDArray[np.float64]
    """The probability that a pair is compared, added up over all values below the threshold."""
    unmet: NDArray[np.float64]
    """That it is not, over those above."""

    def best(self, missed: float) -> Bands:
        """Return the way with the least weighed sum of both kinds of error."""
        return self.ways[int(np.argmin(self.met * (1 - missed) + self.unmet * missed))]


def best_bands(threshold: float, lanes: int, missed: float) -> Bands:
    """Return the bands that are best for a threshold.

    `missed` says how much a pair above the threshold that shares no band weighs, beside one below that does.
    """
    return _errors(threshold, lanes).best(missed)


def bands_for(threshold: float, recall: float, lanes: int = 128) -> Bands:
    """Return the best bands whose recall at the threshold is at least as stated.

    What is overlooked weighs 0.01, 0.02 and so on, until it is little enough. Raises ValueError where no
    weight does it.
    """
    errors = _errors(threshold, lanes)
    bands = [errors.best(k / _WEIGHTS) for k in range(1, _WEIGHTS)]
    for each in bands:
        if each.recall(threshold) >= recall:
            return each
    most = max(each.recall(threshold) for each in bands)
    raise ValueError(
        f"recall: found {recall} at a Jaccard similarity of {threshold}, expected at most {most:.4f} "
        f"with {lanes} lanes"
    )


def band_keys(signatures: Signatures, bands: Bands) -> Hashes:
    """Return the key of each band, one row a signature."""
    keys = np.empty((len(signatures), bands.number), np.uint64)
    hash_bands(fixed(signatures), bands.rows, keys)
    return keys


def agreement(left: Signatures, right: Signatures, pairs: Ints) -> NDArray[np.float64]:
    """Return the share of lanes in which pairs agree, rows (of `left`, of `right`): about their Jaccard.

    Texts without shingles agree with one another alone, and wholly.
    """
    agreed = np.empty(len(pairs), np.int64)
    count_agreed(fixed(left), fixed(right), fixed(pairs), agreed)
    return np.divide(agreed, left.shape[1])


def _errors(threshold: float, lanes: int) -> _Errors:
    """Return the errors of every way to cut signatures, those of fewer bands first."""
    # Both integrands are polynomials of at most this degree, so these nodes give their integrals exactly.
    nodes, weights = np.polynomial.legendre.leggauss(lanes // 2 + 1)
    low, high = threshold * (nodes + 1) / 2, threshold + (1 - threshold) * (nodes + 1) / 2
    ways = [Bands(number, rows) for number in range(1, lanes + 1) for rows in range(1, lanes // number + 1)]
    met = [weights @ (1 - (1 - low**way.rows) ** way.number) * threshold / 2 for way in ways]
    unmet = [weights @ ((1 - high**way.rows) ** way.number) * (1 - threshold) / 2 for way in ways]
    return _Errors(ways, np.array(met), np.array(unmet))


@kernel
def hash_bands(signed: Signatures, rows: int, keys: Hashes) -> None:
    """Write the key of each band: of its number and its part of the signature."""
    # Unsigned, because numba looks at every signed index for counting from the end.
    for k in range(np.uint64(len(keys))):
        lane = np.uint64(0)
        for band in range(np.uint64(keys.shape[1])):
            h = np.uint64(band)
            for _ in range(rows):
                h = h * _FACTOR + np.uint64(signed[k, lane])
                lane += np.uint64(1)
            keys[k, band] = mixed(h * _FACTOR)


@kernel
def count_agreed(left: Signatures, right: Signatures, pairs: Ints, agreed: Ints) -> None:
    """Write in how many lanes the signatures of each pair are the same."""
    for k in range(len(pairs)):
        mine, theirs = left[pairs[k, 0]], right[pairs[k, 1]]
        count = np.uint32(0)
        for j in range(len(mine)):
            count = np.uint32(count + np.uint32(mine[j] == theirs[j]))
        agreed[k] = count
