"""`tulu-data dedup --against` from the outside: what it prints, writes and refuses."""

import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from store_fixtures import written

from tulu_data.cli.dedup import command
from tulu_data.errors import SourceError, StoreError
from tulu_data.store import Store

OLD = ["one two three four five six", "nine ten eleven twelve thirteen"]
NEW = [
    "one two three four five six", "ONE two three four five six", "one two three four five seven",
    "nothing of this is to be found there", "nothing of this is to be found here",
]  # fmt: skip


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Make a workspace with a version `old` and a file of new records."""
    monkeypatch.chdir(tmp_path)
    written(Store(tmp_path / "store"), OLD, name="old")
    rows = [
        {"messages": [{"role": "user", "content": t}, {"role": "assistant", "content": "Yes."}]} for t in NEW
    ]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["--jaccard-threshold", "0.5", "--recall", "0.99", *arguments])


def test_what_a_version_holds_is_dropped_first(workspace):
    done = run("new.jsonl", "--against", "old", "--json", "--write", "clean")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    version = Store(workspace / "store").resolve("old")
    (against,) = report["against"]
    assert (against["dataset"], against["content_id"]) == (version.ref, version.content_id)
    assert against["dropped"] == {
        "duplicate_record": 1, "duplicate_text": 1, "near_duplicate": 1, "contained": 0
    }  # fmt: skip
    assert report["kept"] == 1
    assert report["clusters"] == 2
    rows = pq.read_table(workspace / "reports/dedup/clusters.parquet").to_pylist()
    first = [row for row in rows if row["size"] == 4]
    assert [row["kept"] for row in first] == [True, False, False, False]
    assert (first[0]["dataset"], first[0]["source"], first[0]["origin"]) == (
        version.ref, f"{version.ref} s", "s.jsonl:1"
    )  # fmt: skip
    assert {row["cluster"] for row in first} == {first[0]["id"]} == {version.table(["id"])["id"][0].as_py()}
    assert {row["stands"] for row in first[1:]} == {"s.jsonl:1"}
    assert sorted(row["origin"] for row in first[1:]) == [f"new.jsonl:{k}" for k in (1, 2, 3)]
    kept = (workspace / "clean/new.jsonl").read_text("utf-8")
    assert len(kept.splitlines()) == 1


def test_records_of_a_version_are_shown_with_its_name(workspace):
    text = NEW[3].replace("to", "and to", 1)
    version = written(Store(workspace / "store"), [*OLD, text], name="old")
    said = run("new.jsonl", "--against", "old").output
    assert f"\n  4 records, of which s.jsonl:1 in {version.ref} stays\n" in said
    assert f" like s.jsonl:3 in {version.ref}, jaccard " in said


def test_the_table_tells_of_each_version_and_the_report_is_the_same_from_disk(workspace):
    Store(workspace / "store")
    written(Store(workspace / "store"), [NEW[3]], name="more")
    done = run("new.jsonl", "--against", "old", "--against", "more")
    assert done.exit_code == 0, done.output
    assert "there already in" in done.output
    report = (workspace / "reports/dedup/report.json").read_bytes()
    assert run("new.jsonl", "--against", "more", "--against", "old", "--against", "old").exit_code == 0
    assert (workspace / "reports/dedup/report.json").read_bytes() == report
    assert [row["dataset"].partition("@")[0] for row in json.loads(report)["against"]] == ["more", "old"]


def test_a_version_of_another_kind_than_what_is_read_is_told(workspace):
    row = {"prompt": "q", "chosen": "Yes.", "rejected": "No."}
    (workspace / "pairs.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    ref = Store(workspace / "store").resolve("old").ref
    told = f"warning: {ref}: holds sft records, and preference records were read; records are compared with "
    assert told in run("pairs.jsonl", "--against", "old").stderr
    assert told not in run("pairs.jsonl", "new.jsonl", "--against", "old").stderr


def test_a_version_has_to_be_there_and_another_than_what_is_read(workspace):
    done = run("new.jsonl", "--against", "odl")
    assert isinstance(done.exception, StoreError)
    assert "no dataset 'odl'; did you mean 'old'?" in str(done.exception)
    done = run("old", "--against", "old")
    assert isinstance(done.exception, SourceError)
    assert "is compared with itself" in str(done.exception)


def test_without_a_dataset_the_files_below_data_are_compared_with_a_version(workspace):
    (workspace / "data").mkdir()
    (workspace / "new.jsonl").rename(workspace / "data/new.jsonl")
    report = json.loads(run("--against", "old", "--json").stdout)
    assert [row["dataset"] for row in report["datasets"]] == ["data/new.jsonl"]
    assert sum(report["against"][0]["dropped"].values()) == 3
