"""Filters: what each drops, and what it leaves alone."""

import pyarrow as pa
import pytest

from tulu_data.filters import FILTERS, PATTERNS, excerpts
from tulu_data.schema import CONTENT


def sft(answer: str, prompt: str = "Hello?", calls: str | None = None) -> pa.RecordBatch:
    messages = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": answer, "tool_calls": calls},
    ]
    return pa.RecordBatch.from_pylist([{"messages": messages, "tools": None}], schema=CONTENT["sft"])


@pytest.mark.parametrize(
    ("name", "answer", "dropped"),
    [
        ("empty_turn", "", True),
        ("empty_turn", " \n\u3000", True),
        ("empty_turn", "0", False),
        ("refusal", "I'm sorry, but I can't help with that.", True),
        ("refusal", "I\u2019m sorry, I cannot do this.", True),
        ("refusal", "Unfortunately I am unable to answer.", True),
        ("refusal", "I cannot assist with that request.", True),
        ("refusal", "The knight said: I'm sorry, but I can't help you.", False),
        ("refusal", "Sorry is a short word.", False),
        ("refusal", "I cannot recommend this book highly enough.", False),
        ("identity", "I am ChatGPT, a large model.", True),
        ("identity", "My name is Claude.", True),
        ("identity", "As an AI language model, I have no feelings.", True),
        ("identity", "I was created by OpenAI to help.", True),
        ("identity", "Hello! I am {{name}}, made by {{author}}.", True),
        ("identity", "I'm a friendly, large model made by Google.", True),
        ("identity", "ChatGPT is a product of OpenAI.", False),
        ("identity", "GPT-3 is a language model created by OpenAI.", False),
        ("identity", "I am claustrophobic.", False),
    ],
)
def test_each_filter_drops_what_it_names(name, answer, dropped):
    assert FILTERS[name](sft(answer), "sft").tolist() == [dropped]


def test_only_answers_refuse_or_claim_an_identity():
    batch = sft("Fine.", prompt="As an AI language model, I'm sorry, but I can't help.")
    assert not FILTERS["refusal"](batch, "sft").any()
    assert not FILTERS["identity"](batch, "sft").any()


def test_a_turn_with_a_tool_call_is_not_empty():
    assert not FILTERS["empty_turn"](sft("", calls="[]"), "sft").any()


def test_an_empty_user_turn_counts_and_slices_do_not_shift_rows():
    rows = pa.Table.from_batches([sft("a"), sft("b", prompt=""), sft("c")]).combine_chunks().to_batches()[0]
    assert FILTERS["empty_turn"](rows, "sft").tolist() == [False, True, False]
    assert FILTERS["empty_turn"](rows.slice(1), "sft").tolist() == [True, False]


def test_preference_answers_are_looked_at_in_both_completions():
    turn = [{"role": "user", "content": "q"}]
    row = {
        "prompt": turn,
        "chosen": [{"role": "assistant", "content": "Yes."}],
        "rejected": [{"role": "assistant", "content": "I'm sorry, but I cannot answer."}],
    }
    batch = pa.RecordBatch.from_pylist([row], schema=CONTENT["preference"])
    assert FILTERS["refusal"](batch, "preference").tolist() == [True]


@pytest.mark.parametrize(
    ("name", "answer", "matched"),
    [
        ("refusal", "I'm sorry, but I can't help with that.", "I'm sorry, but I can't"),
        ("identity", "Well, I am ChatGPT.", "I am ChatGPT"),
        ("identity", "Nothing here.", ""),
    ],
)
def test_the_evidence_is_the_text_that_matched(name, answer, matched):
    assert excerpts(sft(answer), "sft", PATTERNS[name]) == [matched]
