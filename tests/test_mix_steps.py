"""Steps over a pool: what each drops, why, with which evidence; the three kinds end to end."""

import json
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from mixture_fixtures import Place, account, assert_adds_up, chat, chats, key

from tulu_data.mix import prepare, resolve_inputs
from tulu_data.mix.building import gathered
from tulu_data.specs.mixture import read_mixture
from tulu_data.store import Version

LEAK = "A train leaves the harbour town at nine and reaches the capital at noon; how long is the ride"
DECONTAMINATE = {"step": "decontaminate", "against": ["evals/"]}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path)
    found.write(
        "evals/trains.jsonl", [{"id": "t1", "question": LEAK}, {"id": "t2", "question": "No such text here"}]
    )
    found.write(
        "a.jsonl", [*chats(5, "a"), chat("same"), chat("same"), chat("twice", "1"), chat("twice", "2")]
    )
    found.write("b.jsonl", [*chats(5, "b"), chat("same"), chat("twice", "1"), chat(f"{LEAK}?")])
    return found


BOTH = {"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl"}}


def side(version: Version, name: str) -> list[dict]:
    return pq.read_table(version.path / f"{name}.parquet").to_pylist()


def test_without_dedup_equal_records_of_one_source_are_told_apart_by_their_copy(place: Place) -> None:
    rows = place.mix({"a": {"uri": "a.jsonl", "take": {"epochs": 2}}}).table().to_pylist()
    same = sorted(row["copy"] for row in rows if key(row)[0] == "same")
    assert same == [0, 1, 2, 3]
    assert len({(row["id"], row["copy"]) for row in rows}) == len(rows) == 18


def test_decontaminate_drops_the_record_and_keeps_the_evidence(place: Place) -> None:
    version = place.mix(BOTH, steps=[DECONTAMINATE])
    assert account(version, "b")["dropped"] == {"contaminated": 1}
    (dropped,) = side(version, "dropped")
    assert (dropped["origin"], dropped["reason"]) == ("b.jsonl:8", "contaminated")
    assert json.loads(dropped["evidence"]) == {
        "suite": "trains", "split": "test", "instance": "t1", "field": "question", "rule": "tulu3",
        "overlap": 1.0, "match": "item",
    }  # fmt: skip
    (hit,) = side(version, "hits")
    assert (hit["source"], hit["origin"], hit["instance"], hit["id"]) == (
        "b",
        "b.jsonl:8",
        "t1",
        dropped["id"],
    )
    report = version.manifest.decontamination
    assert report is not None
    assert (report["action"], report["records"], report["records_hit"]) == (
        "drop",
        {"a": 9, "b": 8},
        {"a": 0, "b": 1},
    )
    assert LEAK not in " ".join(prompt for prompt, _ in map(key, version.table().to_pylist()))


def test_decontaminate_flags_without_dropping(place: Place) -> None:
    version = place.mix(BOTH, steps=[DECONTAMINATE | {"action": "flag"}])
    assert version.num_rows == 17
    assert side(version, "dropped") == []
    assert [hit["origin"] for hit in side(version, "hits")] == ["b.jsonl:8"]


def test_sources_that_share_a_file_each_have_their_hit(place: Place) -> None:
    spec = {"x": {"uri": "b.jsonl"}, "y": {"uri": "b.jsonl", "where": "length(messages[1].content) > 5"}}
    version = place.mix({**spec, "a": {"uri": "a.jsonl"}}, steps=[DECONTAMINATE])
    assert sorted(hit["source"] for hit in side(version, "hits")) == ["x", "y"]
    assert [account(version, s)["dropped"].get("contaminated") for s in ("a", "x", "y")] == [0, 1, 1]
    assert_adds_up(version)


