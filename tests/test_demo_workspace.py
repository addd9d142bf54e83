"""The demo workspace: its dirt is where the table says, and a mix of it reports exactly that."""

import csv
import gzip
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FILES = ROOT / "tulu_data" / "workspace" / "files"
EXPECTED: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "demo_expectations.json").read_text("utf-8"))
N = 8
"""Words of an n-gram in the rule tulu3."""

Record = list[tuple[str, str]]
"""Turns as (role, content)."""


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def lines(name: str) -> list[str]:
    path = FILES / name
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").splitlines()


def chat() -> Iterator[Record | None]:
    for line in lines("data/chat.jsonl"):
        try:
            turns = [(m["role"], m["content"]) for m in json.loads(line)["messages"]]
        except json.JSONDecodeError:
            yield None
        else:
            yield turns if {role for role, _ in turns} <= {"system", "user", "assistant"} else None


def instructions() -> Iterator[Record]:
    for row in json.loads((FILES / "data/instructions.json").read_text("utf-8")):
        prompt = f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]
        yield [("user", prompt), ("assistant", row["output"])]


def arithmetic() -> Iterator[Record]:
    for row in csv.DictReader(lines("data/arithmetic.csv")):
        yield [("user", row["prompt"]), ("assistant", row["completion"])]


def conversations() -> Iterator[Record]:
    names = {"human": "user", "gpt": "assistant"}
    for line in lines("data/conversations.jsonl.gz"):
        yield [(names[turn["from"]], turn["value"]) for turn in json.loads(line)["conversations"]]


def translation() -> Iterator[Record]:
    for line in lines("data/translation.jsonl"):
        row = json.loads(line)
        yield [("user", row["prompt"]), ("assistant", row["completion"])]


SOURCES: dict[str, list[Record | None]] = {
    "chat": list(chat()), "instructions": list(instructions()), "arithmetic": list(arithmetic()),
    "conversations": list(conversations()), "translation": list(translation()),
}  # fmt: skip


def records() -> Iterator[tuple[str, int, Record]]:
    for source, rows in SOURCES.items():
        for row, record in enumerate(rows, 1):
            if record is not None:
                yield source, row, record


def instances() -> Iterator[dict[str, str]]:
    for path in sorted((FILES / "evals").glob("*.jsonl")):
        yield from (json.loads(line) for line in path.read_text("utf-8").splitlines())


def overlap(instance: list[str], turns: list[list[str]]) -> float:
    """Return the share of an instance's words covered by 8-grams shared with a record's prompts."""
    if len(instance) < N:
        size = len(instance)
        return float(any(turn[i : i + size] == instance for turn in turns for i in range(len(turn))))
    grams = {tuple(turn[i : i + N]) for turn in turns for i in range(len(turn) - N + 1)}
    covered = {
        i + k for i in range(len(instance) - N + 1) if tuple(instance[i : i + N]) in grams for k in range(N)
    }
    return len(covered) / len(instance)


def hits() -> set[tuple[str, str, int]]:
    found = set()
    prompts = [(s, n, [words(text) for role, text in r if role == "user"]) for s, n, r in records()]
    for item in instances():
        passage = [f"{item['passage']} {item['question']}"] if "passage" in item else []
        for text in (item["question"], *passage):
            tokens = words(text)
            found |= {(item["id"], s, n) for s, n, turns in prompts if overlap(tokens, turns) > 0.5}
    return found


def test_every_file_has_as_many_rows_as_the_table_says() -> None:
    assert {source: len(rows) for source, rows in SOURCES.items()} == EXPECTED["rows"]
    assert sum(p.stat().st_size for p in FILES.rglob("*") if p.is_file()) < 250_000


def test_the_bad_rows_are_where_the_table_says() -> None:
    bad = [(source, row) for source, rows in SOURCES.items() for row, r in enumerate(rows, 1) if r is None]
    assert bad == [(entry["source"], entry["row"]) for entry in EXPECTED["quarantined"]]


def test_the_empty_answer_is_where_the_table_says() -> None:
    empty = [(source, row) for source, row, r in records() if any(not text.strip() for _, text in r)]
    assert empty == [(entry["source"], entry["row"]) for entry in EXPECTED["empty_turn"]]


def test_the_drafts_are_as_many_as_the_table_says() -> None:
    status = Counter(row["status"] for row in csv.DictReader(lines("data/arithmetic.csv")))
    assert status["draft"] == EXPECTED["left_out_by_where"]["arithmetic"]
    assert set(status) == {"draft", "checked"}


