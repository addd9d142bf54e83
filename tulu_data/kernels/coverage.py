"""Which indexed texts a record may cover, and by how much.

The one idea: a pass over every record by hashes alone, which counts grams per unit with stamps (so
nothing is cleared between records and a gram that a record repeats counts once), and names the few
pairs that may be hits: never too few. It allocates nothing. Turns are kept apart; the union is over
all turns of one record. What a pair really shares, `decontaminate.evidence` reads from the words.
"""

from typing import NamedTuple

import numpy as np

from tulu_data.kernels.folding import Folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.ngrams import (
    WHOLE,
    Grams,
    gram_hash,
    gram_key,
    may_hold,
    part_of,
    sift,
    slot_of,
)
from tulu_data.kernels.words import MOST_WORDS, Bytes, Hashes, Ints, Points, fixed, hash_texts

BLOCK = 1 << 14
"""Bytes of text looked at together, about: their words stay in the nearest cache."""


class Turns(NamedTuple):
    """The scanned turns of a batch of records."""

    text: Bytes
    begin: Ints
    end: Ints
    """Bytes of each turn."""
    number: Ints
    """Position of each turn among the messages of its record."""
    first: Ints
    """Where the turns of each record start, and their total at the end."""


class Measure(NamedTuple):
    """What a rule counts and when that is a hit."""

    words: bool
    """Count covered words (else matched grams) against all of the unit's."""
    threshold: float
    inclusive: bool
    """Whether meeting the threshold is enough."""


class Scratch(NamedTuple):
    """Stamps and room of one worker; stamps only grow, so nothing is cleared."""

    seen: Ints
    """Per slot: last record in which it was found."""
    met: Ints
    """Per unit: last record that shares a gram with it."""
    shared: Ints
    """Per unit: grams shared with that record."""
    touched: Ints
    """Units that share a gram with the record."""
    clock: Ints
    """One number: the last stamp given."""
    pairs: Ints
    """Room for pairs, at least one for each unit."""


class Room(NamedTuple):
    """Room for the words of the turns that are looked at together."""

    hashes: Hashes
    at: Ints
    """Where the words of each turn start, and their total at the end."""
    gates: Ints
    """Words at which a part of an n-gram may stand."""
    hints: Ints
    """Words at which a part of a phrase may stand."""
    nothing: Points


def new_scratch(grams: Grams) -> Scratch:
    """Make the stamps of one worker."""
    units = len(grams.words)
    stamps, room = np.zeros(len(grams.starts), np.int64), np.empty((units + (1 << 14), 2), np.int64)
    met, shared, touched = (np.zeros(units, np.int64) for _ in range(3))
    return Scratch(stamps, met, shared, touched, clock=np.zeros(1, np.int64), pairs=room)


@inner
def _count(grams: Grams, h: np.uint64, shape: int, scratch: Scratch, stamp: int, met: int) -> int:
    """Count a gram of a record for every unit that holds it; return the number of units met."""
    key = gram_key(h, shape, grams.mask)
    if not may_hold(grams.filter, key):
        return met
    slot = slot_of(grams.table, key)
    if slot < 0 or scratch.seen[slot] == stamp:
        return met
    scratch.seen[slot] = stamp
    for p in range(grams.starts[slot], grams.starts[slot + 1]):
        unit = grams.postings[p]
        if scratch.met[unit] != stamp:
            scratch.met[unit], scratch.shared[unit], scratch.touched[met] = stamp, 0, unit
            met += 1
        scratch.shared[unit] += 1
    return met


@inner
def _overlap(grams: Grams, unit: int, measure: Measure, scratch: Scratch, stamp: int) -> int:
    """Return how much of a unit is covered by the slots with a stamp."""
    width, covered, reach = grams.shape[unit] >> 1, 0, 0
    for q in range(grams.first[unit + 1] - grams.first[unit]):
        if scratch.seen[grams.slots[grams.first[unit] + q]] == stamp:
            covered += q + width - max(reach, q) if measure.words else 1
            reach = q + width
    return covered


@inner
def _is_hit(covered: int, whole: int, measure: Measure) -> bool:
    """Tell whether an overlap is a hit."""
    limit = measure.threshold * whole
    return covered > limit or (measure.inclusive and covered >= limit - 1e-9)


@inner
def _count_grams(
    grams: Grams, hashes: Hashes, mark: int, begin: int, end: int, scratch: Scratch, stamp: int, met: int
) -> int:
    """Count the n-grams of a turn, the words from `begin` to `end`, whose part stands at a mark."""
    n = grams.n
    for k in range(max(begin, mark - part_of(n)[1] + 1), min(mark, end - n) + 1):
        met = _count(grams, gram_hash(hashes, k, n), n << 1, scratch, stamp, met)
    return met


