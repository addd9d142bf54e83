"""Sharing out rows by weight: exact sums, capacities, and closeness to the quota."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tulu_data.errors import PlanError
from tulu_data.mix.apportion import apportion

NAMES = st.sampled_from("abcdefgh")


@given(
    st.dictionaries(NAMES, st.tuples(st.floats(0.001, 1000), st.integers(0, 500)), min_size=1),
    st.integers(0, 1500),
)
def test_shares_sum_to_the_size_and_respect_capacities(sources, size):
    weights = {n: w for n, (w, _) in sources.items()}
    capacities = {n: c for n, (_, c) in sources.items()}
    assume(sum(capacities.values()) >= size)
    shares = apportion(size, weights, capacities)
    assert sum(shares.values()) == size
    assert all(0 <= shares[n] <= capacities[n] for n in weights)


@given(st.dictionaries(NAMES, st.integers(1, 100), min_size=1), st.integers(0, 1000))
def test_without_tight_capacities_every_share_is_within_one_of_its_quota(weights, size):
    shares = apportion(size, weights, dict.fromkeys(weights, 10**6))
    total = sum(weights.values())
    assert all(abs(shares[n] - size * w / total) < 1 for n, w in weights.items())


def test_largest_remainders_get_the_rest_and_ties_go_by_name():
    assert apportion(10, {"b": 1, "a": 1, "c": 1}, dict.fromkeys("abc", 99)) == {"a": 4, "b": 3, "c": 3}
    assert apportion(10, {"a": 5, "b": 3, "c": 1}, {"a": 4, "b": 99, "c": 99}) == {"a": 4, "b": 5, "c": 1}


def test_a_size_beyond_all_capacities_is_refused():
    with pytest.raises(PlanError, match="size 10 is more than the 7 rows there are"):
        apportion(10, {"a": 1, "b": 1}, {"a": 3, "b": 4})
