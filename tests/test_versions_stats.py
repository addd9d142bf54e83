"""Figures of versions against counting by hand, and the command as a user meets it."""

import json
import shutil
from collections import Counter
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture_fixtures import Place, chat, chats
from version_fixtures import Row, pair, say, stored

from tulu_data.cli.main import VERBS, group
from tulu_data.schema import ROLES
from tulu_data.versions.stats import Figures, Stats, stats

TEXTS = st.sampled_from(["", "a", "A", "two words", "\u5929\u6c14", "x" * 40, "e\u0301"])
MESSAGES = st.lists(
    st.builds(say, st.sampled_from(ROLES), TEXTS, st.sampled_from([None, None, [{"name": "f"}]])),
    min_size=1, max_size=5,
)  # fmt: skip
SOURCES = st.sampled_from(["a", "b", "c"])
ANSWERS = st.lists(st.builds(say, st.just("assistant"), TEXTS, st.sampled_from([None, [1]])), max_size=2)
SPEC = {"version": 1, "sources": {"a": {"tags": ["x", "y"]}, "b": {"tags": ["y"]}, "c": {}}}
SFT = st.fixed_dictionaries({"source": SOURCES, "messages": MESSAGES, "tools": st.sampled_from([None, "[]"])})
PREFERENCE = st.fixed_dictionaries(
    {"source": SOURCES, "prompt": MESSAGES, "chosen": ANSWERS, "rejected": ANSWERS}
)
RLVR = st.fixed_dictionaries(
    {
        "source": SOURCES, "messages": MESSAGES, "ground_truth": st.sampled_from([None, "", "42"]),
        "verifier": st.sampled_from([None, "math", "code"]),
    }
)  # fmt: skip


def size(messages: list[Row]) -> int:
    return sum(len(m["content"]) + len(m["tool_calls"] or "") for m in messages)


def by(role: str, messages: list[Row]) -> list[Row]:
    return [m for m in messages if m["role"] == role]


def sft(row: Row) -> tuple[dict[str, int], dict[str, bool]]:
    answers = by("assistant", row["messages"])
    lengths = {
        "turns": len(row["messages"]), "prompt": size(row["messages"]) - size(answers),
        "answer": size(answers),
    }  # fmt: skip
    return lengths, {
        "system": bool(by("system", row["messages"])), "several_answers": len(answers) > 1,
        "tool_calls": any(m["tool_calls"] for m in row["messages"]), "tools": row["tools"] is not None,
        "empty_answer": any(size([m]) == 0 for m in answers),
    }  # fmt: skip


def preference(row: Row) -> tuple[dict[str, int], dict[str, bool]]:
    chosen, rejected = size(row["chosen"]), size(row["rejected"])
    lengths = {
        "turns": len(row["prompt"]),
        "prompt": size(row["prompt"]),
        "chosen": chosen,
        "rejected": rejected,
    }
    return lengths, {
        "system": bool(by("system", row["prompt"])), "chosen_longer": chosen > rejected,
        "rejected_longer": rejected > chosen, "same_answers": row["chosen"] == row["rejected"],
        "empty_chosen": not chosen,
    }  # fmt: skip


def rlvr(row: Row) -> tuple[dict[str, int], dict[str, bool]]:
    truth = row["ground_truth"] or ""
    lengths = {"turns": len(row["messages"]), "prompt": size(row["messages"]), "ground_truth": len(truth)}
    return lengths, {"system": bool(by("system", row["messages"])), "ground_truth": bool(truth)}


def check(figures: Figures, rows: list[Row], all_rows: int, measure, columns: tuple[str, ...]) -> None:
    """Hold figures to what counting row by row gives."""
    assert (figures.rows, figures.share) == (len(rows), len(rows) / all_rows)
    assert figures.records == len({json.dumps({**row, "source": None}, sort_keys=True) for row in rows})
    messages = [m for row in rows for c in columns for m in row[c]]
    assert {r: n for r, n in figures.roles.items() if n} == Counter(m["role"] for m in messages)
    measured = [measure(row) for row in rows]
    assert figures.characters == sum(v for m, _ in measured for k, v in m.items() if k != "turns")
    for name, found in figures.lengths.items():
        values = sorted(m[name] for m, _ in measured)
        if not values:
            assert found is None
            continue
        assert (found.min, found.max) == (values[0], values[-1])
        assert found.mean == pytest.approx(sum(values) / len(values), abs=0.006)
        for quantile in ("p5", "p50", "p90", "p99"):
            place = max(ceil(int(quantile[1:]) / 100 * len(values)), 1) - 1
            assert getattr(found, quantile) == values[place]
    assert figures.marks == {name: sum(marks[name] for _, marks in measured) for name in figures.marks}


def check_all(kind, rows: list[Row], measure, columns: tuple[str, ...]) -> Stats:
    with TemporaryDirectory() as folder:
        found = stats(stored(Path(folder), kind, rows, spec=SPEC), workers=2)
    check(found.total, rows, len(rows), measure, columns)
    for name, figures in found.sources.items():
        check(figures, [row for row in rows if row["source"] == name], len(rows), measure, columns)
    assert list(found.sources) == ["a", "b", "c"]
    for tag, members in (("x", "a"), ("y", "ab")):
        check(found.tags[tag], [r for r in rows if r["source"] in members], len(rows), measure, columns)
    assert sum(one.rows for one in found.sources.values()) == found.total.rows
    return found


