"""The scheme `fast` against a brute force in plain Python, and how exact its estimates are."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_reference import batch, batches, shingles_of, sign_texts

from tulu_data.kernels.bands import agreement
from tulu_data.kernels.shingles import Shingling
from tulu_data.kernels.sketch import MOST_LANES, new_fast, sign_sets

EMPTY = 2**32 - 1
hashes = st.integers(0, 2**64 - 1)
lanes = st.sampled_from([1, 2, 3, 16, 100, 128, 257])


def spread(number):
    number = (number ^ number >> 32) * 0xBF58476D1CE4E5B9 % 2**64
    return number ^ number >> 29


def signature(shingles, scheme):
    """Return the least (round, fraction) in every lane, over all rounds of all shingles."""
    prime = len(scheme.factors)
    width = 31 - (prime - 1).bit_length()
    least = [EMPTY] * prime
    for shingle in shingles:
        h = spread((shingle ^ int(scheme.key)) * 0x9E3779B97F4A7C15 % 2**64)
        lane, step = (h >> 48) * prime >> 16, ((h >> 32 & 0xFFFF) * (prime - 1) >> 16) + 1
        least[lane] = min(least[lane], (h % 2**32) >> 1)
        for round_ in range(1, prime):
            lane = (lane + step) % prime
            fraction = h % 2**32 * int(scheme.factors[round_]) % 2**32 >> (32 - width)
            least[lane] = min(least[lane], 2**31 + (round_ << width) + fraction)
    return [least[lane] for lane in scheme.lanes]


def signed(sets, scheme):
    at = np.cumsum([0, *map(len, sets)])
    return sign_sets(np.array([h for each in sets for h in each], np.uint64), at, scheme)


@settings(max_examples=40)
@given(st.lists(st.lists(hashes, max_size=12), max_size=4), lanes, st.integers(0, 2**32 - 1))
def test_signatures_are_those_of_the_brute_force(sets, lanes, seed):
    scheme = new_fast(lanes, seed)
    assert signed(sets, scheme).tolist() == [signature(each, scheme) for each in sets]


@given(st.lists(hashes, min_size=1, max_size=300), st.randoms(use_true_random=False))
def test_order_and_repeats_do_not_matter(shingles, rnd):
    mixed = shingles + rnd.choices(shingles, k=len(shingles))
    rnd.shuffle(mixed)
    one, other = signed([shingles, mixed], new_fast())
    assert one.tolist() == other.tolist()


@given(st.lists(hashes, max_size=40), st.lists(hashes, max_size=40), lanes)
def test_the_signature_of_a_union_is_the_least_of_both(mine, theirs, lanes):
    one, other, both = signed([mine, theirs, mine + theirs], new_fast(lanes))
    assert np.minimum(one, other).tolist() == both.tolist()


@given(st.lists(hashes, min_size=1, max_size=40), lanes)
def test_only_the_empty_set_has_empty_lanes(shingles, lanes):
    empty, filled = signed([[], shingles], new_fast(lanes))
    assert set(empty.tolist()) == {EMPTY}
    assert EMPTY not in filled.tolist()


@given(batches, st.sampled_from(["words", "characters"]), st.integers(1, 6))
def test_texts_are_signed_by_their_shingles(texts, unit, n):
    given_, shingling, scheme = batch(texts), Shingling(unit, n), new_fast(16)
    sets = shingles_of(given_, shingling)
    assert sign_texts(given_, shingling, scheme).tolist() == sign_sets(*sets, scheme).tolist()


def test_a_signature_does_not_depend_on_the_batch():
    texts = [[f"Text {k}", "word " * k, f"some more of {k * k}"] for k in range(60)]
    shingling, scheme = Shingling("words", 2), new_fast()
    together = sign_texts(batch(texts), shingling, scheme)
    assert together.tolist() == [sign_texts(batch([text]), shingling, scheme)[0].tolist() for text in texts]


def test_a_batch_may_hold_nothing():
    scheme, shingling = new_fast(8), Shingling("words", 2)
    assert sign_texts(batch([]), shingling, scheme).shape == (0, 8)
    assert sign_texts(batch([[], [""], ["--"]]), shingling, scheme).tolist() == [[EMPTY] * 8] * 3


def test_threads_sign_what_one_signs():
    texts = batch([[f"traveller {k % 50} has crossed {k % 90} hills by noon"] for k in range(2000)])
    shingling, scheme = Shingling("words", 2), new_fast()
    expected, made = sign_texts(texts, shingling, scheme), [None] * 4

    def work(k):
        made[k] = sign_texts(texts, shingling, scheme)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(each, expected) for each in made)


def test_seeds_and_numbers_of_lanes_give_other_signatures():
    kinds = [new_fast(64, 1), new_fast(64, 2), new_fast(128, 1)]
    rows = [signed([range(1, 2000, 7)], kind)[0, :64] for kind in kinds]
    for k, row in enumerate(rows):
        for other in rows[:k]:
            assert np.mean(row == other) < 0.02


@pytest.mark.parametrize("number", [0, -1, MOST_LANES + 1])
def test_a_number_of_lanes_that_is_not_to_be_had_is_refused(number):
    with pytest.raises(ValueError, match=rf"^lanes: found {number}, expected 1 to {MOST_LANES}$"):
        new_fast(number)


def pairs_of_sets(rng, size, jaccard, count):
    """Return sets one after the other, of which each two in a row share as much as stated."""
    shared = round(2 * size * jaccard / (1 + jaccard))
    pool = rng.integers(0, 2**64, (count, 2 * size - shared), dtype=np.uint64)
    sets = np.stack([pool[:, :size], pool[:, size - shared :]], axis=1).reshape(-1, size)
    return sets.ravel(), np.arange(2 * count + 1) * size, shared / (2 * size - shared)


@pytest.mark.parametrize("size", [3, 10, 30, 128, 1000])
@pytest.mark.parametrize("jaccard", [0.2, 0.5, 0.9])
def test_estimates_are_right_on_average_and_no_less_exact_than_by_chance(size, jaccard):
    count, lanes = 2000, 128
    flat, at, true = pairs_of_sets(np.random.default_rng(size), size, jaccard, count)
    rows = sign_sets(flat, at, new_fast(lanes))
    error = agreement(rows, rows, np.arange(2 * count).reshape(-1, 2)) - true
    chance = np.sqrt(true * (1 - true) / lanes)
    assert abs(error.mean()) <= 5 * chance / np.sqrt(count)
    assert np.sqrt((error**2).mean()) <= 1.08 * chance
