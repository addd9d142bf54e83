"""Filters: what each drops and why, what it leaves alone, and that batches and their order do not matter."""

import json
import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.filters import FILTERS
from tulu_data.filters.date import outside, without
from tulu_data.filters.keyword import pattern_of
from tulu_data.filters.lengths import characters, lengths, turn_counts
from tulu_data.schema import CONTENT, Kind
from tulu_data.sources.dates import DATES
from tulu_data.specs.filters import Dated, Dropped, Keyword

Row = dict[str, Any]
LOOP = "The cat sat on the mat and looked at me. " * 20


def said(role: str, text: str, calls: str | None = None) -> Row:
    return {"role": role, "content": text, "tool_calls": calls}


def sft(*turns: Row) -> Row:
    return {"messages": list(turns), "tools": None}


def answered(answer: str, prompt: str = "Hello?") -> Row:
    return sft(said("user", prompt), said("assistant", answer))


def preference(prompt: str, chosen: str, rejected: str) -> Row:
    turns = (said("user", prompt), said("assistant", chosen), said("assistant", rejected))
    return dict(zip(("prompt", "chosen", "rejected"), ([turn] for turn in turns), strict=True))


def batch_of(*rows: Row, kind: Kind = "sft") -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=CONTENT[kind])


def found(name: str, *rows: Row, kind: Kind = "sft", **told: Any) -> list[Row | None]:
    """Return the evidence of a filter on each of some records."""
    entry = Dropped.model_validate({name: told})
    texts = FILTERS[entry.name].find(batch_of(*rows, kind=kind), kind, entry.settings)
    return [None if text is None else json.loads(text) for text in texts.to_pylist()]


@pytest.mark.parametrize(
    ("name", "answer", "matched"),
    [
        ("refusal", "I'm sorry, but I can't help with that.", "I'm sorry, but I can't"),
        ("refusal", "I\u2019m sorry, I cannot do this.", "I\u2019m sorry, I cannot"),
        ("refusal", "Unfortunately I am unable to answer.", "Unfortunately I am unable to"),
        ("refusal", "I cannot assist with that request.", "I cannot assist"),
        ("refusal", "I won\u2019t help with that.", "I won\u2019t help"),
        ("refusal", "Sorry, but I won't be able to provide it.", "Sorry, but I won't be able to provide"),
        ("refusal", "I'm sorry, but I won't be able to attend the meeting.", None),
        ("refusal", "The knight said: I'm sorry, but I can't help you.", None),
        ("refusal", "Sorry is a short word.", None),
        ("refusal", "I cannot recommend this book highly enough.", None),
        ("identity", "Well, I am ChatGPT, a large model.", "I am ChatGPT"),
        ("identity", "My name is Claude.", "My name is Claude"),
        ("identity", "As an AI language model, I have no feelings.", "As an AI language model"),
        ("identity", "I was created by OpenAI to help.", "I was created by OpenAI"),
        ("identity", "I\u2019m Gemini.", "I\u2019m Gemini"),
        ("identity", "Hello! I am {{name}}, made by {{author}}.", "{{name}}"),
        (
            "identity",
            "I'm a friendly, large model made by Google.",
            "I'm a friendly, large model made by Google",
        ),
        ("identity", "ChatGPT is a product of OpenAI.", None),
        ("identity", "GPT-3 is a language model created by OpenAI.", None),
        ("identity", "I am claustrophobic.", None),
    ],
)
def test_answers_that_match_are_dropped_with_what_matched(
    name: str, answer: str, matched: str | None
) -> None:
    expected = None if matched is None else {"matched": matched, "turn": 1}
    assert found(name, answered(answer)) == [expected]


@pytest.mark.parametrize("name", ["refusal", "identity"])
def test_only_answers_refuse_or_claim_an_identity(name: str) -> None:
    text = "I'm sorry, I can't: as an AI language model, I am ChatGPT."
    assert found(name, answered("Fine.", prompt=text)) == [None]
    asked = preference("q", "Yes.", "No.")
    asked["prompt"] = [said("assistant", text), said("user", "q")]
    assert found(name, asked, kind="preference") == [None]
    either = [preference("q", text, "No."), preference("q", "Yes.", text)]
    turns = [what and what["turn"] for what in found(name, *either, kind="preference")]
    assert turns == [1, 2]


