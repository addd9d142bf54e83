"""Shingles against plain Python, over the words of the reference."""

import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from shingle_reference import batch, batches, grams, pieces, shingles_of, units
from word_reference import words

from tulu_data.kernels.folding import fold, folding
from tulu_data.kernels.normalised import MOST_BYTES, MOST_CHARACTERS, new_pen, write_points
from tulu_data.kernels.shingles import Shingling, distinct, shingles
from tulu_data.kernels.texts import size_of
from tulu_data.kernels.units import units_of
from tulu_data.kernels.words import fixed

texts_of_words = st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=8)


def flat(texts):
    """Return texts, lists of words, as the kernels take them."""
    hashes = np.array([(word + 1) * 0x9E3779B97F4A7C15 % 2**64 for text in texts for word in text], np.uint64)
    return hashes, np.cumsum([0, *map(len, texts)])


def told_apart(sets, spelled):
    """Tell that shingles are equal exactly where what they stand for is."""
    keys = {}
    for k, grams_ in enumerate(spelled):
        mine = sets.hashes[sets.at[k] : sets.at[k + 1]].tolist()
        assert len(mine) == len(grams_)
        for key, gram in zip(mine, grams_, strict=True):
            assert keys.setdefault(gram, key) == key
    assert len(set(keys.values())) == len(keys)


@given(texts_of_words, st.integers(1, 4))
def test_shingles_are_the_n_grams_of_each_text(texts, n):
    told_apart(shingles(*flat(texts), n), [grams(text, n) for text in texts])


@given(batches, st.sampled_from(["words", "characters"]), st.integers(1, 6))
def test_texts_are_shingled_over_all_their_pieces(texts, unit, n):
    told_apart(shingles_of(batch(texts), Shingling(unit, n)), [grams(units(text, unit), n) for text in texts])


@given(st.lists(pieces, max_size=5), st.integers(1, 4))
def test_shingles_of_texts_are_those_of_their_units(texts, n):
    given_ = batch([[text] for text in texts])
    of_texts = units_of(given_, "words")
    by_units = shingles(of_texts.units, np.append(of_texts.begin, len(of_texts.units)), n)
    assert shingles_of(given_, Shingling("words", n)).hashes.tolist() == by_units.hashes.tolist()


def test_a_shingle_of_a_short_text_is_none_of_a_longer_one():
    sets = shingles_of(batch([["one"], ["one two"], ["one two three"]]), Shingling("words", 3))
    assert np.diff(sets.at).tolist() == [1, 1, 1]
    assert len(set(sets.hashes.tolist())) == 3


@given(
    st.lists(st.lists(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 6), st.just(2**63))), max_size=6)
)
def test_sets_are_in_order_and_without_repeats(texts):
    hashes = np.array([h for text in texts for h in text], np.uint64)
    at = np.cumsum([0, *map(len, texts)])
    once = distinct(shingles(hashes, at, 1)._replace(hashes=fixed(hashes), at=fixed(at)))
    for k, text in enumerate(texts):
        assert once.hashes[once.at[k] : once.at[k + 1]].tolist() == sorted(set(text))
    assert len(once.hashes) == once.at[-1]


@given(st.lists(pieces, max_size=4))
def test_the_normalised_text_is_its_words_with_one_space_between_them(text):
    given_ = batch([text])
    points = np.zeros(MOST_CHARACTERS * len(given_.text) + len(text) + 1, np.uint64)
    pen = new_pen(len(given_.text), len(given_.text))
    made = write_points(given_.text, fixed(given_.begin), fixed(given_.end), folding(), pen, points)
    assert "".join(map(chr, points[:made].tolist())) == " ".join(units(text, "words"))


@given(st.lists(st.lists(st.one_of(pieces, pieces.map(lambda piece: piece * 3)), max_size=4), max_size=3))
def test_there_is_room_for_every_text(texts):
    size = size_of(batch(texts))
    for text in texts:
        assert size.pieces >= len(text)
        for unit in ("words", "characters"):
            assert len(units(text, unit)) + 1 <= size.units(unit)
        written = len(" ".join(units(text, "words")).encode()) + 1
        assert written <= size.ascii + MOST_BYTES * size.other + size.pieces + 1


def test_no_code_point_is_longer_written_out_than_there_is_room_for():
    for point in range(0x80, sys.maxunicode + 1):
        folded = fold(chr(point))
        if len(folded) > 1:
            written = " ".join("".join(word) for word in words(folded)) + " "
            width = len(chr(point).encode())
            assert len(written.encode()) <= MOST_BYTES * width, hex(point)
            assert len(written) <= MOST_CHARACTERS * width, hex(point)
