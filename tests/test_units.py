"""Units of texts against plain Python: one number for each word or character, told by voice."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shingle_reference import batch, batches
from word_reference import words

from tulu_data.kernels.units import MOST_VOICES, POINT, units_of

few = st.lists(st.lists(st.text("aB 12é天１²\n", max_size=20), max_size=3), max_size=5)
voices = st.integers(0, MOST_VOICES - 1)


def spoken(texts, data):
    """Give each piece a voice."""
    told = [[data.draw(voices) for _ in text] for text in texts]
    return told, np.array([voice for text in told for voice in text], np.uint8)


@given(st.one_of(few, batches), st.data())
def test_units_of_words_are_equal_where_word_and_voice_are(texts, data):
    told, every = spoken(texts, data)
    made, known = units_of(batch(texts), "words", every), {}
    for text, said, begin, end in zip(texts, told, made.begin, made.end, strict=True):
        wanted = [
            ("".join(word), voice) for piece, voice in zip(text, said, strict=True) for word in words(piece)
        ]
        units = made.units[begin:end].tolist()
        assert len(units) == len(wanted)
        for unit, word in zip(units, wanted, strict=True):
            assert known.setdefault(word, unit) == unit
            assert unit % 2 == bool(re.search("[0-9]", word[0]))
    assert len(set(known.values())) == len(known)


@given(st.one_of(few, batches), st.data())
def test_units_of_characters_are_code_points_with_a_space_between_pieces(texts, data):
    told, every = spoken(texts, data)
    made = units_of(batch(texts), "characters", every)
    for text, said, begin, end in zip(texts, told, made.begin, made.end, strict=True):
        units = made.units[begin:end]
        pieces = [
            (" ".join("".join(word) for word in words(piece)), v) for piece, v in zip(text, said, strict=True)
        ]
        pieces = [piece for piece in pieces if piece[0]]
        assert "".join(map(chr, (units & POINT).tolist())) == " ".join(each for each, _ in pieces)
        wanted = [voice for k, (each, voice) in enumerate(pieces) for _ in range(len(each) + (k > 0))]
        assert (units >> 21).tolist() == wanted


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_without_voices_all_pieces_have_the_first(unit):
    texts = batch([["one two", "3"], [], ["four"]])
    none, first = units_of(texts, unit), units_of(texts, unit, np.zeros(3, np.uint8))
    assert all(np.array_equal(one, other) for one, other in zip(none, first, strict=True))
    assert none.chosen(np.array([2, 1])).sizes.tolist() == [1 if unit == "words" else 4, 0]


def test_many_words_hardly_ever_share_a_unit():
    made = units_of(batch([[" ".join(f"w{k}" for k in range(50_000))]]), "words")
    assert len(set(made.units.tolist())) > 49_990