def test_ones_own_name_may_be_claimed_and_others_be_added() -> None:
    rows = [answered(f"I am {name}.") for name in ("Qwen", "Bobby Blue", "Claude")]
    rows.append(answered("I was trained by Ai2."))
    told = found("identity", *rows, names=["Bobby  Blue"], makers=["Ai2"], own=["qwen"])
    assert [what and what["matched"] for what in told] == [
        None, "I am Bobby Blue", "I am Claude", "I was trained by Ai2",
    ]  # fmt: skip
    assert [what is None for what in found("identity", *rows)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("turn", "empty"),
    [
        (said("assistant", ""), True), (said("assistant", " \n\u3000"), True),
        (said("assistant", "0"), False),
        (said("assistant", "", "[]"), False), (said("user", "\t"), True),
    ],
)  # fmt: skip
def test_a_turn_without_text_or_tool_call_is_empty(turn: Row, empty: bool) -> None:
    told = found("empty_turn", sft(said("user", "Hello?"), turn, said("assistant", "")))
    assert told == [{"turn": 1 if empty else 2, "role": turn["role"] if empty else "assistant"}]
    assert found("empty_turn", sft(turn)) == [{"turn": 0, "role": turn["role"]} if empty else None]


def test_an_empty_completion_of_a_preference_is_found_where_it_stands() -> None:
    rows = [preference("q", "", "No."), preference("q", "Yes.", " "), preference("q", "Yes.", "No.")]
    assert found("empty_turn", *rows, kind="preference") == [
        {"turn": 1, "role": "assistant"}, {"turn": 2, "role": "assistant"}, None,
    ]  # fmt: skip


def test_an_answer_in_a_loop_is_dropped_with_its_measure() -> None:
    prose = " ".join(f"Step {i} adds {i * i} to what {i + 1} came before." for i in range(30))
    told = found(
        "repetition", answered(LOOP), answered(prose), answered("Yes.", prompt=LOOP), answered("a " * 49)
    )
    assert told == [
        {"measure": "duplicate_5_grams", "value": 0.9499, "limit": 0.7, "turn": 1},
        None,
        None,
        None,
    ]
    (told_all,) = found("repetition", answered("a " * 49), min_words=49)
    assert told_all is not None
    assert told_all["measure"] == "top_2_gram"
    off = {"top_ngrams": [1.0] * 3, "duplicate_ngrams": [1.0] * 6}
    assert found("repetition", answered(LOOP), **off) == [None]
    assert [
        what is None for what in found("repetition", preference("q", "Yes.", LOOP), kind="preference")
    ] == [False]


@pytest.mark.parametrize(
    ("settings", "text", "matched"),
    [
        ({"words": ["open ai"]}, "By Open\nAI.", "Open\nAI"),
        ({"words": ["ai"]}, "paid", None),
        ({"words": ["ai"], "whole": False}, "paid", "ai"),
        ({"words": ["ai"], "case": True}, "AI", None),
        ({"words": ["caf\u00e9"]}, "un caf\u00e9, si", "caf\u00e9"),
        ({"words": ["caf"]}, "un caf\u00e9", None),
        ({"words": ["c++"]}, "in C++.", "C++"),
        ({"words": ["c"]}, "c_x c1", None),
        ({"words": ["\u5b66"]}, "\u5927\u5b66\u751f", "\u5b66"),
        ({"words": ["GPT"]}, "\u662fGPT\u5417", "GPT"),
        ({"patterns": ["a(b|c)+", "z"]}, "xabcb", "abcb"),
        ({"words": ["no"], "patterns": ["\\d{3}"]}, "1234", "123"),
    ],
)
def test_a_keyword_is_found_as_the_settings_say(settings: Row, text: str, matched: str | None) -> None:
    expected = None if matched is None else {"matched": matched, "turn": 1}
    assert found("keyword", answered(text), **settings) == [expected]


def test_keywords_are_looked_for_in_the_turns_of_some_roles() -> None:
    row = sft(said("system", "one"), said("user", "two"), said("assistant", "three"), said("tool", "four"))
    for number, word in enumerate(("one", "two", "three", "four")):
        assert found("keyword", row, words=[word]) == [{"matched": word, "turn": number}]
        at = ["system", "user"]
        assert (found("keyword", row, words=[word], at=at) == [None]) == (number > 1)


def test_a_record_without_a_keyword_is_dropped_where_it_is_needed() -> None:
    rows = [answered("please"), answered("Yes.", prompt="Please?"), answered("No.")]
    assert found("keyword", *rows, words=["please"], drop="missing") == [None, None, {"matched": None}]


@given(
    st.text("abAB_- .\n\u00e9\u5b57", max_size=12),
    st.sampled_from(["a", "ab", "b-a", "\u00e9a", "\u5b57", "a\u5b57"]),
)
def test_whole_words_are_found_as_python_would(text: str, word: str) -> None:
    def border(character: str, beside: str) -> str:
        spaced = r"[^\W\u5b57]"
        sides = {"before": rf"(?<!{spaced})", "behind": rf"(?!{spaced})"}
        return "" if character == "\u5b57" else sides[beside]

    by_python = re.search(
        border(word[0], "before") + re.escape(word) + border(word[-1], "behind"), text, re.IGNORECASE
    )
    (told,) = found("keyword", sft(said("user", text)), words=[word])
    assert (told is not None) == (by_python is not None)
    if told is not None and by_python is not None:
        assert told["matched"] == by_python[0].strip()