def test_the_duplicates_are_as_many_as_the_table_says() -> None:
    seen: set[str] = set()
    repeated: Counter[str] = Counter()
    for source, _, record in records():
        key = json.dumps(record)
        repeated[source] += key in seen
        seen.add(key)
    assert {source: n for source, n in repeated.items() if n} == EXPECTED["duplicates"]


def test_the_leaks_are_exactly_those_of_the_table() -> None:
    assert hits() == {(leak["id"], leak["source"], leak["row"]) for leak in EXPECTED["leaks"]}


def test_an_instance_in_an_answer_only_is_there_and_is_no_hit() -> None:
    for entry in EXPECTED["no_hit"]:
        item = next(item for item in instances() if item["id"] == entry["id"])
        record = SOURCES[entry["source"]][entry["row"] - 1]
        assert record is not None
        assert [role for role, text in record if item["question"] in text] == ["assistant"]


def test_suites_have_distinct_ids_and_short_questions_are_shorter_than_an_n_gram() -> None:
    items = list(instances())
    assert len({item["id"] for item in items}) == len(items)
    assert Counter(item["suite"] for item in items) == {
        "word_problems": 40,
        "kitchen_qa": 20,
        "short_facts": 25,
    }
    short = [len(words(item["question"])) for item in items if item["suite"] == "short_facts"]
    assert (min(short), max(short)) == (4, 7)
    assert all(len(words(item["question"])) >= N for item in items if item["suite"] != "short_facts")


def test_the_repositorys_own_suites_are_those_of_the_workspace() -> None:
    for path in sorted((FILES / "evals").glob("*.jsonl")):
        assert (ROOT / "evals" / path.name).read_bytes() == path.read_bytes()


def test_sums_in_the_arithmetic_source_are_right() -> None:
    sign = {"x": "*", "/": "/", "+": "+", "-": "-"}
    checked = 0
    for record in SOURCES["arithmetic"]:
        assert record is not None
        for left, result in re.findall(r"((?:\d+ [-+x/] )+\d+) = (\d+)\b", record[1][1]):
            expression = "".join(sign.get(part, part) for part in left.split(" "))
            assert eval(expression) == int(result), record  # noqa: S307
            checked += 1
    assert checked > 100


def test_python_in_the_conversations_compiles() -> None:
    blocks = 0
    for record in SOURCES["conversations"]:
        assert record is not None
        for _, text in record:
            for block in re.findall(r"```python\n(.*?)\n```", text, re.DOTALL):
                compile(block, "demo", "exec")
                blocks += 1
    assert blocks > 30


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Any:
    mix = pytest.importorskip("tulu_data.mix")
    from tulu_data.cli.init import write_workspace
    from tulu_data.specs.mixture import read_mixture
    from tulu_data.store import Store

    root = tmp_path_factory.mktemp("demo")
    write_workspace(root)
    file = read_mixture(root / "mixtures" / "demo.yaml")
    settings = mix.Settings(base=root, store=Store(root / "store"), workers=1)
    inputs = mix.resolve_inputs(file, root, settings.store)
    return mix.build(file, mix.prepare(file, inputs, settings), settings)


def test_a_mix_of_the_workspace_reports_exactly_the_planted_dirt(version: Any) -> None:
    dropped: dict[str, Counter[str]] = {source: Counter() for source in SOURCES}
    for entry in EXPECTED["empty_turn"]:
        dropped[entry["source"]]["empty_turn"] += 1
    for source, rows in EXPECTED["duplicates"].items():
        dropped[source]["duplicate_record"] += rows
    for source, rows in EXPECTED["left_out_by_where"].items():
        dropped[source]["where"] += rows
    for leak in EXPECTED["leaks"]:
        dropped[leak["source"]]["contaminated"] += 1
    quarantined = Counter(entry["source"] for entry in EXPECTED["quarantined"])
    found = {s.name: s for s in version.manifest.sources}
    assert {name: s.read for name, s in found.items()} == EXPECTED["rows"]
    assert {name: sum(s.quarantined.values()) for name, s in found.items()} == {
        source: quarantined[source] for source in SOURCES
    }
    assert {name: +Counter(s.dropped) for name, s in found.items()} == dropped
    assert {name: s.rows for name, s in found.items()} == EXPECTED["version_rows"]
    assert version.num_rows == sum(EXPECTED["version_rows"].values())


def test_every_row_of_the_workspace_is_accounted_for(version: Any) -> None:
    for source in version.manifest.sources:
        out = sum(source.quarantined.values()) + sum(source.dropped.values()) + source.not_drawn
        assert source.read == out + source.kept, source.name