@inner
def _count_phrases(
    grams: Grams, hashes: Hashes, mark: int, begin: int, end: int, scratch: Scratch, stamp: int, met: int
) -> int:
    """Count the phrases of a turn, the words from `begin` to `end`, whose part stands at a mark."""
    for k in range(max(begin, mark - part_of(WHOLE)[1] + 1), mark + 1):
        for width in range(WHOLE, min(grams.n - 1, end - k) + 1):
            met = _count(grams, gram_hash(hashes, k, width), width << 1, scratch, stamp, met)
    return met


@inner
def _keep(
    grams: Grams, record: int, measure: Measure, scratch: Scratch, stamp: int, met: int, made: int
) -> int:
    """Write the pairs of a record that may be hits; return how many pairs there are now."""
    for k in range(met):
        unit = scratch.touched[k]
        # An upper bound that needs no walk along the unit.
        width = grams.shape[unit] >> 1 if measure.words else 1
        whole = grams.words[unit] if measure.words else grams.first[unit + 1] - grams.first[unit]
        if _is_hit(min(scratch.shared[unit] * width, whole), whole, measure) and _is_hit(
            _overlap(grams, unit, measure, scratch, stamp), whole, measure
        ):
            scratch.pairs[made, 0], scratch.pairs[made, 1] = record, unit
            made += 1
    return made


@inner
def _block_end(turns: Turns, record: int) -> int:
    """Return the record at which a block ends that starts with a record, and has about `BLOCK` bytes."""
    room = BLOCK
    while record < len(turns.first) - 1:
        for t in range(turns.first[record], turns.first[record + 1]):
            room -= turns.end[t] - turns.begin[t]
        record += 1
        if room <= 0:
            break
    return record


@kernel
def find_pairs(
    turns: Turns, start: int, grams: Grams, measure: Measure, scratch: Scratch, tables: Folding, room: Room
) -> tuple[int, int]:
    """Write (record, unit) of the pairs that may be hits, records from `start` on.

    Returns how many pairs were written, and the record at which the room for them ended.
    """
    # A plain 0 or 4 would be a type of its own, for which what is called is compiled once more.
    n, mask, made, record, whole = grams.n, grams.mask, 0 * start, start, WHOLE + 0 * start
    hashes, at, first = room.hashes, room.at, turns.first
    while record < len(first) - 1:
        stop = _block_end(turns, record)
        low, high = first[record], first[stop]
        hash_texts(turns.text, turns.begin[low:high], turns.end[low:high], tables, room.nothing, hashes, at)
        words = at[high - low]
        gates = sift(grams.gate, hashes, words, n, mask, room.gates)
        hints = sift(grams.hints, hashes, words, whole, mask, room.hints) if len(grams.hints) else 0 * gates
        g, x = 0 * gates, 0 * gates
        while record < stop:
            if made + len(grams.words) > len(scratch.pairs):
                return made, record
            scratch.clock[0] += 1
            stamp = scratch.clock[0]
            met = 0 * stamp
            for t in range(first[record] - low, first[record + 1] - low):
                begin, end = at[t], at[t + 1]
                while g < gates and room.gates[g] < end:
                    met = _count_grams(grams, hashes, room.gates[g], begin, end, scratch, stamp, met)
                    g += 1
                while x < hints and room.hints[x] < end:
                    met = _count_phrases(grams, hashes, room.hints[x], begin, end, scratch, stamp, met)
                    x += 1
                if 0 < end - begin < min(WHOLE, n):
                    shape = (end - begin) << 1 | 1
                    met = _count(grams, gram_hash(hashes, begin, end - begin), shape, scratch, stamp, met)
            if met:
                made = _keep(grams, record, measure, scratch, stamp, met, made)
            record += 1
    return made, record


def candidates(turns: Turns, grams: Grams, measure: Measure, scratch: Scratch, tables: Folding) -> Ints:
    """Return (record, unit) rows of the pairs that may be hits, ordered by record, then unit."""
    turns = Turns(*(fixed(array) for array in turns))
    room = _room(turns)
    found, start = [], 0
    while start < len(turns.first) - 1:
        made, start = find_pairs(turns, start, grams, measure, scratch, tables, room)
        found.append(scratch.pairs[:made].copy())
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    ordered: Ints = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return ordered


def _room(turns: Turns) -> Room:
    """Make room for the words of any block."""
    size = np.concatenate([[0], np.cumsum(turns.end - turns.begin)])[turns.first]
    words = MOST_WORDS * (BLOCK + int(np.diff(size).max(initial=0))) + 1
    hashes, gates, hints = np.empty(words, np.uint64), np.empty(words, np.int64), np.empty(words, np.int64)
    return Room(hashes, np.empty(len(turns.begin) + 1, np.int64), gates, hints, np.empty(0, np.int32))