def test_a_pattern_holds_its_own_groups_behind_those_that_are_shown() -> None:
    pattern, groups = pattern_of(Keyword(words=("a", "\u5b57"), patterns=("(b)(c)",)))
    assert (groups, re.compile(re.sub(r"\\p\{?\w+\}?", "", pattern)).groups) == (3, 5)


def test_dates_outside_a_span_are_found_and_so_are_none() -> None:
    moments = [1_719_705_600_000_000, 1_719_792_000_000_000, None, None]  # 30 June and 1 July 2024
    dates = pa.table([moments, [None, None, "soon", None]], schema=DATES)

    def told(texts: pa.Array) -> list[Row | None]:
        return [None if text is None else json.loads(text) for text in texts.to_pylist()]

    late = {"date": "2024-07-01 00:00:00.000000Z"}
    assert told(outside(dates, Dated(of="d", before="2024-07-01"))) == [None, late, None, None]
    early = {"date": "2024-06-30 00:00:00.000000Z"}
    assert told(outside(dates, Dated(of="d", after="2024-07-01"))) == [early, None, None, None]
    assert told(outside(dates, Dated(of="d", after="2024-07-01T02:00:00+02:00"))) == [early, None, None, None]
    assert told(without(dates)) == [None, None, {"date": "soon"}, {"date": None}]


def test_lengths_are_those_of_all_turns_of_the_prompt_and_of_answers() -> None:
    rows = batch_of(
        sft(said("system", "ab"), said("user", "c\u00e9"), said("assistant", "1"), said("user", "?"),
            said("assistant", "333")),
        sft(said("user", "abc")),
    )  # fmt: skip
    assert lengths(rows, "sft", characters).to_pylist() == [
        {"all": 9, "prompt": 4, "shortest": 1, "longest": 3},
        {"all": 3, "prompt": 3, "shortest": None, "longest": None},
    ]
    assert turn_counts(rows, "sft").to_pylist() == [
        {"shortest": 5, "longest": 5},
        {"shortest": 1, "longest": 1},
    ]
    row = preference("abc", "12345", "1")
    row["prompt"] = [said("assistant", "x"), *row["prompt"]]
    row["rejected"] = [*row["rejected"], said("user", "y")]
    both = batch_of(row, kind="preference")
    assert lengths(both, "preference", characters).to_pylist() == [
        {"all": 11, "prompt": 4, "shortest": 1, "longest": 5}
    ]
    assert turn_counts(both, "preference").to_pylist() == [{"shortest": 3, "longest": 4}]
    chat = {"messages": [said("user", "ab"), said("assistant", "c")], "ground_truth": "1", "verifier": "v"}
    assert lengths(batch_of(chat, kind="rlvr"), "rlvr", characters).to_pylist() == [
        {"all": 3, "prompt": 3, "shortest": None, "longest": None}
    ]


TEXTS = st.sampled_from(
    ["", " ", "Yes.", "I am ChatGPT.", "I'm sorry, I can't.", LOOP,
     "Das ist ein ganz gew\u00f6hnlicher deutscher Satz.",
     "This is an ordinary English sentence of some words.", "lorem"]
)  # fmt: skip
ROWS = st.lists(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), TEXTS), max_size=4), max_size=6)
EVERY = [
    ("empty_turn", {}), ("refusal", {}), ("identity", {}), ("repetition", {}),
    ("keyword", {"words": ["lorem"]}),
    ("language", {"keep": ["de"], "of": "both"}),
]  # fmt: skip


@settings(max_examples=40)
@given(ROWS, st.integers(0, 6), st.sampled_from(EVERY))
def test_what_is_found_in_a_record_depends_on_nothing_but_the_record(
    turns: list[list[tuple[str, str]]], cut: int, filter_: tuple[str, Row]
) -> None:
    rows = [sft(*(said(role, text) for role, text in record)) for record in turns]
    entry = Dropped.model_validate({filter_[0]: filter_[1]})
    batch, find = batch_of(*rows), FILTERS[entry.name].find
    whole = find(batch, "sft", entry.settings).to_pylist()
    parts = [batch.slice(0, cut), batch.slice(cut)]
    assert [text for part in parts for text in find(part, "sft", entry.settings).to_pylist()] == whole
    assert find(batch_of(*rows[::-1]), "sft", entry.settings).to_pylist() == whole[::-1]
