"""Which short texts a record may say in other words, and in which window of it.

The one idea: two tokens of a text that stand near each other are a pair, in any order; a pair is far
rarer than its tokens, and enough pairs survive edits and rephrasing. A record's pairs are looked up,
their bits are added up per unit in stretches about as long as the unit, and where two stretches in a row
hold enough of them, every window there is weighed token by token. This names windows; what is
a hit, `decontaminate.lexical` says.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Hashes, Ints, mixed, signed

Numbers = NDArray[np.int32]
Bits = NDArray[np.float64]

UNKNOWN_WORD, UNKNOWN_NUMBER, NOTHING = -1, -2, -3
"""Ids of a word and a number that no unit holds, and of a token that says nothing."""
SCORES = 7
"""Bits of words that a unit and a window share, of the unit's words, of numbers that both hold, and of
numbers that either holds; squared bits of the shared words, of the unit's, and of the window's."""
REACH = 3
"""Tokens apart at most that make a pair; only tokens that say something count."""
UNIT = 16.0
"""Weights are whole numbers of this part of a bit."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_ZERO, _ONE, _LOW, _SLOT = np.uint64(0), np.uint64(1), np.uint64(63), np.uint64(0xFFFFFFFF)
_S6, _S20, _S32, _S58 = (np.uint64(shift) for shift in (6, 20, 32, 58))
_HALF, _LOWER_HALF, _LIMIT_SHIFT = 32, 0xFFFFFFFF, 0xFF
_RECENT = 256
_AGAIN = 32
"""A pair that stands twice within so many tokens counts once."""


class Vocabulary(NamedTuple):
    """The tokens of all units."""

    keys: Hashes
    """Key of each token; a token's id is its place."""
    table: Numbers
    """Open addressing by key: id + 1, 0 where empty; a power of two long."""
    numbers: NDArray[np.bool_]
    """Which are numbers."""
    weight: Numbers
    """Of each token in parts of a bit, 0 where it says too little to make pairs."""


class Pairs(NamedTuple):
    """Units by the pairs of tokens that they hold."""

    table: Hashes
    """Open addressing: upper half of a pair's hash, then its slot + 1; 0 where empty."""
    filter: Hashes
    """Bitmap of two bits per pair within one word."""
    starts: Numbers
    """Where the postings of each slot start, and their total at the end."""
    postings: Numbers
    limits: Numbers
    """Of each unit: parts of a bit that make a candidate, and the power of two of its stretches' length."""


class Sums(NamedTuple):
    """Room of one worker; stamps only grow, so nothing is cleared."""

    state: Ints
    """Per unit, side by side: stretch last met; the sum of the one before it and its own, in halves; stretch
    last named; the unit's limit and, in the last byte, the power of two of its stretches."""
    recent: Ints
    """Pairs met last, and where."""
    clock: Ints
    """One number: the last stamp given."""
    found: Ints
    """Room for (record, unit, stretch) rows."""


class Units(NamedTuple):
    """The tokens of each unit."""

    ids: Numbers
    at: Ints
    """Where the tokens of each unit start, and their total at the end."""


class Marks(NamedTuple):
    """Room of one worker to tell a unit's tokens; stamps only grow."""

    stamp: Ints
    """Per id: the last candidate whose unit holds it."""
    held: Numbers
    """Per id: how often the unit holds it, and the window."""
    clock: Ints
    """One number: the last stamp given."""


def new_marks(vocabulary: Vocabulary) -> Marks:
    """Make the room of one worker."""
    size = len(vocabulary.keys)
    return Marks(np.zeros(size, np.int64), np.zeros((size, 2), np.int32), np.zeros(1, np.int64))


class Room(NamedTuple):
    """Room for the pairs of one record."""

    token: Numbers
    """The tokens that make pairs."""
    place: Numbers
    """Where they stand in the record."""
    pair: Hashes
    at: Numbers
    """Where the second token of each pair stands."""
    weight: Numbers


def new_room(tokens: int) -> Room:
    """Make room for records of so many tokens at most."""
    one, many = tokens + 1, REACH * tokens + 1
    numbers = (np.empty(size, np.int32) for size in (one, one, many, many))
    token, place, at, weight = numbers
    return Room(token, place, np.empty(many, np.uint64), at, weight)


