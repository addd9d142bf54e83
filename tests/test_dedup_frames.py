"""Frames of what is left of some texts are those that counting it afresh gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from near_fixtures import texts_and_keys

from tulu_data.dedup import frames
from tulu_data.dedup.frames import Frames
from tulu_data.dedup.likeness import Search
from tulu_data.kernels.frames import PLAIN
from tulu_data.specs.near import Near

TEXTS = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6).map(" ".join), max_size=60)


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Sample where there are eight texts and more, and let a shingle of two texts be a frame."""
    monkeypatch.setattr(frames, "ENOUGH", 4)
    monkeypatch.setattr(frames, "FEWEST", 1)
    monkeypatch.setattr(frames, "_RUN", 20)


def made(texts, keys, workers=1, **near):
    return Frames(texts, keys, Search(Near(**{"n": 1, "frames": 0.2} | near)), workers)


def given_of(texts):
    """Return texts with their keys; those of equal texts differ, as if they were others."""
    return texts_and_keys([f"{text} {k:x}" for k, text in enumerate(texts)])


def looked_at(keys):
    """Return the texts that are counted: all below eight, then one in two, from sixteen on one in four."""
    part = 1
    while len(keys) >= 4 * 2 * part:
        part *= 2
    return [k for k, key in enumerate(keys[:, 0].tolist()) if key % part == 0]


@settings(max_examples=30)
@given(TEXTS)
def test_the_texts_that_are_counted_are_chosen_by_their_keys(texts):
    some, keys = given_of(texts)
    rows = looked_at(keys)
    part = made(some.chosen(np.array(rows, np.int64)), np.zeros((len(rows), 2), np.uint64))
    assert np.array_equal(made(some, keys)._counts, part._counts)


@settings(max_examples=20)
@given(TEXTS, st.data(), st.integers(1, 3))
def test_leaving_texts_out_is_counting_afresh_what_is_left(texts, data, workers):
    some, keys = given_of(texts)
    found, left = made(some, keys, workers), np.arange(len(texts))
    while len(left):
        gone = data.draw(st.sets(st.sampled_from(left.tolist()), min_size=1))
        found.leave_out(np.array(sorted(gone)))
        left = np.setdiff1d(left, list(gone))
        fresh = made(some.chosen(left), keys[left])
        assert np.array_equal(found._counts, fresh._counts)
        assert found._counted == fresh._counted
        assert np.array_equal(found.levels, fresh.levels)


def test_where_most_are_left_out_at_once_the_others_are_all_looked_at():
    texts = [f"a b c{k}" for k in range(64)]
    some, keys = given_of(texts)
    found, left = made(some, keys), np.arange(5)
    found.leave_out(np.arange(5, 64))
    assert np.array_equal(found._counts, made(some.chosen(left), keys[left])._counts)
    assert found._counts.max() == 5


@pytest.mark.parametrize("near", [{"frames": 0.0}, {"scheme": "datasketch"}])
def test_where_nothing_is_weighed_nothing_is_counted(near):
    some, keys = given_of(["a b"] * 20)
    found = made(some, keys, **near)
    found.leave_out(np.arange(3))
    assert found.levels is PLAIN
    assert not found._counts.any()


def test_texts_that_hold_what_counts_otherwise_are_told_by_any_number_of_workers():
    some, keys = given_of(["a b", "c", "a", "d e", "f"])
    found = made(some, keys)
    places = np.zeros(len(found._counts), np.bool_)
    places[np.flatnonzero(made(some.chosen(np.array([1])), keys[1:2])._counts)] = True
    rows = np.array([4, 1, 0])
    for workers in (1, 3):
        assert made(some, keys, workers).holding(rows, places).tolist() == [False, True, False]
    assert found.holding(np.arange(0), places).tolist() == []
