"""Exact duplicates: one record of each stays, the same one for any input order."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.dedup.exact import first_equal, first_of_each, prompts
from tulu_data.schema import CONTENT

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30)
"""Lists of (key, rank)."""


def arrays(rows):
    keys = np.array([(k, 0) for k, _ in rows], np.uint64).reshape(-1, 2)
    return keys, np.array([rank for _, rank in rows], np.int64)


@given(ROWS)
def test_of_every_key_the_first_by_rank_then_by_row_is_kept_and_stands_for_all(rows):
    best: dict = {}
    for row, (k, rank) in enumerate(rows):
        best[k] = min(best.get(k, (rank, row)), (rank, row))
    kept, stands = first_of_each(*arrays(rows))
    assert stands.tolist() == [best[k][1] for k, _ in rows]
    assert kept.tolist() == [stand == row for row, stand in enumerate(stands)]


@given(ROWS)
def test_both_words_of_a_key_are_looked_at(rows):
    words = np.array(rows, np.uint64).reshape(-1, 2)
    kept, stands = first_of_each(words, np.arange(len(rows)))
    assert stands.tolist() == [rows.index(row) for row in rows]
    assert kept.sum() == len(set(rows))


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
