"""`status`: a spec is built, stale for reasons that are told, never built or broken; offline, unwritten."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from mixture_fixtures import Place, chats
from store_fixtures import tree

from tulu_data.account import anew
from tulu_data.account.status import Status, status
from tulu_data.cli.status import command
from tulu_data.mix import recipe
from tulu_data.specs.lock import lock_path
from tulu_data.specs.source import Source

SOURCES = {"web": {"uri": "data/*.jsonl", "take": {"rows": 5}}, "math": {"uri": "math.jsonl"}}
STEPS = [
    {"step": "filter", "drop": ["empty_turn"]}, {"step": "dedup"},
    {"step": "decontaminate", "against": ["evals/"]},
]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\n")
    place.write("data/a.jsonl", chats(20, "web"))
    place.write("math.jsonl", chats(10, "math"))
    place.write("evals/eggs.jsonl", [{"question": "How many eggs does the red hen lay on a rainy Tuesday?"}])
    return place


def asked(place: Place, name: str = "m") -> Status:
    return status(place.root / f"mixtures/{name}.yaml", place.root, place.store)


def words(found: Status) -> str | None:
    return found.anew.words(found.file.mixture) if found.anew and found.file else None


def test_a_spec_is_never_built_then_built_then_stale(place: Place) -> None:
    place.spec(SOURCES, steps=STEPS)
    assert (asked(place).state, asked(place).kept) == ("never built", (0, 2))
    version = place.mix(SOURCES, steps=STEPS)
    found = asked(place)
    assert (found.state, found.version, found.kept, found.anew) == ("built", version, (2, 2), None)
    place.spec({**SOURCES, "web": {"uri": "data/*.jsonl", "take": {"rows": 6}}}, steps=STEPS)
    found = asked(place)
    assert found.state == "stale"
    assert [change.to_dict() for change in found.keys] == [
        {"path": "sources.web.take.rows", "before": 5, "after": 6}
    ]
    assert words(found) == "only the draw; what the steps find stays"


def test_it_writes_nothing(place: Place) -> None:
    place.mix(SOURCES, steps=STEPS)
    place.write("data/b.jsonl", chats(1, "more"))
    before = tree(place.store), sorted(place.root.rglob("*"))
    asked(place)
    assert (tree(place.store), sorted(place.root.rglob("*"))) == before


def test_files_that_changed_are_named_and_what_they_change(place: Place) -> None:
    place.mix(SOURCES, steps=STEPS)
    place.write("data/b.jsonl", chats(1, "more"))
    found = asked(place)
    assert [str(change).partition(" (")[0] for change in found.inputs] == ["source web: data/b.jsonl is new"]
    assert words(found) == "other records of web; steps from filter (1 of 3) on may find something else"
    (place.root / "data/b.jsonl").unlink()
    assert asked(place).state == "built"
    place.write("evals/eggs.jsonl", [{"question": "And how many on Wednesdays, when it snows in the yard?"}])
    found = asked(place)
    assert [(one.role, one.origin) for one in found.inputs] == [("suite", "evals/eggs.jsonl")]
    assert words(found) == "steps from decontaminate (3 of 3) on may find something else"


def test_a_source_that_is_gone_is_a_problem_of_a_build_too(place: Place) -> None:
    place.mix(SOURCES, steps=STEPS)
    (place.root / "math.jsonl").unlink()
    found = asked(place)
    assert found.state == "stale"
    assert [one.now for one in found.inputs] == [None]
    assert [text.partition(";")[0] for text in found.problems] == ["source math: math.jsonl: no such file"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"seed": 7}, "only the draw; what the steps find stays"),
        ({"assert": [{"min_rows": 3}]}, "only what the account says"),
        ({"steps": [STEPS[0], {"step": "dedup", "prefer": ["web"]}, STEPS[2]]}, "steps from dedup (2 of 3)"),
        ({"steps": STEPS[::-1]}, "steps from decontaminate (1 of 3)"),
        ({"steps": STEPS[1:]}, "steps from dedup (1 of 2)"),
    ],
)
def test_what_a_changed_key_changes(place: Place, more: dict[str, object], expected: str) -> None:
    place.mix(SOURCES, steps=STEPS)
    place.spec(SOURCES, **{"steps": STEPS, **more})
    said = words(asked(place))
    assert said is not None
    assert said.startswith(expected)


def test_a_stored_version_that_moved_is_told_once(place: Place) -> None:
    old = place.mix({"math": {"uri": "math.jsonl"}}, name="base")
    sources = {"web": {"uri": "data/*.jsonl"}, "base": {"uri": "base@latest"}}
    place.mix(sources)
    new = place.mix({"math": {"uri": "math.jsonl", "take": {"rows": 4}}}, name="base")
    found = asked(place)
    assert found.moved == (f"base@latest was {old.content_id[:8]}, is {new.content_id[:8]}",)
    assert (found.state, found.keys) == ("stale", ())


def test_a_version_that_is_gone_and_code_that_moved(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [{"step": "dedup", "against": ["other@latest"]}]
    place.mix({"math": {"uri": "math.jsonl"}}, name="other")
    place.mix({"web": {"uri": "data/*.jsonl"}}, steps=steps)
    assert asked(place).state == "built"
    now = recipe.STEP_VERSIONS["dedup"]
    monkeypatch.setitem(recipe.STEP_VERSIONS, "dedup", now + 1)
    found = asked(place)
    assert (found.state, found.code) == ("stale", (f"dedup {now} -> {now + 1}",))
    assert words(found) == "steps from dedup (1 of 1) on may find something else"
    monkeypatch.undo()
    (place.root / "store/refs/other").unlink()
    found = asked(place)
    assert found.state == "stale"
    assert any("no dataset 'other'" in text for text in found.problems)


def test_an_older_version_that_this_spec_made_counts_as_built(place: Place) -> None:
    first = place.mix(SOURCES)
    second = place.mix({**SOURCES, "web": {"uri": "data/*.jsonl", "take": {"rows": 9}}})
    place.spec(SOURCES)
    found = asked(place)
    assert (found.state, found.version, found.built) == ("built", second, first.content_id)


def test_a_hub_source_without_a_pin_is_named_and_nobody_is_asked(place: Place) -> None:
    place.spec({"web": {"uri": "hf://owner/name"}})
    found = asked(place)
    assert (found.state, found.unpinned) == ("never built", ("web",))
    assert not lock_path(place.root / "mixtures/m.yaml").exists()


def test_the_command_lists_the_mixtures_of_the_workspace(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = place.mix(SOURCES, steps=STEPS)
    place.spec({"web": {"uri": "data/*.jsonl"}}, name="other")
    monkeypatch.chdir(place.root)
    done = CliRunner().invoke(command, [])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"mixtures/m.yaml  {version.ref}  built",
        "mixtures/other.yaml  other  never built",
        "  cache: 1 of 1 files are kept as they are read",
    ]
    (place.root / "mixtures/other.yaml").write_text("version: 1\n")
    told = CliRunner().invoke(command, ["--json"])
    assert told.exit_code == 1
    assert [one["state"] for one in json.loads(told.stdout)] == ["built", "broken"]
    none = CliRunner().invoke(command, ["nowhere.yaml"])
    assert (
        str(none.exception) == "nowhere.yaml: no such file or folder; give a mixture spec or a folder of them"
    )


def test_every_key_of_a_source_is_known_to_change_records_the_draw_or_the_account_alone() -> None:
    records = {
        "uri", "revision", "config", "split", "adapter", "columns", "verifier", "where", "quality", "attach",
    }  # fmt: skip
    known = records | anew._DRAWN_OF_SOURCE | anew._TOLD_OF_SOURCE
    assert {*Source.model_fields} <= known, "say in account/anew.py what the new key changes"


def test_an_empty_key_that_a_release_brings_changes_no_records(place: Place) -> None:
    version = place.mix(SOURCES, steps=STEPS)
    path = version.path / "spec.yaml"
    path.write_text(path.read_text().replace("    columns: {}\n", ""))
    found = asked(place)
    assert words(found) == "only what the account says"


def test_a_spec_that_cannot_be_read_or_whose_suites_are_missing_hides_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = place.mix(SOURCES, steps=STEPS)
    lost = [{"step": "decontaminate", "against": ["evals/none.yaml"]}]
    place.spec(SOURCES, name="b_lost", steps=lost)
    (place.root / "mixtures/c_bad.yaml").write_text("version: 1\nname: [c\n")
    monkeypatch.chdir(place.root)
    done = CliRunner().invoke(command, [])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "mixtures/b_lost.yaml  b_lost  never built"
    assert lines[1].startswith("  evals/none.yaml: no such file")
    assert "mixtures/c_bad.yaml    broken" in lines
    assert any(line.startswith("  mixtures/c_bad.yaml:") for line in lines)
    assert lines[-1] == f"mixtures/m.yaml  {version.ref}  built"
    told = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert [(one["state"], len(one["problems"])) for one in told] == [
        ("never built", 1), ("broken", 1), ("built", 0),
    ]  # fmt: skip


def test_a_suite_that_is_gone_makes_its_spec_stale(place: Place) -> None:
    place.mix(SOURCES, steps=[{"step": "decontaminate", "against": ["evals/eggs.jsonl"]}])
    (place.root / "evals/eggs.jsonl").unlink()
    found = asked(place)
    assert (found.state, found.built, len(found.problems)) == ("stale", None, 1)


def test_a_source_with_another_name_is_told_as_renamed_and_its_files_are_compared(place: Place) -> None:
    place.mix(SOURCES, steps=STEPS)
    place.spec({"net": SOURCES["web"], "math": SOURCES["math"]}, steps=STEPS)
    place.write("data/b.jsonl", chats(1, "more"))
    found = asked(place)
    (key,) = found.keys
    assert (key.to_dict(), str(key)) == (
        {"path": "sources.net", "renamed": True, "before": "web", "after": "net"},
        "source web is called net; names enter draw and order, so rows may change",
    )
    assert [str(one).partition(" (")[0] for one in found.inputs] == ["source net: data/b.jsonl is new"]
    (place.root / "data/b.jsonl").unlink()
    assert words(asked(place)) == "steps from dedup (2 of 3) on may find something else"
    place.mix(SOURCES)
    place.spec({"net": SOURCES["web"], "math": SOURCES["math"]})
    assert words(asked(place)) == "only the draw; what the steps find stays"


def test_a_missing_file_is_told_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mix(SOURCES, steps=STEPS)
    (place.root / "math.jsonl").unlink()
    monkeypatch.chdir(place.root)
    lines = CliRunner().invoke(command, []).stdout.splitlines()
    assert sum("math.jsonl" in line for line in lines) == 1
    (told,) = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert [(one["role"], one["now"]) for one in told["inputs"]] == [("source math", None)]
