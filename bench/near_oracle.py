"""Whether a person would call two texts near-duplicates: an oracle with no code of what it judges.

The one idea: the words of both texts are aligned by the fewest insertions, deletions and substitutions. A
pair is one text twice where 70% of the longer's words stay (20% of edits leave 80%), or where 90% of the
shorter's words stand in one stretch of the longer. What stays may still be only a pattern, so three kinds of
such pairs are told apart: `template` texts differ in numbers alone, `frame` texts share what a hundred other
documents hold too (a fixed question before many statements) and little of their own, and `stretch` texts
differ in one place, as a passage with two questions does. It knows nothing of files.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from near_edits import UNSPACED
from numba import njit

SIMILAR = 0.7
"""Share of the longer text's words that stay."""
CONTAINED = 0.9
"""Share of the shorter text's words that stand in the longer."""
OWN = 0.5
"""The same as SIMILAR, of the words that are not common."""
COMMON = 100
"""A run of words is common when so many documents hold it."""
RUN = 5
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
STRICT = ("same", "edited", "contained")
PATTERNS = ("template", "frame", "stretch")
KINDS = (*STRICT, *PATTERNS, "false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What two texts are to each other."""

    kind: str
    similarity: float
    inside: float


class Oracle:
    """Judges pairs, and knows which runs of words are common in a corpus."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._numbers: dict[str, int] = {"0": 0}
        runs = [np.unique(_runs(self._words(text))) for text in texts]
        found, counts = np.unique(np.concatenate(runs or [np.empty(0, np.uint64)]), return_counts=True)
        self._common = found[counts >= COMMON]
        self._said: dict[tuple[str, str], Verdict] = {}

    def judged(self, one: str, other: str) -> Verdict:
        """Judge two texts, once."""
        if (one, other) not in self._said:
            self._said[one, other] = self._judged(one, other)
        return self._said[one, other]

    def _judged(self, one: str, other: str) -> Verdict:
        a, b = sorted((self._words(one), self._words(other)), key=len)
        similarity, inside = closeness(a, b)
        return Verdict(kind=self._kind(a, b, similarity, inside), similarity=similarity, inside=inside)

    def _kind(self, a: np.ndarray, b: np.ndarray, similarity: float, inside: float) -> str:
        if np.array_equal(a, b):
            return "same"
        if similarity < SIMILAR and inside < CONTAINED:
            return "false"
        if np.array_equal(self._numberless(a), self._numberless(b)):
            return "template"
        own = sorted((self._own(a), self._own(b)), key=len)
        alike, within = closeness(*own) if own[0].size else (float(not own[1].size), 0.0)
        if alike < OWN and within < CONTAINED:
            return "frame"
        if one_stretch(a, b):
            return "stretch"
        return "edited" if similarity >= SIMILAR else "contained"

    def _words(self, text: str) -> np.ndarray:
        """Give each word of a text, whatever its case and width, a number; that of a number is negative."""
        numbers = self._numbers
        said = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
        return np.array(
            [numbers.setdefault(word, len(numbers)) * (-1 if word[0].isdigit() else 1) for word in said],
            np.int64,
        )

    def _numberless(self, words: np.ndarray) -> np.ndarray:
        return np.maximum(words, 0)

    def _own(self, words: np.ndarray) -> np.ndarray:
        """Leave out the words that stand in a common run."""
        common = np.isin(_runs(words), self._common)
        mine = np.ones(words.size, bool)
        for k in range(RUN):
            mine[k : k + common.size] &= ~common
        return words[mine]


def _runs(words: np.ndarray) -> np.ndarray:
    """Hash every run of words."""
    count = max(0, words.size - RUN + 1)
    hashes = np.zeros(count, np.uint64)
    for k in range(RUN):
        hashes = (hashes ^ words[k : k + count].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def closeness(shorter: np.ndarray, longer: np.ndarray) -> tuple[float, float]:
    """Return the shares of the longer text's words that stay and of the shorter's that stand in it."""
    similarity = 1 - int(edits(shorter, longer, anywhere=False)[-1]) / max(1, longer.size)
    inside = 1 - int(edits(shorter, longer, anywhere=True).min()) / shorter.size if shorter.size else 0.0
    return similarity, inside


def one_stretch(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether another stretch stands in one place, hardly a word of it shared."""
    size = min(a.size, b.size)
    start = _same(a[:size], b[:size])
    end = _same(a[start:][::-1][: size - start], b[start:][::-1][: size - start])
    mine, theirs = set(a[start : a.size - end].tolist()), set(b[start : b.size - end].tolist())
    return bool(mine and theirs) and 2 * len(mine & theirs) < min(len(mine), len(theirs))


def _same(a: np.ndarray, b: np.ndarray) -> int:
    """Count the equal words at the beginning of two texts of one length."""
    other = np.flatnonzero(a != b)
    return int(other[0]) if other.size else a.size


@njit(cache=True, nogil=True)
def edits(a: np.ndarray, b: np.ndarray, anywhere: bool) -> np.ndarray:
    """Count the edits from all of `a` to each beginning of `b`; `anywhere`: to a stretch that ends there."""
    row = np.arange(b.size + 1)
    if anywhere:
        row[:] = 0
    for k in range(a.size):
        before, row[0] = row[0], k + 1
        for j in range(b.size):
            here = min(row[j + 1] + 1, row[j] + 1, before + (a[k] != b[j]))
            before, row[j + 1] = row[j + 1], here
    return row
