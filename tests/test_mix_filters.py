"""The step `filter` in a mixture: reasons, evidence, dates, lengths, and what is not looked at twice."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from mixture_fixtures import Place, account, assert_adds_up, chat, chats, key
from test_filters import LOOP

import tulu_data.sources.facts as facts_module
from tulu_data.errors import SpecError
from tulu_data.filters import FILTERS, Filter
from tulu_data.mix.tokens import TokenCounter
from tulu_data.specs.filters import FilterName
from tulu_data.store import Version

TOKENIZER = str(Path(facts_module.__file__).parents[1] / "workspace" / "files" / "models" / "tiny")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def evidence(version: Version) -> dict[str, Any]:
    """Return the evidence on each dropped record, by its origin."""
    rows = pq.read_table(version.path / "dropped.parquet").to_pylist()
    assert {row["step"] for row in rows} <= {"filter"}
    return {row["origin"]: (row["reason"], json.loads(row["evidence"])) for row in rows}


def test_every_filter_counts_under_its_name_and_keeps_what_it_found(place: Place) -> None:
    place.write(
        "a.jsonl",
        [chat("x", ""), chat("y", "I'm sorry, I can't."), chat("z", LOOP), chat("lorem"), chat("w")],
    )
    drop = ["refusal", {"keyword": {"words": ["lorem"]}}, "empty_turn", "repetition"]
    version = place.mix({"a": {"uri": "a.jsonl"}}, steps=[{"step": "filter", "drop": drop}])
    assert list(account(version, "a")["dropped"].items()) == [
        ("refusal", 1), ("keyword", 1), ("empty_turn", 1), ("repetition", 1),
    ]  # fmt: skip
    assert evidence(version) == {
        "a.jsonl:1": ("empty_turn", {"turn": 1, "role": "assistant"}),
        "a.jsonl:2": ("refusal", {"matched": "I'm sorry, I can't", "turn": 1}),
        "a.jsonl:3": (
            "repetition", {"measure": "duplicate_5_grams", "value": 0.9499, "limit": 0.7, "turn": 1}
        ),
        "a.jsonl:4": ("keyword", {"matched": "lorem", "turn": 0}),
    }  # fmt: skip
    assert_adds_up(version)


def test_a_record_goes_for_the_first_filter_that_finds_something(place: Place) -> None:
    place.write("a.jsonl", [chat("lorem", ""), chat("w")])
    drop = ["empty_turn", {"keyword": {"words": ["lorem"]}}]
    for order in (drop, drop[::-1]):
        version = place.mix({"a": {"uri": "a.jsonl"}}, steps=[{"step": "filter", "drop": order}])
        ((reason, _),) = evidence(version).values()
        assert reason == ("empty_turn" if order is drop else "keyword")


def test_lengths_are_bounded_in_turns_characters_and_tokens(place: Place) -> None:
    rows = [chat("abc", "d" * 9), chat("abc", "d"), chat("a" * 30, "dd"), chat("abc", "dd ee")]
    rows[3]["messages"] *= 2
    place.write("a.jsonl", rows)

    def dropped(**bounds: int) -> dict[str, Any]:
        steps = [{"step": "filter", **bounds}]
        return evidence(place.mix({"a": {"uri": "a.jsonl"}}, steps=steps, tokenizer=TOKENIZER))

    assert dropped(max_turns=3) == {"a.jsonl:4": ("max_turns", {"value": 4, "limit": 3})}
    assert dropped(min_answer_characters=2) == {
        "a.jsonl:2": ("min_answer_characters", {"value": 1, "limit": 2})
    }
    assert dropped(max_answer_characters=8, max_prompt_characters=29) == {
        "a.jsonl:1": ("max_answer_characters", {"value": 9, "limit": 8}),
        "a.jsonl:3": ("max_prompt_characters", {"value": 30, "limit": 29}),
    }
    counter = TokenCounter(TOKENIZER, place.root)
    texts = [[m["content"] for m in row["messages"]] for row in rows]
    tokens = [[len(counter._tokenizer.encode(t, add_special_tokens=False)) for t in each] for each in texts]
    most = sorted(map(sum, tokens))[-2]
    expected = [sum(each) for each in tokens if sum(each) > most]
    assert [value["value"] for _, value in dropped(max_tokens=most).values()] == expected
    shortest = max(min(each[1::2]) for each in tokens)
    told = dropped(min_answer_tokens=shortest)
    assert [int(origin.split(":")[1]) - 1 for origin in told] == [
        at for at, each in enumerate(tokens) if min(each[1::2]) < shortest
    ]


def test_dates_come_from_the_columns_of_each_source(place: Place) -> None:
    dates = ["2024-06-30T23:59:59Z", "2024-07-01", None, "soon", "2024-07-01T01:00:00+02:00"]
    place.write("a.jsonl", [chat(f"a {i}") | {"made": date} for i, date in enumerate(dates)])
    place.write("b.jsonl", [chat(f"b {i}") | {"stamp": 1_719_792_000 + i - 1} for i in range(2)])
    place.write("c.jsonl", chats(2, "c"))
    sources = {name: {"uri": f"{name}.jsonl"} for name in "abc"}
    of = {"a": "made", "b": "to_timestamp(stamp)"}
    drop = [{"date": {"of": of, "before": "2024-07-01"}}]
    version = place.mix(sources, steps=[{"step": "filter", "drop": drop}])
    assert [account(version, name)["dropped"] for name in "abc"] == [
        {"date": 1, "no_date": 2}, {"date": 1, "no_date": 0}, {"date": 0, "no_date": 0},
    ]  # fmt: skip
    assert evidence(version) == {
        "a.jsonl:2": ("date", {"date": "2024-07-01 00:00:00.000000Z"}),
        "a.jsonl:3": ("no_date", {"date": None}),
        "a.jsonl:4": ("no_date", {"date": "soon"}),
        "b.jsonl:2": ("date", {"date": "2024-07-01 00:00:00.000000Z"}),
    }
    drop = [{"date": {"of": "made", "after": "2024-07-01", "undated": "keep"}}]
    kept = place.mix({"a": sources["a"]}, steps=[{"step": "filter", "drop": drop}])
    assert sorted(key(row)[0] for row in kept.table().to_pylist()) == ["a 1", "a 2", "a 3"]


def test_an_expression_that_is_none_is_refused_at_its_place(place: Place) -> None:
    place.write("a.jsonl", chats(1))
    drop = [{"date": {"of": {"a": "max(made)"}, "before": "2024-07-01"}}]
    with pytest.raises(SpecError) as caught:
        place.mix({"a": {"uri": "a.jsonl"}}, steps=[{"step": "filter", "drop": drop}])
    place_, _, text = str(caught.value).partition(" ")
    assert re.fullmatch(r".*/m\.yaml:\d+:\d+", place_)
    assert text == (
        "steps[0].drop[0].date.of.a: 'max(made)': function 'max' is not allowed; an expression sees one row, "
        "and gives the same answer for it every time"
    )


def test_what_was_found_once_is_not_looked_at_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*chats(6, "q"), chat("lorem"), chat("x", "")]
    place.write("a.jsonl", [row | {"part": i % 2} for i, row in enumerate(rows)])
    looked: list[int] = []

    def watched(name: FilterName) -> Filter:
        find = FILTERS[name].find

        def look(records: Any, *rest: Any) -> Any:
            looked.append(records.num_rows)
            return find(records, *rest)

        return replace(FILTERS[name], find=look)

    for name in ("keyword", "empty_turn"):
        monkeypatch.setitem(FILTERS, name, watched(name))
    drop = [{"keyword": {"words": ["lorem"]}}, "empty_turn"]

    def built(where: str | None, names: list[Any], **take: Any) -> dict[str, int]:
        looked.clear()
        source = {"uri": "a.jsonl", "take": take} | ({"where": where} if where else {})
        version = place.mix({"a": source}, steps=[{"step": "filter", "drop": names}])
        assert_adds_up(version)
        found: dict[str, int] = account(version, "a")["dropped"]
        return found

    assert built("part = 0", drop, rows=2)["keyword"] == 1
    assert sum(looked) >= 4
    assert built("part = 0", drop, rows=1)["keyword"] == 1
    assert looked == []
    assert built(None, drop[::-1], all=True) == {"empty_turn": 1, "keyword": 1}
    built(None, drop, all=True)
    assert looked == []
    built(None, [{"keyword": {"words": ["ipsum"]}}], all=True)
    assert sum(looked) == 8


def test_tokens_are_counted_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("a.jsonl", chats(9))
    counted: list[int] = []
    sizes = TokenCounter.sizes

    def watched(self: TokenCounter, content: Any) -> Any:
        counted.append(len(content))
        return sizes(self, content)

    monkeypatch.setattr(TokenCounter, "sizes", watched)
    first = place.mix({"a": {"uri": "a.jsonl", "take": {"rows": 4}}}, tokenizer=TOKENIZER)
    assert sum(counted) == 18
    second = place.mix(
        {"a": {"uri": "a.jsonl", "take": {"rows": 5}}}, tokenizer=TOKENIZER,
        steps=[{"step": "filter", "max_tokens": 1000, "min_answer_tokens": 1}],
    )  # fmt: skip
    assert sum(counted) == 18
    assert [source.tokens for version in (first, second) for source in version.manifest.sources] != [
        None,
        None,
    ]


def test_a_time_without_a_zone_is_in_utc_on_every_machine() -> None:
    code = (
        "import pyarrow as pa; from tulu_data.sources.dates import Dates; "
        "print(Dates('d').values(pa.table({'d': ['2024-07-01 00:00:00']})).field('moment').cast('int64')[0])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "TZ": zone}, capture_output=True, check=True
        )
        for zone in ("America/New_York", "Asia/Tokyo")
    ]
    assert [one.stdout.strip() for one in told] == [b"1719792000000000"] * 2


def test_filters_that_leave_nothing_of_a_source_ask_nothing_more(place: Place) -> None:
    place.write("a.jsonl", [chat("x", ""), chat("y", "")])
    place.write("b.jsonl", [chat("z") | {"made": "2024-07-02"}, chat("w") | {"made": "2024-06-02"}])
    drop = ["empty_turn", {"date": {"of": "made", "before": "2024-07-01"}}, "refusal"]
    version = place.mix(
        {"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl"}}, steps=[{"step": "filter", "drop": drop}]
    )
    assert account(version, "a")["dropped"] == {"empty_turn": 2, "date": 0, "no_date": 0, "refusal": 0}
    assert account(version, "b")["dropped"] == {"empty_turn": 0, "date": 1, "no_date": 0, "refusal": 0}
