"""Chat layouts to records: what each adapter reads, refuses and says about it."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.errors import SourceError
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import Kind, normalised_schema
from tulu_data.sources.adapters import Adapted, adapt, choose, kind_looked_like
from tulu_data.sources.adapters.parts import filled
from tulu_data.sources.rows import RawBatch

U = {"role": "user", "content": "hi"}
A = {"role": "assistant", "content": "hello"}
B = {"role": "assistant", "content": "go away"}
S = {"role": "system", "content": "be kind"}


def turn(role: str, content: str, calls: str | None = None) -> dict[str, str | None]:
    return {"role": role, "content": content, "tool_calls": calls}


def raw(rows: list[dict[str, Any]]) -> RawBatch:
    names = list(dict.fromkeys(n for r in rows for n in r))
    table = pa.table({n: pa.array([r.get(n) for r in rows]) for n in names})
    return RawBatch(table=table, rows=pa.array(range(1, len(rows) + 1), pa.int64()))


def run(rows: list[dict[str, Any]], kind: Kind = "sft", **settings: Any) -> Adapted:
    batch = raw(rows)
    found = adapt(batch, kind=kind, **settings)
    assert found.records.schema == normalised_schema(kind)
    assert found.records.num_rows + len(found.bad) == batch.read
    assert found.records.column("id").equals(record_ids(found.records, kind))
    return found


def chats(rows: list[dict[str, Any]], **settings: Any) -> list[list[tuple[str, str]]]:
    found = run(rows, **settings)
    assert not found.bad
    return [
        [(m["role"], m["content"]) for m in chat] for chat in found.records.column("messages").to_pylist()
    ]


def faults(rows: list[dict[str, Any]], kind: Kind = "sft", **settings: Any) -> list[tuple[int, str, str]]:
    return [(b.row, b.reason, b.detail) for b in run(rows, kind, **settings).bad]


def test_messages_are_read_as_they_are() -> None:
    assert chats([{"messages": [S, U, A]}]) == [
        [("system", "be kind"), ("user", "hi"), ("assistant", "hello")]
    ]


@pytest.mark.parametrize("as_text", [False, True])
def test_a_wrong_role_is_told_with_its_place_and_the_nearest_name(as_text: bool) -> None:
    chat = [S, U, {"role": "asistant", "content": "x"}]
    value = json.dumps(chat) if as_text else chat
    assert faults([{"messages": value}], adapter="messages") == [
        (1, "unknown role", "messages[2].role 'asistant': did you mean 'assistant'")
    ]
    assert faults([{"messages": [U, {"role": "zzz", "content": "x"}]}]) == [
        (1, "unknown role", "messages[1].role 'zzz': expected one of assistant, system, tool, user")
    ]
    assert (
        faults([{"messages": [U, {"role": None, "content": "x"}, A]}])[0][2] == "messages[1].role is missing"
    )


def test_each_fault_of_a_chat_has_its_reason_and_the_others_stay() -> None:
    rows: list[dict[str, Any]] = [
        {"messages": [U, A]},
        {"messages": []},
        {"messages": None},
        {"messages": [U]},
        {"messages": [U, {"role": "assistant", "content": None}]},
        {"messages": [U, B]},
    ]
    assert faults(rows) == [
        (2, "no messages", "messages is empty"),
        (3, "missing value", "messages is null"),
        (4, "no assistant turn", "no assistant turn to learn from"),
        (5, "missing value", "messages[1].content is null"),
    ]
    assert run(rows).records.column("row").to_pylist() == [1, 6]


def test_messages_may_be_json_text_and_aliases_are_known() -> None:
    text = json.dumps([{"from": "human", "value": "hi"}, {"from": "GPT", "value": "hello"}])
    assert chats([{"messages": text}]) == [[("user", "hi"), ("assistant", "hello")]]
    assert chats(
        [{"messages": [{"role": "prompter", "content": "hi"}, {"role": "bot", "content": "hello"}]}]
    ) == [[("user", "hi"), ("assistant", "hello")]]
    assert faults([{"messages": "not json"}, {"messages": "7"}]) == [
        (1, "broken messages", "messages is text, but not JSON messages"),
        (2, "broken messages", "messages is int, expected a list of messages"),
    ]


def test_content_in_parts_is_joined_and_pictures_are_refused() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "value": "b"}]
    chat = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
    ]
    assert chats([{"messages": json.dumps(chat)}]) == [[("user", "ab"), ("assistant", "c")]]
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, A]
    thought = [U, {"role": "assistant", "content": [{"type": "reasoning", "value": "hm"}]}]
    assert faults([{"messages": json.dumps(picture)}, {"messages": json.dumps(thought)}]) == [
        (1, "multimodal", "messages[0].content[0].type 'image_url': only text can be read"),
        (
            2,
            "unsupported part",
            "messages[1].content[0].type 'reasoning': only text and tool calls can be read",
        ),
    ]
    assert faults([{"messages": [U, A], "images": ["a.png"]}, {"messages": [U, A], "images": []}]) == [
        (1, "multimodal", "column 'images' holds media; only text can be read")
    ]


def test_sharegpt_function_calls_become_tool_calls() -> None:
    call = '{"name": "find", "arguments": {"q": "\u732b", "n": 1}}'
    row = {
        "conversations": [
            {"from": "human", "value": "find it"}, {"from": "function_call", "value": call},
            {"from": "observation", "value": "found"}, {"from": "gpt", "value": "here"},
        ],
        "tools": '[{"name": "find"}]', "system": "be quick",
    }  # fmt: skip
    found = run([row]).records.to_pylist()[0]
    written = (
        '[{"type":"function","function":{"name":"find","arguments":"{\\"q\\":\\"\u732b\\",\\"n\\":1}"}}]'
    )
    assert found["messages"] == [
        turn("system", "be quick"), turn("user", "find it"), turn("assistant", "", written),
        turn("tool", "found"), turn("assistant", "here"),
    ]  # fmt: skip
    assert found["tools"] == '[{"name": "find"}]'
    broken = {
        "conversations": [{"from": "human", "value": "x"}, {"from": "function_call", "value": "find(q)"}]
    }
    assert faults([broken]) == [(1, "broken tool call", "conversations[1].value is not JSON")]


@pytest.mark.parametrize("as_text", [False, True])
def test_openai_tool_calls_are_kept_whatever_their_shape(as_text: bool) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    chat = [
        U,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "1"},
        A,
    ]
    found = run([{"messages": json.dumps(chat) if as_text else chat, "tools": [{"name": "f"}]}])
    assert not found.bad
    record = found.records.to_pylist()[0]
    written = '[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"x\\": 1}"}}]'
    assert record["messages"][1] == turn("assistant", "", written)
    assert record["tools"] == '[{"name":"f"}]'
    assert faults([{"messages": [U, A], "tools": "no list"}])[0][1] == "broken tool call"
    assert run([{"messages": [U, A], "tools": "[]"}]).records.column("tools").to_pylist() == [None]


def test_alpaca_joins_instruction_and_input_and_puts_history_before() -> None:
    rows: list[dict[str, Any]] = [
        {"instruction": "add", "input": "1 2", "output": "3", "history": [["q", "a"]], "system": ""},
        {"instruction": "say hi", "input": "", "output": "hi", "history": [], "system": "be kind"},
        {"instruction": "", "input": "only input", "output": "x", "history": [], "system": None},
    ]
    assert chats(rows) == [
        [("user", "q"), ("assistant", "a"), ("user", "add\n\n1 2"), ("assistant", "3")],
        [("system", "be kind"), ("user", "say hi"), ("assistant", "hi")],
        [("user", "only input"), ("assistant", "x")],
    ]
    assert faults(
        [
            {"instruction": " ", "output": "x"},
            {"instruction": None, "output": "x"},
            {"instruction": "x", "output": None},
        ]
    ) == [
        (1, "empty prompt", "instruction is blank"),
        (2, "missing value", "instruction is null"),
        (3, "missing value", "output is null"),
    ]
    assert faults([{"instruction": "x", "response": ["a", "b"]}]) == [
        (1, "not text", "response is list, expected text")
    ]


def test_prompt_and_completion_may_be_text_or_messages() -> None:
    want = [[("user", "hi"), ("assistant", "hello")]]
    assert chats([{"prompt": "hi", "completion": "hello"}]) == want
    assert chats([{"prompt": [U], "completion": [A]}]) == want
    assert chats([{"prompt": json.dumps([U]), "response": "hello"}]) == want
    assert chats([{"q": "hi", "a": "hello"}], columns={"prompt": "q", "completion": "a"}) == want
    assert chats([{"r": {"q": "hi"}, "a": ["hello"]}], columns={"prompt": "r.q", "completion": "a.0"}) == want


def test_hh_transcripts_share_their_prompt() -> None:
    head = "\n\nHuman: hi\n\nAssistant: yes?\n\nHuman: help"
    found = run(
        [{"chosen": f"{head}\n\nAssistant: sure", "rejected": f"{head}\n\nAssistant: no"}], "preference"
    )
    assert found.records.to_pylist()[0] | {"id": ""} == {
        "id": "", "row": 1, "prompt": [turn("user", "hi"), turn("assistant", "yes?"), turn("user", "help")],
        "chosen": [turn("assistant", "sure")], "rejected": [turn("assistant", "no")],
    }  # fmt: skip
    assert (
        faults([{"chosen": "hello", "rejected": f"{head}\n\nAssistant: no"}], "preference")[0][1]
        == "broken transcript"
    )
    other = "\n\nHuman: bye\n\nAssistant: no"
    assert (
        faults([{"chosen": f"{head}\n\nAssistant: sure", "rejected": other}], "preference")[0][1]
        == "no shared prompt"
    )
    row = {"chosen": f"{head}\n\nAssistant: sure", "rejected": other}
    assert chats([row], adapter="hh", columns={"text": "chosen"})[0][-1] == ("assistant", "sure")
    with pytest.raises(SourceError, match=r"say which column it is"):
        run([row], adapter="hh")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "hi", "chosen": "hello", "rejected": "go away"},
        {"prompt": [U], "chosen": [A], "rejected": [B]},
        {"prompt": "ignored, the answers say it again", "chosen": [U, A], "rejected": [U, B]},
        {"chosen": [U, A], "rejected": [U, B]},
        {"chosen_messages": json.dumps([U, A]), "rejected_messages": json.dumps([U, B])},
        {
            "conversations": [{"from": "human", "value": "hi"}],
            "chosen": {"from": "gpt", "value": "hello"}, "rejected": {"from": "gpt", "value": "go away"},
        },
        {"instruction": "hi", "input": "", "chosen": "hello", "rejected": "go away"},
    ],
)  # fmt: skip
def test_every_layout_of_a_pair_gives_the_same_record(row: dict[str, Any]) -> None:
    want = run([{"prompt": "hi", "chosen": "hello", "rejected": "go away"}], "preference").records
    assert run([row], "preference").records.equals(want)
    assert kind_looked_like(raw([row]).table.schema) == "preference"


def test_pairs_that_teach_nothing_are_quarantined() -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "hi", "chosen": "a", "rejected": "a"},
        {"prompt": " ", "chosen": "a", "rejected": "b"},
        {"prompt": "hi", "chosen": "a", "rejected": None},
        {"prompt": "hi", "chosen": "a", "rejected": "b"},
    ]
    assert faults(rows, "preference") == [
        (1, "equal pair", "chosen and rejected are the same"),
        (2, "empty prompt", "prompt is blank"),
        (3, "missing value", "rejected is null"),
    ]
    assert (
        faults(
            [
                {"chosen": [U, A], "rejected": [U, A]},
                {"chosen": [A], "rejected": [B]},
                {"chosen": [U, A, U], "rejected": [U, A, S]},
            ],
            "preference",
            adapter="preference",
            columns={"prompt": "chosen"},
        )[0][1]
        == "equal pair"
    )


def test_rlvr_takes_ground_truth_and_verifier_in_any_layout() -> None:
    want = run([{"messages": [U], "ground_truth": "4", "verifier": "math"}], "rlvr").records
    for row in (
        {"prompt": "hi", "ground_truth": 4, "dataset": "math"},
        {"messages": json.dumps([U]), "ground_truth": ["4"], "dataset": ["math"]},
        {"prompt": [U], "reward_model": {"ground_truth": "4", "style": "rule"}},
    ):
        assert run([row], "rlvr", verifier="math").records.equals(want)
    nested = run(
        [{"prompt": [U], "reward_model": {"ground_truth": {"a": "1"}}}], "rlvr", verifier="math"
    ).records
    assert nested.column("ground_truth").to_pylist() == ['{"a":"1"}']
    rows: list[dict[str, Any]] = [
        {"prompt": "hi", "ground_truth": None, "verifier": "math"},
        {"prompt": "hi", "ground_truth": "4", "verifier": None},
        {"prompt": None, "ground_truth": "4", "verifier": "math"},
    ]
    assert [r for _, r, _ in faults(rows, "rlvr")] == ["missing value", "no verifier", "missing value"]
    assert (
        faults([{"messages": [U, A], "ground_truth": "4", "verifier": "m"}], "rlvr")[0][1]
        == "ends with assistant"
    )
    with pytest.raises(SourceError, match=r"no row names a verifier"):
        run([{"prompt": "hi", "ground_truth": "4"}], "rlvr")


def schema(*names: str, **types: pa.DataType) -> pa.Schema:
    return pa.schema([*((n, pa.string()) for n in names), *types.items()])


def test_auto_decides_by_columns_and_refuses_to_guess() -> None:
    assert choose(schema("messages"), "sft", {}) == "messages"
    assert choose(schema("conversations", "id"), "sft", {}) == "sharegpt"
    assert choose(schema("instruction", "output"), "sft", {}) == "alpaca"
    assert (
        choose(schema("question", "answer"), "sft", {"prompt": "question", "completion": "answer"})
        == "prompt_completion"
    )
    assert choose(schema("chosen", "rejected"), "preference", {}) == "hh"
    assert choose(schema("chosen", "rejected", "prompt"), "preference", {}) == "preference"
    with pytest.raises(
        SourceError,
        match=r"several adapters fit \(columns: conversations, messages\): messages, sharegpt; say which",
    ):
        choose(schema("messages", "conversations"), "sft", {})
    with pytest.raises(
        SourceError, match=r"no adapter for kind sft fits \(columns: text\); needed are messages: .*alpaca: "
    ):
        choose(schema("text"), "sft", {})
    proposed = r"map names, as in columns: \{prompt: Question, completion: answer\}$"
    with pytest.raises(SourceError, match=proposed):
        choose(schema("Question", "answer", "id"), "sft", {})
    assert choose(schema("Question", "answer"), "sft", {"prompt": "Question", "completion": "answer"})
    with pytest.raises(SourceError, match=r"columns: \{prompt: COLUMN, chosen: COLUMN, rejected: COLUMN\}$"):
        choose(schema("id"), "preference", {})
    kdconv = pa.list_(pa.struct([("message", pa.string())]))
    with pytest.raises(SourceError, match=r"no adapter for kind sft fits"):
        choose(schema("name", messages=kdconv), "sft", {})


def test_data_of_another_kind_is_named_as_what_it_is() -> None:
    with pytest.raises(SourceError) as error:
        choose(schema("chosen", "input", "instruction", "output", "rejected"), "sft", {})
    assert str(error.value) == (
        "looks like preference data (columns: chosen, input, instruction, output, rejected), asked for sft; "
        "use it in a spec of kind preference, or to read it as sft all the same give --adapter alpaca "
        "(adapter: alpaca in a spec)"
    )
    with pytest.raises(SourceError, match=r"looks like rlvr data"):
        choose(schema("messages", "ground_truth", "dataset"), "sft", {})
    with pytest.raises(SourceError, match=r"looks like KTO data.*give --adapter messages "):
        choose(schema("messages", label=pa.bool_()), "sft", {})
    with pytest.raises(
        SourceError,
        match=r"adapter 'alpaca' gives sft records, asked for preference; choose one of hh, preference",
    ):
        run([{"instruction": "a"}], "preference", adapter="alpaca")


def test_a_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(SourceError) as error:
        run([{"prompt": "x", "answr": "y"}], adapter="prompt_completion", columns={"completion": "answer"})
    assert str(error.value) == (
        "no column 'answer' for the part 'completion'; did you mean 'answr'? (columns: answr, prompt); "
        "map it: columns: {completion: COLUMN}"
    )
    with pytest.raises(SourceError, match=r"has no part 'completon'; did you mean 'completion'\?"):
        run([{"prompt": "x"}], adapter="prompt_completion", columns={"completon": "answer"})


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CHATS = st.lists(
    st.lists(st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), TEXT), max_size=4).map(
        lambda c: [*c, ("assistant", "x")]
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@given(CHATS)
def test_the_columnar_and_the_row_by_row_path_agree(found: list[list[tuple[str, str]]]) -> None:
    as_lists = [{"messages": [{"role": r, "content": c} for r, c in chat]} for chat in found]
    as_share = [{"conversations": [{"from": r, "value": c} for r, c in chat]} for chat in found]
    as_text = [{"messages": json.dumps(row["messages"])} for row in as_lists]
    assert chats(as_lists) == found
    assert run(as_lists).records.equals(run(as_text).records)
    assert run(as_lists).records.equals(run(as_share).records)


@given(CHATS, st.data())
def test_the_shared_prefix_is_the_one_that_python_finds(
    found: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    pairs = []
    for chat in found:
        cut = data.draw(st.integers(0, len(chat) - 1))
        pairs.append((chat, [*chat[:cut], ("assistant", data.draw(TEXT))]))
    rows = [
        {
            side: [{"role": r, "content": c} for r, c in chat]
            for side, chat in zip(("chosen", "rejected"), pair, strict=True)
        }
        for pair in pairs
    ]
    result = adapt(raw(rows), kind="preference", adapter="preference", columns={"prompt": "chosen"})
    for record in result.records.to_pylist():
        left, right = pairs[record["row"] - 1]
        prompt = [(m["role"], m["content"]) for m in record["prompt"]]
        if left[0][0] != "assistant" and right[0][0] != "assistant":
            n = len(prompt)
            assert left[:n] == right[:n] == prompt
            assert [(m["role"], m["content"]) for m in record["chosen"]] == left[n:]
            assert [(m["role"], m["content"]) for m in record["rejected"]] == right[n:]


def test_columns_in_several_chunks_and_slices_are_read_alike() -> None:
    rows = [{"messages": [U, {"role": "assistant", "content": str(i)}]} for i in range(6)]
    whole = raw(rows).table
    chunked = pa.concat_tables([whole.slice(0, 2), whole.slice(2, 4)])
    batch = RawBatch(table=chunked, rows=pa.array(range(1, 7), pa.int64()))
    assert adapt(batch, kind="sft").records.equals(run(rows).records)
    part = RawBatch(table=whole.slice(3, 2), rows=pa.array([4, 5], pa.int64()))
    assert adapt(part, kind="sft").records.column("id").equals(run(rows).records.column("id").slice(3, 2))


BLANKS = "".join(chr(c) for c in range(0x3001) if chr(c).isspace())


@given(st.lists(st.none() | st.text(max_size=4) | st.text(BLANKS + "a", max_size=4), max_size=6))
def test_a_text_is_filled_where_something_is_left_of_it_when_it_is_trimmed(texts: list[str | None]) -> None:
    column = pa.array(texts, pa.large_string())
    trimmed = pc.utf8_trim_whitespace(column).to_pylist()
    assert filled(column).tolist() == [bool(text) for text in trimmed]


@pytest.mark.parametrize("count", [1, 40])
def test_a_prompt_is_messages_only_where_all_of_the_column_are(count: int) -> None:
    chat = json.dumps([{"role": "user", "content": "2 + 2?"}])
    rows = [{"prompt": chat, "completion": "4"}] * count
    assert chats(rows) == [[("user", "2 + 2?"), ("assistant", "4")]] * count
    mixed = chats([*rows, {"prompt": "plain", "completion": "4"}])
    assert [first for first, _ in mixed] == [("user", text) for text in [*[chat] * count, "plain"]]


def test_of_several_columns_the_first_that_is_not_blank_is_the_rows() -> None:
    rows = [
        {"vanilla": "v1", "adversarial": "", "completion": "c1"},
        {"vanilla": "v2", "adversarial": "a2", "completion": "c2"},
        {"vanilla": None, "adversarial": "a3", "completion": "c3"},
        {"vanilla": " ", "adversarial": None, "completion": "c4"},
    ]
    settings = {"adapter": "prompt_completion", "columns": {"prompt": "adversarial | vanilla"}}
    found = run(rows, **settings)
    assert [chat[0]["content"] for chat in found.records["messages"].to_pylist()] == ["v1", "a2", "a3"]
    assert [(b.row, b.reason) for b in found.bad] == [(4, "empty prompt")]
    with pytest.raises(SourceError, match=r"^no column 'advers' for the part 'prompt' \(columns"):
        run(rows, adapter="prompt_completion", columns={"prompt": "advers | vanilla"})


def test_a_column_that_has_a_bar_in_its_name_is_itself() -> None:
    rows = [{"a|b": "whole", "a": "x", "b": "y", "completion": "c"}]
    assert chats(rows, columns={"prompt": "a|b"}, adapter="prompt_completion")[0][0] == ("user", "whole")
