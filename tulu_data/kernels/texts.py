"""Texts as places in a run of bytes.

The one idea: a text is some pieces that follow one another, none of which is copied; the largest of some
texts says how much room any of them needs. It reads no words.
"""

from typing import NamedTuple

import numpy as np

from tulu_data.kernels.jit import kernel
from tulu_data.kernels.normalised import MOST_CHARACTERS
from tulu_data.kernels.words import MOST_WORDS, Bytes, Ints, fixed, signed

_ZERO, _SIGN = np.uint64(0), np.uint8(7)


class Texts(NamedTuple):
    """Texts in pieces that follow one another; a shingle may reach over their borders, a word may not."""

    text: Bytes
    begin: Ints
    end: Ints
    """Bytes of each piece."""
    first: Ints
    """Where the pieces of each text start, and their total at the end."""


class Size(NamedTuple):
    """What texts need room for, at most."""

    ascii: int
    other: int
    """Bytes of a text that are ASCII, and that are not."""
    pieces: int

    def units(self, unit: str) -> int:
        """Return a number that the words or characters of a text, and one more, never pass."""
        if unit == "words":
            return self.ascii // 2 + (MOST_WORDS + 1) * self.other + self.pieces + 1
        return self.ascii + MOST_CHARACTERS * self.other + self.pieces + 1


def fixed_texts(texts: Texts) -> Texts:
    """Return texts as kernels take them."""
    return Texts(*(fixed(array) for array in texts))


def size_of(texts: Texts) -> Size:
    """Measure the largest of texts."""
    return Size(*widest(*fixed_texts(texts)))


def size_of_all(texts: Texts) -> Size:
    """Measure all texts together, as if they were one."""
    return size_of(texts._replace(first=np.array([0, len(texts.begin)])))


@kernel
def widest(text: Bytes, begin: Ints, end: Ints, first: Ints) -> tuple[int, int, int]:
    """Return the most bytes of a text that are ASCII, that are not, and the most pieces of a text."""
    most, others, pieces = 0, _ZERO, 0
    for k in range(len(first) - 1):
        size, other = 0, _ZERO
        for t in range(first[k], first[k + 1]):
            size += end[t] - begin[t]
            for i in range(np.uint64(begin[t]), np.uint64(end[t])):
                other += np.uint64(text[i] >> _SIGN)
        most, others = max(most, signed(size - np.int64(other))), max(others, other)
        pieces = max(pieces, signed(first[k + 1] - first[k]))
    return most, np.int64(others), pieces  # type: ignore[return-value]
