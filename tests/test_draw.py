"""Draws: independent of input order, nested, stable under new rows, exact in number."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.mix.draw import Amount, draw, final_order, occurrences

RNG = np.random.default_rng(0)


def random_ids(count: int) -> np.ndarray:
    return RNG.integers(0, 2**64, (count, 2), dtype=np.uint64)


def drawn(ids, amount, seed=42, source="a"):
    rows, copies = draw(seed, source, ids, amount)
    return {(*ids[r].tolist(), int(c)) for r, c in zip(rows, copies, strict=True)}


ID_LISTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@given(ID_LISTS, st.integers(0, 3), st.data())
def test_a_draw_has_the_asked_number_of_distinct_rows_and_ignores_input_order(pairs, copies, data):
    ids = np.array(pairs, np.uint64)
    amount = Amount(copies, data.draw(st.integers(0, len(ids))))
    found = drawn(ids, amount)
    assert len(found) == amount.rows(len(ids))
    order = data.draw(st.permutations(range(len(ids))))
    assert drawn(ids[order], amount) == found


@given(ID_LISTS, st.data())
def test_a_smaller_draw_lies_inside_a_larger_one(pairs, data):
    ids = np.array(pairs, np.uint64)
    large = data.draw(st.integers(0, len(ids)))
    small = data.draw(st.integers(0, large))
    assert drawn(ids, Amount(0, small)) <= drawn(ids, Amount(0, large))


@given(ID_LISTS)
def test_epochs_repeat_every_record_equally_often(pairs):
    ids = np.array(pairs, np.uint64)
    once, thrice = (Counter((a, b) for a, b, _ in drawn(ids, Amount(n, 0))) for n in (1, 3))
    assert thrice == Counter({key: 3 * count for key, count in once.items()})


def test_one_percent_new_rows_change_about_one_percent_of_a_draw():
    ids = random_ids(100_000)
    more = np.concatenate([ids, random_ids(1_000)])
    before, after = drawn(ids, Amount(0, 10_000)), drawn(more, Amount(0, 10_000))
    assert len(before & after) / 10_000 >= 0.988


def test_draws_of_two_sources_and_of_two_seeds_differ():
    ids = random_ids(1000)
    first = drawn(ids, Amount(0, 100))
    assert first != drawn(ids, Amount(0, 100), seed=43)
    assert first != drawn(ids, Amount(0, 100), source="b")


def test_a_draw_is_uniform_over_the_records():
    ids = random_ids(1000)
    chosen = Counter(int(r) for seed in range(200) for r in draw(seed, "a", ids, Amount(0, 100))[0])
    # 200 draws of a tenth: each record about 20 times; 4.5 standard deviations are 19.
    assert max(abs(chosen[r] - 20) for r in range(1000)) <= 20


@given(ID_LISTS)
def test_occurrences_number_the_rows_of_each_id(pairs):
    number, count = occurrences(np.array(pairs, np.uint64))
    totals = Counter(pairs)
    assert count.tolist() == [totals[p] for p in pairs]
    seen: Counter = Counter()
    for pair, n in zip(pairs, number.tolist(), strict=True):
        assert n == seen[pair]
        seen[pair] += 1


@given(ID_LISTS, st.data())
def test_the_final_order_ignores_input_order_and_the_order_of_sources(pairs, data):
    ids = np.array(pairs, np.uint64)
    source = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(ids), max_size=len(ids))), np.int64)
    number, _ = occurrences(ids)
    names = ["b", "a"]

    def ordered(rows, flip):
        order = final_order(7, names[::-1] if flip else names, 1 - source[rows] if flip else source[rows],
                            ids[rows], number[rows])  # fmt: skip
        return [(*ids[r].tolist(), int(source[r]), int(number[r])) for r in np.asarray(rows)[order]]

    shuffled = data.draw(st.permutations(range(len(ids))))
    assert ordered(list(range(len(ids))), flip=False) == ordered(shuffled, flip=True)
