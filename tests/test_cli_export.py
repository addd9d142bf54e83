"""`tulu-data export`: what others read is what the version holds, byte for byte the same each time."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture_fixtures import Place, chats
from version_fixtures import Row, pair, say, stored

from tulu_data.cli.main import VERBS, group
from tulu_data.errors import StoreError, TuluDataError
from tulu_data.schema import CONTENT, KINDS, Kind, version_schema
from tulu_data.store import Version
from tulu_data.versions import export as exporting
from tulu_data.versions.export import FORMATS, export

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "x"}'}}
ROWS: dict[Kind, list[Row]] = {
    "sft": [
        {"messages": [say("user", "a \u5929\n"), say("assistant", "b")], "source": "x"},
        {"messages": [say("user", "c"), say("assistant", "", [CALL])], "tools": '[{"name": "find"}]'},
        {"messages": [say("assistant", "", "no list")], "tools": "not JSON", "copy": 1},
    ],
    "preference": [pair("p", "good", "bad"), pair("q", "", "bad")],
    "rlvr": [
        {"messages": [say("user", "1 + 1")], "ground_truth": "[2]", "verifier": "math"},
        {"messages": [say("user", "2 + 2")], "ground_truth": "4"},
    ],
}
FOLDERS = ("parquet", "hf")


def made(root: Path, kind: Kind) -> Version:
    return stored(root / "store", kind, ROWS[kind], batch=2)


def out_of(root: Path, form: str) -> Path:
    return root / ("out" if form in FOLDERS else "out.jsonl")


def lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def content(version: Version, *, provenance: bool) -> pa.Table:
    names = CONTENT[version.kind].names
    return version.table(["id", *names, "source", "origin", "copy"] if provenance else names)


@pytest.mark.parametrize("provenance", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_tables_are_those_of_the_version(tmp_path: Path, kind: Kind, provenance: bool) -> None:
    from datasets import load_dataset, load_from_disk

    version = made(tmp_path, kind)
    wanted = content(version, provenance=provenance)
    done = export(version, "parquet", tmp_path / "p", provenance=provenance, force=False)
    assert [path.name for path in done.files] == ["train-00000-of-00001.parquet"]
    assert pq.read_table(done.files[0]).equals(wanted)
    assert done.bytes == done.files[0].stat().st_size
    export(version, "hf", tmp_path / "h", provenance=provenance, force=False)
    assert load_from_disk(str(tmp_path / "h")).to_list() == wanted.to_pylist()
    loaded = load_dataset(str(tmp_path / "p"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.to_list() == wanted.to_pylist()


@pytest.mark.parametrize("form", FOLDERS)
def test_large_versions_are_cut_into_files_that_follow_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    from datasets import load_dataset, load_from_disk

    rows = [{"messages": [say("user", f"text {i}")]} for i in range(50)]
    version = stored(tmp_path / "store", "sft", rows, batch=20)
    monkeypatch.setattr(exporting, "GROUP_BYTES", 200)
    monkeypatch.setattr(exporting, "FILE_BYTES", 800)
    done = export(version, form, tmp_path / "out", provenance=False, force=False)
    assert len([path for path in done.files if "-of-" in path.name]) > 3
    if form == "hf":
        found = load_from_disk(str(tmp_path / "out"))
    else:
        found = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert found.to_list() == version.table(["messages", "tools"]).to_pylist()


def test_lines_hold_what_a_person_would_write(tmp_path: Path) -> None:
    export(made(tmp_path, "sft"), "jsonl", tmp_path / "a.jsonl", provenance=False, force=False)
    first, second, third = lines(tmp_path / "a.jsonl")
    assert first == {
        "messages": [{"role": "user", "content": "a \u5929\n"}, {"role": "assistant", "content": "b"}]
    }
    assert second["messages"][1] == {"role": "assistant", "content": "", "tool_calls": [CALL]}
    assert second["tools"] == [{"name": "find"}]
    assert third["tools"] == "not JSON"
    export(made(tmp_path, "rlvr"), "jsonl", tmp_path / "b.jsonl", provenance=True, force=False)
    row = lines(tmp_path / "b.jsonl")[0]
    assert (row["ground_truth"], row["source"], row["origin"], row["copy"]) == ("[2]", "s", "s.jsonl:1", 0)
    assert len(row["id"]) == 32


def test_lines_in_the_shapes_of_trl(tmp_path: Path) -> None:
    version = made(tmp_path, "sft")
    export(version, "trl", tmp_path / "a.jsonl", provenance=False, force=False)
    second = lines(tmp_path / "a.jsonl")[1]
    assert second["messages"][1]["tool_calls"] == [
        {"type": "function", "function": {"name": "find", "arguments": {"q": "x"}}}
    ]
    assert second["tools"] == [{"type": "function", "function": {"name": "find"}}]
    export(made(tmp_path, "preference"), "trl", tmp_path / "b.jsonl", provenance=False, force=False)
    assert lines(tmp_path / "b.jsonl")[0] == {
        "prompt": [{"role": "user", "content": "p"}],
        "chosen": [{"role": "assistant", "content": "good"}],
        "rejected": [{"role": "assistant", "content": "bad"}],
    }
    export(made(tmp_path, "rlvr"), "trl", tmp_path / "c.jsonl", provenance=False, force=False)
    assert lines(tmp_path / "c.jsonl") == [
        {"prompt": [{"role": "user", "content": "1 + 1"}], "ground_truth": "[2]", "verifier": "math"},
        {"prompt": [{"role": "user", "content": "2 + 2"}], "ground_truth": "4"},
    ]


def test_lines_are_read_as_the_same_records_again(workspace: Place) -> None:
    calls = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    asked = {"messages": [say("user", "c"), calls], "tools": [{"name": "find", "parameters": {}}]}
    workspace.write("raw.jsonl", [asked, {"messages": ROWS["sft"][0]["messages"]}])
    version = workspace.mix({"s": {"uri": "raw.jsonl"}})
    assert version.num_rows == 2
    export(version, "jsonl", workspace.root / "a.jsonl", provenance=False, force=False)
    again = workspace.mix({"s": {"uri": "a.jsonl"}}, name="again")
    assert sorted(again.table(["id"])["id"].to_pylist()) == sorted(version.table(["id"])["id"].to_pylist())


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_version_gives_the_same_bytes(tmp_path: Path, form: str) -> None:
    version = made(tmp_path, "sft")
    found = []
    for name in ("one", "two"):
        done = export(version, form, out_of(tmp_path / name, form), provenance=True, force=False)
        found.append({path.name: path.read_bytes() for path in done.files})
    assert found[0] == found[1]
    assert found[0]


def test_compressed_lines_are_the_same_lines_and_know_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = made(tmp_path, "sft")
    for name in ("a.jsonl", "a.jsonl.gz", "b.jsonl.gz", "a.jsonl.zst"):
        export(version, "jsonl", tmp_path / name, provenance=False, force=False)
        monkeypatch.setattr("time.time", lambda: 2e9)
    plain = (tmp_path / "a.jsonl").read_bytes()
    packed = (tmp_path / "a.jsonl.gz").read_bytes()
    assert packed == (tmp_path / "b.jsonl.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    assert pa.input_stream(tmp_path / "a.jsonl.zst", compression="zstd").read() == plain


@settings(max_examples=25)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=12))
def test_any_text_comes_back(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("x")
    version = stored(root / "store", "sft", [{"messages": [say("user", text)]} for text in texts], batch=5)
    export(version, "jsonl", root / "a.jsonl", provenance=False, force=False)
    found = [json.loads(line) for line in (root / "a.jsonl").read_bytes().split(b"\n")[:-1]]
    assert [row["messages"][0]["content"] for row in found] == texts


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_there_is_replaced_only_when_told_to(tmp_path: Path, form: str) -> None:
    version, out = made(tmp_path, "sft"), out_of(tmp_path, form)
    export(version, form, out, provenance=False, force=False)
    with pytest.raises(StoreError, match="is there already; name another place with --out, or"):
        export(version, form, out, provenance=False, force=False)
    export(made(tmp_path / "2", "sft"), form, out, provenance=True, force=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({"store", "2", out.name})


@pytest.mark.parametrize("form", FORMATS)
def test_force_replaces_no_folder_that_was_not_exported(tmp_path: Path, form: str) -> None:
    version, out = made(tmp_path, "sft"), out_of(tmp_path, form)
    out.mkdir()
    (out / "mine").write_text("x")
    with pytest.raises(StoreError, match="a folder that was not exported, which --force does not replace"):
        export(version, form, out, provenance=False, force=True)
    assert (out / "mine").read_text() == "x"


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    version, out = made(tmp_path, "sft"), out_of(tmp_path, form)
    before = export(version, form, out, provenance=False, force=False)
    bytes_of = {path: path.read_bytes() for path in before.files}

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(exporting, "_batches", full)
    with pytest.raises(
        StoreError, match=r"cannot be written \(No space left on device\); nothing was exported"
    ):
        export(version, form, out, provenance=False, force=True)
    assert {path: path.read_bytes() for path in before.files} == bytes_of
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["store", out.name])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["export", *arguments], prog_name="tulu-data")


def test_the_command_names_the_file_by_the_version(workspace: Place) -> None:
    workspace.write("a.jsonl", chats(4))
    version = workspace.mix({"a": {"uri": "a.jsonl"}})
    name = f"m-{version.content_id[:8]}"
    text = run("m").stdout
    size = (workspace.root / f"{name}.jsonl").stat().st_size
    assert text == f"wrote {name}.jsonl: 4 records of {version.ref}, {size} B\n"
    told = json.loads(run("m", "--format", "parquet", "--json").stdout)
    assert (told["path"], told["rows"]) == (f"{name}-parquet", 4)
    assert told["files"] == [f"{name}-parquet/train-00000-of-00001.parquet"]
    wrong = run("m", "--out", "x.json").exception
    assert isinstance(wrong, TuluDataError)
    assert str(wrong) == (
        "x.json: jsonl is written as JSON lines; give a name that ends in .jsonl, .jsonl.gz, .jsonl.zst"
    )


def test_the_formats_and_the_help_are_those_of_the_table() -> None:
    from tulu_data.cli import export as verb

    assert verb.FORMATS == FORMATS
    assert verb.command.get_short_help_str(limit=200) == VERBS["export"][1]
    assert set(version_schema("sft").names) >= {"messages", "tools"}
