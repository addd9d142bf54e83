"""Which indexed texts a record covers, by how much, and where.

The one idea: two passes. `candidates` goes over every record by hashes alone, counts grams per unit
with stamps (so nothing is cleared between records and a gram that a record repeats counts once), and
names the few pairs that may be hits: never too few. `explain` reads those records again, compares the
words themselves, computes the exact overlap and notes the matched places, so a collision of hashes
can never become a hit. Turns are kept apart; the union is over all turns of one record.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import Folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.ngrams import PART_BITS, Grams, Ints, find_grams, grown, same_words
from tulu_data.kernels.words import MOST_WORDS, Bytes, Hashes, hash_words, next_word


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
    """Stamps of one worker; they only grow, so nothing is cleared."""

    seen: Ints
    """Per slot: last record in which it was found."""
    mine: Ints
    """Per slot: last pair whose unit holds it."""
    met: Ints
    """Per unit: last record that shares a gram with it."""
    shared: NDArray[np.int32]
    """Per unit: grams shared with that record."""
    clock: Ints
    """One number: the last stamp given."""


def new_scratch(grams: Grams) -> Scratch:
    """Make the stamps of one worker."""
    slots, units = len(grams.keys), len(grams.begin)
    return Scratch(
        seen=np.zeros(slots, np.int64), mine=np.zeros(slots, np.int64), met=np.zeros(units, np.int64),
        shared=np.zeros(units, np.int32), clock=np.zeros(1, np.int64),
    )  # fmt: skip


@inner
def _room(turns: Turns) -> int:
    """Return the room that the words of the longest turn need."""
    longest = 0
    for t in range(len(turns.begin)):
        longest = max(longest, turns.end[t] - turns.begin[t])
    return MOST_WORDS * longest + 1


@inner
def overlap(grams: Grams, unit: int, measure: Measure, scratch: Scratch, stamp: int) -> tuple[int, int]:
    """Return how much of a unit is covered by the slots with a stamp, and how much there is."""
    width, covered, reach = grams.shape[unit] >> 1, 0, 0
    for q in range(grams.first[unit + 1] - grams.first[unit]):
        if scratch.seen[grams.slots[grams.first[unit] + q]] == stamp:
            covered += q + width - max(reach, q) if measure.words else 1
            reach = q + width
    whole = grams.words[unit] if measure.words else grams.first[unit + 1] - grams.first[unit]
    return covered, whole


@inner
def is_hit(covered: int, whole: int, measure: Measure) -> bool:
    """Tell whether an overlap is a hit."""
    limit = measure.threshold * whole
    return covered > limit or (measure.inclusive and covered >= limit - 1e-9)


@kernel
def candidates(turns: Turns, grams: Grams, measure: Measure, scratch: Scratch, tables: Folding) -> Ints:
    """Return (record, unit) rows of the pairs that may be hits, ordered by record."""
    hashes, marks = np.empty(_room(turns), np.uint64), np.empty(2 * _room(turns) + 1, np.int64)
    found = np.empty((16, 3), np.int64)
    touched, pairs, made = np.empty((64, 1), np.int64), np.empty((16, 2), np.int64), 0
    for r in range(len(turns.first) - 1):
        scratch.clock[0] += 1
        stamp, met = scratch.clock[0], 0
        for t in range(turns.first[r], turns.first[r + 1]):
            words = hash_words(turns.text, turns.begin[t], turns.end[t], tables, hashes)
            found, count = find_grams(grams, hashes, words, marks, found)
            for k in range(count):
                slot = found[k, 1]
                if scratch.seen[slot] == stamp:
                    continue
                scratch.seen[slot] = stamp
                for p in range(grams.starts[slot], grams.starts[slot + 1]):
                    unit = grams.postings[p]
                    if scratch.met[unit] != stamp:
                        scratch.met[unit], scratch.shared[unit] = stamp, 0
                        touched = grown(touched, met + 1)
                        touched[met, 0] = unit
                        met += 1
                    scratch.shared[unit] += 1
        for k in range(met):
            unit = touched[k, 0]
            # An upper bound that needs no walk along the unit.
            width = grams.shape[unit] >> 1 if measure.words else 1
            whole = grams.words[unit] if measure.words else grams.first[unit + 1] - grams.first[unit]
            if is_hit(min(scratch.shared[unit] * width, whole), whole, measure):
                covered, whole = overlap(grams, unit, measure, scratch, stamp)
                if is_hit(covered, whole, measure):
                    pairs = grown(pairs, made + 1)
                    pairs[made, 0], pairs[made, 1] = r, unit
                    made += 1
    return pairs[:made]


@inner
def read_places(
    text: Bytes, begin: int, end: int, turn: int, tables: Folding, places: Ints, count: int
) -> tuple[Ints, int]:
    """Append (walk position, first character, end character, turn) of every word of `text[begin:end]`."""
    i, part, byte, characters = begin, 0, begin, 0
    while True:
        at = i << PART_BITS | part
        _, first, stop, i, part = next_word(text, i, part, end, tables, None)
        if first < 0:
            return places, count
        places = grown(places, count + 1)
        if first < byte:
            # The word starts in the same code point in which the last one ended.
            byte, characters = first, places[count - 1, 2] - 1
        while byte < first:
            characters += text[byte] & 0xC0 != 0x80
            byte += 1
        places[count, 0], places[count, 1], places[count, 3] = at, characters, turn
        while byte < stop:
            characters += text[byte] & 0xC0 != 0x80
            byte += 1
        places[count, 2] = characters
        count += 1


@inner
def matches(
    turns: Turns,
    record: int,
    grams: Grams,
    scratch: Scratch,
    tables: Folding,
    hashes: Hashes,
    marks: Ints,
) -> tuple[Ints, Ints]:
    """Stamp the slots whose words a record holds; return its places and (first word, slot) rows."""
    places, found = np.empty((64, 4), np.int64), np.empty((16, 3), np.int64)
    rows, made, base = np.empty((16, 2), np.int64), 0, 0
    scratch.clock[0] += 1
    for t in range(turns.first[record], turns.first[record + 1]):
        begin, end = turns.begin[t], turns.end[t]
        places, after = read_places(turns.text, begin, end, turns.number[t], tables, places, base)
        words = hash_words(turns.text, begin, end, tables, hashes)
        found, count = find_grams(grams, hashes, words, marks, found)
        for k in range(count):
            word, slot, shape = base + found[k, 0], found[k, 1], found[k, 2]
            at, unit = grams.home[slot, 0], grams.home[slot, 1]
            if grams.shape[unit] == shape and same_words(
                turns.text, places[word, 0], end, grams.text, at, grams.end[unit], shape >> 1, tables
            ):
                scratch.seen[slot] = scratch.clock[0]
                rows = grown(rows, made + 1)
                rows[made, 0], rows[made, 1] = word, slot
                made += 1
        base = after
    return places, rows[:made]


@inner
def add_span(
    spans: Ints, count: int, places: Ints, first: int, last: int, reach: int
) -> tuple[Ints, int, int]:
    """Append the span of the words `first` to `last`, or extend the last span where they touch `reach`."""
    if first > reach or places[first, 3] != places[max(reach - 1, 0), 3] or reach == 0:
        spans = grown(spans, count + 1)
        spans[count, 0], spans[count, 1] = places[first, 3], places[first, 1]
        count += 1
    spans[count - 1, 2] = places[last, 2]
    return spans, count, last + 1


@inner
def record_spans(
    grams: Grams, unit: int, places: Ints, rows: Ints, scratch: Scratch, spans: Ints, count: int
) -> tuple[Ints, int]:
    """Append the (turn, first, end) characters of a record that a unit shares with it."""
    scratch.clock[0] += 1
    reach, width = 0, grams.shape[unit] >> 1
    for g in range(grams.first[unit], grams.first[unit + 1]):
        scratch.mine[grams.slots[g]] = scratch.clock[0]
    for k in range(len(rows)):
        if scratch.mine[rows[k, 1]] == scratch.clock[0]:
            spans, count, reach = add_span(spans, count, places, rows[k, 0], rows[k, 0] + width - 1, reach)
    return spans, count


@inner
def unit_spans(
    grams: Grams, unit: int, scratch: Scratch, stamp: int, tables: Folding, spans: Ints, count: int
) -> tuple[Ints, int]:
    """Append the (0, first, end) characters of a unit that lie in slots with a stamp."""
    places = np.empty((grams.words[unit] + 1, 4), np.int64)
    places, _ = read_places(grams.text, grams.begin[unit], grams.end[unit], 0, tables, places, 0)
    reach, width = 0, grams.shape[unit] >> 1
    for q in range(grams.first[unit + 1] - grams.first[unit]):
        if scratch.seen[grams.slots[grams.first[unit] + q]] == stamp:
            spans, count, reach = add_span(spans, count, places, q, q + width - 1, reach)
    return spans, count


@kernel
def explain(
    turns: Turns, pairs: Ints, grams: Grams, measure: Measure, scratch: Scratch, tables: Folding
) -> tuple[Ints, Ints, Ints]:
    """Verify candidate pairs word by word.

    Return the hits as (record, unit, covered, whole, end of its record spans, end of its unit spans),
    then the record spans and the unit spans, each (turn, first character, end character).
    """
    hashes, marks = np.empty(_room(turns), np.uint64), np.empty(2 * _room(turns) + 1, np.int64)
    stamp, made, there, here = 0, 0, 0, 0
    places, rows = np.empty((1, 4), np.int64), np.empty((1, 2), np.int64)
    hits = np.empty((len(pairs), 6), np.int64)
    theirs, ours = np.empty((16, 3), np.int64), np.empty((16, 3), np.int64)
    for k in range(len(pairs)):
        record, unit = pairs[k, 0], pairs[k, 1]
        if k == 0 or record != pairs[k - 1, 0]:
            places, rows = matches(turns, record, grams, scratch, tables, hashes, marks)
            stamp = scratch.clock[0]
        covered, whole = overlap(grams, unit, measure, scratch, stamp)
        if is_hit(covered, whole, measure):
            theirs, there = record_spans(grams, unit, places, rows, scratch, theirs, there)
            ours, here = unit_spans(grams, unit, scratch, stamp, tables, ours, here)
            hits[made, 0], hits[made, 1], hits[made, 2], hits[made, 3] = record, unit, covered, whole
            hits[made, 4], hits[made, 5] = there, here
            made += 1
    return hits[:made], theirs[:there], ours[:here]
