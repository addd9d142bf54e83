"""Texts that are alike as sets of n-grams, found by the bands of their signatures and told by counting.

The one idea: bands of a signature are looked up, and every candidate is told by its sets themselves, so an
estimate never becomes a finding. Signatures and numbers of bands are those of `datasketch`, over the lower
32 bits of our hashes. It knows words as hashes only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bags import fill_table, look_up
from tulu_data.kernels.bands import Bands, band_keys, best_bands
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.minhash import Permutations, new_permutations, signatures
from tulu_data.kernels.ordering import in_order
from tulu_data.kernels.shingles import Sets, distinct
from tulu_data.kernels.words import Hashes, Ints, fixed

Numbers = NDArray[np.int32]


class Plan(NamedTuple):
    """How signatures are made and cut into bands."""

    permutations: Permutations
    bands: Bands


class Buckets(NamedTuple):
    """Texts by the bands of their signatures, to look others up in."""

    sets: Sets
    """Distinct n-grams of each text, in order."""
    keys: Hashes
    table: Numbers
    """Open addressing by key: bucket + 1, 0 where empty."""
    starts: Ints
    """Where the texts of each bucket start, and their total at the end."""
    texts: Numbers


class Alike(NamedTuple):
    """Pairs of a text that was looked up and one of the buckets."""

    pairs: Ints
    """(text, text of the buckets) rows, in the order of both."""
    jaccard: NDArray[np.float64]


def make_plan(threshold: float, lanes: int = 128, *, seed: int = 1, missed: float = 0.5) -> Plan:
    """Return the permutations and the bands that datasketch has for a threshold.

    `missed` says how much a pair above the threshold that shares no band weighs, beside one below that does.
    """
    return Plan(new_permutations(lanes, seed), best_bands(threshold, lanes, missed))


def fill_buckets(sets: Sets, plan: Plan) -> Buckets:
    """Make texts ready for looking others up."""
    keys, order = in_order(_keys(sets, plan).ravel())
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = keys[1:] != keys[:-1]
    known, starts = keys[fresh], np.append(np.flatnonzero(fresh), len(keys))
    table = np.zeros(1 << max(10, (2 * len(known)).bit_length()), np.int32)
    fill_table(fixed(known), table)
    texts = (order // plan.bands.number).astype(np.int32)
    return Buckets(distinct(sets), fixed(known), fixed(table), fixed(starts), fixed(texts))


def find_alike(sets: Sets, buckets: Buckets, plan: Plan, threshold: float) -> Alike:
    """Return the pairs that share a band and whose Jaccard similarity is above the threshold."""
    keys = _keys(sets, plan)
    every = np.empty(keys.size, np.int32)
    look_up(fixed(keys.ravel()), buckets.keys, buckets.table, every)
    met = every.reshape(keys.shape)
    asked = np.flatnonzero((met >= 0).any(axis=1))
    theirs, slots = distinct(_taken(sets, asked)), fixed(met[asked])
    seen, clock = np.zeros(len(buckets.sets.at) - 1, np.int64), np.zeros(1, np.int64)
    found, rows, start = np.empty((1 << 12, 4), np.int64), [np.empty((0, 4), np.int64)], 0
    while start < len(asked):
        made, stop = find_pairs_alike(
            slots, buckets.starts, buckets.texts, *theirs, *buckets.sets, threshold, start, seen, clock, found
        )
        rows.append(found[:made].copy())
        if stop == start:
            # One text is like more others than there is room for.
            found = np.empty((4 * len(found), 4), np.int64)
        start = stop
    alike = np.concatenate(rows)
    alike[:, 0] = asked[alike[:, 0]]
    alike = alike[np.lexsort((alike[:, 1], alike[:, 0]))]
    return Alike(alike[:, :2], alike[:, 2] / alike[:, 3])


def _keys(sets: Sets, plan: Plan) -> Hashes:
    """Return the keys of each text's bands."""
    return band_keys(signatures(sets, plan.permutations), plan.bands)


def _taken(sets: Sets, chosen: Ints) -> Sets:
    """Return some of the sets."""
    sizes = np.diff(sets.at)[chosen]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Sets(sets.hashes[np.repeat(sets.at[chosen] - first[:-1], sizes) + np.arange(first[-1])], first)


@inner
def _shared(left: Hashes, i: int, stop: int, right: Hashes, j: int, end: int) -> int:
    """Count what two sets share, both in order."""
    count = 0
    while i < stop and j < end:
        a, b = left[i], right[j]
        count += a == b
        i += a <= b
        j += b <= a
    return count


@kernel
def find_pairs_alike(
    slots: Numbers, starts: Ints, texts: Numbers, theirs: Hashes, theirs_at: Ints, ours: Hashes,
    ours_at: Ints, threshold: float, start: int, seen: Ints, clock: Ints, found: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Write (text, text of the buckets, n-grams of both, n-grams of either) rows; return how many.

    Also returned is the text to go on with: where `found` gets full, one whose rows do not count.
    """
    made = 0
    for k in range(start, len(slots)):
        clock[0] += 1
        before, size = made, theirs_at[k + 1] - theirs_at[k]
        for band in range(slots.shape[1]):
            slot = slots[k, band]
            if slot < 0:
                continue
            for p in range(starts[slot], starts[slot + 1]):
                text = texts[p]
                if seen[text] == clock[0]:
                    continue
                seen[text] = clock[0]
                other = ours_at[text + 1] - ours_at[text]
                if min(size, other) <= threshold * max(size, other):
                    continue
                both = _shared(theirs, theirs_at[k], theirs_at[k + 1], ours, ours_at[text], ours_at[text + 1])
                either = size + other - both
                if both > threshold * either:
                    if made == len(found):
                        return before, k
                    found[made, 0], found[made, 1], found[made, 2], found[made, 3] = k, text, both, either
                    made += 1
    return made, len(slots)
