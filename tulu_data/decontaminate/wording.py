"""The words of eval instances: what hits are weighed by, and what rephrased instances are found by.

The one idea: texts that say the same are one wording, with its tokens twice, as whole words for comparing
in order and as stems for comparing as bags, its 3-grams, and its rarest pairs of stems for the search. All
are flat arrays, so a saved index is mapped and not read. It knows no record and no rule.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.alignment import count_held, hash_grams
from tulu_data.kernels.bags import (
    NOTHING,
    REACH,
    UNIT,
    Numbers,
    Pairs,
    Vocabulary,
    fill_pairs,
    fill_table,
    list_pairs,
    look_up,
)
from tulu_data.kernels.numbering import numbered
from tulu_data.kernels.rarest import Held, rarest
from tulu_data.kernels.windows import Units, window_widths
from tulu_data.kernels.words import Bytes, Hashes, Ints, fixed

GRAM = 3
"""Words of the n-grams that weigh a wording."""
FEW_BITS, FEW_NUMBER_BITS = 4.0, 1.0
"""Words and numbers of fewer bits make no pairs."""
MOST_WORDINGS = 64
"""A pair that more wordings hold says too little to look it up."""
MOST_PAIRS = 48
"""Pairs by which a wording is looked up: its rarest."""
PARTS = 3
"""Parts of a wording from which as many of these come: one part may be changed altogether."""
PAIR_SHARE, PAIR_BITS = 0.05, 32.0
"""Share of these pairs, and bits of them, that make a candidate."""

TEXTS = 160_000
"""Texts as if there were so many of which rarity is given."""
UNSEEN = 1_000
"""Texts that are thought to be there besides, so that a handful of texts makes no word common."""


class Texts(NamedTuple):
    """Texts one after the other."""

    text: Bytes
    begin: Ints
    end: Ints
    """Bytes of each."""


class Lexicon(NamedTuple):
    """Some kind of tokens that wordings hold, by key; a token's id is its place."""

    keys: Hashes
    table: Numbers
    """Open addressing by key: id + 1, 0 where empty; a power of two long."""
    frequency: Ints
    """Wordings that hold each."""


class Wording(NamedTuple):
    """All wordings."""

    stems: Lexicon
    words: Lexicon
    grams: Lexicon
    of_stems: Numbers
    of_words: Numbers
    of_grams: Numbers
    """Ids of the tokens of each wording, in order; -1 or less where one has no id. All three are as long."""
    at: Ints
    """Where the tokens of each wording start, and their total at the end."""
    numbers: NDArray[np.bool_]
    """Which stems are numbers."""
    number_words: NDArray[np.bool_]
    """Which words are numbers."""
    weight: Numbers
    """Of each stem, in parts of a bit; 0 where it makes no pairs."""
    pairs: Pairs
    group: Ints
    """Of each text that was indexed: its wording."""
    sample: Ints
    """Of each wording: one text that has it."""

    @property
    def texts(self) -> int:
        """How many wordings there are."""
        return len(self.at) - 1

    @property
    def units(self) -> Units:
        """The wordings as bags of stems."""
        return Units(self.of_stems, self.at)

    @property
    def vocabulary(self) -> Vocabulary:
        """The stems as the kernels take them."""
        return Vocabulary(self.stems.keys, self.stems.table, self.numbers, self.weight)


def rarity(frequency: NDArray[Any], texts: int) -> NDArray[np.float64]:
    """Return the bits of tokens that so many of all texts hold, and last those of one that none holds.

    They are given as if there were `TEXTS` texts, so that few texts and many lead to the same judgement.
    """
    texts += UNSEEN
    bits: NDArray[np.float64] = np.log2(texts / (np.append(frequency, 0) + 0.5))
    scaled: NDArray[np.float64] = np.maximum(bits, 0.0) * (np.log2(TEXTS) / np.log2(texts))
    return scaled


def ids_of(keys: Hashes, lexicon: Lexicon) -> Numbers:
    """Return the id of each key, -1 of an unknown word, -2 of an unknown number, -3 where the key is 0."""
    ids = np.empty(len(keys), np.int32)
    look_up(fixed(keys), lexicon.keys, lexicon.table, ids)
    return ids