def new_sums(pairs: Pairs) -> Sums:
    """Make the room of one worker."""
    units = len(pairs.limits)
    state = np.zeros((units, 4), np.int64)
    state[:, 0] = state[:, 2] = -2
    state[:, 3] = pairs.limits[:, 0].astype(np.int64) << 8 | pairs.limits[:, 1]
    return Sums(
        state, np.full((_RECENT, 2), -1, np.int64), np.zeros(1, np.int64),
        np.empty((max(4 * units, 1 << 14), 3), np.int64),
    )  # fmt: skip


def window_widths(tokens: Ints) -> Ints:
    """Return the tokens of the windows in which units of so many tokens are looked for."""
    widths: Ints = tokens + tokens * 3 // 10 + 6
    return widths


@inner
def _window_width(tokens: int) -> int:
    """Do what `window_widths` does, for one unit."""
    return tokens + tokens * 3 // 10 + 6


@kernel
def look_up(keys: Hashes, known: Hashes, table: Numbers, ids: Numbers) -> None:
    """Write the id of each key; where it is not known, -1 for a word and -2 for a number."""
    last = np.uint64(len(table) - 1)
    for k in range(len(keys)):
        place = keys[k] >> _S20 & last
        ids[k] = -1 - np.int32(keys[k] & _ONE) if keys[k] else NOTHING
        while table[place] != 0:
            if known[table[place] - 1] == keys[k]:
                ids[k] = table[place] - 1
                break
            place = (place + _ONE) & last


@kernel
def fill_table(keys: Hashes, table: Numbers) -> None:
    """Give every key its place in an empty table."""
    last = np.uint64(len(table) - 1)
    for k in range(len(keys)):
        place = keys[k] >> _S20 & last
        while table[place] != 0:
            place = (place + _ONE) & last
        table[place] = k + 1


@inner
def _pair(a: int, b: int) -> np.uint64:
    """Return the hash of two ids, in any order."""
    return mixed((np.uint64(min(a, b)) << _S32 | np.uint64(max(a, b))) * _FACTOR)


@inner
def _bits(h: np.uint64) -> np.uint64:
    """Return the two bits of a pair within its word of the filter."""
    return _ONE << (h & _LOW) | _ONE << (h >> _S6 & _LOW)


@kernel
def list_pairs(
    ids: Numbers, at: Ints, weight: Numbers, near: Ints, hashes: Hashes, owner: Ints, weights: Numbers
) -> int:
    """Write the pairs of every unit, their units and weights; `near` has room for REACH. Return how many."""
    made = 0
    for u in range(len(at) - 1):
        held = 0
        for p in range(at[u], at[u + 1]):
            if ids[p] < 0 or weight[ids[p]] == 0:
                continue
            for g in range(min(held, REACH)):
                other = near[(held - 1 - g) % REACH]
                if other != ids[p]:
                    hashes[made] = _pair(ids[p], other)
                    owner[made] = u
                    weights[made] = weight[ids[p]] + weight[other]
                    made += 1
            near[held % REACH] = ids[p]
            held += 1
    return made


@kernel
def fill_pairs(hashes: Hashes, table: Hashes, bitmap: Hashes) -> None:
    """Give every hash its slot, in order, by way of an empty table, and set its bits."""
    last, wide = np.uint64(len(table) - 1), np.uint64(len(bitmap) - 1)
    for k in range(len(hashes)):
        place = hashes[k] & last
        while table[place] != 0:
            place = (place + _ONE) & last
        table[place] = (hashes[k] >> _S32) << _S32 | np.uint64(k + 1)
        bitmap[hashes[k] >> _S20 & wide] |= _bits(hashes[k])


@inner
def _slot_of(pairs: Pairs, h: np.uint64) -> int:
    """Return the slot of a pair, -1 when there is none."""
    last = np.uint64(len(pairs.table) - 1)
    place = h & last
    while pairs.table[place] != 0:
        if (pairs.table[place] ^ h) >> _S32 == 0:
            return np.int64(pairs.table[place] & _SLOT) - 1  # type: ignore[return-value]
        place = (place + _ONE) & last
    return -1


