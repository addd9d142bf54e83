"""Eval instances that a record says in other words.

The one idea: a rephrased question keeps its rare words and its numbers. What a window of a record, about as long
as the instance, shares with it is weighed in bits, by how rare each token is in the suites and in the
records together; numbers are compared as a multiset, apart from words. So a number-swapped copy is told from a
leak, and boilerplate weighs nothing. The weights are known when all records have been seen: the scan keeps
the few windows that may be hits and `settle` weighs them again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bags import (
    REACH,
    MOST_UNITS,
    UNIT,
    Marks,
    Numbers,
    Pairs,
    Sums,
    Units,
    Vocabulary,
    fill_pairs,
    fill_table,
    find_stretches,
    list_pairs,
    look_up,
    new_marks,
    new_sums,
    score_windows,
    weigh_stretches,
)
from tulu_data.kernels.coverage import Turns
from tulu_data.kernels.tokens import tokens_of
from tulu_data.kernels.words import Bytes, Hashes, Ints, fixed

FEW_BITS = 4.0
"""Words of fewer bits make no pairs."""
NUMBER_BITS = 1.0
"""Numbers of fewer bits make no pairs."""
PAIR_SHARE = 0.05
"""Share of a unit's pairs, by bits, that makes a candidate."""
KEPT = 48
PAIR_BITS = 36.0
"""Bits of pairs that a candidate has at least."""
NUMBERS = 0.7
"""What numbers count beside words."""
PRIOR = 1.44
"""Bits of numbers that no text holds: two small numbers alike do not say much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalIndex:
    """Units as bags of tokens; equal units are one."""

    units: Units
    vocabulary: Vocabulary
    pairs: Pairs
    frequency: Ints
    """Of each token: the units that hold it."""
    group: Ints
    """Of each text that was indexed: its unit."""


def index_texts(text: Bytes, begin: Ints, end: Ints) -> LexicalIndex:
    """Index texts by their tokens and pairs of tokens."""
    tokens = tokens_of(text, begin, end)
    kept, group = _distinct(tokens.keys, tokens.at)
    sizes = np.diff(tokens.at)[kept]
    at = np.concatenate([[0], np.cumsum(sizes)])
    chosen = np.repeat(tokens.at[kept] - at[:-1], sizes) + np.arange(at[-1])
    keys, ids = np.unique(tokens.keys[chosen], return_inverse=True)
    units = Units(fixed(ids.astype(np.int32)), fixed(at))
    frequency = _frequency(units, len(keys))
    vocabulary = _vocabulary(keys, rarity(frequency, len(kept))[:-1])
    return LexicalIndex(
        units=units, vocabulary=vocabulary, pairs=_pairs(units, vocabulary), frequency=frequency, group=group
    )


def rarity(frequency: Ints, texts: int) -> NDArray[np.float64]:
    """Return the bits of tokens that so many of all texts hold, and last those of one that none holds."""
    bits: NDArray[np.float64] = np.log2((texts + 1) / (np.append(frequency, 0) + 0.5))
    return np.maximum(bits, 0.0)


def _distinct(keys: Hashes, at: Ints) -> tuple[Ints, Ints]:
    """Return the first of each group of equal texts, and the group of each text."""
    with np.errstate(over="ignore"):
        place = np.arange(len(keys)) - np.repeat(at[:-1], np.diff(at))
        mixed = (keys + place.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ mixed >> np.uint64(32)) * np.uint64(0xD6E8FEB86659FD93)
        sums = np.concatenate([[np.uint64(0)], np.cumsum(mixed, dtype=np.uint64)])
        digest = sums[at[1:]] - sums[at[:-1]] + np.diff(at).astype(np.uint64)
    _, first, group = np.unique(digest, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[group]


def _frequency(units: Units, size: int) -> Ints:
    """Count the units that hold each token."""
    owner = np.repeat(np.arange(len(units.at) - 1), np.diff(units.at))
    held = np.unique(owner * size + units.ids) % max(size, 1)
    return np.bincount(held, minlength=size)


def _vocabulary(keys: Hashes, bits: NDArray[np.float64]) -> Vocabulary:
    """Make the table of tokens and their weights."""
    table = np.zeros(_power(2 * len(keys)), np.int32)
    fill_table(fixed(keys), table)
    numbers = (keys & np.uint64(1)).astype(np.bool_)
    says = bits >= np.where(numbers, NUMBER_BITS, FEW_BITS)
    weight = np.where(says, bits * UNIT, 0).astype(np.int32)
    return Vocabulary(fixed(keys), fixed(table), fixed(numbers), fixed(weight))


def _pairs(units: Units, vocabulary: Vocabulary) -> Pairs:
    """Index units by their pairs."""
    near = np.zeros(REACH, np.int64)
    hashes, owner = np.empty(REACH * len(units.ids), np.uint64), np.empty(REACH * len(units.ids), np.int64)
    weights = np.empty(REACH * len(units.ids), np.int32)
    made = list_pairs(units.ids, units.at, vocabulary.weight, near, hashes, owner, weights)
    hashes, owner, weights = hashes[:made], owner[:made], weights[:made]
    order = np.lexsort((owner, hashes))
    hashes, owner, weights = hashes[order], owner[order], weights[order]
    fresh = np.ones(made, np.bool_)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    hashes, owner, weights = hashes[fresh], owner[fresh], weights[fresh]
    total = np.bincount(owner, weights, len(units.at) - 1)
    slots, first, count = np.unique(hashes, return_index=True, return_counts=True)
    # Of a unit's pairs the rarest are enough, and seldom met in records that do not hold it.
    shared = np.repeat(count, count)
    order = np.lexsort((hashes, -weights, shared, owner))
    rank = np.empty(len(order), np.int64)
    sizes = np.bincount(owner, minlength=len(units.at) - 1)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = (shared <= MOST_UNITS) & (rank < KEPT)
    hashes, owner, weights = hashes[kept], owner[kept], weights[kept]
    total = np.bincount(owner, weights, len(units.at) - 1)
    slots, first, count = np.unique(hashes, return_index=True, return_counts=True)
    rare = count <= MOST_UNITS
    postings = owner.astype(np.int32)
    table, bitmap = np.zeros(_power(2 * int(rare.sum())), np.uint64), np.zeros(_power(int(rare.sum()) // 4), np.uint64)
    fill_pairs(fixed(slots[rare]), table, bitmap)
    starts = np.concatenate([[0], np.cumsum(count[rare])]).astype(np.int32)
    needed = np.maximum(PAIR_SHARE * total, PAIR_BITS * UNIT).astype(np.int32)
    width = np.diff(units.at)
    width = width + width * 3 // 10 + 6
    shift = np.ceil(np.log2(width)).astype(np.int32)
    return Pairs(fixed(table), fixed(bitmap), fixed(starts), fixed(postings), fixed(np.stack([needed, shift], axis=1)))


def _power(size: int) -> int:
    """Return the smallest power of two that is at least `size`, and at least 1,024."""
    return 1 << max(10, (max(size, 1) - 1).bit_length())


@dataclass(slots=True, kw_only=True)
class Scratch:
    """Room of one worker."""

    sums: Sums
    marks: Marks
    near: Ints


def new_scratch(index: LexicalIndex) -> Scratch:
    """Make the room of one worker."""
    return Scratch(sums=new_sums(index.pairs), marks=new_marks(index.vocabulary), near=np.zeros(REACH, np.int64))


def search(turns: Turns, index: LexicalIndex, scratch: Scratch, bits):
    """Prototype entry."""
    tokens = tokens_of(turns.text, turns.begin, turns.end)
    ids = np.empty(len(tokens.keys), np.int32)
    look_up(fixed(tokens.keys), index.vocabulary.keys, index.vocabulary.table, ids)
    ids = fixed(ids)
    first = fixed(tokens.at[turns.first])
    found, start = [], 0
    while start < len(first) - 1:
        made, stop = find_stretches(ids, first, start, index.vocabulary.weight, index.pairs, scratch.near, scratch.sums)
        found.append(scratch.sums.found[:made].copy())
        if stop == start:
            scratch.sums = scratch.sums._replace(found=np.empty((4 * len(scratch.sums.found), 3), np.int64))
        start = stop
    rows = np.concatenate(found) if found else np.empty((0, 3), np.int64)
    windows, scores = np.empty((len(rows), 2), np.int64), np.empty((len(rows), 4))
    weigh_stretches(ids, first, fixed(rows), index.units, index.vocabulary, index.pairs, fixed(bits), scratch.marks, windows, scores)
    return tokens, ids, first, rows, windows, scores
