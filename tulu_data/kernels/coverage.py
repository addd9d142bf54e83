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
from tulu_data.kernels.measure import GRAMS, Measure, is_hit, overlap
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
    joined: bool = False
    """Whether the turns of a record are one text, so that grams may reach over their borders."""


class Scratch(NamedTuple):
    """Stamps and room of one worker; stamps only grow, so nothing is cleared."""

    seen: Ints
    """Per slot: last record in which it was found."""
    met: Ints
    """Per unit: last record that shares a gram with it."""
    shared: Ints
    """Per unit: grams shared with that record."""
    found: Ints
    """Slots that the record holds."""
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
    seen, found = (np.zeros(len(grams.starts) - 1, np.int64) for _ in range(2))
    met, shared, touched = (np.zeros(units, np.int64) for _ in range(3))
    room = np.empty((units + (1 << 14), 2), np.int64)
    return Scratch(seen, met, shared, found, touched, np.zeros(1, np.int64), room)


@inner
def _note(grams: Grams, h: np.uint64, shape: int, scratch: Scratch, stamp: int, found: int) -> int:
    """Note the slot of a gram of a record; return the number of slots noted."""
    key = gram_key(h, shape, grams.mask)
    if not may_hold(grams.filter, key):
        return found
    slot = slot_of(grams.table, key)
    if slot < 0 or scratch.seen[slot] == stamp:
        return found
    scratch.seen[slot] = stamp
    scratch.found[found] = slot
    return found + 1


@inner
def _note_grams(
    grams: Grams, hashes: Hashes, mark: int, begin: int, end: int, scratch: Scratch, stamp: int, found: int
) -> int:
    """Note the n-grams of a turn, the words from `begin` to `end`, whose part stands at a mark."""
    n = grams.n
    for k in range(max(begin, mark - part_of(n)[1] + 1), min(mark, end - n) + 1):
        found = _note(grams, gram_hash(hashes, k, n), n << 1, scratch, stamp, found)
    return found


@inner
def _note_phrases(
    grams: Grams, hashes: Hashes, mark: int, begin: int, end: int, scratch: Scratch, stamp: int, found: int
) -> int:
    """Note the phrases of a turn, the words from `begin` to `end`, whose part stands at a mark."""
    for k in range(max(begin, mark - part_of(WHOLE)[1] + 1), mark + 1):
        for width in range(WHOLE, min(grams.n - 1, end - k) + 1):
            found = _note(grams, gram_hash(hashes, k, width), width << 1, scratch, stamp, found)
    return found


@inner
def _touch(grams: Grams, scratch: Scratch, stamp: int, found: int) -> int:
    """Count the noted grams for every unit that they name; return the number of units met."""
    met = 0
    for k in range(found):
        slot = scratch.found[k]
        for p in range(grams.starts[slot], grams.starts[slot + 1]):
            unit = grams.postings[p]
            if grams.need[unit] > found:
                break
            if scratch.met[unit] != stamp:
                scratch.met[unit], scratch.shared[unit], scratch.touched[met] = stamp, 0, unit
                met += 1
            scratch.shared[unit] += 1
    return met


@inner
def _keep(
    grams: Grams, record: int, measure: Measure, scratch: Scratch, stamp: int, found: int, made: int
) -> int:
    """Write the pairs of a record that may be hits; return how many pairs there are now."""
    counted = measure.counted
    for k in range(_touch(grams, scratch, stamp, found)):
        unit = scratch.touched[k]
        begin, end, width = grams.first[unit], grams.first[unit + 1], grams.shape[unit] >> 1
        whole = end - begin if counted == GRAMS else grams.words[unit]
        # An upper bound that needs no walk along the unit.
        most = (scratch.shared[unit] + grams.passed[unit]) * (1 if counted == GRAMS else width)
        if is_hit(min(most, whole), whole, measure):
            covered = overlap(grams.slots, begin, end, width, counted, scratch.seen, stamp)
            if is_hit(covered, whole, measure):
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
            found = 0 * stamp
            t, last = first[record] - low, first[record + 1] - low
            while t < last:
                following = last if turns.joined else t + 1
                begin, end, t = at[t], at[following], following
                while g < gates and room.gates[g] < end:
                    found = _note_grams(grams, hashes, room.gates[g], begin, end, scratch, stamp, found)
                    g += 1
                while x < hints and room.hints[x] < end:
                    found = _note_phrases(grams, hashes, room.hints[x], begin, end, scratch, stamp, found)
                    x += 1
                if 0 < end - begin < min(WHOLE, n):
                    shape = (end - begin) << 1 | 1
                    found = _note(grams, gram_hash(hashes, begin, end - begin), shape, scratch, stamp, found)
            if found:
                made = _keep(grams, record, measure, scratch, stamp, found, made)
            record += 1
    return made, record


def candidates(turns: Turns, grams: Grams, measure: Measure, scratch: Scratch, tables: Folding) -> Ints:
    """Return (record, unit) rows of the pairs that may be hits, ordered by record, then unit."""
    text, begin, end, number, first = (fixed(array) for array in turns[:5])
    turns = Turns(text, begin, end, number, first, turns.joined)
    room = _room(turns)
    found, start = [], 0
    while start < len(turns.first) - 1:
        made, start = find_pairs(turns, start, grams, measure, scratch, tables, room)
        found.append(scratch.pairs[:made].copy())
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    records, units = _with_equals(pairs, grams)
    order = np.argsort(records * len(grams.words) + units)
    return np.stack([records[order], units[order]], axis=1)


def _with_equals(pairs: Ints, grams: Grams) -> tuple[Ints, Ints]:
    """Return records and units of pairs, and of those with the named equals of their units."""
    starts = grams.equal[pairs[:, 1]]
    counts = grams.equal[pairs[:, 1] + 1] - starts
    places = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    return np.repeat(pairs[:, 0], counts), grams.equals[places]


def _room(turns: Turns) -> Room:
    """Make room for the words of any block."""
    size = np.concatenate([[0], np.cumsum(turns.end - turns.begin)])[turns.first]
    words = MOST_WORDS * (BLOCK + int(np.diff(size).max(initial=0))) + 1
    hashes, gates, hints = np.empty(words, np.uint64), np.empty(words, np.int64), np.empty(words, np.int64)
    return Room(hashes, np.empty(len(turns.begin) + 1, np.int64), gates, hints, np.empty(0, np.int32))