def gram_keys(exact: Hashes, first: Ints) -> Hashes:
    """Return the key of the n-gram at each token of texts that start at `first`, 0 where there is no room."""
    hashes = np.empty(len(exact), np.uint64)
    hash_grams(fixed(exact), fixed(first), GRAM, hashes)
    return hashes


def join_wording(keys: Hashes, exact: Hashes, starts: Ints, digests: Hashes) -> Wording:
    """Index texts by what they say: the keys of their tokens (`kernels.tokens`), which start at `starts`.

    Texts of one digest say the same.
    """
    kept, group = numbered(digests)
    sizes = np.diff(starts)[kept]
    at = np.concatenate([[0], np.cumsum(sizes)])
    chosen = np.repeat(starts[kept] - at[:-1], sizes) + np.arange(at[-1])
    keys, exact = keys[chosen], exact[chosen]
    stems, of_stems = _lexicon(keys, at)
    words, of_words = _lexicon(exact, at)
    grams, of_grams = _lexicon(gram_keys(exact, at), at)
    numbers = (stems.keys & np.uint64(1)).astype(np.bool_)
    bits = rarity(stems.frequency, len(kept))[:-1]
    says = bits >= np.where(numbers, FEW_NUMBER_BITS, FEW_BITS)
    weight = np.where(says, bits * UNIT, 0).astype(np.int32)
    return Wording(
        stems, words, grams, fixed(of_stems), fixed(of_words), fixed(of_grams), fixed(at), fixed(numbers),
        fixed((words.keys & np.uint64(1)).astype(np.bool_)), fixed(weight), _pairs(of_stems, at, weight),
        fixed(group.astype(np.int64)), fixed(kept),
    )  # fmt: skip


def _lexicon(keys: Hashes, at: Ints) -> tuple[Lexicon, Numbers]:
    """Give ids to keys but 0, and count the texts that hold them."""
    first, ids = numbered(keys)
    known = keys[first]
    for nothing in np.flatnonzero(known == 0):
        known = np.delete(known, nothing)
        ids = np.where(ids == nothing, NOTHING, ids - (ids > nothing)).astype(np.int32)
    table, frequency = np.zeros(power(2 * len(known)), np.int32), np.zeros(len(known), np.int64)
    fill_table(fixed(known), table)
    every, seen = np.ones(len(at) - 1, np.bool_), np.zeros(len(known), np.int64)
    count_held(fixed(ids), fixed(at), every, seen, np.zeros(1, np.int64), frequency)
    return Lexicon(fixed(known), fixed(table), fixed(frequency)), ids


def _pairs(ids: Numbers, at: Ints, weight: Numbers) -> Pairs:
    """Index wordings by their rarest pairs."""
    room, units = REACH * len(ids), len(at) - 1
    every = Held(np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.int32))
    made = list_pairs(fixed(ids), fixed(at), fixed(weight), np.zeros(REACH, np.int64), *every)
    held = Held(every.hashes[:made], every.owner[:made], every.weights[:made])
    held = rarest(held, MOST_WORDINGS, MOST_PAIRS // PARTS, PARTS)
    fresh = np.flatnonzero(np.append(np.ones(min(1, len(held.hashes)), np.bool_), np.diff(held.hashes) != 0))
    slots = held.hashes[fresh]
    table = np.zeros(power(2 * len(slots)), np.uint64)
    bitmap = np.zeros(power(len(slots) // 4), np.uint64)
    fill_pairs(fixed(slots), table, bitmap)
    starts = np.append(fresh, len(held.hashes)).astype(np.int32)
    total = np.bincount(held.owner, held.weights, units)
    needed = np.maximum(PAIR_SHARE * total, PAIR_BITS * UNIT).astype(np.int32)
    shift = np.ceil(np.log2(window_widths(np.diff(at)))).astype(np.int32)
    arrays = (table, bitmap, starts, held.owner, np.stack([needed, shift], axis=1))
    return Pairs(*(fixed(array) for array in arrays))


def power(size: int) -> int:
    """Return the smallest power of two that is at least `size`, and at least 1,024."""
    return 1 << max(10, (max(size, 1) - 1).bit_length())
