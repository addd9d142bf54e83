"""Where two records differ, for people: the words of each that have no shared run in the other.

The one idea: a word is shared where it stands beside the same word in both, or at the same border of a
text; so what moved is not marked, and time is linear in the texts. Words are those that everything here
counts, so case and punctuation make no difference. It decides nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import folding
from tulu_data.kernels.spelling import Numbered, number_new
from tulu_data.kernels.words import Ints, fixed, word_room

Spans = list[tuple[int, int]]
"""First and end character of stretches of a text, in order."""


def differing(mine: Sequence[str], theirs: Sequence[str]) -> tuple[list[Spans], list[Spans]]:
    """Return, for each text of two records, the stretches of words that have no shared run in the other."""
    words = _numbered([*mine, *theirs])
    cut = int(words.at[len(mine)])
    sides = [
        _Side(words.ids[:cut], words.characters[:cut], words.at[: len(mine) + 1]),
        _Side(words.ids[cut:], words.characters[cut:], words.at[len(mine) :] - cut),
    ]
    left, right = sides
    return left.unlike(right), right.unlike(left)


def _numbered(texts: Sequence[str]) -> Numbered:
    """Return the words of texts, equal ones with equal numbers."""
    data = [text.encode("utf-8", "replace") for text in texts]
    ends = np.cumsum([len(one) for one in data], dtype=np.int64)
    begins = ends - np.array([len(one) for one in data], np.int64)
    text = fixed(np.frombuffer(b"".join(data), np.uint8))
    room = word_room(text, begins, ends)
    return number_new(text, fixed(begins), fixed(ends), folding(), room)[1]


class _Side:
    """The words of one record, with a border before and behind each of its texts."""

    def __init__(self, ids: NDArray[np.int32], characters: Ints, at: Ints) -> None:
        self.characters, self.at = characters, at
        count = len(at) - 1
        # A border stands before the words of each text, and one behind the last.
        spot = np.arange(len(ids)) + np.repeat(np.arange(1, count + 1), np.diff(at))
        row = np.zeros(len(ids) + count + 1, np.int64)
        row[spot] = ids.astype(np.int64) + 1
        self.spot, self.runs = spot, row[:-1] << 32 | row[1:]

    def unlike(self, other: "_Side") -> list[Spans]:
        """Return the stretches of each text whose words have no run in the other record."""
        found = np.isin(self.runs, other.runs)
        alone = ~(found[self.spot - 1] | found[self.spot])
        texts = zip(self.at[:-1].tolist(), self.at[1:].tolist(), strict=True)
        return [_stretches(self.characters[low:high], alone[low:high]) for low, high in texts]


def _stretches(characters: Ints, alone: NDArray[np.bool_]) -> Spans:
    """Join marked words that follow one another."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], alone, [False]]).astype(np.int8)))
    return [
        (int(characters[low, 0]), int(characters[high - 1, 1]))
        for low, high in zip(edges[::2], edges[1::2], strict=True)
    ]
