"""The rarest pairs of texts against brute force."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.kernels.ordering import in_order
from tulu_data.kernels.rarest import Held, rarest

# Hashes that agree in their leading bits too, and ones that agree in nothing else.
hashes = st.integers(0, 30) | st.integers(0, 30).map(lambda h: h << 40) | st.integers(0, 2**64 - 1)


def columns(pairs):
    rows = list(zip(*pairs, strict=True)) or [(), (), ()]
    return Held(
        *(np.array(row, kind) for row, kind in zip(rows, (np.uint64, np.int32, np.int32), strict=True))
    )


@given(st.lists(hashes, max_size=200))
def test_hashes_come_in_order_and_equal_ones_as_they_stood(made):
    keys, order = in_order(np.array(made, np.uint64))
    expected = sorted(range(len(made)), key=lambda k: made[k])
    assert order.tolist() == expected
    assert keys.tolist() == [made[k] for k in expected]


@given(
    st.lists(st.lists(st.sampled_from([*range(12), 5 << 50, 5 << 50 | 1]), max_size=40), max_size=6),
    st.integers(0, 4), st.integers(1, 5), st.integers(1, 4), st.randoms(),
)  # fmt: skip
def test_a_part_of_a_text_keeps_its_rarest_pairs_then_its_heaviest(texts, most_shared, most, parts, random):
    weight = {pair: random.randint(1, 3) for text in texts for pair in text}
    shared = Counter(pair for text in texts for pair in set(text))
    expected = set()
    for unit, text in enumerate(texts):
        edges = [len(text) * part // parts for part in range(parts + 1)]
        for start, stop in pairwise(edges):
            fresh = {pair for k, pair in enumerate(text[:stop]) if k >= start and pair not in text[:k]}
            best = sorted(fresh, key=lambda pair: (shared[pair], -weight[pair], pair))
            rare = [pair for pair in best if shared[pair] <= most_shared]
            expected |= {(pair, unit, weight[pair]) for pair in rare[:most]}
    made = [(pair, unit, weight[pair]) for unit, text in enumerate(texts) for pair in text]
    found = zip(*(column.tolist() for column in rarest(columns(made), most_shared, most, parts)), strict=True)
    assert list(found) == sorted(expected)
