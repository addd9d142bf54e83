"""Texts that are alike as sets of n-grams, found by MinHash and told by counting.

The one idea: a signature keeps the smallest of the hashes of a text's n-grams under each of some
permutations, and two texts agree in one with a probability that is the Jaccard similarity of their sets.
Bands of a signature are looked up, and every candidate is told by its sets themselves, so an estimate never
becomes a finding. Signatures are those of `datasketch` over the lower 32 bits of our hashes, and so are the
numbers of bands. It knows words as hashes only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bags import fill_table, look_up
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.ordering import in_order
from tulu_data.kernels.words import Hashes, Ints, fixed, mixed

Signatures = NDArray[np.uint32]
"""One row a text, one column a permutation."""
Numbers = NDArray[np.int32]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_LOW = np.uint64(0xFFFFFFFF)
_FIRST, _SECOND = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_S13, _S16 = np.uint32(13), np.uint32(16)


class Sets(NamedTuple):
    """Sets of n-grams."""

    hashes: Hashes
    """The n-grams of one set after the other."""
    at: Ints
    """Where each set starts, and their total at the end."""


class Plan(NamedTuple):
    """How signatures are made and cut into bands."""

    factors: Signatures
    addends: Signatures
    """Of each permutation."""
    bands: int
    rows: int
    """Permutations of a band."""


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


def make_plan(threshold: float, permutations: int = 128, *, seed: int = 1, missed: float = 0.5) -> Plan:
    """Return the permutations and the bands that datasketch has for a threshold.

    `missed` says how much a pair above the threshold that shares no band weighs, beside one below that does.
    """
    factors, addends = _permutations(permutations, seed)
    return Plan(fixed(factors), fixed(addends), *_best_bands(threshold, permutations, missed))


def _permutations(count: int, seed: int) -> tuple[Signatures, Signatures]:
    """Draw factors and addends in the order of datasketch's scheme `affine32`, its default from 2.0 on."""
    draw = np.random.RandomState(seed)  # another generator would draw other numbers
    odd = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return odd, draw.randint(0, 1 << 32, count, dtype=np.uint32)


