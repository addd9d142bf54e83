"""Exact duplicates: one record of each stays, the same one for any input order."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.dedup.exact import first_equal, first_of_each, prompts
from tulu_data.schema import CONTENT

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 5)), min_size=0, max_size=30
)  # (key, priority, id)


def arrays(rows):
    keys = np.array([(k, 0) for k, _, _ in rows], np.uint64).reshape(-1, 2)
    ids = np.array([(0, i) for _, _, i in rows], np.uint64).reshape(-1, 2)
    return keys, np.array([p for _, p, _ in rows], np.int64), ids


@given(ROWS, st.data())
def test_the_best_of_every_key_is_kept_whatever_the_order(rows, data):
    kept, stands = first_of_each(*arrays(rows))
    best: dict = {}
    for k, p, i in rows:
        best[k] = min(best.get(k, (p, i)), (p, i))
    found = {k: (p, i) for (k, p, i), keep in zip(rows, kept, strict=True) if keep}
    assert found == best
    assert kept.sum() == len(best)
    assert all(rows[s][0] == rows[n][0] and kept[s] for n, s in enumerate(stands.tolist()))
    again = data.draw(st.permutations(rows))
    shuffled, _ = first_of_each(*arrays(again))
    assert sorted(r for r, keep in zip(again, shuffled, strict=True) if keep) == sorted(
        r for r, keep in zip(rows, kept, strict=True) if keep
    )


@given(ROWS)
def test_dedup_of_a_deduplicated_set_changes_nothing(rows):
    kept, _ = first_of_each(*arrays(rows))
    left = [row for row, keep in zip(rows, kept, strict=True) if keep]
    assert first_of_each(*arrays(left))[0].all()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))),
)
def test_the_first_equal_row_is_found(known, asked):
    words = [np.array(rows, np.uint64).reshape(-1, 2) for rows in (known, asked)]
    expected = [known.index(row) if row in known else -1 for row in asked]
    assert first_equal(*words).tolist() == expected


TURNS = st.lists(
    st.tuples(st.sampled_from(["system", "user", "assistant"]), st.sampled_from("ab")), max_size=5
)


@given(st.lists(TURNS, min_size=1, max_size=5))
def test_a_prompt_is_the_turns_before_the_first_answer(chats):
    rows = [{"messages": [{"role": r, "content": c} for r, c in chat], "tools": None} for chat in chats]
    batch = pa.RecordBatch.from_pylist([*rows[:1], *rows], schema=CONTENT["sft"]).slice(1)
    found = [
        [(turn["role"], turn["content"]) for turn in turns] for turns in prompts(batch, "sft").to_pylist()
    ]

    def prompt(chat):
        roles = [r for r, _ in chat]
        return chat[: roles.index("assistant")] if "assistant" in roles else chat

    assert found == [prompt(chat) for chat in chats]
