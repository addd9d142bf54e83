"""What is shown of a search: the least alike of each tenth, and the largest clusters."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.dedup.examples import CROWD, SHOWN, shown_of, tenths
from tulu_data.dedup.finder import Outcome
from tulu_data.dedup.reasons import CONTAINED, NEAR, RECORD

ROWS = st.lists(st.tuples(st.sampled_from([NEAR, NEAR, CONTAINED, RECORD]), st.integers(0, 100)), max_size=30)


def outcome(rows):
    """Make an outcome: row 0 is kept, and every other row is dropped for it, by (reason, percent)."""
    count = len(rows) + 1
    shares = np.array([0.0, *(percent / 100 for _, percent in rows)])
    return Outcome(
        alike=np.array([-1] + [0] * (count - 1)), stays=np.zeros(count, np.int64),
        reason=np.array([0, *(reason for reason, _ in rows)], np.uint8), jaccard=shares, containment=shares,
        crowds=np.zeros(count, np.int64), near=None, wordless=0, too_large=0,
    )  # fmt: skip


def shown(rows, text=lambda row: f"text {row}"):
    ids = np.arange(2 * len(rows) + 2, dtype=np.uint64).reshape(-1, 2)
    origins = pa.chunked_array([[f"f:{k}" for k in range(len(rows) + 1)]], pa.large_string())
    return shown_of(outcome(rows), ids, origins, text)


@given(ROWS)
def test_the_least_alike_of_each_tenth_is_shown(rows):
    near = sorted(percent for reason, percent in rows if reason == NEAR)
    held = sorted(percent for reason, percent in rows if reason == CONTAINED)
    least = {min(percent // 10, 9): percent for percent in reversed(near)}
    wanted = [least[tenth] for tenth in sorted(least)][: SHOWN - bool(held)] + held[:1]
    found = shown(rows).examples
    assert [round(100 * one.jaccard) for one in found] == wanted
    for one in found:
        row = int(one.origins[0].partition(":")[2])
        assert one.texts == (f"text {row}", "text 0")
        assert one.spans == ([(5, len(f"text {row}"))], [(5, 6)])


def test_a_text_that_is_not_at_hand_marks_nothing_in_the_other():
    (one,) = shown([(NEAR, 70)], lambda row: "here" if row else "").examples
    assert (one.texts, one.spans) == (("here", ""), ([], []))


@given(ROWS)
def test_near_duplicates_are_counted_by_tenths(rows):
    near = [percent for reason, percent in rows if reason == NEAR]
    found = tenths(outcome(rows))
    every = [min(percent // 10, 9) for percent in near]
    first, last = (min(every), max(every)) if every else (0, -1)
    assert found == {f"{k / 10:.1f}-{(k + 1) / 10:.1f}": every.count(k) for k in range(first, last + 1)}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_the_largest_clusters_come_first(stays):
    # A record stays for itself and for every row that names it.
    rows = np.array([*range(6), *stays])
    made = Outcome(
        alike=np.where(rows == np.arange(len(rows)), -1, rows), stays=rows,
        reason=np.where(rows == np.arange(len(rows)), 0, RECORD).astype(np.uint8),
        jaccard=np.ones(len(rows)), containment=np.ones(len(rows)), crowds=np.zeros(len(rows), np.int64),
        near=None, wordless=0, too_large=0,
    )  # fmt: skip
    ids = np.arange(2 * len(rows), dtype=np.uint64).reshape(-1, 2)
    origins = pa.chunked_array([[f"f:{k}" for k in range(len(rows))]], pa.large_string())
    found = shown_of(made, ids, origins, str).largest
    sizes = {k: 1 + stays.count(k) for k in range(6) if k in stays}
    wanted = sorted(sizes, key=lambda k: (-sizes[k], k))[:SHOWN]
    assert [(one.size, one.origin, one.text) for one in found] == [
        (sizes[k], f"f:{k}", str(k)) for k in wanted
    ]
    assert all(one.spans == [(0, 1)] for one in found)


@given(st.lists(st.sampled_from([0, 1, CROWD - 1, CROWD, CROWD + 1, 5 * CROWD]), max_size=20))
def test_the_most_crowded_come_first_and_what_is_not_crowded_never(crowds):
    made = replace(outcome([(NEAR, 50)] * len(crowds)), crowds=np.array([0, *crowds]))
    ids = np.arange(2 * len(crowds) + 2, dtype=np.uint64).reshape(-1, 2)
    origins = pa.chunked_array([[f"f:{k}" for k in range(len(crowds) + 1)]], pa.large_string())
    found = [(one.compared, int(one.origin[2:])) for one in shown_of(made, ids, origins, str).crowded]
    every = [(met, row) for row, met in enumerate(crowds, 1) if met >= CROWD]
    assert found == sorted(every, key=lambda one: (-one[0], one[1]))[:SHOWN]
