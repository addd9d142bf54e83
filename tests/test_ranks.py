"""Ranks: fixed values, and independence of everything but key, id and copy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.kernels.ranks import rank_key, ranks

MASK = 2**64 - 1


def mix(h: int) -> int:
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & MASK
    h ^= h >> 33
    h = h * 0xC4CEB9FE1A85EC53 & MASK
    return h ^ (h >> 33)


WORD = st.integers(0, MASK)


@given(st.lists(st.tuples(WORD, WORD, st.integers(0, 10**6)), max_size=20), st.integers(0, 2**31), st.text())
def test_ranks_equal_the_formula_in_plain_integers(rows, seed, source):
    key = rank_key(seed, "draw", source)
    ids = np.array([r[:2] for r in rows], np.uint64).reshape(-1, 2)
    copies = np.array([r[2] for r in rows], np.int64)
    k0, k1 = key.tolist()
    expected = [mix(mix((mix(a ^ k0) + b) & MASK) ^ k1 ^ (c * 0x9E3779B97F4A7C15 & MASK)) for a, b, c in rows]
    assert ranks(key, ids, copies).tolist() == expected


def test_ranks_are_fixed_forever():
    key = rank_key(42, "draw", "a")
    assert key.tolist() == [15471799420656919481, 6231659596604502416]
    found = ranks(key, np.array([[1, 2], [3, 4]], np.uint64), np.array([0, 1]))
    assert found.tolist() == [10431039286914154932, 10283960032916104602]


def test_keys_differ_by_seed_purpose_and_source():
    keys = {
        tuple(rank_key(seed, purpose, source).tolist())
        for seed in (1, 2) for purpose in ("draw", "order") for source in ("a", "b")
    }  # fmt: skip
    assert len(keys) == 8
