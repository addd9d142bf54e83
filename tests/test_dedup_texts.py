"""What is compared of a record, laid one after another, against plain Python over rows."""

from itertools import groupby, pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.dedup.texts import texts_of
from tulu_data.kernels.piling import pile
from tulu_data.schema import CONTENT, KINDS

TEXT = st.one_of(st.none(), st.text("ab ç天\n", max_size=5))
ROLE = st.sampled_from(["system", "user", "assistant", "assistant", "tool", "assistance", "assistan"])
MESSAGE = st.fixed_dictionaries({"role": ROLE, "content": TEXT, "tool_calls": TEXT})
MESSAGES = st.one_of(st.none(), st.lists(MESSAGE, max_size=4))


def rows_of(kind):
    columns = {field.name: MESSAGES if pa.types.is_list(field.type) else TEXT for field in CONTENT[kind]}
    return st.lists(st.fixed_dictionaries(columns), max_size=5)


def said(messages, voice=None, *, assistants=False):
    """Return the voices and contents, then the tool calls, of messages."""
    chosen = [m for m in messages or [] if not assistants or m["role"] == "assistant"]
    return [
        (int(m["role"] == "assistant") if voice is None else voice, m[name])
        for name in ("content", "tool_calls")
        for m in chosen
        if m[name] is not None
    ]


def asked(messages):
    """Return the messages before the first answer."""
    roles = [m["role"] for m in messages or []]
    return messages[: roles.index("assistant")] if "assistant" in roles else messages


def compared(row, kind, key):
    """Return the voices and texts of a record that a key names, in their order."""
    if kind == "preference":
        parts = {"prompt": None, "chosen": 1, "rejected": 2}
        names = {"conversation": tuple(parts), "prompt": ("prompt",), "answer": ("chosen", "rejected")}
        return [t for name in names[key] for t in said(row[name], parts[name])]
    if key == "prompt":
        return said(asked(row["messages"]) if kind == "sft" else row["messages"])
    truth = [(1, row["ground_truth"])] if kind == "rlvr" and row["ground_truth"] is not None else []
    if key == "answer":
        return said(row["messages"], assistants=True) if kind == "sft" else truth
    return said(row["messages"]) + truth


def laid_down(batch, kind, key):
    """Return what each voice says in a row, by record."""
    laid = pile(texts_of(batch, kind, key))
    text, begin, end, first = laid.texts
    assert len(text) == (laid.ends[-1] if len(laid.ends) else 0)
    spoken = [text[a:b].tobytes().decode() for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
    rows = list(zip(laid.voices.tolist(), spoken, strict=True))
    assert [end[b - 1] if b else 0 for b in first[1:].tolist()] == laid.ends.tolist()
    return [rows[a:b] for a, b in pairwise(first.tolist())]


def expected(rows, kind, key):
    return [
        [
            (voice, "".join(f"{text}\n" for _, text in group))
            for voice, group in groupby(compared(row, kind, key), key=lambda each: each[0])
        ]
        for row in rows
    ]


@pytest.mark.parametrize("key", ["conversation", "prompt", "answer"])
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_each_record_has_the_texts_that_its_key_names(kind, key, data):
    rows = data.draw(rows_of(kind))
    batch = pa.RecordBatch.from_pylist(rows, CONTENT[kind])
    assert laid_down(batch, kind, key) == expected(rows, kind, key)
    first = data.draw(st.integers(0, len(rows)))
    size = data.draw(st.integers(0, len(rows) - first))
    assert laid_down(batch.slice(first, size), kind, key) == expected(rows[first : first + size], kind, key)


@pytest.mark.parametrize("key", ["conversation", "prompt", "answer"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_may_hold_nothing(kind, key):
    empty = CONTENT[kind].empty_table().to_batches() or [pa.RecordBatch.from_pylist([], CONTENT[kind])]
    assert laid_down(empty[0], kind, key) == []


def test_who_of_those_that_ask_says_something_does_not_matter():
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "tool_calls": "[{}]"}]
    others = [{**turns[0], "role": "tool"}, turns[1]]
    batch = pa.RecordBatch.from_pylist(
        [{"messages": turns, "tools": "[1]"}, {"messages": others, "tools": None}], CONTENT["sft"]
    )
    assert laid_down(batch, "sft", "conversation") == [[(0, "q\n"), (1, "a\n[{}]\n")]] * 2
    assert laid_down(batch, "sft", "answer") == [[(1, "a\n[{}]\n")]] * 2
    rlvr = [{"messages": turns[:1], "ground_truth": "4", "verifier": verifier} for verifier in ("math", "x")]
    batch = pa.RecordBatch.from_pylist(rlvr, CONTENT["rlvr"])
    assert laid_down(batch, "rlvr", "conversation") == [[(0, "q\n"), (1, "4\n")]] * 2


def test_what_is_chosen_and_what_is_rejected_have_voices_of_their_own():
    q, a, b = (
        [{"role": role, "content": text}]
        for role, text in (("user", "q"), ("assistant", "a"), ("assistant", "b"))
    )
    rows = [{"prompt": q, "chosen": a, "rejected": b}, {"prompt": q, "chosen": b, "rejected": a}]
    batch = pa.RecordBatch.from_pylist(rows, CONTENT["preference"])
    assert laid_down(batch, "preference", "answer") == [[(1, "a\n"), (2, "b\n")], [(1, "b\n"), (2, "a\n")]]