@settings(max_examples=30)
@given(rows=st.lists(SFT, min_size=1, max_size=20))
def test_figures_of_chats_are_those_of_counting(rows: list[Row]) -> None:
    check_all("sft", rows, sft, ("messages",))


@settings(max_examples=30)
@given(rows=st.lists(PREFERENCE, min_size=1, max_size=20))
def test_figures_of_pairs_are_those_of_counting(rows: list[Row]) -> None:
    check_all("preference", rows, preference, ("prompt", "chosen", "rejected"))


@settings(max_examples=30)
@given(rows=st.lists(RLVR, min_size=1, max_size=20))
def test_figures_of_problems_are_those_of_counting(rows: list[Row]) -> None:
    found = check_all("rlvr", rows, rlvr, ("messages",))
    assert found.total.verifiers == Counter(row["verifier"] or "" for row in rows)
    assert list(found.total.verifiers.values()) == sorted(found.total.verifiers.values(), reverse=True)


def test_prompts_are_told_as_dedup_tells_them(tmp_path: Path) -> None:
    rows = [
        {"messages": [say("user", text), say("assistant", f"answer {i}")]}
        for i, text in enumerate(["One  thing", "one thing", "one thing!", "other"])
    ]
    found = stats(stored(tmp_path, "sft", rows))
    assert (found.total.records, found.total.prompts) == (4, 3)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(group, list(arguments), prog_name="tulu-data")
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def test_tokens_are_those_of_the_build_or_of_the_tokenizer_that_is_named(workspace: Place) -> None:
    run("init", "w")
    model = "w/models/tiny"
    workspace.write("a.jsonl", chats(5))
    workspace.write("b.jsonl", [chat("two words here", "and more")])
    sources = {"a": {"uri": "a.jsonl", "take": {"epochs": 2}}, "b": {"uri": "b.jsonl"}}
    plain = workspace.mix(sources, name="plain")
    assert json.loads(run("stats", "plain", "--json"))["total"]["tokens"] is None
    named = json.loads(run("stats", "plain", "--tokenizer", model, "--json"))
    version = workspace.mix(sources, name="m", tokenizer=model)
    built = json.loads(run("stats", "m", "--json"))
    assert version.content_id == plain.content_id
    assert built["tokenizer"] == named["tokenizer"] == model
    assert built["total"]["tokens"] == named["total"]["tokens"] > 0
    for name in ("a", "b"):
        assert built["sources"][name]["tokens"] == named["sources"][name]["tokens"]
    for part in ("total", "sources"):
        assert built[part] == named[part]
    shutil.rmtree(workspace.store.root / "cache")
    told = json.loads(run("stats", "m", "--json"))
    assert told["total"]["tokens"] == built["total"]["tokens"]
    assert "tokens" not in told["total"]["lengths"]
    assert named["sources"]["b"]["lengths"]["tokens"]["max"] == named["sources"]["b"]["tokens"]


def test_of_a_split_the_tokens_are_counted_too(workspace: Place) -> None:
    run("init", "w")
    model = "w/models/tiny"
    rows = [chat(f"a question that has {i} words " + "more " * i, "yes " * (i % 7)) for i in range(60)]
    workspace.write("a.jsonl", rows)
    take = {"a": {"uri": "a.jsonl", "take": {"epochs": 1.5}}}
    workspace.mix(take, tokenizer=model, splits={"validation": {"fraction": 0.3}})
    parts = {}
    for split in ("train", "validation"):
        parts[split] = json.loads(run("stats", "m", "--split", split, "--json"))
        named = json.loads(run("stats", "m", "--split", split, "--tokenizer", model, "--json"))
        assert parts[split] == named
    whole = json.loads(run("stats", "m", "--json"))["total"]["tokens"]
    assert sum(one["total"]["tokens"] for one in parts.values()) == whole
    shutil.rmtree(workspace.store.root / "cache")
    lost = CliRunner().invoke(group, ["stats", "m", "--split", "train", "--json"])
    assert json.loads(lost.stdout)["total"]["tokens"] is None
    assert (
        "--tokenizer NAME counts them" in CliRunner().invoke(group, ["stats", "m", "--split", "train"]).stderr
    )


def test_the_tables_name_what_is_there_alone(workspace: Place) -> None:
    rows = [{**pair("p", "long answer", "no"), "source": "[x]"}, {**pair("q", "", "no"), "source": "b"}]
    stored(workspace.store.root, "preference", rows)
    text = run("stats", "d")
    assert "[x]        1   50.00%" in text
    assert "records  chosen is longer  rejected is longer  an empty chosen answer" in text
    assert "chosen is rejected" not in text
    assert "tokens" not in text
    assert "tag" not in text.split("records and prompts")[0]


def test_the_help_is_the_one_in_the_table() -> None:
    from tulu_data.cli.stats import command

    assert command.get_short_help_str(limit=200) == VERBS["stats"][1]
