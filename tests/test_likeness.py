"""What two texts share, counted against sets in plain Python, and the verdicts on it."""

import re
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_reference import batch, batches, heap, shingles_of, units

from tulu_data.dedup.likeness import Search
from tulu_data.kernels import likeness
from tulu_data.kernels.frames import PLAIN, UNIT
from tulu_data.kernels.likeness import compare, compare_single
from tulu_data.kernels.shingles import Shingling
from tulu_data.kernels.units import units_of
from tulu_data.specs.near import Near

shinglings = st.builds(Shingling, st.sampled_from(["words", "characters"]), st.integers(1, 4))
few = st.lists(st.lists(st.text("ab 12é天\n", max_size=20), max_size=3), min_size=1, max_size=4)
many = st.one_of(few, batches.filter(bool))


def sets_of(texts, shingling):
    made = shingles_of(batch(texts), shingling)
    return [set(made.hashes[a:b].tolist()) for a, b in zip(made.at, made.at[1:], strict=False)]


def numbers(text, unit):
    """Return the words with a digit in them, or the runs of digits of the normalised text."""
    if unit == "words":
        return Counter(word for word in units(text, unit) if re.search("[0-9]", word))
    return Counter(re.findall("[0-9]+", "".join(units(text, unit))))


def weight(shingles, levels):
    return sum((Fraction(1, 2 ** int(levels[h >> 20 & len(levels) - 1])) for h in shingles), Fraction(0))


def shared(one, other, levels):
    """Return what the shingles of a pair share by the names of the columns."""
    sides = {"BOTH": one & other, "LEFT": one, "RIGHT": other}
    return {
        **{name: UNIT * weight(shingles, levels) for name, shingles in sides.items()},
        **{f"PLAIN_{name}": len(shingles) for name, shingles in sides.items()},
    }


def shared_single(mine, theirs, unit):
    """Return what the units of a pair share, and the numbers that one alone holds."""
    left, right = numbers(mine, unit), numbers(theirs, unit)
    single = [set(units(text, unit)) for text in (mine, theirs)]
    return {
        "SINGLE_BOTH": len(single[0] & single[1]), "SINGLE_LEFT": len(single[0]),
        "SINGLE_RIGHT": len(single[1]), "ONLY_LEFT": (left - right).total(),
        "ONLY_RIGHT": (right - left).total(),
    }  # fmt: skip


def check(left, right, pairs, shingling, levels):
    mine, theirs = units_of(batch(left), shingling.unit), units_of(batch(right), shingling.unit)
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    counted = compare(mine, theirs, rows, shingling.n, levels)
    single = compare_single(mine, theirs, rows, shingling.unit)
    one, other = sets_of(left, shingling), sets_of(right, shingling)
    assert len(counted) == len(single) == len(pairs)
    for (a, b), row, alone in zip(pairs, counted.tolist(), single.tolist(), strict=True):
        wanted = shared(one[a], other[b], levels)
        assert {name: row[getattr(likeness, name)] for name in wanted} == wanted
        wanted = shared_single(left[a], right[b], shingling.unit)
        assert {name: alone[getattr(likeness, name)] for name in wanted} == wanted


@settings(max_examples=60)
@given(many, many, shinglings, st.integers(0, 9), st.data())
def test_pairs_are_counted_as_sets_are(left, right, shingling, seed, data):
    pair = st.tuples(st.integers(0, len(left) - 1), st.integers(0, len(right) - 1))
    pairs = data.draw(st.lists(pair, max_size=12))
    levels = np.random.default_rng(seed).integers(0, 5, 1 << seed).astype(np.uint8)
    levels.flags.writeable = False
    check(left, right, pairs, shingling, levels)
    check(left, right, sorted(pairs), shingling, PLAIN)


@pytest.mark.parametrize("unit", ["words", "characters"])
@pytest.mark.parametrize("gap", ["é", "天", " ", "x", "\u200b", "\U0001f600", "²"])
def test_numbers_are_those_of_the_normalised_text(gap, unit):
    left, right = [[gap.join("123456789" * 9)]], [[gap.join("987654321" * 7)], [gap.join("７" * 101)], [""]]
    check(left, right, [(0, 0), (0, 1), (0, 2)], Shingling(unit, 2), PLAIN)


