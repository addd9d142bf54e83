"""The verbs mix, list, show, diff, lock and init as a user meets them."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mixture_fixtures import Place, chat, chats

from tulu_data.cli.main import group
from tulu_data.errors import TuluDataError


@pytest.fixture
def place(workspace: Place) -> Place:
    workspace.write("a.jsonl", [*chats(10, "a"), chat("empty", ""), {"messages": []}])
    workspace.spec({"a": {"uri": "a.jsonl"}}, steps=[{"step": "filter", "drop": ["empty_turn"]}])
    return workspace


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, list(arguments), prog_name="tulu-data")


def output(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def data(*arguments: str) -> dict:
    found = json.loads(output(*arguments, "--json"))
    assert isinstance(found, dict)
    return found


def error(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, TuluDataError), repr(result.exception) + result.output
    return str(result.exception)


def test_mix_prints_where_every_row_went_and_what_is_next(place: Place) -> None:
    result = run("mix", "mixtures/m.yaml")
    version = place.store.resolve("m")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["source", "read", "quarantined", "empty_turn", "not", "drawn", "kept", "rows"]
    assert lines[1].split() == ["a", "12", "1", "1", "0", "10", "10"]
    assert lines[3:] == [
        f"built  {version.ref}  10 rows  sft",
        f"  store/m/{version.content_id}",
        f"next: tulu-data show {version.ref}",
    ]
    assert result.stderr.splitlines() == [
        "read: 1 files of 1 sources",
        "filter: 11 -> 10 records",
        "write: 10 rows",
    ]


def test_a_rerun_says_already_built_and_exits_0(place: Place) -> None:
    first = data("mix", "mixtures/m.yaml")
    assert "already built" in output("mix", "mixtures/m.yaml")
    again = data("mix", "mixtures/m.yaml")
    assert (first.pop("existed"), again.pop("existed")) == (False, True)
    assert first == again


def test_a_dry_run_writes_no_version_and_prints_the_id_that_the_build_has(place: Place) -> None:
    plan = data("mix", "mixtures/m.yaml", "--dry-run")
    assert sorted(plan) == [
        "content_id",
        "groups",
        "rows",
        "sources",
        "splits",
        "total",
        "version",
        "warnings",
    ]
    assert place.store.names() == []
    said = output("mix", "mixtures/m.yaml", "--dry-run")
    assert said == output("plan", "mixtures/m.yaml")
    built = data("mix", "mixtures/m.yaml")
    assert {k: built[k] for k in ("content_id", "rows", "version")} == {
        k: plan[k] for k in ("content_id", "rows", "version")
    }


def test_warnings_go_to_stderr(place: Place) -> None:
    place.spec({"a": {"uri": "a.jsonl"}, "again": {"uri": "a.jsonl", "take": {"rows": 0}}})
    result = run("mix", "mixtures/m.yaml")
    assert "warning: source 'again' brings no rows (12 read)\n" in result.stderr
    assert "warning:" not in result.stdout


def test_paths_are_of_the_workspace_wherever_the_command_runs(
    place: Place, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = data("mix", "mixtures/m.yaml", "--dry-run")["content_id"]
    monkeypatch.chdir(place.root / "mixtures")
    assert data("mix", "m.yaml", "--dry-run")["content_id"] == here
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert data("mix", str(place.root / "mixtures" / "m.yaml"))["content_id"] == here
    assert place.store.names() == ["m"]
    assert list(Path().iterdir()) == []


def test_a_store_elsewhere_is_used_by_option_and_by_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    data("mix", "mixtures/m.yaml", "--store", "other/deep")
    assert place.store.names() == []
    monkeypatch.setenv("TULU_DATA_STORE", "other/deep")
    assert output("list").splitlines()[1].startswith("m@")


@pytest.mark.parametrize(
    "name", ["with space.jsonl", "\u8bad\u7ec3.jsonl", "a'b\"c.jsonl", "[x] [/bold].jsonl", "-x.jsonl"]
)
def test_odd_file_names_work_and_are_shown_as_they_are(place: Place, name: str) -> None:
    place.write(name, [chat("odd"), {"messages": []}])
    place.spec({"a": {"uri": name}})
    data("mix", "mixtures/m.yaml")
    assert f"  {name}:1\n" in output("view", "m")
    assert f"  {name}:2\n  quarantined: no messages\n" in output("view", "m", "--quarantined")


def test_a_store_with_brackets_in_its_path_is_shown(place: Place) -> None:
    assert "[/red] x/m/" in output("mix", "mixtures/m.yaml", "--store", "[/red] x")
    assert "[/red] x/m/" in output("show", "m", "--store", "[/red] x")


def test_a_missing_source_is_told_at_its_place_with_the_nearest(place: Place) -> None:
    place.spec({"a": {"uri": "a.jsnol"}})
    assert error("mix", "mixtures/m.yaml") == (
        f"mixtures/m.yaml:6:10 sources.a.uri: a.jsnol: no such file; searched {place.root}; "
        "did you mean 'a.jsonl'?"
    )


def test_a_missing_suite_is_told_at_its_place(place: Place) -> None:
    place.spec({"a": {"uri": "a.jsonl"}}, steps=[{"step": "decontaminate", "against": ["evals/"]}])
    assert error("mix", "mixtures/m.yaml") == (
        f"mixtures/m.yaml:7:5 steps[0].against[0]: evals/: no such file; searched {place.root}; mend the "
        "path, or put the file there; eval suites are jsonl, json, csv or parquet files with a column "
        "'question', or specs (.yaml) that say how others are read"
    )


def test_an_unknown_column_in_a_condition_is_told(place: Place) -> None:
    place.spec({"a": {"uri": "a.jsonl", "where": "length(mesages) > 1"}})
    text = error("mix", "mixtures/m.yaml")
    expected = "a.jsonl: where 'length(mesages) > 1': no column 'mesages'; did you mean 'messages'?"
    assert text.startswith(f"mixtures/m.yaml:7:12 sources.a.where: {expected}")


def test_of_layers_the_one_that_rows_do_not_fit_is_the_place(place: Place) -> None:
    place.write("p.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    place.spec({"a": {"uri": "a.jsonl", "licence": "mit"}}, licences={"allow": ["mit"]})
    for settings, start in [
        (
            ["kind=preference"],
            "--set kind=preference: kind: does not go with mixtures/m.yaml:9:5 sources.a: a.jso",
        ),
        (
            ["sources.a.uri=p.jsonl"],
            "--set sources.a.uri=p.jsonl: sources.a.uri: p.jsonl: looks like preference d",
        ),
        (
            ["sources.a.licence="],
            "--set sources.a.licence=: sources.a.licence: its removal does not go with ",
        ),
        (
            ["licences.deny=[mit]", "licences.allow="],
            "--set licences.allow=: licences.allow: its removal does no",
        ),
    ]:
        given = [word for setting in settings for word in ("--set", setting)]
        assert error("mix", "mixtures/m.yaml", *given).startswith(start)


DAY = "2024-07-01"


@pytest.mark.parametrize(
    ("source", "steps", "start"),
    [
        ({"uri": "t.jsonl"}, [], "sources.b: t.jsonl: no adapter for kind sft fits (columns: text)"),
        ({"uri": "p.jsonl"}, [], "sources.b: p.jsonl: looks like preference data"),
        (
            {"uri": "t.jsonl", "adapter": "messages", "columns": {"messages": "msgs"}},
            [],
            "sources.b.columns.messages: t.jsonl: no column 'msgs'",
        ),
        (
            {"uri": "a.jsonl", "adapter": "alpaca"},
            [],
            "sources.b.adapter: a.jsonl: no column 'instruction' for the part 'instruction' (columns: "
            "messages); map it: columns: {instruction: COLUMN}, or choose the adapter that these columns "
            "fit: messages",
        ),
        (
            {"uri": "a.jsonl", "quality": "scor"},
            [{"step": "dedup"}],
            "sources.b.quality: a.jsonl: quality 'scor': no",
        ),
        ({"uri": "a.jsonl", "where": "mesages > 1"}, [], "sources.b.where: a.jsonl: where 'mesages > 1'"),
        (
            {"uri": "a.jsonl"},
            [{"step": "filter", "drop": ["refusal", {"date": {"of": {"b": "made"}, "before": DAY}}]}],
            "steps[0].drop[1].date.of.b: a.jsonl: date 'made' (source 'b'): no column 'made'",
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_while_a_source_is_read_is_told_at_its_place(
    place: Place, source: dict[str, Any], steps: list[Any], start: str
) -> None:
    place.write("t.jsonl", [{"text": "x"}])
    place.write("p.jsonl", [{"prompt": "x", "chosen": "y", "rejected": "z"}])
    place.spec({"a": {"uri": "a.jsonl"}, "b": source}, steps=steps)
    text = error("mix", "mixtures/m.yaml")
    assert text.startswith("mixtures/m.yaml:"), text
    assert text.partition(" ")[2].startswith(start), text


def test_an_empty_file_is_no_rows_and_no_crash(place: Place) -> None:
    place.write("none.jsonl", [])
    place.spec({"a": {"uri": "a.jsonl"}, "none": {"uri": "none.jsonl"}})
    assert {s["name"]: s["rows"] for s in data("mix", "mixtures/m.yaml")["sources"]} == {"a": 11, "none": 0}
    place.spec({"none": {"uri": "none.jsonl"}})
    assert error("mix", "mixtures/m.yaml") == (
        "mixtures/m.yaml: no rows are left for the version: 0 read; "
        "check the sources, where, the steps and takes"
    )


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (
            {},
            "tokenizer: {root}/tok: no tokenizer.json in this folder; "
            "give a folder that has one, or a hub id",
        ),
        ({"tokenizer.json": "{"}, "tokenizer: {root}/tok/tokenizer.json: not a tokenizer (EOF while parsing"),
    ],
)
def test_a_folder_without_a_tokenizer_is_told(place: Place, files: dict[str, str], text: str) -> None:
    (place.root / "tok").mkdir()
    for name, content in files.items():
        (place.root / "tok" / name).write_text(content)
    place.spec({"a": {"uri": "a.jsonl"}}, tokenizer=f"{place.root}/tok")
    said = error("mix", "mixtures/m.yaml")
    assert said.startswith(f"mixtures/m.yaml:4:12 {text.format(root=place.root)}")


def test_a_folder_of_a_tokenizer_that_is_not_there_is_told_without_the_hub(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> Path:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("tulu_data.sources.hub_cache.fetch_file", asked)
    (place.root / "models").mkdir()
    for name in ("models/nope", "./nope"):
        place.spec({"a": {"uri": "a.jsonl"}}, tokenizer=name)
        where = "mixtures/m.yaml:4:12 tokenizer"
        assert error("mix", "mixtures/m.yaml").startswith(f"{where}: no folder {place.root / name}; give")


def test_a_disk_that_is_full_while_a_source_is_read_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pyarrow.ipc.new_file", full)
    assert error("mix", "mixtures/m.yaml") == (
        f"{place.root}/store/cache/normalised: cannot keep the records of a source "
        "(No space left on device); make room, or choose another store with --store"
    )
    monkeypatch.undo()
    monkeypatch.chdir(place.root)
    assert data("mix", "mixtures/m.yaml")["rows"] == 10


def test_list_shows_every_version_oldest_first(place: Place) -> None:
    assert output("list") == f"{place.root}/store: no versions yet; build one with: tulu-data mix SPEC\n"
    first = data("mix", "mixtures/m.yaml")
    place.spec({"a": {"uri": "a.jsonl"}}, seed=1)
    second = data("mix", "mixtures/m.yaml")
    found = json.loads(output("list", "--json"))
    assert [v["version"] for v in found] == [first["version"], second["version"]]
    assert set(found[0]) == {
        "built", "bytes", "content_id", "created", "kind", "name", "rows", "tags", "version",
    }  # fmt: skip
    assert [line.split()[0] for line in output("list", "m").splitlines()[1:]] == [v["version"] for v in found]
    assert "no dataset 'n'; did you mean" not in error("list", "n")


def test_a_version_that_is_built_again_is_the_newest_everywhere_and_mix_says_so(place: Place) -> None:
    place.spec({"a": {"uri": "a.jsonl"}})
    first = data("mix", "mixtures/m.yaml")
    place.spec({"a": {"uri": "a.jsonl"}}, seed=1)
    second = data("mix", "mixtures/m.yaml")
    assert "the newest of m again" not in output("mix", "mixtures/m.yaml")
    place.spec({"a": {"uri": "a.jsonl"}})
    told = f"  the newest of m again; before, that was {second['version']}"
    assert told in output("mix", "mixtures/m.yaml").splitlines()
    found = json.loads(output("list", "--json"))
    assert [one["version"] for one in found] == [second["version"], first["version"]]
    assert [one["built"] for one in found] == sorted(one["built"] for one in found)
    assert found[1]["created"] == first["created"] < found[1]["built"]
    garbage = json.loads(output("gc", "--json"))
    assert [one["name"] for one in garbage["gone"]] == [second["version"]]
    when = found[0]["built"][:16].replace("T", " ")
    assert garbage["gone"][0]["why"] == f"older, last built {when}, without a tag"
    place.spec({"a": {"uri": "a.jsonl"}}, seed=1)
    again = data("mix", "mixtures/m.yaml")
    assert (again["existed"], again["newest_before"]) == (True, first["content_id"])
    assert "newest_before" not in first


def test_list_goes_on_past_a_damaged_version(place: Place) -> None:
    broken = data("mix", "mixtures/m.yaml")
    place.spec({"a": {"uri": "a.jsonl"}}, seed=1)
    whole = data("mix", "mixtures/m.yaml")
    (Path(broken["path"]) / broken["shards"][0]["file"]).write_bytes(b"")
    result = run("list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [whole["version"]]
    assert "the version is damaged, build it again" in result.stderr


def test_show_prints_the_account_of_a_version(place: Place) -> None:
    version = data("mix", "mixtures/m.yaml")
    output("tag", "m", "best")
    text = output("show", "m")
    assert version["content_id"] in text
    assert " UTC  tagged best\n" in text
    assert [line.split() for line in text.splitlines() if line.startswith("a ")] == [
        ["a", "12", "1", "1", "0", "10", "10"]
    ]
    assert text.endswith(
        f"next: tulu-data view {version['version']}, or tulu-data stats {version['version']}\n"
    )
    shown = data("show", version["version"])
    assert (shown["tags"], shown["sources"][0]["dropped"]) == (["best"], {"empty_turn": 1})
    assert error("show", "n@1").endswith("no dataset 'n' (the store holds m)")


def test_diff_names_both_versions_and_says_where_nothing_changed(place: Place) -> None:
    old = data("mix", "mixtures/m.yaml")
    place.write("b.jsonl", chats(3, "b"))
    place.spec({"a": {"uri": "a.jsonl", "take": {"rows": 4}}, "b": {"uri": "b.jsonl"}})
    new = data("mix", "mixtures/m.yaml")
    found = data("diff", old["version"], "m")
    assert [found[side]["version"] for side in ("old", "new")] == [old["version"], new["version"]]
    text = output("diff", old["version"], new["version"])
    assert text.endswith(f"\n{old['version']} 10 rows -> {new['version']} 7 rows\n")
    assert output("diff", "m", "m").startswith("spec, inputs and code: no change\n")


def test_lock_of_a_spec_with_files_alone_has_nothing_to_pin(place: Place) -> None:
    place.spec({"a": {"uri": "not there yet.jsonl"}})
    assert output("lock", "mixtures/m.yaml") == "mixtures/m.yaml: reads files alone, nothing to pin\n"
    assert not (place.root / "mixtures" / "m.lock.yaml").exists()


def test_init_never_writes_over_a_file(tmp_path: Path) -> None:
    text = output("init", str(tmp_path / "w"))
    assert f"next: cd {tmp_path}/w && tulu-data decontaminate --against evals/" in text
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "README.md").write_text("mine")
    assert "README.md is there already (1 of " in error("init", str(tmp_path / "x"))
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["README.md"]
    assert (tmp_path / "x" / "README.md").read_text() == "mine"


def test_check_tells_an_adapter_of_another_kind_and_a_part_that_it_lacks(place: Place) -> None:
    place.spec({"a": {"uri": "c.jsonl", "adapter": "prompt_completion", "columns": {"prmpt": "q"}}})
    spec = place.root / "mixtures/m.yaml"
    spec.write_text(spec.read_text("utf-8").replace("kind: sft", "kind: preference"), "utf-8")
    result = run("check", "mixtures/m.yaml")
    assert result.exit_code == 1
    assert "adapter: gives sft records, the mixture is of kind 'preference'; use hh, preference or auto" in (
        result.stdout
    )
    assert (
        "columns.prmpt: no part 'prmpt'; did you mean 'prompt'? (parts of prompt_completion: completion, "
        in (result.stdout)
    )
