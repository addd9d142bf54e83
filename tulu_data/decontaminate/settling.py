"""What sightings are worth, once the frequency of words in all records is known.

The one idea: one weighing for every rule. The words of the instance that stand in the window in the same
order are weighed in bits by how rare they are in the suites and in the records together; the instance is in
the record when what matched outweighs what did not, or when window and instance say the same with the same
numbers in other words. Everything else that a rule finds is its wording, a part of it, or a common phrase.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tulu_data.decontaminate.rewording import is_reworded
from tulu_data.decontaminate.sighting import Sightings, Watch, alikeness
from tulu_data.decontaminate.wording import GRAM, Wording, gram_keys, ids_of, rarity
from tulu_data.kernels.alignment import align, share_grams
from tulu_data.kernels.windows import SCORES, new_marks, score_windows
from tulu_data.kernels.words import Ints, fixed

Bits = NDArray[np.float64]
Flags = NDArray[np.bool_]

Match = Literal["item", "template", "partial", "common"]
"""What of an eval instance a record holds.

`item`: the instance itself. `template`: its wording with other numbers or names. `partial`: a part of it
only. `common`: a phrase so common that it proves nothing. Only an item is contamination.
"""
MATCHES: tuple[Match, ...] = get_args(Match)

LEAST_BITS = 12.0
"""Bits that any item has at least."""
MARGIN, MISSING = 20.0, 0.7
"""An edited item's bits, less this much of those that are missing, come to at least the margin."""
IN_ORDER, GRAMS, FOREIGN = 0.75, 0.27, 0.42
"""Of an edited item, the share of words that stand in the record in order, the share of 3-grams, and the bits
of other words between them, as a share of its own."""
NEARLY_ALL, NEARLY_GRAMS, NEARLY_MARGIN = 0.85, 0.5, 22.0
"""Of an item with hardly an edit, the shares of words and 3-grams, and the bits beyond those that miss."""
BARE = 24.0
"""Bits of an item with hardly an edit that is a sentence of its own with no other word in it."""
ALL_OF_IT = 0.97
"""Share of the bits from which on nothing is missing."""
SAME_LETTERS = 0.86
"""Share of the runs of letters from which on the words may be cut differently."""
SAME_DIGITS = 0.8
"""Share of the runs with a digit from which on the numbers are the same, however they are cut."""
LEFT_OUT, KEPT = 0.2, 0.8
"""Of the halves of an instance, by bits: with less than this of one and more than that of the other, a record
holds a part of it, however alike that part is."""
OTHERS, EDITED = 0.13, 0.025
"""Share of an item's numbers in whose place others may stand; and that of its other words which are lost
from which on one more number may be another: an edit that took words took the number as well."""
WORDING = 0.65
"""Share of an instance's words, by bits and without numbers, that is its wording."""
PHRASE = 8
"""A shorter instance is an item only where it is a sentence or a line of its own, as are hardly more than
numbers."""
FLOOR = 0.4
"""Of a word's bits by the suites alone, what it keeps however often records hold it: a leaked instance that
stands in many records is no common phrase."""
_TABLE = 1 << 26
"""Words times words of the largest pair that is compared in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """Sightings, weighed."""

    sightings: Sightings
    information: Bits
    """Bits of the words of the instance that the window holds in order."""
    grams: Bits
    """Share of the instance's 3-grams, by bits, that the window holds."""
    likeness: Bits
    """How alike instance and window are as bags of words and numbers, from 0 to 1."""
    same: Bits
    """The larger of `grams` and the share of equal runs of letters."""
    match: NDArray[np.int8]
    """What the record holds, as a position in MATCHES."""
    reworded: Flags
    """Whether it holds the instance in other words."""
    shared: Flags
    """Which words of each wording stand in the window, one wording after the other."""
    shared_at: Ints
    held: Flags
    """Which words of each window stand in the wording."""


