"""Signatures of weighed shingles: they agree in the share of lanes that is the weighed Jaccard similarity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shingle_reference import batch, batches, shingles_of, sign_texts

from tulu_data.kernels.bands import agreement
from tulu_data.kernels.frames import DEEPEST, PLACES
from tulu_data.kernels.shingles import Shingling
from tulu_data.kernels.sketch import new_fast, sign_sets
from tulu_data.kernels.words import fixed

EMPTY = 2**32 - 1
hashes = st.integers(0, 2**64 - 1)
lanes = st.sampled_from([1, 2, 16, 100, 128])


def leveled(seed, size=256):
    return fixed(np.random.default_rng(seed).integers(0, DEEPEST + 1, size).astype(np.uint8))


def signed(sets, scheme, levels):
    at = np.cumsum([0, *map(len, sets)])
    return sign_sets(np.array([h for each in sets for h in each], np.uint64), at, scheme, levels)


@given(st.lists(st.lists(hashes, max_size=40), max_size=4), lanes)
def test_where_all_count_in_full_signatures_are_those_without_levels(sets, lanes):
    scheme = new_fast(lanes)
    at = np.cumsum([0, *map(len, sets)])
    plain = sign_sets(np.array([h for each in sets for h in each], np.uint64), at, scheme)
    assert np.array_equal(signed(sets, scheme, fixed(np.zeros(PLACES, np.uint8))), plain)


@given(st.lists(hashes, min_size=1, max_size=60), st.integers(0, 9), st.randoms(use_true_random=False))
def test_a_signature_is_told_by_the_set_and_its_levels_alone(shingles, seed, rnd):
    mixed = shingles + rnd.choices(shingles, k=len(shingles))
    rnd.shuffle(mixed)
    levels = leveled(seed)
    one, other = signed([shingles, mixed], new_fast(), levels)
    assert one.tolist() == other.tolist()
    assert signed([[1, 2, 3], shingles], new_fast(), levels)[1].tolist() == one.tolist()


@given(st.lists(hashes, min_size=1, max_size=20), st.integers(1, DEEPEST), lanes)
def test_light_shingles_alone_fill_all_lanes(shingles, level, lanes):
    levels = fixed(np.full(16, level, np.uint8))
    (row,) = signed([shingles], new_fast(lanes), levels)
    assert EMPTY not in row.tolist()


@given(batches, st.integers(0, 9))
def test_texts_are_signed_by_their_shingles_and_the_levels(texts, seed):
    given_, shingling, scheme, levels = batch(texts), Shingling("words", 2), new_fast(16), leveled(seed)
    sets = shingles_of(given_, shingling)
    assert np.array_equal(sign_texts(given_, shingling, scheme, levels), sign_sets(*sets, scheme, levels))


def weight(shingles, levels):
    return float(np.sum(0.5 ** levels[shingles >> np.uint64(20) & np.uint64(len(levels) - 1)]))


@pytest.mark.parametrize(("light", "shared"), [(0, 0.5), (1, 0.5), (2, 0.3), (4, 0.7), (4, 0.2)])
@pytest.mark.parametrize("size", [20, 150, 1000])
def test_lanes_agree_in_the_share_of_the_weighed_jaccard_similarity(light, shared, size):
    """Three in four shingles are light ones, those that both hold more often than not."""
    rng, pairs = np.random.default_rng(size + light), 300
    levels = fixed((np.arange(256) % 4 > 0).astype(np.uint8) * np.uint8(light))
    scheme, estimates, true = new_fast(128), [], []
    for _ in range(pairs):
        pool = rng.integers(0, 2**64, 2 * size, np.uint64)
        both, left, right = np.split(pool, [int(size * shared), size])
        sets = [np.concatenate([both, left]), np.concatenate([both, right])]
        rows = signed(sets, scheme, levels)
        estimates.append(agreement(rows, rows, np.array([[0, 1]]))[0])
        true.append(weight(both, levels) / (weight(pool, levels)))
    error = np.array(estimates) - np.array(true)
    chance = np.sqrt(np.mean(np.array(true) * (1 - np.array(true))) / 128)
    assert abs(error.mean()) < 6 * chance / np.sqrt(pairs)
    assert np.sqrt((error**2).mean()) < 1.3 * chance