def test_of_two_files_with_one_base_name_the_right_record_is_dropped(place: Place) -> None:
    place.write("left/part-0.jsonl", [chat("left 1"), chat("left 2")])
    place.write("right/part-0.jsonl", [chat("right 1"), chat(LEAK)])
    version = place.mix({"all": {"uri": "*/part-0.jsonl"}}, steps=[DECONTAMINATE])
    assert [row["origin"] for row in side(version, "dropped")] == ["right/part-0.jsonl:2"]
    assert {key(row)[0] for row in version.table().to_pylist()} == {"left 1", "left 2", "right 1"}


def test_steps_run_in_the_order_of_the_spec_and_an_earlier_reason_stands(place: Place) -> None:
    place.write("c.jsonl", [chat("x", ""), chat("x", ""), chat("y")])
    steps = [{"step": "filter", "drop": ["empty_turn"]}, {"step": "dedup"}]
    dropped = account(place.mix({"c": {"uri": "c.jsonl"}}, steps=steps), "c")["dropped"]
    assert list(dropped.items()) == [("empty_turn", 2), ("duplicate_record", 0), ("duplicate_text", 0)]
    swapped = account(place.mix({"c": {"uri": "c.jsonl"}}, steps=steps[::-1]), "c")["dropped"]
    assert swapped == {"empty_turn": 1, "duplicate_record": 1, "duplicate_text": 0}


def test_rows_that_are_no_records_are_quarantined_with_their_place(place: Place) -> None:
    path = place.write("c.jsonl", [chat("x"), {"messages": []}])
    path.write_text(path.read_text() + "{broken\n" + json.dumps(chat("z")) + "\n")
    version = place.mix({"c": {"uri": "c.jsonl"}})
    assert account(version, "c") == {
        "read": 4, "quarantined": {"broken json": 1, "no messages": 1}, "dropped": {}, "not_drawn": 0,
        "kept": 2, "rows": 2,
    }  # fmt: skip
    rows = side(version, "quarantined")
    assert [(r["source"], r["origin"], r["reason"]) for r in rows] == [
        ("c", "c.jsonl:2", "no messages"),
        ("c", "c.jsonl:3", "broken json"),
    ]
    assert rows[1]["raw"] == "{broken"
    assert sorted(row["origin"] for row in version.table().to_pylist()) == ["c.jsonl:1", "c.jsonl:4"]


