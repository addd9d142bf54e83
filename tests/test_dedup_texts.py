"""What is compared of a record, laid one after another, against plain Python over rows."""

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


def said(messages, assistants):
    """Return the contents, then the tool calls, of messages."""
    chosen = [m for m in messages or [] if not assistants or m["role"] == "assistant"]
    return [m[name] for name in ("content", "tool_calls") for m in chosen if m[name] is not None]


def asked(messages):
    """Return the messages before the first answer."""
    roles = [m["role"] for m in messages or []]
    return messages[: roles.index("assistant")] if "assistant" in roles else messages


def compared(row, kind, key):
    """Return the texts of a record that a key names, in their order."""
    if kind == "preference":
        names = {"conversation": ("prompt", "chosen", "rejected"), "prompt": ("prompt",)}
        return [
            t for name in names.get(key, ("chosen", "rejected")) for t in said(row[name], assistants=False)
        ]
    if key == "prompt":
        return said(asked(row["messages"]) if kind == "sft" else row["messages"], assistants=False)
    truth = [row["ground_truth"]] if kind == "rlvr" and row["ground_truth"] is not None else []
    if key == "answer":
        return said(row["messages"], assistants=True) if kind == "sft" else truth
    return said(row["messages"], assistants=False) + truth


def laid_down(batch, kind, key):
    text, ends = pile(texts_of(batch, kind, key))
    starts = [0, *ends.tolist()]
    assert len(text) == starts[-1]
    return [text[a:b].tobytes().decode() for a, b in zip(starts, ends.tolist(), strict=False)]


def expected(rows, kind, key):
    return ["".join(f"{text}\n" for text in compared(row, kind, key)) for row in rows]


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


def test_roles_names_and_settings_are_never_compared():
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "tool_calls": "[{}]"}]
    others = [{**turn, "role": "tool"} for turn in turns]
    batch = pa.RecordBatch.from_pylist(
        [{"messages": turns, "tools": "[1]"}, {"messages": others, "tools": None}], CONTENT["sft"]
    )
    assert laid_down(batch, "sft", "conversation") == ["q\na\n[{}]\n"] * 2
    assert laid_down(batch, "sft", "answer") == ["a\n[{}]\n", ""]
    rlvr = [{"messages": turns[:1], "ground_truth": "4", "verifier": verifier} for verifier in ("math", "x")]
    batch = pa.RecordBatch.from_pylist(rlvr, CONTENT["rlvr"])
    assert laid_down(batch, "rlvr", "conversation") == ["q\n4\n"] * 2
