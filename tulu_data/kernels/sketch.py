"""Signatures of texts: rows of numbers that agree in the share of places that their shingles share.

The one idea of the scheme `fast`: every shingle visits all lanes, one a round, in an order of its own, and
a lane keeps the least (round, fraction) that came by. Which shingle that is falls on each alike, so two
lanes agree with a probability that is the Jaccard similarity; and since a round fills as many lanes as there
are shingles, some rounds fill them all, where MinHash takes one for each lane. In one text no shingle comes
twice to a lane and none is left out, so small sets are told more exactly than by chance alone. (SuperMinHash,
Ertl 2017, draws an order as a permutation; here lane and round are points of a line over a prime field,
which is as good, since only pairs of lanes matter to the error.) A shingle of half the weight is let into
half of its lanes, by its fraction; lanes then agree with the probability of the weighted Jaccard
similarity. The scheme `datasketch` is in `minhash`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import Folding, folding
from tulu_data.kernels.frames import PLAIN, Levels, level_of
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.minhash import Permutations, sign_datasketch
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
from tulu_data.kernels.words import Hashes, Ints, fixed, mixed, signed

Signatures = NDArray[np.uint32]
"""One row a text, one column a lane."""

MOST_LANES = 1 << 12

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_S16, _S32, _S48 = (np.uint64(shift) for shift in (16, 32, 48))
_ONE_WIDE, _PART, _LOW = np.uint64(1), np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)
_ONE, _LATER, _EMPTY = np.uint32(1), np.uint32(1 << 31), np.uint32(0xFFFFFFFF)
_NOTHING = np.uint32(0)


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
    light: Signatures
    """Those that count less, and how often their weight is halved."""
    level: Signatures
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


def sign(
    texts: Texts, shingling: Shingling, scheme: Fast | Permutations, levels: Levels = PLAIN
) -> Signatures:
    """Return the signatures of texts; that of a text without words is all ones, and no other is.

    The scheme `datasketch` has no weights: all shingles count the same.
    """
    if isinstance(scheme, Permutations):
        return sign_datasketch(texts, shingling, scheme)
    texts, size, unit = fixed_texts(texts), size_of(texts), shingling.unit
    made = np.empty((len(texts.first) - 1, len(scheme.lanes)), np.uint32)
    units, visits = new_units(size, unit), _new_visits(size.units(unit), len(scheme.factors))
    sign_fast(texts, unit == "characters", shingling.n, folding(), units, scheme, levels, visits, made)
    return made


def sign_sets(hashes: Hashes, at: Ints, scheme: Fast, levels: Levels = PLAIN) -> Signatures:
    """Return the signatures of sets of shingles, in any order and with or without repeats."""
    made = np.empty((len(at) - 1, len(scheme.lanes)), np.uint32)
    visits = _new_visits(int(np.diff(at).max(initial=0)), len(scheme.factors))
    sketch_sets(fixed(hashes), fixed(at), scheme, levels, visits, made)
    return made


def _new_visits(shingles: int, prime: int) -> Visits:
    """Make room for texts of so many shingles at most."""
    lane, step, fraction, light, level, value = (np.empty(shingles, np.uint32) for _ in range(6))
    least = np.empty(prime, np.uint32)
    return Visits(np.empty(shingles, np.uint64), lane, step, fraction, light, level, value, least)


@inner
def _let_in(visits: Visits, light: int, factor: np.uint32, flags: np.uint32, shift: np.uint32) -> None:
    """Let light shingles in by the part of fractions that their weight leaves, on the whole scale again."""
    for y in range(light):
        x = visits.light[y]
        fraction = np.uint64(np.uint32(visits.fraction[x] * factor)) << np.uint64(visits.level[y])
        within = np.uint32(flags | np.uint32(fraction) >> shift)
        visits.value[x] = _EMPTY if fraction > _LOW else within


@inner
def _settle(visits: Visits, count: int) -> None:
    """Let each lane keep the least of what came by."""
    for x in range(count):
        lane = visits.lane[x]
        visits.least[lane] = min(visits.least[lane], visits.value[x])


@inner
def _start(visits: Visits, count: int, scheme: Fast, levels: Levels) -> int:
    """Give every shingle its way, and take it to its first lane; return how many count less."""
    prime, light = np.uint64(len(scheme.factors)), 0
    for x in range(count):
        h = mixed((visits.shingles[x] ^ scheme.key) * _FACTOR)
        visits.lane[x] = (h >> _S48) * prime >> _S16
        visits.step[x] = ((h >> _S32 & _PART) * (prime - _ONE_WIDE) >> _S16) + _ONE_WIDE
        visits.fraction[x] = h & _LOW
        visits.value[x] = (h & _LOW) >> _ONE_WIDE
    if len(levels) > 1:
        for x in range(count):
            level = level_of(visits.shingles[x], levels)
            visits.light[light], visits.level[light] = x, level
            light += signed(level) > 0
        _let_in(visits, light, _ONE, _NOTHING, _ONE)
    _settle(visits, count)
    return light


@inner
def _go_on(visits: Visits, count: int, light: int, scheme: Fast, round_: int) -> None:
    """Take every shingle to its next lane."""
    prime, last = np.uint32(len(scheme.factors)), len(scheme.factors) - 1
    factor = scheme.factors[round_ % (last + 1)]
    flags = np.uint32(
        _LATER | np.uint32(np.uint32(min(round_, last)) << np.uint32(np.uint32(31) - scheme.bits))
    )
    shift = np.uint32(scheme.bits + _ONE)
    for x in range(count):
        lane = np.uint32(visits.lane[x] + visits.step[x])
        # Where it is not beyond the last lane, the difference is far above it.
        visits.lane[x] = min(lane, np.uint32(lane - prime))
        visits.value[x] = flags | np.uint32(visits.fraction[x] * factor) >> shift
    _let_in(visits, light, factor, flags, shift)
    _settle(visits, count)


@inner
def _sketch(visits: Visits, count: int, scheme: Fast, levels: Levels, row: Signatures) -> None:
    """Write the signature of the first `count` shingles.

    Where light ones alone leave lanes empty, all are let in everywhere at last.
    """
    least = visits.least
    for lane in range(len(least)):
        least[lane] = _EMPTY
    light, round_ = _start(visits, count, scheme, levels), 1
    while count and round_ < 2 * len(least):
        largest = np.uint32(0)
        for lane in range(len(least)):
            largest = max(largest, least[lane])
        if largest != _EMPTY:
            break
        if round_ == len(least):
            light = 0
        _go_on(visits, count, light, scheme, round_)
        round_ += 1
    for j in range(len(row)):
        row[j] = least[scheme.lanes[j]]


@kernel
def sign_fast(
    texts: Texts, characters: bool, n: int, tables: Folding, units: Units, scheme: Fast, levels: Levels,
    visits: Visits, made: Signatures,
) -> None:  # fmt: skip
    """Write the signature of each text."""
    for k in range(len(made)):
        here = read_units(texts, k, characters, tables, units)
        count = write_shingles(units.hashes, 0, here, n, visits.shingles, 0)
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
