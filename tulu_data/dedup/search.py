"""Near-duplicates among texts: keep the first of those that are alike, in an order of preference.

The one idea: a text is compared with those that are kept, and is kept where it is like none of them; so no
two that are kept are found alike. Blocks of texts are looked up in parallel among what earlier blocks kept,
then among themselves. Frames are counted in what is left, so when something was dropped, texts whose frames
count otherwise now are compared once more with all, until nothing more is dropped: then a search in what is
left finds nothing. What was dropped for a text that went in such a later round is looked at again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tulu_data.dedup.frames import Frames
from tulu_data.dedup.likeness import Likeness, Search
from tulu_data.dedup.pile import Piled
from tulu_data.engine.local import ordered_map
from tulu_data.kernels.bands import band_keys
from tulu_data.kernels.frames import Levels
from tulu_data.kernels.kept import Kept, chain, find, find_among, keep_first, marks_of, new_kept
from tulu_data.kernels.sketch import Signatures
from tulu_data.kernels.words import Hashes, Ints, fixed

_LOOKS = 3
"""How often texts are looked at again that were dropped for one that was dropped later."""
_BLOCK, _PIECE, _PAIRS, _RUN = 8192, 1024, 2048, 1 << 18
"""Texts of a block; texts looked up, pairs compared and units signed at a time."""

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found of some texts, all as places among them."""

    alike: Ints
    """Text that each was found to be like, or -1 where it is kept."""
    jaccard: NDArray[np.float64]
    containment: NDArray[np.float64]
    """Of each that is not kept, in the text that it is like."""
    inside: NDArray[np.bool_]
    """Whether it was dropped for standing in that text alone."""
    levels: Levels
    """Frames among the texts that are kept."""
    signatures: Signatures
    """Of all texts; of those that are kept, under these frames."""
    templates: int
    """Pairs that are alike but for their numbers or results, among those that were compared."""
    candidates: int
    """Pairs that were compared."""
    crowds: Ints
    """Of each text, how many it was compared with while it might have gone for one of them."""
    rounds: int


def find_near(texts: Piled, keys: Hashes, search: Search, workers: int, told: Said) -> Found:
    """Find the near-duplicates among texts in their order of preference, each with at least one word.

    `keys` are those of the texts; they say which texts frames are counted in.
    """
    return _Finding(texts, keys, search, workers).run(told)


def sign_all(texts: Piled, search: Search, levels: Levels, workers: int) -> Signatures:
    """Return the signatures of texts."""
    made = np.empty((len(texts.begin), search.near.num_perm), np.uint32)

    def work(part: tuple[int, int]) -> None:
        begin, end = part
        made[begin:end] = search.sign(texts.chosen(np.arange(begin, end)), levels)

    for _ in ordered_map(work, texts.runs(np.arange(len(made)), _RUN), workers):
        pass
    return made


