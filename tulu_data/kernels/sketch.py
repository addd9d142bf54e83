"""Signatures of texts: rows of numbers that agree in the share of places that their shingles share.

The one idea of the scheme `fast`: every shingle visits all lanes, one a round, in an order of its own, and
a lane keeps the least (round, fraction) that came by. Which shingle that is falls on each alike, so two
lanes agree with a probability that is the Jaccard similarity; and since a round fills as many lanes as there
are shingles, some rounds fill them all, where MinHash takes one for each lane. In one text no shingle comes
twice to a lane and none is left out, so small sets are told more exactly than by chance alone. (SuperMinHash,
Ertl 2017, draws an order as a permutation; here lane and round are points of a line over a prime field,
which is as good, since only pairs of lanes matter to the error.) A shingle of half the weight is let into
half of its lanes, by its fraction; lanes then agree with the probability of the weighted Jaccard
similarity. The scheme `datasketch`, in `minhash`, has no weights.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.frames import PLAIN, Levels, level_of
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.shingles import write_shingles
from tulu_data.kernels.units import Units, fixed_units
from tulu_data.kernels.words import Hashes, Ints, fixed, mixed

Signatures = NDArray[np.uint32]
"""One row a text, one column a lane."""

MOST_LANES = 1 << 12

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_S16, _S32, _S48 = (np.uint64(shift) for shift in (16, 32, 48))
_ONE_WIDE, _PART, _LOW = np.uint64(1), np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)
_ONE, _LATER, _EMPTY = np.uint32(1), np.uint32(1 << 31), np.uint32(0xFFFFFFFF)
_NOTHING, _HIGHEST = np.uint32(0), np.uint32(31)


class Fast(NamedTuple):
    """The scheme `fast`."""

    key: np.uint64
    """Enters every shingle, so that seeds tell signatures apart."""
    factors: Signatures
    """Odd, one for each round: they give the fraction. As many as the prime: that fills every lane."""
    lanes: Ints
    """Which of the prime's lanes are kept, and in what order: neighbours in a band should have nothing to do
    with each other."""
    bits: np.uint32
    """Bits of a value that tell its round, but for the first round, which has one alone."""


class Visits(NamedTuple):
    """Room for the shingles of one text."""

    shingles: Hashes
    lane: Signatures
    """Where each is."""
    step: Signatures
    """How far each goes on in a round."""
    fraction: Signatures
    level: Signatures
    """How often the weight of each is halved."""
    value: Signatures
    least: Signatures
    """Of each lane."""


def new_fast(lanes: int = 128, seed: int = 1) -> Fast:
    """Return the scheme `fast`; raise ValueError for a number of lanes that it does not have."""
    if not 1 <= lanes <= MOST_LANES:
        raise ValueError(f"lanes: found {lanes}, expected 1 to {MOST_LANES}")
    prime = next(p for p in range(max(lanes, 2), 2 * lanes + 1) if all(p % d for d in range(2, p)))
    draw = np.random.RandomState(seed)
    factors = draw.randint(0, 1 << 31, prime, dtype=np.uint32) * np.uint32(2) + _ONE
    key = draw.randint(0, 1 << 64, dtype=np.uint64)
    kept = draw.permutation(prime)[:lanes].astype(np.int64)
    return Fast(key, fixed(factors), fixed(kept), np.uint32((prime - 1).bit_length()))


def sign(units: Units, n: int, scheme: Fast, levels: Levels = PLAIN) -> Signatures:
    """Return the signatures of texts by their n-grams; that of no units is all ones, and no other is."""
    made = np.empty((len(units.begin), len(scheme.lanes)), np.uint32)
    visits = _new_visits(int(units.sizes.max(initial=0)), len(scheme.factors))
    sign_fast(fixed_units(units), n, scheme, levels, visits, made)
    return made


def sign_sets(hashes: Hashes, at: Ints, scheme: Fast, levels: Levels = PLAIN) -> Signatures:
    """Return the signatures of sets of shingles, in any order and with or without repeats."""
    made = np.empty((len(at) - 1, len(scheme.lanes)), np.uint32)
    visits = _new_visits(int(np.diff(at).max(initial=0)), len(scheme.factors))
    sketch_sets(fixed(hashes), fixed(at), scheme, levels, visits, made)
    return made


def _new_visits(shingles: int, prime: int) -> Visits:
    """Make room for texts of so many shingles at most."""
    lane, step, fraction, level, value = (np.empty(shingles, np.uint32) for _ in range(5))
    least = np.empty(prime, np.uint32)
    return Visits(np.empty(shingles, np.uint64), lane, step, fraction, level, value, least)


@inner
def _come_by(
    visits: Visits, count: int, factor: np.uint32, flags: np.uint32, shift: np.uint32, weighs: bool
) -> None:
    """Write what each shingle brings to its lane; light ones are let in by the part that their weight leaves.

    All of it is 32 bits wide, and without a branch, so many shingles go at once.
    """
    if not weighs:
        for x in range(count):
            visits.value[x] = flags | np.uint32(np.uint32(visits.fraction[x] * factor) >> shift)
        return
    for x in range(count):
        fraction, level = np.uint32(visits.fraction[x] * factor), visits.level[x]
        # What a fraction has beyond its part; a shift by 32 would be too far.
        beyond = np.uint32(np.uint32(fraction >> _ONE) >> np.uint32(_HIGHEST - level))
        within = flags | np.uint32(np.uint32(fraction << level) >> shift)
        visits.value[x] = within if beyond == _NOTHING else _EMPTY


@inner
def _settle(visits: Visits, count: int) -> None:
    """Let each lane keep the least of what came by."""
    for x in range(count):
        lane = visits.lane[x]
        visits.least[lane] = min(visits.least[lane], visits.value[x])


@inner
def _start(visits: Visits, count: int, scheme: Fast, levels: Levels) -> bool:
    """Give every shingle its way, and take it to its first lane; tell whether any counts less."""
    prime, heaviest = np.uint64(len(scheme.factors)), _NOTHING
    for x in range(count):
        h = mixed((visits.shingles[x] ^ scheme.key) * _FACTOR)
        visits.lane[x] = (h >> _S48) * prime >> _S16
        visits.step[x] = ((h >> _S32 & _PART) * (prime - _ONE_WIDE) >> _S16) + _ONE_WIDE
        visits.fraction[x] = h & _LOW
    if len(levels) > 1:
        for x in range(count):
            level = np.uint32(level_of(visits.shingles[x], levels))
            visits.level[x] = level
            heaviest = max(heaviest, level)
    weighs = bool(heaviest > _NOTHING)
    _come_by(visits, count, _ONE, _NOTHING, _ONE, weighs)
    _settle(visits, count)
    return weighs


@inner
def _go_on(visits: Visits, count: int, weighs: bool, scheme: Fast, round_: int) -> None:
    """Take every shingle to its next lane."""
    prime, last = np.uint32(len(scheme.factors)), len(scheme.factors) - 1
    flags = np.uint32(
        _LATER | np.uint32(np.uint32(min(round_, last)) << np.uint32(np.uint32(31) - scheme.bits))
    )
    for x in range(count):
        lane = np.uint32(visits.lane[x] + visits.step[x])
        # Where it is not beyond the last lane, the difference is far above it.
        visits.lane[x] = min(lane, np.uint32(lane - prime))
    shift = np.uint32(scheme.bits + _ONE)
    _come_by(visits, count, scheme.factors[round_ % (last + 1)], flags, shift, weighs)
    _settle(visits, count)


@inner
def _sketch(visits: Visits, count: int, scheme: Fast, levels: Levels, row: Signatures) -> None:
    """Write the signature of the first `count` shingles.

    Where light ones alone leave lanes empty, all are let in everywhere at last.
    """
    least = visits.least
    for lane in range(len(least)):
        least[lane] = _EMPTY
    weighs, round_ = _start(visits, count, scheme, levels), 1
    while count and round_ < 2 * len(least):
        largest = np.uint32(0)
        for lane in range(len(least)):
            largest = max(largest, least[lane])
        if largest != _EMPTY:
            break
        weighs &= round_ != len(least)
        _go_on(visits, count, weighs, scheme, round_)
        round_ += 1
    for j in range(len(row)):
        row[j] = least[scheme.lanes[j]]


@kernel
def sign_fast(units: Units, n: int, scheme: Fast, levels: Levels, visits: Visits, made: Signatures) -> None:
    """Write the signature of each text."""
    for k in range(len(made)):
        begin = units.begin[k]
        count = write_shingles(units.units, begin, units.end[k] - begin, n, visits.shingles, 0)
        _sketch(visits, count, scheme, levels, made[k])


@kernel
def sketch_sets(
    hashes: Hashes, at: Ints, scheme: Fast, levels: Levels, visits: Visits, made: Signatures
) -> None:
    """Write the signature of each set."""
    for k in range(len(made)):
        for p in range(at[k], at[k + 1]):
            visits.shingles[p - at[k]] = hashes[p]
        _sketch(visits, at[k + 1] - at[k], scheme, levels, made[k])
