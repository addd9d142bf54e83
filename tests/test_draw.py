"""Draws: independent of input order, nested, stable under new rows, exact in number."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.mix.amounts import Left, amount
from tulu_data.mix.draw import Amount, by_rank, draw, final_order, may_repeat, occurrences
from tulu_data.specs.source import Take

RNG = np.random.default_rng(0)


def random_ids(count: int) -> np.ndarray:
    return RNG.integers(0, 2**64, (count, 2), dtype=np.uint64)


def drawn(ids, amount, seed=42, source="a"):
    rows, copies, kept, different = draw(seed, source, ids, amount)
    assert kept == len(set(rows.tolist()))
    assert different == len({*map(tuple, ids[rows].tolist())})
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


# Few values in the upper half, in the lower half, or in both: ranks that tie in a part and in all.
TYING = st.tuples(st.integers(0, 2), st.integers(0, 3)).map(lambda pair: pair[0] << 62 | pair[1])
ROWS = st.lists(st.tuples(TYING, st.integers(0, 1), st.integers(0, 1)), max_size=40)


@given(ROWS)
def test_the_order_by_rank_is_that_of_a_sort_by_all_keys(rows):
    rank, first, second = np.array(rows, np.uint64).reshape(-1, 3).T
    assert by_rank(rank, (second, first)).tolist() == np.lexsort((second, first, rank)).tolist()


@given(st.lists(TYING | st.integers(0, 2**64 - 1), max_size=60))
def test_a_value_that_is_there_twice_is_seen(values):
    assert may_repeat(np.array(values, np.uint64)) == (len(set(values)) < len(values))


POOL, MORE = random_ids(100_000), random_ids(1_000)
SEEDS, NAMES = st.integers(0, 2**63 - 1), st.text(min_size=1, max_size=8)


def share_kept(before: np.ndarray, after: np.ndarray) -> float:
    """Return how much of one draw of distinct records is in another."""
    return float(np.isin(before, after).mean())


@settings(max_examples=40)
@given(SEEDS, NAMES, st.integers(40_000, 100_000))
def test_one_percent_new_rows_change_at_most_1_2_percent_of_a_draw(seed, source, count):
    """Of draws so large that chance alone does not pass 1.2%: it is five standard deviations away."""
    more = np.concatenate([MORE, POOL])
    before = draw(seed, source, POOL, Amount(0, count))[0]
    after = draw(seed, source, more, Amount(0, count))[0] - len(MORE)
    assert share_kept(before, after) >= 0.988


@settings(max_examples=20)
@given(SEEDS, NAMES)
def test_one_percent_new_rows_change_about_one_percent_of_a_small_draw(seed, source):
    """Of 10,000 of 100,000 a draw loses 99 in the mean, and 9.9 is the standard deviation of that."""
    before = draw(seed, source, POOL, Amount(0, 10_000))[0]
    after = draw(seed, source, np.concatenate([MORE, POOL]), Amount(0, 10_000))[0] - len(MORE)
    assert 0.983 <= share_kept(before, after) <= 0.996


@given(ID_LISTS, ID_LISTS, SEEDS, st.data())
def test_a_record_leaves_a_draw_only_to_make_room_for_a_new_one(pairs, others, seed, data):
    some = Amount(0, data.draw(st.integers(0, len(pairs))))
    ids = np.array(pairs, np.uint64)
    before = drawn(ids, some, seed)
    after = drawn(np.concatenate([ids, np.array(others, np.uint64)]), some, seed)
    old = drawn(ids, Amount(1, 0), seed)
    assert len(before - after) == len(after - old)


@settings(max_examples=20)
@given(SEEDS, NAMES, st.floats(0.001, 0.999))
def test_a_draw_of_a_tenth_lies_inside_that_of_a_fifth_and_any_smaller_inside_any_larger(
    seed, source, fraction
):
    def rows(part: float) -> set[int]:
        take = Take(fraction=part)
        return {*draw(seed, source, POOL[:5000], amount(take, Left(rows=5000)))[0].tolist()}

    assert len(rows(0.1)) == 500
    assert rows(0.1) < rows(0.2)
    small, large = sorted((rows(fraction), rows(0.2)), key=len)
    assert small <= large


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
