"""Where a record may hold an eval instance, with the words that stand there.

The one idea: whatever a hit comes from, an n-gram rule or the search for rephrased instances, the window of
the record that is most like the instance is kept as numbers of words, so that all can be weighed when the
frequency of words in all records is known (`settling`). A record is counted by what it says, about one in
eight, so frequencies depend on no order. It judges no hit.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.decontaminate.wording import Lexicon, Texts, Wording, gram_keys, ids_of
from tulu_data.kernels.alignment import (
    LETTER_ROOM,
    count_characters,
    count_held,
    letter_room,
    share_letters,
    stand_alone,
)
from tulu_data.kernels.bags import NOTHING, Sums, find_stretches, new_room, new_sums
from tulu_data.kernels.coverage import Turns
from tulu_data.kernels.folding import folding
from tulu_data.kernels.tokens import Tokens, tokens_of
from tulu_data.kernels.windows import SCORES, Bar, Marks, add_up, new_marks, weigh_stretches
from tulu_data.kernels.words import Bytes, Hashes, Ints, fixed

Bits = NDArray[np.float64]
Numbers = NDArray[np.int32]

SAMPLED = 8
"""One in so many records is counted for the frequency of words."""
WHOLE_RECORD = -1
"""Stretch that stands for a whole record."""
LEAST_BITS, LEAST_SHARE, LEAST_WORDS, LEAST_LIKENESS = 25.0, 0.42, 0.58, 0.65
"""Bits that a window must share to be kept, and either share of all bits, of those of words, or likeness."""
NUMBERS, NO_NUMBERS = 0.7, 1.44
"""What numbers count beside words, and bits of numbers that no text holds: two small ones say little."""
DILUTION = 0.3
"""What each doubling of a record's length over the instance's takes: more windows are alike by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Windows of records and the wordings that they are like; at most one for a record and a wording."""

    record: Ints
    wording: Ints
    letters: Bits
    """Shares that the window holds of the wording's runs of letters: of all, and of those with a digit."""
    best: Ints
    """Where the window proper begins and ends among the tokens; others around it share nothing."""
    alone: NDArray[np.bool_]
    """Whether the window is a sentence or a line of its own."""
    length: Ints
    """Tokens of the record."""
    stems: Numbers
    words: Numbers
    turn: Numbers
    characters: NDArray[np.int32]
    """First and end character of each token in its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings(_Seen):
    """Windows whose tokens lie one after the other."""

    at: Ints
    """Where the tokens of each window start, and their total at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(_Seen):
    """Windows as they are kept while records are read: those of a record lie over each other."""

    begin: Ints
    end: Ints
    """Where the tokens of each window begin and end."""

    def apart(self) -> Sightings:
        """Return the windows with a copy of its tokens for each."""
        some = _ranges_of(self.begin, self.end)
        places = some.places
        return Sightings(
            record=self.record, wording=self.wording, letters=self.letters, alone=self.alone,
            best=self.best + (some.first[:-1] - self.begin)[:, None], length=self.length, at=some.first,
            stems=self.stems[places], words=self.words[places], turn=self.turn[places],
            characters=self.characters[places],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Read:
    """The tokens of some records."""

    records: Ints
    """Their numbers, in order."""
    turns: Ints
    """Their turns."""
    tokens: Tokens
    first: Ints
    """Where the tokens of each record start, and their total at the end."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """Some ranges of tokens."""

    places: Ints
    first: Ints
    """Where each range starts among `places`, and the total at the end."""


@dataclass(slots=True)
class Watch:
    """What one worker keeps: room for the search, and the frequency of words in sampled records."""

    wording: Wording
    texts: Texts
    """The texts that the wordings were read from."""
    bits: Bits
    """Of each stem, by its frequency in the suites alone."""
    wholes: Bits | None
    """Of each wording, as a `Bar` has them; None where nothing is searched for."""
    held: tuple[Ints, Ints, Ints] = field(init=False)
    """Sampled records that hold each stem, word and gram."""
    sampled: int = 0
    """Sampled records."""
    _seen: list[Ints] = field(init=False)
    _clocks: list[Ints] = field(init=False)
    _sums: Sums = field(init=False)
    _marks: Marks = field(init=False)
    _letters: Hashes = field(init=False)

    def __post_init__(self) -> None:
        """Make the room."""
        sizes = [len(lexicon.keys) for lexicon in self.lexicons]
        self.held = tuple(np.zeros(size, np.int64) for size in sizes)  # type: ignore[assignment]
        self._seen = [np.zeros(size, np.int64) for size in sizes]
        self._clocks = [np.zeros(1, np.int64) for _ in sizes]
        self._sums, self._marks = new_sums(self.wording.pairs), new_marks(self.wording.vocabulary)
        self._letters = np.zeros(LETTER_ROOM, np.uint64)

    @property
    def lexicons(self) -> tuple[Lexicon, Lexicon, Lexicon]:
        """Stems, words and grams."""
        return self.wording.stems, self.wording.words, self.wording.grams

    @property
    def bar(self) -> Bar:
        """What a window that a search finds must come to."""
        wholes = np.empty((0, 3)) if self.wholes is None else self.wholes
        return Bar(
            LEAST_BITS, LEAST_SHARE, LEAST_WORDS, LEAST_LIKENESS, NUMBERS, NO_NUMBERS, DILUTION, fixed(wholes)
        )  # fmt: skip

    def look(self, turns: Turns, hits: Ints) -> Kept:
        """Return the best window of each (record, wording) row of `hits`, and of what a search finds."""
        search = self.wholes is not None
        sampled = is_sampled(turns)
        looked_at = sampled.copy()
        looked_at[hits[:, 0]] = True
        read = _read(turns, np.flatnonzero(looked_at | search))
        self._count(read, sampled[read.records])
        rows = [np.column_stack([np.searchsorted(read.records, hits[:, 0]), hits[:, 1], hits[:, 0] * 0 - 1])]
        stems = fixed(ids_of(read.tokens.keys, self.wording.stems))
        if search:
            rows.append(self._search(stems, read.first))
        found = np.concatenate(rows)
        found, windows, scores = self._weigh(stems, read.first, found)
        kept = _best(found, scores, np.diff(read.first)[found[:, 0]], np.diff(self.wording.at)[found[:, 1]])
        return self._capture(turns, read, stems, found[kept], windows[kept])

    def _count(self, read: _Read, sampled: NDArray[np.bool_]) -> None:
        """Count the stems, words and grams of sampled records."""
        self.sampled += int(sampled.sum())
        some = _taken(read, np.flatnonzero(sampled))
        exact = read.tokens.exact[some.places]
        keys = (read.tokens.keys[some.places], exact, gram_keys(exact, some.first))
        every = np.ones(len(some.first) - 1, np.bool_)
        for k, lexicon in enumerate(self.lexicons):
            ids = fixed(ids_of(keys[k], lexicon))
            count_held(ids, fixed(some.first), every, self._seen[k], self._clocks[k], self.held[k])

    def _search(self, stems: Numbers, first: Ints) -> Ints:
        """Return (record, wording, stretch) of every stretch that holds enough pairs."""
        found, start = [np.empty((0, 3), np.int64)], 0
        pairs, room = self.wording.pairs, new_room(int(np.diff(first).max(initial=0)))
        first = fixed(first)
        while start < len(first) - 1:
            made, stop = find_stretches(stems, first, start, self.wording.weight, pairs, room, self._sums)
            found.append(self._sums.found[:made].copy())
            if stop == start:
                # One record names more stretches than there is room for.
                wider = np.empty((4 * len(self._sums.found), 3), np.int64)
                self._sums = self._sums._replace(found=wider)
            start = stop
        return np.concatenate(found)

    def _weigh(self, stems: Numbers, first: Ints, found: Ints) -> tuple[Ints, Ints, Bits]:
        """Return the rows of `found` that may come to something, their best windows and SCORES."""
        rows, spots = (
            np.empty(len(found), np.int64),
            np.empty(int(np.diff(first).max(initial=0)) + 1, np.int64),
        )
        windows, scores = np.empty((len(found), 4), np.int64), np.empty((len(found), SCORES))
        made = weigh_stretches(
            stems, fixed(first), fixed(found), self.wording.units, self.wording.vocabulary,
            self.wording.pairs, fixed(self.bits), self.bar, self._marks, spots, rows, windows, scores,
        )  # fmt: skip
        return found[rows[:made]], windows[:made], scores[:made]

    def _capture(self, turns: Turns, read: _Read, stems: Numbers, found: Ints, windows: Ints) -> Kept:
        """Keep the words of windows, with the room around them."""
        kept = np.zeros(len(stems), np.bool_)
        kept[_ranges_of(windows[:, 2], windows[:, 3]).places] = True
        tokens = np.flatnonzero(kept)
        first, last = np.searchsorted(tokens, windows[:, 2]), np.searchsorted(tokens, windows[:, 3])
        turn = np.searchsorted(read.tokens.at, tokens, "right") - 1
        begin, end = turns.begin[read.turns], turns.end[read.turns]
        characters = np.empty((len(tokens), 2), np.int32)
        bytes_of = read.tokens.places[tokens]
        count_characters(turns.text, fixed(begin[turn]), fixed(bytes_of), characters)
        wording, letters = found[:, 1], np.zeros((len(found), 2))
        low, high = _edges(bytes_of, first, last)
        sample = self.wording.sample[wording]
        sizes = np.append(high - low, self.texts.end[sample] - self.texts.begin[sample])
        share_letters(
            turns.text, fixed(low), fixed(high), self.texts.text, self.texts.begin, self.texts.end,
            fixed(sample), folding(), self._letters, letter_room(int(sizes.max(initial=0))), letters,
        )  # fmt: skip
        self._letters[:] = 0
        best = windows[:, :2] + (first - windows[:, 2])[:, None]
        sentence = _stretched(best, stems[tokens], last)
        return Kept(
            record=read.records[found[:, 0]], wording=wording, letters=letters, best=best,
            alone=self._alone(turns, bytes_of, sentence, begin[turn], end[turn]),
            length=np.diff(read.first)[found[:, 0]], begin=first, end=last, stems=stems[tokens],
            words=ids_of(read.tokens.exact[tokens], self.wording.words),
            turn=turns.number[read.turns][turn].astype(np.int32), characters=characters,
        )  # fmt: skip

    def _alone(self, turns: Turns, places: Ints, best: Ints, begin: Ints, end: Ints) -> NDArray[np.bool_]:
        """Tell which windows are a sentence or a line; those over several turns are too."""
        alone = best[:, 1] > best[:, 0]
        filled = np.flatnonzero(alone)
        first, last = best[filled, 0], best[filled, 1] - 1
        asked, first, last = (each[begin[first] == begin[last]] for each in (filled, first, last))
        judged = np.empty(len(asked), np.bool_)
        stand_alone(
            turns.text, fixed(places[first, 0]), fixed(places[last, 1]), fixed(begin[first]),
            fixed(end[first]), *_borders(), judged,
        )  # fmt: skip
        alone[asked] = judged
        return alone


def wholes_of(wording: Wording, bits: Bits) -> Bits:
    """Return what a `Bar` says of each wording, by the bits of each stem."""
    wholes = np.empty((wording.texts, 3))
    add_up(wording.units, wording.vocabulary, fixed(bits), new_marks(wording.vocabulary), wholes)
    return wholes


def _stretched(best: Ints, stems: Numbers, ends: Ints) -> Ints:
    """Take the numbers that follow a number at the end of a window, which say nothing, into the window."""
    other = np.append(np.flatnonzero(stems != NOTHING), len(stems))
    after = np.minimum(other[np.searchsorted(other, best[:, 1])], ends)
    return np.column_stack([best[:, 0], np.where(best[:, 1] > best[:, 0], after, best[:, 1])])


def _edges(places: Ints, first: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Return the first and the end byte of ranges of tokens, 0 of an empty one."""
    filled = end > first
    low, high = np.zeros(len(first), np.int64), np.zeros(len(first), np.int64)
    low[filled], high[filled] = places[first[filled], 0], places[end[filled] - 1, 1]
    return low, high


def _read(turns: Turns, records: Ints) -> _Read:
    """Read the tokens of some records."""
    some = _ranges_of(turns.first[records], turns.first[records + 1])
    tokens = tokens_of(turns.text, turns.begin[some.places], turns.end[some.places])
    return _Read(records, some.places, tokens, tokens.at[some.first])


def _taken(read: _Read, records: Ints) -> _Taken:
    """Return the tokens of some of the records that were read."""
    return _ranges_of(read.first[records], read.first[records + 1])


def _ranges_of(begin: Ints, end: Ints) -> _Taken:
    """Return begin, begin + 1, ... up to end, for each."""
    sizes = end - begin
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return _Taken(np.repeat(begin - first[:-1], sizes) + np.arange(first[-1]), first)


def _best(found: Ints, scores: Bits, length: Ints, sizes: Ints) -> Ints:
    """Return the best row of each record and wording; a searched one only where it may come to something.

    What is asked of it must be what `Bar` asks, which leaves out before what cannot come to it.
    """
    asked, alike = found[:, 2] == WHOLE_RECORD, alikeness(scores, length, sizes)
    enough = (alike.shared >= LEAST_SHARE * alike.every) | (scores[:, 0] >= LEAST_WORDS * scores[:, 1])
    enough |= alike.beyond_chance >= LEAST_LIKENESS
    rows = np.flatnonzero(asked | ((alike.shared >= LEAST_BITS) & enough))
    order = rows[np.lexsort((-alike.shared[rows], ~asked[rows], found[rows, 1], found[rows, 0]))]
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (np.diff(found[order, 0]) != 0) | (np.diff(found[order, 1]) != 0)
    best: Ints = order[fresh]
    return best


class Likeness(NamedTuple):
    """How alike windows and wordings are as bags of words and numbers."""

    numbers: Bits
    """Share of the numbers of either that both hold."""
    numbered: NDArray[np.bool_]
    """Whether either holds a number; where none does, `numbers` is 0."""
    together: Bits
    """Of words and numbers, from 0 to 1."""
    beyond_chance: Bits
    """The same, up to 1 + NUMBERS where there are numbers, less what a longer record has by chance."""
    shared: Bits
    """Bits that both hold."""
    every: Bits
    """Bits of the wording, and of the window's numbers."""


def alikeness(scores: Bits, length: Ints, sizes: Ints) -> Likeness:
    """Return how alike windows and wordings are, from their SCORES.

    `length` is of the records of the windows, `sizes` of the wordings, in tokens.
    """
    words = scores[:, 4] / np.sqrt(np.maximum(scores[:, 5] * scores[:, 6], 1e-9))
    numbers = scores[:, 2] / (scores[:, 3] + NO_NUMBERS)
    numbered = scores[:, 3] > 0
    most = np.where(numbered, 1 + NUMBERS, 1.0)
    together = words + NUMBERS * numbers
    diluted = DILUTION * np.log2(np.maximum(length / np.maximum(sizes, 1), 1.0))
    return Likeness(
        numbers=numbers, numbered=numbered, together=together / most,
        beyond_chance=together - diluted, shared=scores[:, 0] + scores[:, 2],
        every=scores[:, 1] + scores[:, 3],
    )  # fmt: skip


def is_sampled(turns: Turns) -> NDArray[np.bool_]:
    """Tell which records are counted: about one in `SAMPLED`, by what they say."""
    size = turns.end - turns.begin
    text = turns.text if len(turns.text) else np.zeros(1, np.uint8)
    mixed = size.astype(np.uint64)
    with np.errstate(over="ignore"):
        for k in range(8):
            at = turns.begin + size * k // 8
            letter = np.where(size > 0, text[np.minimum(at, len(text) - 1)], 0)
            mixed = (mixed ^ letter.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed)])[turns.first]
    total = (sums[1:] - sums[:-1]) * np.uint64(0xD6E8FEB86659FD93)
    chosen: NDArray[np.bool_] = (total >> np.uint64(32)) % np.uint64(SAMPLED) == 0
    return chosen


@cache
def _borders() -> tuple[Bytes, Bytes]:
    """Return the bytes that may open a sentence, and those that end one."""
    opens, ends = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
    opens[[ord(c) for c in " \t\"'([{*_`#"]] = 1
    ends[[ord(c) for c in "\n\r.?!:;>\"')]}*_`|"]] = 1
    ends[128:] = 1
    return fixed(opens), fixed(ends)
