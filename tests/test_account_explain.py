"""`explain`: what became of every row of every source, asked for by id, place, words, or the row itself."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mixture_fixtures import Place, chat, chats

from tulu_data.account.explain import Explained, explain
from tulu_data.account.fates import Made
from tulu_data.account.sought import Sought, ids_of_row, sought
from tulu_data.cli.explain import command
from tulu_data.errors import SourceError
from tulu_data.store import Version

LEAK = "How many eggs does the red hen lay on a rainy Tuesday in the month of May?"
SOURCES = {
    "web": {"uri": "data/*.jsonl", "where": "n <> 3", "take": {"rows": 12}},
    "math": {"uri": "math.jsonl", "take": {"epochs": 2}},
    "pairs": {"uri": "pairs.jsonl", "columns": {"prompt": "ask", "completion": "say"}},
}
STEPS = [
    {"step": "filter", "drop": ["identity"]},
    {"step": "dedup", "prefer": ["math"]},
    {"step": "decontaminate", "against": ["evals/"]},
]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\n")
    rows = [{**row, "n": n} for n, row in enumerate(chats(30, "web"))]
    rows += [
        {"messages": [], "n": 50},
        {**chat("math 3"), "n": 51},
        {**chat(LEAK), "n": 52},
        {**chat("web 7"), "n": 53},
    ]
    place.write("data/a.jsonl", rows[:20])
    place.write("data/b.jsonl", [*rows[20:], {**chat("Who?", "I am ChatGPT."), "n": 54}])
    place.write("math.jsonl", chats(6, "math"))
    place.write("pairs.jsonl", [{"ask": f"pair {i}", "say": "So."} for i in range(3)])
    place.write("evals/eggs.jsonl", [{"question": LEAK, "answer": "3"}])
    return place


@pytest.fixture
def version(place: Place) -> Version:
    return place.mix(SOURCES, steps=STEPS)


def asked(place: Place, version: Version, wanted: Sought) -> Explained:
    return explain(Made(version, place.store), wanted, place.root, place.store)


def test_the_fates_of_all_rows_are_the_account_of_every_source(place: Place, version: Version) -> None:
    found: dict[str, Counter[str]] = {}
    for entry in version.manifest.sources:
        for file in entry.files:
            for row in range(1, file.rows + 1):
                (fate,) = asked(place, version, sought(f"{file.origin}:{row}")).fates
                assert (fate.source, fate.origin) == (entry.name, f"{file.origin}:{row}")
                word = str(fate.facts["reason"]) if fate.state in ("dropped", "quarantined") else fate.state
                found.setdefault(entry.name, Counter())[word] += 1
    for entry in version.manifest.sources:
        told = Counter(entry.quarantined) + Counter(entry.dropped)
        told["left out by where"] = told.pop("where", 0)
        told += Counter({"in": entry.kept, "not drawn": entry.not_drawn})
        assert found[entry.name] == +told, entry.name


def test_ranks_of_what_was_not_drawn_begin_where_the_take_ended(place: Place, version: Version) -> None:
    ranks = []
    for file in ("data/a.jsonl", "data/b.jsonl"):
        for row in range(1, 21):
            for fate in asked(place, version, sought(f"{file}:{row}")).fates:
                if fate.state == "not drawn":
                    assert (fate.facts["taken"], fate.facts["of"]) == (12, 12 + 17)
                    ranks.append(fate.facts["rank"])
    assert sorted(ranks) == list(range(13, 30))


def test_a_larger_take_draws_what_came_next(place: Place, version: Version) -> None:
    entry = version.manifest.sources[0]
    first = {
        fate.facts["rank"]: fate.id
        for file in entry.files
        for row in range(1, file.rows + 1)
        for fate in asked(place, version, sought(f"{file.origin}:{row}")).fates
        if fate.state == "not drawn"
    }
    larger = place.mix({**SOURCES, "web": {**SOURCES["web"], "take": {"rows": 13}}}, steps=STEPS)
    assert {*larger.table()["id"].to_pylist()} - {*version.table()["id"].to_pylist()} == {first[13]}


def test_a_duplicate_names_the_record_that_stands_for_it(place: Place, version: Version) -> None:
    found = asked(place, version, sought("data/b.jsonl:12"))
    (told,) = found.to_dict()["records"]
    assert (told["state"], told["facts"]["step"], told["text"]) == ("dropped", "dedup", "math 3")
    assert (told["stands"]["source"], told["stands"]["text"], told["stands"]["state"]) == (
        "math",
        "math 3",
        "in",
    )
    (kept,) = [one for one in asked(place, version, sought(told["id"])).fates if one.state == "in"]
    assert [row["copy"] for row in kept.facts["rows"]] == [0, 1]
    assert found.duplicates[told["id"]] == 1


def test_a_leak_names_the_instance(place: Place, version: Version) -> None:
    found = asked(place, version, sought("b.jsonl:13"))
    (fate,) = found.fates
    (hit,) = found.hits[str(fate.id)]
    assert (fate.facts["reason"], hit["suite"], hit["question"]) == ("contaminated", "eggs", LEAK)


def test_texts_are_read_back_without_a_cache(place: Place, version: Version) -> None:
    (place.root / "store/cache").rename(place.root / "away")
    found = asked(place, version, sought("data/b.jsonl:13"))
    assert list(found.texts.values()) == [LEAK]
    assert found.unkept == ("web", "math", "pairs")
    assert asked(place, version, sought("data/a.jsonl:4")).fates == ()


def test_a_row_gets_the_id_that_a_source_gives_it(place: Place, version: Version) -> None:
    made = Made(version, place.store)
    ids, refused = ids_of_row('{"ask": "pair 1", "say": "So."}', made.mixture)
    (fate,) = asked(place, version, Sought(ids=ids)).fates
    assert (fate.source, fate.origin) == ("pairs", "pairs.jsonl:2")
    assert "web" in refused
    with pytest.raises(SourceError, match=r"^--row: not a JSON object"):
        ids_of_row("[1]", made.mixture)


def test_digits_that_several_ids_begin_with_are_refused(place: Place) -> None:
    place.write("many.jsonl", chats(3000))
    version = place.mix({"web": {"uri": "many.jsonl"}})
    ids = sorted(version.table()["id"].to_pylist())
    prefix = next(a[:4] for a, b in pairwise(ids) if a[:4] == b[:4])
    with pytest.raises(SourceError, match=f"^{prefix}: begins the ids of 2 records; give more digits of "):
        asked(place, version, sought(prefix))


@pytest.mark.parametrize("text", ["abc", "a.jsonl:0", "a.jsonl", "", "xyz1"])
def test_what_is_neither_an_id_nor_a_place_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="neither the id of a record"):
        sought(text)


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(command, list(arguments), input=given)


def test_the_command_says_why(place: Place, version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.root)

    def lines(*arguments: str, given: str | None = None) -> list[str]:
        done = run(*arguments, given=given)
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()

    ref = version.ref
    assert f"  not in {ref}: where does not hold: n <> 3" in lines("a.jsonl:4")
    assert any(line.startswith(f"  in {ref}: 2 times, row ") for line in lines("math.jsonl:2", "m"))
    assert f"  not in {ref}: dropped by dedup: duplicate_record" in lines("data/b.jsonl:12")
    assert "    asks: " + LEAK in lines("data/b.jsonl:13", ref)
    assert lines("data/b.jsonl:11")[0] == "no record  web  data/b.jsonl:11"
    assert "  says: pair 2" in lines("--text", "pair 2")
    row = json.dumps({"ask": "pair 0", "say": "So."})
    assert "  says: pair 0" in lines("--row", "-", ref, given=row)
    told: Any = json.loads(run("--row", "-", "--json", given=row).stdout)
    assert [one["state"] for one in told["records"]] == ["in"]
    unknown = run("ffffffffffff")
    assert unknown.exit_code == 1
    assert unknown.stdout.splitlines()[-1] == "  no source has it"
    spec = place.root / "mixtures/m.yaml"
    assert lines("--spec", str(spec), "math.jsonl:1")
    assert run("--spec", str(spec), "math.jsonl:1", "m").exit_code == 2
    assert run().exit_code == 2