def rarities(watches: list[Watch], wording: Wording, records: int) -> tuple[Bits, Bits, Bits]:
    """Return the bits of stems, words and grams by their frequency in the suites and in `records` records."""
    stems, words, grams = (_bits(k, watches, wording, records) for k in range(3))
    return stems, words, grams


def settle(sightings: Sightings, wording: Wording, bits: tuple[Bits, Bits, Bits]) -> Weighed:
    """Weigh sightings by the bits of stems, words and grams."""
    shared, shared_at, held = _aligned(sightings, wording, bits[1])
    found = _measured(sightings, wording, bits, shared, shared_at, held)
    sizes = np.diff(wording.at)[sightings.wording]
    scores, thirds = _scores(sightings, wording, bits[0])
    alike = alikeness(scores, sightings.length, sizes)
    reworded = (
        is_reworded(alike, found.in_order, found.grams, thirds, sightings.length, sizes) & ~found.in_part
    )
    phrase = ((sizes < PHRASE) | (found.whole - found.all_numbers < LEAST_BITS)) & ~sightings.alone
    copy = _is_copy(found, sizes, sightings.alone) & _keeps_numbers(found)
    item = (copy | reworded) & ~phrase
    common = (found.matched < LEAST_BITS) | phrase
    template = (found.matched - found.numbers >= WORDING * (found.whole - found.all_numbers)) & ~item
    return Weighed(
        sightings=sightings, information=found.matched, grams=found.grams, likeness=alike.together,
        same=np.maximum(found.grams, found.letters),
        match=np.select([item, common, template], [0, 3, 1], 2).astype(np.int8),
        reworded=reworded & ~phrase, shared=shared, shared_at=shared_at, held=held,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What windows have of their instances, and what they have besides."""

    matched: Bits
    """Bits of the words in order, or what equal letters make of all bits where words are cut differently."""
    whole: Bits
    """Bits of all words of the instance."""
    numbers: Bits
    """Bits of the numbers in order."""
    all_numbers: Bits
    in_order: Bits
    """Share of the words that stand in order."""
    grams: Bits
    """Share of the 3-grams, by bits."""
    letters: Bits
    """Share of the runs of letters."""
    digits: Bits
    """Share of those with a digit."""
    foreign: Bits
    """Bits of the window's other words."""
    in_part: Flags
    """Whether one half of the instance is missing."""
    numbers_lost: Ints
    """Numbers of the instance that do not stand in order."""
    words_lost: Bits
    """Share of the other words that do not."""
    number_count: Ints
    other_numbers: Ints
    """Numbers of the window that stand between words of the instance and are none of it."""
    other_words: Ints
    """Other words of the window that do."""


def _measured(
    sightings: Sightings, wording: Wording, bits: tuple[Bits, Bits, Bits], shared: Flags, shared_at: Ints,
    held: Flags,
) -> _Measured:  # fmt: skip
    """Measure what windows have of their instances."""
    unit, count = sightings.wording, len(sightings.wording)
    sizes = np.diff(wording.at)[unit]
    words = wording.of_words[np.repeat(wording.at[unit] - shared_at[:-1], sizes) + np.arange(shared_at[-1])]
    weight, number = bits[1][words], wording.number_words[words]
    owner, window_of = (np.repeat(np.arange(count), each) for each in (sizes, np.diff(sightings.at)))

    def total(chosen: Flags) -> Bits:
        sums: Bits = np.bincount(owner[chosen], weight[chosen], count).astype(np.float64)
        return sums

    def many(chosen: Flags) -> Ints:
        return np.bincount(owner[chosen], minlength=count)

    in_order, whole = total(shared), total(np.ones(len(words), np.bool_))
    letters, digits = sightings.letters.T
    others = _others(held, window_of, shared, shared_at)
    numbered = np.append(wording.number_words, [True, False])[sightings.words]
    of_letters = np.where(letters >= SAME_LETTERS, whole * letters, 0.0)
    return _Measured(
        matched=np.maximum(in_order, of_letters), whole=whole, numbers=total(shared & number),
        all_numbers=total(number), in_order=many(shared) / np.maximum(sizes, 1),
        grams=_grams(sightings, wording, bits[2]), letters=letters, digits=digits,
        foreign=np.bincount(window_of, bits[1][_known(sightings.words)], count) - in_order,
        in_part=_in_part(weight, owner, shared, whole), numbers_lost=many(~shared & number),
        words_lost=many(~shared & ~number) / np.maximum(many(~number), 1), number_count=many(number),
        other_numbers=np.bincount(window_of[others & numbered], minlength=count),
        other_words=np.bincount(window_of[others & ~numbered], minlength=count),
    )  # fmt: skip


def _is_copy(found: _Measured, sizes: Ints, alone: Flags) -> Flags:
    """Tell which windows hold their instance word by word, be it edited or cut differently."""
    recut = found.letters >= SAME_LETTERS
    edited = found.matched - MISSING * (found.whole - found.matched) >= MARGIN
    edited &= (found.in_order >= IN_ORDER) & (found.grams >= GRAMS) & (found.foreign <= FOREIGN * found.whole)
    nearly = (found.in_order >= NEARLY_ALL) & (found.grams >= NEARLY_GRAMS)
    bare = alone & (found.matched >= BARE) & (found.other_words == 0)
    nearly &= bare | (2 * found.matched - found.whole >= NEARLY_MARGIN)
    complete = (found.matched >= ALL_OF_IT * found.whole) & (found.matched >= LEAST_BITS)
    complete &= (found.grams >= NEARLY_GRAMS) | recut | (sizes < GRAM)
    copy: Flags = edited | nearly | complete | (recut & (found.matched >= MARGIN))
    return copy


def _keeps_numbers(found: _Measured) -> Flags:
    """Tell which windows hold the numbers of their instances, or lost them as they lost words.

    A number is swapped only where another one stands in its place; numbers that are only cut differently are
    the same.
    """
    swapped = np.minimum(found.numbers_lost, found.other_numbers)
    as_words = np.maximum(found.words_lost, OTHERS) * found.number_count + (found.words_lost >= EDITED)
    kept: Flags = (found.digits >= SAME_DIGITS) | (swapped <= as_words)
    return kept


def _bits(kind: int, watches: list[Watch], wording: Wording, records: int) -> Bits:
    """Return the bits of stems (0), words (1) or grams (2), and last those of an unknown one."""
    lexicon = (wording.stems, wording.words, wording.grams)[kind]
    held = sum((watch.held[kind] for watch in watches), np.zeros(len(lexicon.keys), np.int64))
    sampled = sum(watch.sampled for watch in watches)
    in_records = held * (records / max(sampled, 1))
    alone = rarity(lexicon.frequency, wording.texts)
    return np.maximum(rarity(lexicon.frequency + in_records, wording.texts + records), FLOOR * alone)


def _aligned(sightings: Sightings, wording: Wording, bits: Bits) -> tuple[Flags, Ints, Flags]:
    """Return which words wordings and windows share in order, and where those of each wording start."""
    sizes, widths = np.diff(wording.at)[sightings.wording], np.diff(sightings.at)
    shared_at = np.concatenate([[0], np.cumsum(sizes)])
    shared, held = np.zeros(shared_at[-1], np.bool_), np.zeros(sightings.at[-1], np.bool_)
    cells = sizes * widths
    small = np.flatnonzero(cells <= _TABLE)
    steps = np.empty(int(cells[small].max(initial=0)) + 1, np.uint8)
    totals = np.empty(int(widths.max(initial=0)) + 1)
    at = np.stack([sightings.at[:-1], sightings.at[1:]], axis=1)
    align(
        wording.of_words, wording.at, fixed(sightings.words), fixed(at[small]),
        fixed(sightings.wording[small]), fixed(bits), totals, steps, shared,
        fixed(shared_at[:-1][small]), held,
    )  # fmt: skip
    for k in np.flatnonzero(cells > _TABLE):
        # Too long to compare in order: whatever stands in both.
        ours = wording.of_words[wording.at[sightings.wording[k]] : wording.at[sightings.wording[k] + 1]]
        theirs = sightings.words[at[k, 0] : at[k, 1]]
        shared[shared_at[k] : shared_at[k + 1]] = np.isin(ours, theirs)
        held[at[k, 0] : at[k, 1]] = np.isin(theirs, ours)
    return shared, shared_at, held


def _in_part(weight: Bits, owner: Ints, shared: Flags, whole: Bits) -> Flags:
    """Tell which instances have hardly a word of one half, by bits, and most of the other, in the window."""
    ends = np.cumsum(weight)
    before = np.concatenate([[0.0], np.cumsum(whole)])[:-1]
    # Not by a hair: sums of other sightings come before.
    late = ends - weight / 2 - before[owner] > whole[owner] / 2 + 1e-6
    halves = np.bincount(2 * owner + late, weight, 2 * len(whole))
    held = np.bincount((2 * owner + late)[shared], weight[shared], 2 * len(whole))
    shares = (held / np.maximum(halves, 1e-9)).reshape(-1, 2)
    part: Flags = (shares.min(axis=1) < LEFT_OUT) & (shares.max(axis=1) > KEPT)
    return part


def _others(held: Flags, window_of: Ints, shared: Flags, shared_at: Ints) -> Flags:
    """Tell which tokens of windows stand in the place of the instance and are none of it.

    That place is from the first word that both hold to the last, and as many more at either end as the
    instance has there.
    """
    first, last = _ends(held, window_of, len(shared_at) - 1)
    ours = np.repeat(np.arange(len(shared_at) - 1), np.diff(shared_at))
    head, tail = _ends(shared, ours, len(shared_at) - 1)
    before, after = head - shared_at[:-1], shared_at[1:] - 1 - tail
    every = np.arange(len(held))
    within = (every >= (first - before)[window_of]) & (every <= (last + after)[window_of])
    others: Flags = within & ~held
    return others


def _ends(chosen: Flags, owner: Ints, count: int) -> tuple[Ints, Ints]:
    """Return the first and the last place of each owner that is chosen, out of order where none is."""
    first, last = np.full(count, 2 * len(chosen) + 2), np.full(count, -2 * len(chosen) - 2)
    places = np.flatnonzero(chosen)
    first[owner[places[::-1]]], last[owner[places]] = places[::-1], places
    return first, last


def _known(words: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return ids of words by which what is kept of each can be asked: -1, the last, of any unknown one."""
    return np.maximum(words, -1)


def _grams(sightings: Sightings, wording: Wording, bits: Bits) -> Bits:
    """Return the share of 3-grams, by bits, that windows hold."""
    known = np.append(wording.words.keys, np.zeros(1, np.uint64))
    exact = known[_known(sightings.words)]
    held = ids_of(gram_keys(exact, sightings.at), wording.grams)
    shares = np.zeros((len(sightings.wording), 2))
    seen = np.full(len(wording.grams.keys), -1, np.int64)
    share_grams(
        wording.of_grams, wording.at, fixed(held), fixed(sightings.at), fixed(sightings.wording), fixed(bits),
        seen, shares,
    )  # fmt: skip
    shared: Bits = shares[:, 0] / np.maximum(shares[:, 1], 1e-9)
    return shared


def _scores(sightings: Sightings, wording: Wording, bits: Bits) -> tuple[Bits, Bits]:
    """Return the SCORES and the least thirds of all sightings."""
    scores, thirds = np.empty((len(sightings.wording), SCORES)), np.empty(len(sightings.wording))
    score_windows(
        fixed(sightings.stems), fixed(sightings.best), fixed(sightings.wording), wording.units,
        wording.vocabulary, fixed(bits), new_marks(wording.vocabulary), scores,
        thirds,
    )  # fmt: skip
    return scores, thirds
