"""Which short texts a record may say in other words, and in which window of it.

The one idea: two tokens of a text that stand near each other are a pair, in any order; a pair is far
rarer than its tokens, and enough pairs survive edits and rephrasing. A record's pairs are looked up,
their bits are added up per unit in stretches about as long as the unit, and where two stretches in a row
hold enough of them, every window there is weighed token by token. Most units have too few of them in the
whole record, which a single sum tells. This names windows and judges none.
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
    left: Ints
    """Per unit: what a record must hold of it to come to its limit; between records, the limit."""
    recent: Ints
    """Pairs met last, and where."""
    clock: Ints
    """One number: the last stamp given."""
    found: Ints
    """Room for (record, unit, stretch) rows."""


class Room(NamedTuple):
    """Room for the pairs of one record."""

    token: Numbers
    """The tokens that make pairs."""
    place: Numbers
    """Where they stand in the record."""
    pair: Hashes
    slot: Numbers
    """Slot of each pair; of those that count, the first unit."""
    begin: Numbers
    end: Numbers
    """Where the postings of each pair begin and end."""
    at: Numbers
    """Where the second token of each pair stands."""
    weight: Numbers


def new_room(tokens: int) -> Room:
    """Make room for records of so many tokens at most."""
    one, many = tokens + 1, REACH * tokens + 1
    token, place = np.empty((2, one), np.int32)
    slot, begin, end, at, weight = np.empty((5, many), np.int32)
    return Room(token, place, np.empty(many, np.uint64), slot, begin, end, at, weight)


def new_sums(pairs: Pairs) -> Sums:
    """Make the room of one worker."""
    units = len(pairs.limits)
    state = np.zeros((units, 4), np.int64)
    state[:, 0] = state[:, 2] = -2
    state[:, 3] = pairs.limits[:, 0].astype(np.int64) << 8 | pairs.limits[:, 1]
    return Sums(
        state, pairs.limits[:, 0].astype(np.int64), np.full((_RECENT, 2), -1, np.int64),
        np.zeros(1, np.int64), np.empty((max(4 * units, 1 << 14), 3), np.int64),
    )  # fmt: skip


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
    ids: Numbers, at: Ints, weight: Numbers, near: Ints, hashes: Hashes, owner: Numbers, weights: Numbers
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
def _meet(pairs: Pairs, passed: int, base: int, room: Room, sums: Sums) -> int:
    """Keep, of the pairs of a record, those of units that were not met just before; return how many."""
    for k in range(passed):
        room.slot[k] = _slot_of(pairs, room.pair[k])
    kept = 0 * passed
    for k in range(passed):
        slot = room.slot[k]
        if slot < 0:
            continue
        line, p = slot % _RECENT, signed(room.at[k])
        again = sums.recent[line, 0] == slot and base + p - sums.recent[line, 1] < _AGAIN
        sums.recent[line, 0], sums.recent[line, 1] = slot, base + p
        room.begin[kept], room.end[kept] = pairs.starts[slot], pairs.starts[slot + 1]
        room.at[kept], room.weight[kept] = p, room.weight[k]
        kept += not again
    # Loads that wait for no other: what the loops to come ask for is in the cache then.
    for k in range(kept):
        room.slot[k] = pairs.postings[room.begin[k]]
    return kept


@inner
def _take(pairs: Pairs, kept: int, sign: int, room: Room, left: Ints) -> None:
    """Take the weight of every pair from what is left of each unit that holds it, or give it back."""
    for k in range(kept):
        weight = sign * signed(room.weight[k])
        for q in range(np.uint64(room.begin[k]), np.uint64(room.end[k])):
            left[np.uint64(pairs.postings[q])] -= weight


@inner
def _add(pairs: Pairs, room: Room, k: int, base: int, sums: Sums, record: int, made: int) -> int:
    """Add a pair's weight to units that hold it and may come to their limits; return the stretches named."""
    state, weight, p = sums.state, signed(room.weight[k]), signed(room.at[k])
    for q in range(np.uint64(room.begin[k]), np.uint64(room.end[k])):
        unit = np.uint64(pairs.postings[q])
        if sums.left[unit] > 0:
            continue
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
        kept, k = _meet(pairs, passed, base, room, sums), 0 * made
        _take(pairs, kept, 1, room, sums.left)
        while k < kept:
            if len(sums.found) - made < room.end[k] - room.begin[k]:
                break
            made = _add(pairs, room, k, base, sums, r, made)
            k += 1
        _take(pairs, kept, -1, room, sums.left)
        if k < kept:
            return before, r
    return made, len(first) - 1
