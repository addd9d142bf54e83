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
from tulu_data.cli.main import group
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


def told(*arguments: str) -> list[str]:
    return run(*arguments).stdout.splitlines()


def test_a_path_as_one_types_it_finds_the_file(
    place: Place, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = asked(place, version, sought("data/a.jsonl:2")).fates
    assert expected
    monkeypatch.chdir(place.root / "data")
    for typed in ("a.jsonl", "./a.jsonl", "../data/a.jsonl", str(place.root / "data/a.jsonl")):
        assert asked(place, version, sought(f"{typed}:2")).fates == expected, typed


def test_a_message_that_is_no_record_leads_to_the_threads_that_hold_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = [("q", None, "prompter"), ("a", "q", "assistant"), ("b", "q", "assistant"), ("u", "b", "prompter"),
            ("c", "u", "assistant"), *((f"d{i}", "q", "assistant") for i in range(6))]  # fmt: skip
    rows = [{"message_id": i, "parent_id": p, "role": r, "text": f"says {i}"} for i, p, r in tree]
    place.write("tree.jsonl", rows)
    version = place.mix(
        {"t": {"uri": "tree.jsonl", "adapter": "threads", "where": "thread.turns > 2"}}, name="t"
    )
    monkeypatch.chdir(place.root)
    lines = told("tree.jsonl:4", "t")
    assert lines[0] == "tree.jsonl:4: no record by itself; a message of 1 thread, which end at rows 5"
    assert lines[3].startswith(f"  in {version.ref}: once, row 1 (")
    found = asked(place, version, sought("tree.jsonl:1"))
    assert found.around.answers == (2, 3, 5, 6, 7, 8, 9, 10, 11)
    assert [fate.origin for fate in found.fates] == [f"tree.jsonl:{row}" for row in found.around.answers]
    assert told("tree.jsonl:1", "t")[0].endswith(
        "a message of 9 threads, which end at rows 2, 3, 5, 6, 7, ..."
    )
    assert told("tree.jsonl:12", "t")[1:] == ["  tree.jsonl gave 9 rows"]
    place.write("tree.jsonl", rows[:3])
    assert asked(place, version, sought("tree.jsonl:1")).around.answers == ()


def test_a_file_that_was_edited_since_is_said_to_be_another(
    place: Place, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.root)
    assert not any(line.startswith("note: ") for line in told("math.jsonl:1"))
    place.write("math.jsonl", [*chats(6, "maths"), chat("quite new")])
    note = f" since {version.ref} was built; what is told is of that time"
    lines = told("math.jsonl:1")
    assert "  says: math 0" in lines
    assert lines[-1].startswith("note: source math: math.jsonl changed (")
    assert lines[-1].endswith(note)
    for question in (["math.jsonl:7"], ["--text", "quite new"], ["abcdef0123"]):
        lines = told(*question)
        assert lines[0].startswith(f"{version.ref}: not in it")
        assert lines[-1].endswith(note), question
    assert told("math.jsonl:7")[1] == "  math.jsonl gave 6 rows"
    (place.root / "math.jsonl").unlink()
    assert told("math.jsonl:1")[-1].startswith("note: source math: math.jsonl is gone (")
    assert told("none.jsonl:7")[1] == (
        "  no source reads none.jsonl; they read data/a.jsonl, data/b.jsonl, math.jsonl, pairs.jsonl"
    )


def test_of_a_version_that_was_pulled_it_tells_what_came_with_it(
    place: Place, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.root)
    to = f"file://{place.root}/shelf"
    assert CliRunner().invoke(group, ["push", "m", "--to", to, "--yes"]).exit_code == 0
    other = ["m", "--store", str(place.root / "other")]
    assert CliRunner().invoke(group, ["pull", to, *other[1:]]).exit_code == 0
    ref = version.ref

    def here_and_there(record: str) -> tuple[list[str], list[str]]:
        return told(record, "m"), told(record, *other)

    raw, quiet = here_and_there("data/b.jsonl:11")
    assert raw[1].startswith(f"  not in {ref}: quarantined: no messages (")
    assert raw[2].startswith('  row: {"messages": []')
    assert quiet[:3] == [
        "no record  web  data/b.jsonl:11", f"  not in {ref}: quarantined: no messages",
        "  row: its text is not in this version",
    ]  # fmt: skip
    mine, away = here_and_there("data/b.jsonl:15")
    assert mine[2:] == [f"  not in {ref}: dropped by filter: identity", "  matched: I am ChatGPT (turn 2)"]
    assert away[2:] == [f"  not in {ref}: dropped by filter: identity", "  turn 2"]
    assert here_and_there("math.jsonl:2")[1] == here_and_there("math.jsonl:2")[0]
    unknown = told("data/a.jsonl:4", *other)
    assert unknown[1].startswith(
        "  not known of web, math, pairs, whose files are not kept as they were read; "
    )
