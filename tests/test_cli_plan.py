"""The verb plan: what would be taken of each source, as people and programs read it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mixture_fixtures import Place, chat, chats

from tulu_data.cli.main import group
from tulu_data.errors import PlanError
from tulu_data.mix.summary import summarise

TOKENIZER = Path(__file__).parents[1] / "tulu_data" / "workspace" / "files" / "models" / "tiny"


@pytest.fixture
def place(workspace: Place) -> Place:
    workspace.write("a.jsonl", [*chats(26, "a"), *(chat(f"e {i}", "") for i in range(4))])
    workspace.write("b.jsonl", [*chats(8, "b"), {"messages": []}])
    workspace.write("c.jsonl", chats(62, "c"))
    workspace.spec(
        {
            "a": {"uri": "a.jsonl", "licence": "mit", "group": "ab", "take": {"weight": 1}},
            "b": {"uri": "b.jsonl", "licence": ["odc-by", "gpl-3.0"], "group": "ab", "take": {"weight": 1}},
            "c": {"uri": "c.jsonl", "take": {"weight": 1}},
        },
        size=60,
        max_repetition=4,
        groups={"ab": {"weight": 2, "temperature": 0.5}},
        steps=[{"step": "filter", "drop": ["empty_turn"]}],
    )
    return workspace


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["plan", "mixtures/m.yaml", *arguments], prog_name="tulu-data")


def test_a_plan_is_told_source_by_source_and_group_by_group(place: Place) -> None:
    done = run()
    lines = done.stdout.splitlines()
    ref = lines[-1].split()[1]
    assert lines == [
        "source  read  quarantined  dropped  left  rows  repetition    share  licences",
        "a         30            0        4    26    26           1   43.34%  mit",
        "b          9            1        0     8    14        1.75   23.33%  gpl-3.0, odc-by",
        "c         62            0        0    62    20           1   33.33%  unknown",
        "total    101            1        4    96    60       1.111  100.00%",
        "",
        "group  read  quarantined  dropped  left  rows  repetition   share  licences",
        "ab       39            1        4    34    40       1.176  66.67%  gpl-3.0, mit, odc-by",
        "",
        f"plan  {ref}  60 rows; no version was written",
    ]
    assert done.stderr.splitlines() == ["read: 3 files of 3 sources", "filter: 100 -> 96 records"]
    assert place.store.names() == []


def test_the_numbers_of_a_plan_are_those_of_the_build(place: Place) -> None:
    found = json.loads(run("--json", "--set", f"tokenizer={TOKENIZER}").stdout)
    built = CliRunner().invoke(
        group, ["mix", "mixtures/m.yaml", "--json", "--set", f"tokenizer={TOKENIZER}"], prog_name="tulu-data"
    )
    version = json.loads(built.stdout)
    assert [found[key] for key in ("version", "content_id", "rows")] == [
        version[key] for key in ("version", "content_id", "rows")
    ]
    for line, entry in zip(found["sources"], version["sources"], strict=True):
        same = ("name", "read", "quarantined", "dropped", "rows", "tokens")
        assert [line[key] for key in same] == [entry[key] for key in same]
        assert line["licences"] == sorted(entry["licences"])
        assert line["left"] == entry["kept"] + entry["not_drawn"]
        assert line["share"] == entry["rows"] / version["rows"]
        assert line["repetition"] == entry["rows"] / entry["kept"]
    assert found["total"]["rows"] == found["rows"] == sum(line["rows"] for line in found["sources"])
    assert found["total"]["tokens"] == sum(line["tokens"] for line in found["sources"])
    assert [line["rows"] for line in found["groups"]] == [40]


def test_the_rows_of_splits_are_told(place: Place) -> None:
    settings = ["--set", "splits={test: {fraction: 0.5}}"]
    found = json.loads(run("--json", *settings).stdout)
    assert sorted(found["splits"]) == ["test", "train"]
    assert sum(found["splits"].values()) == 60
    lines = run(*settings).stdout.splitlines()
    told = {name: int(rows) for name, rows, _ in (line.split() for line in lines[-4:-2])}
    assert told == found["splits"]


def test_settings_change_the_plan_and_not_the_spec(place: Place) -> None:
    before = (place.root / "mixtures" / "m.yaml").read_text("utf-8")
    assert json.loads(run("--json", "--set", "size=8").stdout)["rows"] == 8
    assert json.loads(run("--json").stdout)["rows"] == 60
    assert (place.root / "mixtures" / "m.yaml").read_text("utf-8") == before


def test_a_try_with_settings_leaves_no_lock_that_the_spec_is_refused_for(place: Place) -> None:
    store = CliRunner().invoke(group, ["mix", "mixtures/m.yaml"], prog_name="tulu-data")
    assert store.exit_code == 0, store.output
    assert run("--set", "sources.c={uri: m@latest, take: {weight: 1}}", "--set", "name=other").exit_code == 0
    assert not (place.root / "mixtures" / "m.lock.yaml").exists()
    assert run("--frozen").exit_code == 0


def test_what_would_fit_is_no_more_than_records_may_be_repeated(place: Place) -> None:
    place.spec({"c": {"uri": "c.jsonl", "take": {"rows": 100}}})
    assert "take {all: true}, or {epochs: 1.62} to repeat records" in str(run().exception)
    told = str(run("--set", "max_repetition=1").exception)
    assert told.endswith("62 are left after the steps (38 short); take {all: true}")


def test_a_shortfall_is_an_error_that_says_what_would_fit(place: Place) -> None:
    done = run("--set", "size=500")
    assert isinstance(done.exception, PlanError)
    assert str(done.exception) == (
        "--set size=500: size: asks for 500 rows, the weighted sources have 384 (a 26 x 4, b 8 x 4, "
        "c 62 x 4; 116 short); size 384 fits, or max_repetition: 6 to repeat records"
    )


def test_a_source_that_brings_nothing_has_no_repetition(place: Place) -> None:
    plan = place.plan({"a": {"uri": "a.jsonl"}, "none": {"uri": "c.jsonl", "take": {"rows": 0}}})
    lines = {line.name: line for line in summarise(plan).sources}
    assert (lines["none"].rows, lines["none"].repetition, lines["none"].left) == (0, None, 62)