class _Finding:
    """A search as far as it has come."""

    def __init__(self, texts: Piled, keys: Hashes, search: Search, workers: int) -> None:
        self.texts, self.search, self.workers = texts, search, workers
        total = len(texts.begin)
        self.frames = Frames(texts, keys, search, workers)
        self.levels = self.frames.levels
        self.has_units = texts.units.sizes > 0
        self.signatures = sign_all(texts, search, self.levels, workers)
        self.marks = marks_of(self.signatures)
        self.alike = np.full(total, -1, np.int64)
        self.jaccard, self.containment = np.zeros((2, total))
        self.inside = np.zeros(total, np.bool_)
        self.candidates = self.templates = 0
        self.crowds = np.zeros(total, np.int64)
        self.rounds = 1

    def run(self, told: Said) -> Found:
        """Search until nothing more is dropped, and nothing for a text that is dropped itself."""
        told(f"comparing {_texts(len(self.alike))}")
        self._first()
        self.frames.leave_out(np.flatnonzero(self.alike >= 0))
        self._follow_frames(told)
        for _ in range(_LOOKS):
            lost = np.flatnonzero((self.alike >= 0) & (self.alike[self.alike] >= 0))
            if not len(lost):
                break
            told(f"comparing {_texts(len(lost))} again: dropped for one that was dropped later")
            self._look_again(lost)
            self.frames.put_back(lost[self.alike[lost] < 0])
            self._follow_frames(told)
        return Found(
            alike=self.alike, jaccard=self.jaccard, containment=self.containment, inside=self.inside,
            levels=self.levels, signatures=self.signatures, templates=self.templates,
            candidates=self.candidates, crowds=self.crowds, rounds=self.rounds,
        )  # fmt: skip

    def _follow_frames(self, told: Said) -> None:
        """Compare texts again whose frames changed, until none do."""
        while (changed := self.frames.levels != self.levels).any():
            self.levels, left = self.frames.levels, np.flatnonzero(self.alike < 0)
            self.rounds += 1
            told(f"comparing {_texts(len(left))} again: frames changed")
            self._again(left, changed)
            self.frames.leave_out(left[self.alike[left] >= 0])

    def _first(self) -> None:
        """Keep or drop every text, block by block."""
        total, index = len(self.alike), _Index(self, np.arange(len(self.alike)))
        for start in range(0, total, _BLOCK):
            block = np.arange(start, min(start + _BLOCK, total))
            block = block[self.has_units[block]]
            keys = self.all_keys(block)
            with ThreadPoolExecutor(1) as beside:
                met = beside.submit(find_among, keys, self.marks[block], self.search.agreeing)
                if start:
                    self._settle(index.meet, _cut(block, _PIECE))
                pairs = block[met.result()]
            both = (self.alike[pairs] < 0).all(axis=1)
            self._settle(self.judge, _cut(pairs[both], _PAIRS))
            stay = self.alike[block] < 0
            index.add(block[stay], keys[stay])

    def _again(self, left: Ints, changed: NDArray[np.bool_]) -> None:
        """Compare the texts that hold shingles which count otherwise now with all that is left."""
        again = left[self.frames.holding(left, changed)]
        self._sign(again)
        index = _Index(self, again)
        index.add(np.arange(len(again)), self.all_keys(again))
        is_again = np.zeros(len(self.alike), np.bool_)
        is_again[again] = True

        def meet(rows: Ints) -> Ints:
            pairs = index.find(rows)
            # Where both are compared again, they meet twice.
            once = (pairs[:, 0] > pairs[:, 1]) | ~is_again[pairs[:, 0]]
            return np.sort(pairs[once & (pairs[:, 0] != pairs[:, 1])], axis=1)[:, ::-1]

        met = np.concatenate(
            [np.empty((0, 2), np.int64), *ordered_map(meet, _cut(left, _PIECE), self.workers)]
        )
        self._settle(self.judge, _cut(met[np.lexsort((met[:, 1], met[:, 0]))], _PAIRS))

    def _look_again(self, lost: Ints) -> None:
        """Compare texts with all that is kept now, and those that are like none of it among themselves."""
        self.alike[lost], self.jaccard[lost] = -1, 0
        self._sign(lost)
        index, is_lost = _Index(self, lost), np.zeros(len(self.alike), np.bool_)
        index.add(np.arange(len(lost)), self.all_keys(lost))
        is_lost[lost] = True
        left = np.flatnonzero((self.alike < 0) & ~is_lost)
        met = [each[:, ::-1] for each in ordered_map(index.find, _cut(left, _PIECE), self.workers)]
        pairs = np.concatenate([np.empty((0, 2), np.int64), *met])
        self._settle(self.judge, _cut(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], _PAIRS))
        rows = lost[self.alike[lost] < 0]
        found = rows[find_among(self.keys(rows), self.marks[rows], self.search.agreeing)]
        self._settle(self.judge, _cut(found, _PAIRS))

    def _settle(self, judge: Callable[[Ints], tuple[Ints, Likeness]], parts: Sequence[Ints]) -> None:
        """Judge parts side by side, and drop in their order what is like a kept text."""
        for pairs, likeness in ordered_map(judge, parts, self.workers):
            self.candidates += len(pairs)
            first = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
            self.crowds[pairs[first, 0]] += np.diff(first, append=len(pairs))
            self.templates += int(likeness.template.sum())
            near = likeness.near
            keep_first(
                fixed(pairs[near]), fixed(likeness.jaccard[near]), fixed(likeness.containment[near]),
                fixed(likeness.inside[near]), self.alike, self.jaccard, self.containment, self.inside,
            )  # fmt: skip

    def judge(self, pairs: Ints) -> tuple[Ints, Likeness]:
        """Compare pairs of texts."""
        return pairs, self.search.judge(self.texts, self.texts, pairs, self.levels)

    def _sign(self, rows: Ints) -> None:
        """Sign texts as their shingles count now."""
        self.signatures[rows] = sign_all(self.texts.chosen(rows), self.search, self.levels, self.workers)
        self.marks[rows] = marks_of(self.signatures[rows])

    def keys(self, rows: Ints) -> Hashes:
        """Return the keys of the bands of texts."""
        return band_keys(self.signatures[rows], self.search.bands)

    def all_keys(self, rows: Ints) -> Hashes:
        """Return the keys of the bands of many texts."""
        parts = ordered_map(self.keys, _cut(rows, _PIECE), self.workers)
        return np.concatenate([np.empty((0, self.search.bands.number), np.uint64), *parts])


class _Index:
    """Texts of a search that others are looked up in."""

    def __init__(self, of: _Finding, rows: Ints) -> None:
        """Make room for texts."""
        self._of, self._rows = of, rows
        self._marks = of.marks if len(rows) == len(of.marks) else of.marks[rows]
        self._kept: Kept = new_kept(len(rows), of.search.bands.number)

    def add(self, chosen: Ints, keys: Hashes) -> None:
        """Add texts, given by their places among those that there is room for, and by their keys."""
        workers = self._of.workers
        cuts = np.linspace(0, keys.shape[1], workers + 1).astype(int).tolist()
        parts = [range(*bounds) for bounds in pairwise(cuts)]
        for _ in ordered_map(lambda bands: chain(self._kept, keys, chosen, bands), parts, workers):
            pass

    def find(self, rows: Ints) -> Ints:
        """Return (text, text of the index) rows of texts that may be alike; threads may call it."""
        of = self._of
        found = find(self._kept, of.keys(rows), of.marks[rows], self._marks, of.search.agreeing)
        return np.stack([rows[found[:, 0]], self._rows[found[:, 1]]], axis=1)

    def meet(self, rows: Ints) -> tuple[Ints, Likeness]:
        """Compare texts with those of the index."""
        return self._of.judge(self.find(rows))


def _texts(count: int) -> str:
    """Say how many texts there are."""
    return f"{count:,} text{'' if count == 1 else 's'}"


def _cut(rows: Ints, size: int) -> list[Ints]:
    """Cut rows into parts."""
    return [rows[at : at + size] for at in range(0, len(rows), size)]