@pytest.mark.parametrize("other", ["１２", "1\u200b2", "1²", "①②"])
def test_a_number_is_the_same_however_it_is_written(other):
    counted = compare_single(
        *(units_of(batch([[text]]), "words") for text in ("12 a", f"{other} a")),
        np.zeros((1, 2), np.int64),
        "words",
    )
    assert counted.tolist() == [[2, 2, 2, 0, 0]]


def test_a_number_does_not_reach_from_one_piece_into_the_next():
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0)]
    check([["1", "2"], []], [["12"], ["2", "1"], []], pairs, Shingling("words", 1), PLAIN)


def test_long_rows_of_numbers_are_told_apart():
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 3000, (2, 50_000))
    rows[1, :10_000] = rows[0, 20_000:30_000]
    left, right = ([[" ".join(map(str, row.tolist()))]] for row in rows)
    check(left, right, [(0, 0)], Shingling("words", 1), PLAIN)


def verdict(left, right, **near):
    search = Search(
        Near(**{"n": 1, "jaccard_threshold": 0.5, "words_threshold": 0, "containment_threshold": 0.9} | near)
    )
    mine, theirs = (heap([[text]], search.near.shingles) for text in (left, right))
    return search.judge(mine, theirs, np.array([[0, 0]]), PLAIN)


def test_near_is_what_shares_enough_of_either_or_of_its_own():
    half = verdict("a b c", "b c d")
    assert (half.jaccard[0], half.containment[0], half.near[0]) == (0.5, 2 / 3, True)
    assert not verdict("a b c d", "c d e f g").near[0]
    inside = verdict("a b", "a b c d e f")
    assert (inside.jaccard[0], inside.containment[0], inside.near[0]) == (1 / 3, 1, True)
    # A longer one is not contained in a shorter one.
    around = verdict("a b c d e f", "a b")
    assert (around.jaccard[0], around.containment[0], around.near[0]) == (1 / 3, 1 / 3, False)


def test_near_duplicates_share_enough_of_their_single_words_too():
    one, other = "a b c d e f", "a b c d x y z"
    for enough, near in ((0.4, True), (4 / 9, True), (0.45, False)):
        judged = verdict(one, other, n=2, jaccard_threshold=0.3, words_threshold=enough)
        assert (judged.jaccard[0], judged.near[0]) == (3 / 8, near)
    # Of characters it is not asked, and nothing more is asked of what is contained.
    assert verdict(one, other, shingles="characters", jaccard_threshold=0.3, words_threshold=1.0).near[0]
    assert verdict("a b c", "a b c d e f", n=2, words_threshold=1.0).near[0]


def test_texts_without_words_are_like_nothing():
    for left, right in (("", ""), ("--", "a"), ("a", "")):
        judged = verdict(left, right)
        assert (judged.jaccard[0], judged.containment[0], judged.near[0]) == (0, 0, False)


SUM = "Tom has {} apples and gives {} of them to Ann, how many are left with him now?"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_texts_that_differ_in_their_numbers_alone_are_templates(n):
    for near in ({}, {"swapped_numbers": True}):
        judged = verdict(SUM.format(7, 3), SUM.format(8, 5), n=n, jaccard_threshold=0.2, **near)
        assert (judged.template[0], judged.near[0]) == (not near, bool(near))


def test_a_number_that_is_gone_or_swapped_for_a_word_makes_no_template():
    judged = verdict(SUM.format(7, 3), SUM.format("seven", "three"))
    assert (judged.template[0], judged.near[0]) == (False, True)
    judged = verdict(SUM.format(7, 3), SUM.format(3, 7))
    assert (judged.template[0], judged.near[0]) == (False, True)


def test_other_numbers_in_another_text_make_no_template():
    other = "Tom had {} apples yet he gave {} of those to Bob, so what remains with him today?"
    judged = verdict(SUM.format(7, 3), other.format(7, 4), jaccard_threshold=0.2)
    assert (judged.template[0], judged.near[0]) == (False, True)
