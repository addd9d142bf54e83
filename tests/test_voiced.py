"""Keys of texts in voices: the same where the same is said by the same, in one order."""

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from shingle_reference import batch

from tulu_data.kernels.piling import Spoken, pile
from tulu_data.kernels.text_keys import text_keys
from tulu_data.kernels.voiced import joined_keys

TURNS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["", " ", "a", "b", "A b", "a  B"])), max_size=5
)


def keys_of(records):
    texts = batch([[text for _, text in turns] for turns in records])
    voices = np.array([voice for turns in records for voice, _ in turns], np.uint8)
    laid = pile([Spoken(texts, voices)])
    said = text_keys(laid.texts.text, laid.texts.begin, laid.texts.end)
    return [tuple(key) for key in joined_keys(said, laid.voices, laid.texts.first).tolist()]


def heard(turns):
    """Return what is said in a row by whom, without what is blank."""
    runs = [
        (voice, " ".join(" ".join(text for _, text in run).lower().split()))
        for voice, run in groupby(turns, key=lambda turn: turn[0])
    ]
    return tuple((voice, text) for voice, text in runs if text)


@given(st.lists(TURNS, max_size=8))
def test_keys_are_equal_where_the_same_is_heard(records):
    known: dict = {}
    for turns, key in zip(records, keys_of(records), strict=True):
        assert known.setdefault(heard(turns), key) == key
        assert (key == (0, 0)) == (not heard(turns))
        assert not any(key) or key[1]
    assert len(set(known.values())) == len(known)


def test_the_same_words_said_by_others_are_another_text():
    asked, answered = [(0, "a"), (1, "b")], [(1, "a"), (0, "b")]
    one, other, split, early = keys_of([asked, answered, [(0, "a b")], [(0, "a b"), (1, "c")]])
    assert len({one, other, split, early}) == 4
    assert keys_of([[(0, "a"), (1, "b c")]]) != [early]
    assert keys_of([[(0, "A"), (0, " b"), (1, "c")]]) == [early]