def test_records_gathered_from_many_batches_are_the_records_of_the_files(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(gathered.__globals__, "BATCH_BYTES", 2000)
    for n in range(4):
        place.write(
            f"many/{n}.jsonl", [chat(f"{n}-{i} " + "\u5b57" * (i % 7), f"{i}" * i) for i in range(60)]
        )
    file = place.spec({"m": {"uri": "many/", "take": {"rows": 200}}, "a": {"uri": "a.jsonl"}})
    prepared = prepare(file, resolve_inputs(file, place.root, place.store), place.settings())
    batches = list(gathered(prepared, 2))
    assert len(batches) > 10
    found = [row for batch in batches for row in batch.to_pylist()]
    for row in found:
        name, line = row["origin"].rsplit(":", 1)
        raw = json.loads((place.root / name).read_text("utf-8").splitlines()[int(line) - 1])
        assert [(m["role"], m["content"]) for m in row["messages"]] == [
            (m["role"], m["content"]) for m in raw["messages"]
        ]
    assert len({row["origin"] for row in found}) == len(found) == 209


def test_tool_calls_and_tools_survive(place: Place) -> None:
    call = [{"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]
    turns = [
        {"role": "user", "content": "1+1"}, {"role": "assistant", "content": "", "tool_calls": call},
        {"role": "tool", "content": "2"}, {"role": "assistant", "content": "2"},
    ]  # fmt: skip
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    place.write("c.jsonl", [{"messages": turns, "tools": tools}, chat("plain")])
    steps = [{"step": "filter", "drop": ["empty_turn"]}]
    version = place.mix({"c": {"uri": "c.jsonl", "take": {"epochs": 3}}}, steps=steps)
    rows = [row for row in version.table().to_pylist() if row["tools"]]
    assert len(rows) == 3
    assert json.loads(rows[0]["tools"]) == tools
    assert json.loads(rows[0]["messages"][1]["tool_calls"])[0]["function"]["name"] == "add"
    assert [m["role"] for m in rows[0]["messages"]] == ["user", "assistant", "tool", "assistant"]


def test_preferences_are_mixed_end_to_end(place: Place) -> None:
    rows = [{"prompt": f"p {i % 4}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(6)]
    place.write("p.jsonl", [*rows, {"prompt": LEAK, "chosen": "3 hours", "rejected": "2 hours"}])
    steps = [{"step": "dedup", "key": "prompt"}, DECONTAMINATE]
    version = place.mix({"p": {"uri": "p.jsonl"}}, kind="preference", steps=steps)
    assert account(version, "p")["dropped"] == {"duplicate_record": 0, "duplicate_text": 2, "contaminated": 1}
    assert sorted(row["prompt"][0]["content"] for row in version.table().to_pylist()) == [
        f"p {i}" for i in range(4)
    ]
    assert version.table().to_pylist()[0]["chosen"][0]["content"].startswith("good")
    again = place.mix({"s": {"uri": "m@latest"}}, kind="preference", name="again")
    assert sorted(again.table()["id"].to_pylist()) == sorted(version.table()["id"].to_pylist())


def test_rlvr_records_are_mixed_end_to_end(place: Place) -> None:
    rows = [{"prompt": f"{i}+1", "ground_truth": str(i + 1)} for i in range(5)]
    place.write("r.jsonl", [*rows, {"prompt": LEAK, "ground_truth": "3"}])
    version = place.mix(
        {"r": {"uri": "r.jsonl", "verifier": "gsm8k", "take": {"fraction": 0.6}}},
        kind="rlvr",
        steps=[DECONTAMINATE],
    )
    found = version.table().to_pylist()
    assert account(version, "r") == {
        "read": 6, "quarantined": {}, "dropped": {"contaminated": 1}, "not_drawn": 2, "kept": 3, "rows": 3,
    }  # fmt: skip
    assert {row["verifier"] for row in found} == {"gsm8k"}
    assert all(int(row["messages"][0]["content"][0]) + 1 == int(row["ground_truth"]) for row in found)


def test_a_version_tells_its_spec_inputs_and_story(place: Place) -> None:
    sources = {
        "a": {"uri": "a.jsonl", "licence": "odc-by", "take": {"rows": 3}},
        "b": {"uri": "b.jsonl", "licence": "mit"},
    }
    version = place.mix(sources, steps=[DECONTAMINATE], description="Trains and towns.")
    spec = yaml.safe_load((version.path / "spec.yaml").read_text())
    assert spec["sources"]["a"] == {
        "uri": "a.jsonl", "attach": {}, "adapter": "auto", "columns": {}, "licence": ["odc-by"],
        "take": {"rows": 3},
        "tags": [],
    }  # fmt: skip
    assert read_mixture(version.path / "spec.yaml").mixture.seed == 42
    lock = yaml.safe_load((version.path / "lock.yaml").read_text())
    digest = sha256((place.root / "a.jsonl").read_bytes()).hexdigest()
    assert lock["sources"]["a"]["files"] == [{"origin": "a.jsonl", "sha256": digest, "rows": 9}]
    card = (version.path / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert (head["license"], head["tags"]) == (["mit", "odc-by"], ["tulu-data", "sft"])
    assert "Trains and towns.\n\n10 records of kind `sft`" in card
    assert "| a | 3 | 30.00% | 9 | 0 | 0 | 6 | 3 | odc-by | `a.jsonl` |  |\n" in card
    assert "| b | 7 | 70.00% | 8 | 0 | 1 | 0 | 7 | mit | `b.jsonl` |  |\n" in card
    assert "Rule `tulu3` against 1 suite: trains. " in card
