"""Frames against plain Python: how many texts hold a shingle, what it counts then, and which hold it."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_reference import batch, batches, shingles_of

from tulu_data.kernels.frames import DEEPEST, PLACES, count, held, levels_of, near_bounds, new_tally
from tulu_data.kernels.shingles import Shingling
from tulu_data.kernels.units import units_of

shinglings = st.builds(Shingling, st.sampled_from(["words", "characters"]), st.integers(1, 4))
few_words = st.lists(st.lists(st.text("ab ", max_size=12), max_size=2), max_size=8)


def places_of(texts, shingling):
    """Return the places that each text holds, as sets."""
    sets = shingles_of(texts, shingling)
    parts = np.split(sets.hashes, sets.at[1:-1]) if len(sets.at) > 1 else []
    return [{(h >> 20) % PLACES for h in part.tolist()} for part in parts]


@settings(max_examples=30)
@given(st.lists(st.one_of(few_words, batches), max_size=3), shinglings)
def test_each_text_counts_once_at_each_place_that_it_holds(parts, shingling):
    tally, before, expected = new_tally(), 0, Counter()
    for part in map(batch, parts):
        count(units_of(part, shingling.unit), shingling.n, tally, before)
        before += len(part.first) - 1
        for places in places_of(part, shingling):
            expected.update(places)
    at = np.flatnonzero(tally.counts).tolist()
    assert dict(zip(at, tally.counts[at].tolist(), strict=True)) == expected


@given(few_words, shinglings, st.data())
def test_texts_that_hold_a_marked_place_are_told(texts, shingling, data):
    texts = batch(texts)
    holds = places_of(texts, shingling)
    every = sorted({place for places in holds for place in places})
    marked = data.draw(st.sets(st.sampled_from(every))) if every else set()
    marks = np.zeros(PLACES, np.bool_)
    marks[list(marked)] = True
    found, sizes = held(units_of(texts, shingling.unit), shingling.n, marks)
    ends = np.cumsum(sizes).tolist()
    told = [found[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]
    assert [set(each.tolist()) for each in told] == [places & marked for places in holds]


@given(st.lists(st.integers(0, 10**6), min_size=1), st.floats(1, 10**5))
def test_a_shingle_counts_half_for_each_doubling(counts, most):
    levels = levels_of(np.array(counts, np.uint32), most)
    for number, level in zip(counts, levels.tolist(), strict=True):
        # Rounded to the nearest doubling.
        assert level == 0 or number >= most * 2 ** (level - 0.5)
        assert level == DEEPEST or number <= most * 2 ** (level + 0.5)
        assert 0 <= level <= DEEPEST


def test_levels_at_the_doublings():
    counts = np.array([0, 1, 31, 32, 33, 64, 128, 256, 512, 1024, 2**32 - 1], np.uint32)
    assert levels_of(counts, 32.0).tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 4, 4]


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=20), st.floats(1, 100),
    st.sampled_from([0.0, 0.15, 1.0]),
)  # fmt: skip
def test_what_some_change_of_its_count_would_move_to_another_level_is_near_a_bound(counts, most, halvings):
    marked = near_bounds(np.array(counts, np.uint32), most, halvings).tolist()
    for number, mark in zip(counts, marked, strict=True):
        low, high = (int(number * 2.0**by) for by in (-halvings, halvings))
        assert mark == (len(set(levels_of(np.arange(low, high + 1, dtype=np.uint32), most).tolist())) > 1)
