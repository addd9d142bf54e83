"""Texts in pieces and their shingles in plain Python, over the words of the reference."""

import numpy as np
from hypothesis import strategies as st
from word_reference import ALPHABETS, EVERY, words

from tulu_data.dedup.pile import piled
from tulu_data.kernels.frames import PLAIN
from tulu_data.kernels.piling import Spoken, pile
from tulu_data.kernels.shingles import shingles_of_units
from tulu_data.kernels.sketch import sign
from tulu_data.kernels.texts import Texts
from tulu_data.kernels.units import units_of

pieces = st.one_of(
    *(st.text(alphabet=letters, max_size=30) for letters in (*ALPHABETS.values(), EVERY, "ab ,", "aB"))
)
batches = st.lists(st.lists(pieces, max_size=4), max_size=4)


def batch(texts):
    """Return texts, lists of pieces, as the kernels take them."""
    encoded = [piece.encode("utf-8", "surrogatepass") for text in texts for piece in text]
    end = np.cumsum([len(piece) for piece in encoded], dtype=np.int64)
    begin = end - np.array([len(piece) for piece in encoded], np.int64)
    first = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return Texts(np.frombuffer(b"".join(encoded), np.uint8), begin, end, first)


def heap(texts, unit="words"):
    """Return texts, lists of pieces in one voice, as a search gets them."""
    made = batch(texts)
    columns = [Spoken(made, np.zeros(len(made.begin), np.uint8))]
    return piled(pile(columns), unit, np.zeros(len(texts), np.uint64))


def shingles_of(texts, shingling):
    return shingles_of_units(units_of(texts, shingling.unit), shingling.n)


def sign_texts(texts, shingling, scheme, levels=PLAIN):
    return sign(units_of(texts, shingling.unit), shingling.n, scheme, levels)


def units(text, unit):
    """Return the words of a text in pieces, or the characters of its normalised text."""
    found = ["".join(word) for piece in text for word in words(piece)]
    return found if unit == "words" else list(" ".join(found))


def grams(row, n):
    return [tuple(row[p : p + n]) for p in range(max(len(row) - n + 1, min(len(row), 1)))]