def _best_bands(threshold: float, permutations: int, missed: float) -> tuple[int, int]:
    """Return the bands, and the permutations of each, with the least weighed sum of both kinds of error."""
    # Both integrands are polynomials of at most this degree, so these nodes give their integrals exactly.
    nodes, weights = np.polynomial.legendre.leggauss(permutations // 2 + 1)
    low, high = threshold * (nodes + 1) / 2, threshold + (1 - threshold) * (nodes + 1) / 2
    errors = {}
    for bands in range(1, permutations + 1):
        for rows in range(1, permutations // bands + 1):
            met = weights @ (1 - (1 - low**rows) ** bands) * threshold / 2
            unmet = weights @ ((1 - high**rows) ** bands) * (1 - threshold) / 2
            errors[bands, rows] = met * (1 - missed) + unmet * missed
    return min(errors, key=lambda plan: errors[plan])


def shingles(words: Hashes, at: Ints, n: int) -> Sets:
    """Return the n-grams of texts, as often as they stand there; a shorter text is one, of all its words."""
    sizes = np.diff(at)
    counts = np.where(sizes > n, sizes - n + 1, np.minimum(sizes, 1))
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    hashes = np.empty(first[-1], np.uint64)
    hash_shingles(fixed(words), fixed(at), n, hashes)
    return Sets(fixed(hashes), fixed(first))


def distinct(sets: Sets) -> Sets:
    """Return the sets without repeats, each in order."""
    owner = np.repeat(np.arange(len(sets.at) - 1, dtype=np.int32), np.diff(sets.at))
    keys, order = in_order(sets.hashes)
    hashes = np.empty(len(keys), np.uint64)
    deal(fixed(keys), fixed(owner[order]), sets.at[:-1].copy(), hashes)
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    counts = np.bincount(owner[fresh], minlength=len(sets.at) - 1)
    return Sets(fixed(hashes[fresh]), fixed(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)))


def signatures(sets: Sets, plan: Plan) -> Signatures:
    """Return the signatures of sets, that of `datasketch.MinHash` for the lower 32 bits of their n-grams."""
    made = np.empty((len(sets.at) - 1, len(plan.factors)), np.uint32)
    sign(sets.hashes, sets.at, plan.factors, plan.addends, made)
    return made


def fill_buckets(sets: Sets, plan: Plan) -> Buckets:
    """Make texts ready for looking others up."""
    keys, order = in_order(_bands(sets, plan).ravel())
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = keys[1:] != keys[:-1]
    known, starts = keys[fresh], np.append(np.flatnonzero(fresh), len(keys))
    table = np.zeros(1 << max(10, (2 * len(known)).bit_length()), np.int32)
    fill_table(fixed(known), table)
    texts = (order // max(plan.bands, 1)).astype(np.int32)
    return Buckets(distinct(sets), fixed(known), fixed(table), fixed(starts), fixed(texts))


def find_alike(sets: Sets, buckets: Buckets, plan: Plan, threshold: float) -> Alike:
    """Return the pairs that share a band and whose Jaccard similarity is above the threshold."""
    keys = _bands(sets, plan)
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


def _bands(sets: Sets, plan: Plan) -> Hashes:
    """Return the keys of each text's bands."""
    keys = np.empty((len(sets.at) - 1, plan.bands), np.uint64)
    hash_bands(fixed(signatures(sets, plan)), plan.rows, keys)
    return keys


def _taken(sets: Sets, chosen: Ints) -> Sets:
    """Return some of the sets."""
    sizes = np.diff(sets.at)[chosen]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Sets(sets.hashes[np.repeat(sets.at[chosen] - first[:-1], sizes) + np.arange(first[-1])], first)


@kernel
def deal(keys: Hashes, owner: Numbers, free: Ints, hashes: Hashes) -> None:
    """Write each key to the next free place of its owner."""
    for k in range(len(keys)):
        hashes[free[owner[k]]] = keys[k]
        free[owner[k]] += 1


@kernel
def hash_shingles(words: Hashes, at: Ints, n: int, hashes: Hashes) -> None:
    """Write the hashes of the n-grams of each text, one text after the other."""
    count = 0
    for k in range(len(at) - 1):
        size = min(at[k + 1] - at[k], n)
        for p in range(at[k], at[k + 1] - size + (size > 0)):
            h = np.uint64(size)
            for j in range(size):
                h = mixed((h ^ words[p + j]) * _FACTOR)
            hashes[count] = h
            count += 1


@kernel
def sign(hashes: Hashes, at: Ints, factors: Signatures, addends: Signatures, made: Signatures) -> None:
    """Write signatures by `a * h + b` modulo 2 ** 32, over hashes that MurmurHash3's last step has mixed."""
    for k in range(len(at) - 1):
        row = made[k]
        for j in range(len(factors)):
            row[j] = np.uint32(_LOW)
        for p in range(at[k], at[k + 1]):
            h = np.uint32(hashes[p] & _LOW)
            h = np.uint32((h ^ np.uint32(h >> _S16)) * _FIRST)
            h = np.uint32((h ^ np.uint32(h >> _S13)) * _SECOND)
            h ^= np.uint32(h >> _S16)
            for j in range(len(factors)):
                row[j] = min(row[j], np.uint32(np.uint32(factors[j] * h) + addends[j]))


@kernel
def hash_bands(signed: Signatures, rows: int, keys: Hashes) -> None:
    """Write the key of each band: of its number and its part of the signature."""
    for k in range(len(keys)):
        for band in range(keys.shape[1]):
            h = np.uint64(band)
            for j in range(band * rows, (band + 1) * rows):
                h = mixed((h ^ np.uint64(signed[k, j])) * _FACTOR)
            keys[k, band] = h


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
