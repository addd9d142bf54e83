"""The search for similar sets against all pairs and datasketch's own index."""

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH

from tulu_data.kernels.alike import fill_buckets, find_alike, make_plan
from tulu_data.kernels.shingles import shingles


def flat(texts):
    """Return texts, lists of words, as the kernels take them."""
    words = np.array([hash_of(word) for text in texts for word in text], np.uint64)
    return words, np.cumsum([0, *map(len, texts)])


def hash_of(word):
    return (word + 1) * 0x9E3779B97F4A7C15 % 2**64


def grams(text, n):
    return {tuple(text[k : k + n]) for k in range(max(len(text) - n + 1, 1))} if text else set()


def jaccard(one, other):
    return len(one & other) / len(one | other) if one | other else 0.0


def corpus(size, seed):
    """Return texts of words, of which many are edited copies of others."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(size):
        text = rng.integers(0, 500, rng.integers(0, 40)).tolist()
        if texts and rng.random() < 0.7:
            text = list(texts[rng.integers(len(texts))])
            for _ in range(rng.integers(0, 8)):
                text.insert(rng.integers(len(text) + 1), int(rng.integers(500)))
        texts.append(text)
    return texts


def banded(plan, sets, others):
    """Return the pairs that share a band, by datasketch's own index."""
    lanes = len(plan.permutations.factors)
    lsh = MinHashLSH(num_perm=lanes, params=plan.bands)

    def signed(given, k):
        made = MinHash(lanes, hashfunc=lambda h: h & 0xFFFFFFFF)
        made.update_batch(int(h) for h in given.hashes[given.at[k] : given.at[k + 1]])
        return made

    for k in range(len(others.at) - 1):
        lsh.insert(k, signed(others, k))
    return {(k, other) for k in range(len(sets.at) - 1) for other in lsh.query(signed(sets, k))}


@pytest.mark.parametrize(("threshold", "n"), [(0.3, 1), (0.5, 2), (0.8, 3)])
def test_what_is_found_is_every_pair_that_shares_a_band_and_is_alike(threshold, n):
    ours, theirs = corpus(120, 1), corpus(120, 1)[::-1] + corpus(60, 2)
    plan = make_plan(threshold, 64)
    mine, others = shingles(*flat(ours), n), shingles(*flat(theirs), n)
    found = find_alike(others, fill_buckets(mine, plan), plan, threshold)
    pairs = [(a, b) for a, b in found.pairs.tolist()]
    measured = {
        (a, b): jaccard(grams(theirs[a], n), grams(ours[b], n)) for a, b in banded(plan, others, mine)
    }
    assert dict(zip(pairs, found.jaccard.tolist(), strict=True)) == {
        pair: value for pair, value in measured.items() if value > threshold
    }
    assert pairs == sorted(pairs)
    assert len(pairs) > 100


def test_hardly_a_pair_well_above_the_threshold_is_overlooked():
    ours, theirs = corpus(300, 3), corpus(300, 3)
    plan = make_plan(0.4, missed=0.9)
    found = find_alike(shingles(*flat(theirs), 2), fill_buckets(shingles(*flat(ours), 2), plan), plan, 0.4)
    sets = [grams(text, 2) for text in ours]
    near = {(a, b) for a in range(300) for b in range(300) if jaccard(sets[a], sets[b]) > 0.5}
    assert len(near) > 500
    assert len(near - set(map(tuple, found.pairs.tolist()))) <= 0.02 * len(near)


def test_one_text_may_be_like_more_than_there_is_room_for():
    text = list(range(30))
    plan = make_plan(0.4)
    buckets = fill_buckets(shingles(*flat([text] * 9000), 2), plan)
    found = find_alike(shingles(*flat([[1], text, text]), 2), buckets, plan, 0.4)
    assert found.pairs.tolist() == [[k, other] for k in (1, 2) for other in range(9000)]
    assert set(found.jaccard.tolist()) == {1.0}


def test_texts_without_words_are_like_nothing():
    plan = make_plan(0.4)
    buckets = fill_buckets(shingles(*flat([[], [1, 2, 3]]), 2), plan)
    found = find_alike(shingles(*flat([[], [1, 2, 3]]), 2), buckets, plan, 0.4)
    assert found.pairs.tolist() == [[1, 1]]
    nothing = fill_buckets(shingles(*flat([]), 2), plan)
    assert len(find_alike(shingles(*flat([[1, 2]]), 2), nothing, plan, 0.4).pairs) == 0
