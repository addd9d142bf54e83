"""Bands against datasketch's own, and agreement against counting."""

import numpy as np
import pytest
from datasketch import MinHashLSH
from datasketch.lsh import _optimal_param
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.kernels.bands import Bands, agreement, band_keys, bands_for, best_bands


@pytest.mark.parametrize("lanes", [16, 64, 128])
@pytest.mark.parametrize("missed", [0.5, 0.9])
def test_bands_are_those_of_datasketch(lanes, missed):
    for threshold in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        lsh = MinHashLSH(threshold=threshold, num_perm=lanes, weights=(1 - missed, missed))
        assert best_bands(threshold, lanes, missed) == (lsh.b, lsh.r)


@pytest.mark.parametrize(("threshold", "recall"), [(0.3, 0.5), (0.5, 0.9), (0.7, 0.95), (0.7, 0.98)])
def test_bands_for_a_recall_are_datasketchs_of_the_least_weight_that_does_it(threshold, recall):
    bands = bands_for(threshold, recall, 32)

    def reached(weight):
        b, r = _optimal_param(threshold, 32, 1 - weight, weight)
        return 1 - (1 - threshold**r) ** b >= recall, (b, r)

    ways = (reached(k / 100) for k in range(1, 100))
    assert next(way for enough, way in ways if enough) == bands
    assert bands.recall(threshold) >= recall


def test_a_recall_that_no_weight_reaches_is_refused():
    with pytest.raises(ValueError, match=r"^recall: found 0\.99 at a .* of 0\.1, expected at most 0\.5"):
        bands_for(0.1, 0.99, 8)


@given(st.lists(st.lists(st.integers(0, 1), min_size=9, max_size=9)), st.integers(1, 3), st.integers(1, 3))
def test_keys_are_equal_where_number_and_lanes_of_a_band_are(rows, width, number):
    keys = band_keys(np.array(rows, np.uint32).reshape(-1, 9), Bands(number, width))
    told = {}
    for k, row in enumerate(rows):
        for band in range(number):
            part = (band, *row[band * width : (band + 1) * width])
            assert told.setdefault(part, keys[k, band]) == keys[k, band]
    assert len({int(key) for key in told.values()}) == len(told)


@given(st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_agreement_is_the_share_of_equal_lanes(lanes, seed):
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, 3, (2, 5, lanes)).astype(np.uint32)
    pairs = rng.integers(0, 5, (8, 2))
    expected = (left[pairs[:, 0]] == right[pairs[:, 1]]).mean(axis=1)
    assert np.allclose(agreement(left, right, pairs), expected, rtol=0, atol=1e-15)