@inner
def _sift(ids: Numbers, begin: int, end: int, weight: Numbers, bitmap: Hashes, room: Room) -> int:
    """Write the pairs of a record that the filter lets pass; return how many.

    Written first and taken back by not counting them: no branch that can be guessed wrong.
    """
    held, passed, last = _ZERO, _ZERO, np.uint64(len(bitmap) - 1)
    for p in range(begin, end):
        token = ids[p]
        room.token[held] = token
        room.place[held] = p - begin
        held += np.uint64(token >= 0 and weight[max(token, 0)] > 0)
    for q in range(_ZERO, held):
        token = room.token[q]
        for g in range(_ONE, np.uint64(REACH) + _ONE):
            other = room.token[q - g] if g <= q else token
            h = _pair(token, other)
            bits = _bits(h)
            room.pair[passed] = h
            room.at[passed] = room.place[q]
            room.weight[passed] = weight[token] + weight[other]
            passed += np.uint64((bitmap[h >> _S20 & last] & bits == bits) & (token != other))
    return np.int64(passed)  # type: ignore[return-value]


@inner
def _add(pairs: Pairs, slot: int, weight: int, base: int, p: int, sums: Sums, record: int, made: int) -> int:
    """Add a pair's weight to every unit that holds it; return the number of stretches named."""
    state = sums.state
    for q in range(np.uint64(pairs.starts[slot]), np.uint64(pairs.starts[slot + 1])):
        unit = np.uint64(pairs.postings[q])
        limit = state[unit, 3]
        stretch = base + (p >> (limit & _LIMIT_SHIFT))
        total = state[unit, 1]
        if state[unit, 0] != stretch:
            total = total << _HALF if state[unit, 0] == stretch - 1 else 0
            state[unit, 0] = stretch
        total += weight
        state[unit, 1] = total
        if (total & _LOWER_HALF) + (total >> _HALF) >= limit >> 8 and state[unit, 2] != stretch:
            state[unit, 2] = stretch
            sums.found[made, 0], sums.found[made, 1] = record, unit
            sums.found[made, 2] = stretch - base
            made += 1
    return made


@kernel
def find_stretches(
    ids: Numbers, first: Ints, start: int, weight: Numbers, pairs: Pairs, room: Room, sums: Sums
) -> tuple[int, int]:
    """Write (record, unit, stretch) where a stretch and the one before hold enough pairs.

    `first` is where the tokens of each record start, with the total; records from `start` on. Returns how
    many rows were written, and the record at which the room for them ended; its own rows are not among them.
    """
    made = 0 * start
    for r in range(start, len(first) - 1):
        sums.clock[0] += 1 << 32
        base, before = sums.clock[0], made
        passed = _sift(ids, first[r], first[r + 1], weight, pairs.filter, room)
        for k in range(passed):
            slot = _slot_of(pairs, room.pair[k])
            if slot < 0:
                continue
            p = signed(room.at[k])
            line = slot % _RECENT
            again = sums.recent[line, 0] == slot and base + p - sums.recent[line, 1] < _AGAIN
            sums.recent[line, 0], sums.recent[line, 1] = slot, base + p
            if not again:
                if len(sums.found) - made < pairs.starts[slot + 1] - pairs.starts[slot]:
                    return before, r
                made = _add(pairs, slot, signed(room.weight[k]), base, p, sums, r, made)
    return made, len(first) - 1


@inner
def _mark(units: Units, unit: int, numbers: NDArray[np.bool_], marks: Marks) -> int:
    """Note the tokens of a unit, a word once and a number as often as it stands there; return the stamp."""
    marks.clock[0] += 1
    stamp = signed(marks.clock[0])
    for k in range(units.at[unit], units.at[unit + 1]):
        token = units.ids[k]
        if token < 0:
            continue
        if marks.stamp[token] != stamp:
            marks.stamp[token], marks.held[token, 0], marks.held[token, 1] = stamp, 0, 0
        if numbers[token] or marks.held[token, 0] == 0:
            marks.held[token, 0] += 1
    return stamp


@inner
def _best_window(
    ids: Numbers, low: int, high: int, width: int, bits: Bits, stamp: int, marks: Marks
) -> tuple[int, int]:
    """Return the window of `width` tokens that shares most with the marked unit, cut to what it shares."""
    total, best, end = 0.0, 0.0, low
    for p in range(low, high):
        if p - width >= low:
            token = ids[p - width]
            if token >= 0 and marks.stamp[token] == stamp:
                marks.held[token, 1] -= 1
                if marks.held[token, 1] < marks.held[token, 0]:
                    total -= bits[token]
        token = ids[p]
        if token >= 0 and marks.stamp[token] == stamp:
            marks.held[token, 1] += 1
            if marks.held[token, 1] <= marks.held[token, 0]:
                total += bits[token]
            if total > best + 1e-9:
                best, end = total, p + 1
    start = max(low, end - width)
    while start < end and (ids[start] < 0 or marks.stamp[ids[start]] != stamp):
        start += 1
    return start, end


