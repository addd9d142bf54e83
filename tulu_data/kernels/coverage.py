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
from tulu_data.kernels.ngrams import WHOLE, Grams, gram_hash, gram_key, sift, slot_of
from tulu_data.kernels.words import Bytes, Hashes, Ints, fixed, hash_all


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


def new_scratch(grams: Grams) -> Scratch:
    """Make the stamps of one worker."""
    units = len(grams.words)
    stamps, room = np.zeros(len(grams.starts), np.int64), np.empty((max(units, 1 << 14), 2), np.int64)
    met, shared, touched = (np.zeros(units, np.int64) for _ in range(3))
    return Scratch(stamps, met, shared, touched, clock=np.zeros(1, np.int64), pairs=room)


@inner
def _count(grams: Grams, key: np.uint64, scratch: Scratch, stamp: int, met: int) -> int:
    """Count a gram of a record for every unit that holds it; return the number of units met."""
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


@kernel
def find_pairs(
    hashes: Hashes, at: Ints, first: Ints, start: int, grams: Grams, measure: Measure, scratch: Scratch,
    marks: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Write (record, unit) of the pairs that may be hits, records from `start` on.

    `at` is where the words of each turn start, `first` where the turns of each record do, with the
    totals. Returns how many pairs were written, and the record at which the room for them ended.
    """
    n, mask, m, made = grams.n, grams.mask, 0, 0
    marked = sift(grams, hashes, at[len(at) - 1], marks)
    for r in range(start, len(first) - 1):
        scratch.clock[0] += 1
        # A plain 0 would be a type of its own at first, and `_count` be compiled for it.
        stamp, met = scratch.clock[0], 0 * scratch.clock[0]
        for t in range(first[r], first[r + 1]):
            words = at[t + 1] - at[t]
            while m < marked and marks[m] >> 1 < at[t + 1]:
                last, phrase, room = marks[m] >> 1, marks[m] & 1, (marks[m] >> 1) - at[t] + 1
                m += 1
                for width in range(WHOLE if phrase else n, min(n - 1 if phrase else n, room) + 1):
                    key = gram_key(gram_hash(hashes, last - width + 1, width), width << 1, mask)
                    met = _count(grams, key, scratch, stamp, met)
            if 0 < words < min(WHOLE, n):
                key = gram_key(gram_hash(hashes, at[t], words), words << 1 | 1, mask)
                met = _count(grams, key, scratch, stamp, met)
        if made + met > len(scratch.pairs):
            return made, r
        for k in range(met):
            unit = scratch.touched[k]
            # An upper bound that needs no walk along the unit.
            width = grams.shape[unit] >> 1 if measure.words else 1
            whole = grams.words[unit] if measure.words else grams.first[unit + 1] - grams.first[unit]
            if _is_hit(min(scratch.shared[unit] * width, whole), whole, measure) and _is_hit(
                _overlap(grams, unit, measure, scratch, stamp), whole, measure
            ):
                scratch.pairs[made, 0], scratch.pairs[made, 1] = r, unit
                made += 1
    return made, len(first) - 1


def candidates(turns: Turns, grams: Grams, measure: Measure, scratch: Scratch, tables: Folding) -> Ints:
    """Return (record, unit) rows of the pairs that may be hits, ordered by record, then unit."""
    hashes, at = hash_all(turns.text, turns.begin, turns.end, tables)
    marks = np.empty(2 * len(hashes) + 2, np.int64)
    fixed_hashes, fixed_at, first = fixed(hashes), fixed(at), fixed(turns.first)
    found, start = [], 0
    while start < len(first) - 1:
        made, start = find_pairs(fixed_hashes, fixed_at, first, start, grams, measure, scratch, marks)
        found.append(scratch.pairs[:made].copy())
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    ordered: Ints = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return ordered