@inner
def _add_token(
    token: int, vocabulary: Vocabulary, bits: Bits, marks: Marks, stamp: int, scores: Bits
) -> None:
    """Add a token of a window to its SCORES."""
    unknown = bits[len(bits) - 1]
    if token < 0:
        scores[3] += unknown if token == UNKNOWN_NUMBER else 0.0
        scores[6] += unknown * unknown / 2 if token == UNKNOWN_WORD else 0.0
        return
    weight, held = bits[token], marks.stamp[token] == stamp
    if vocabulary.numbers[token]:
        marks.held[token, 1] += held
        both = held and marks.held[token, 1] <= marks.held[token, 0]
        scores[2 if both else 3] += weight
    elif held:
        marks.held[token, 1] += 1
        if marks.held[token, 1] == 1:
            scores[0] += weight
            scores[4] += weight * weight
            scores[6] += weight * weight
    elif marks.stamp[token] != -stamp:
        marks.stamp[token] = -stamp
        scores[6] += weight * weight


@inner
def _score(
    ids: Numbers, low: int, high: int, units: Units, unit: int, vocabulary: Vocabulary, bits: Bits,
    marks: Marks, scores: Bits,
) -> None:  # fmt: skip
    """Write the SCORES of a window of tokens and a unit."""
    stamp = _mark(units, unit, vocabulary.numbers, marks)
    for k in range(len(scores)):
        scores[k] = 0.0
    for k in range(units.at[unit], units.at[unit + 1]):
        token = units.ids[k]
        if token >= 0 and vocabulary.numbers[token]:
            scores[3] += bits[token]
        elif token >= 0 and marks.held[token, 0] == 1:
            marks.held[token, 0] = 2
            scores[1] += bits[token]
            scores[5] += bits[token] * bits[token]
    for p in range(low, high):
        _add_token(ids[p], vocabulary, bits, marks, stamp, scores)


@kernel
def weigh_stretches(
    ids: Numbers, first: Ints, found: Ints, units: Units, vocabulary: Vocabulary, pairs: Pairs, bits: Bits,
    marks: Marks, windows: Ints, scores: Bits,
) -> None:  # fmt: skip
    """Write, for each (record, unit, stretch), its best window, the same with room around, and its SCORES.

    A window is (first token, end token), cut to what it shares; the room holds the tokens that share nothing.

    A stretch below 0 is the whole record.
    `bits` holds the bits of each id and, last, those of a token that is not known.
    """
    for k in range(len(found)):
        record, unit, stretch = found[k, 0], found[k, 1], found[k, 2]
        shift = pairs.limits[unit, 1]
        low, high = first[record], first[record + 1]
        if stretch >= 0:
            low += max(stretch - 1, 0) << shift
            high = min(first[record] + (stretch + 1 << shift), high)
        stamp = _mark(units, unit, vocabulary.numbers, marks)
        tokens = units.at[unit + 1] - units.at[unit]
        width = _window_width(tokens)
        start, end = _best_window(ids, low, high, width, bits, stamp, marks)
        _score(ids, start, end, units, unit, vocabulary, bits, marks, scores[k])
        spare = width - tokens
        windows[k, 0], windows[k, 1] = start, end
        windows[k, 2] = max(first[record], min(start, end - tokens) - spare)
        windows[k, 3] = min(first[record + 1], max(end, start + tokens) + spare)


@kernel
def score_windows(
    ids: Numbers, at: Ints, unit: Ints, units: Units, vocabulary: Vocabulary, bits: Bits, marks: Marks,
    scores: Bits,
) -> None:  # fmt: skip
    """Write the SCORES of window k, `ids[at[k, 0]:at[k, 1]]`, and unit `unit[k]`."""
    for k in range(len(unit)):
        _score(ids, at[k, 0], at[k, 1], units, unit[k], vocabulary, bits, marks, scores[k])
