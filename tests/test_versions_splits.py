"""Versions in splits, looked at and written for others: every verb keeps the parts apart."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from mixture_fixtures import Place, chats

from tulu_data.cli.main import group
from tulu_data.errors import StoreError
from tulu_data.store import Version


@pytest.fixture
def version(workspace: Place) -> Version:
    workspace.write("a.jsonl", chats(60))
    return workspace.mix({"a": {"uri": "a.jsonl"}}, splits={"validation": {"fraction": 0.3}})


def run(*arguments: str) -> str:
    result = CliRunner().invoke(group, list(arguments), prog_name="tulu-data")
    if isinstance(result.exception, StoreError):
        raise result.exception
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def ids(version: Version, split: str) -> list[str]:
    found = version.table(["id"], split)["id"].to_pylist()
    assert len(found) > 5
    return found


def test_the_card_tells_the_splits_and_where_they_lie(version: Version, tmp_path) -> None:
    from datasets import load_dataset

    card = (version.path / "README.md").read_text("utf-8")
    train, validation = (len(ids(version, split)) for split in version.splits)
    assert f"| train | {train} | {100 * train / 60:.2f}% |\n| validation | {validation} | " in card
    assert "| **total** | **60** | **100.00%** |\n\nA record is in one split by its id" in card
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["configs"][0]["data_files"] == [
        {"split": "train", "path": "train/data-*.arrow"},
        {"split": "validation", "path": "validation/data-*.arrow"},
    ]
    beside = shutil.ignore_patterns("state.json", "dataset_dict.json", "dataset_info.json")
    shutil.copytree(version.path, tmp_path / "hub", ignore=beside)
    found = load_dataset(str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache"))
    assert {split: found[split]["id"][:] for split in found} == {s: ids(version, s) for s in version.splits}


def test_stats_and_show_count_the_splits(version: Version) -> None:
    counts = {split: len(ids(version, split)) for split in version.splits}
    told = json.loads(run("stats", "m", "--json"))
    assert (told["splits"], told["split"], told["total"]["rows"]) == (counts, None, 60)
    alone = json.loads(run("stats", "m", "--split", "validation", "--json"))
    assert (alone["split"], alone["total"]["rows"]) == ("validation", counts["validation"])
    assert f"splits: train {counts['train']}, validation {counts['validation']}\n" in run("stats", "m")
    shown = run("show", "m")
    assert f"\nsplits: train {counts['train']} rows, validation {counts['validation']} rows\n" in shown
    with pytest.raises(StoreError, match=r"no split 'vlidation'; did you mean 'validation'\?"):
        run("stats", "m", "--split", "vlidation")


def test_view_shows_a_split_by_its_own_numbers(version: Version) -> None:
    found = json.loads(run("view", "m", "--split", "validation", "-n", "60", "--json"))
    assert [(one["row"], one["id"]) for one in found] == [*enumerate(ids(version, "validation"), 1)]
    last = len(found)
    assert run("view", "m", "--split", "validation", "--from", str(last)).startswith(f"{last}/{last}  ")


def test_sql_knows_the_split_of_every_record(version: Version) -> None:
    counts = [{"split": split, "n": len(ids(version, split))} for split in version.splits]
    query = "SELECT split, count(*) AS n FROM records GROUP BY ALL ORDER BY 1"
    assert json.loads(run("sql", query, "m", "--json")) == counts
    query = "SELECT split, rows AS n FROM splits ORDER BY 1"
    assert json.loads(run("sql", query, "m", "--json")) == counts


def test_exports_keep_the_splits_apart(version: Version, tmp_path) -> None:
    from datasets import load_dataset, load_from_disk

    wanted = {split: ids(version, split) for split in version.splits}
    run("export", "m", "--format", "hf", "--provenance", "--out", "h")
    mapped = load_from_disk("h")
    assert {split: mapped[split]["id"][:] for split in mapped} == wanted
    run("export", "m", "--format", "parquet", "--provenance", "--out", "p")
    loaded = load_dataset("p", cache_dir=str(tmp_path / "cache"))
    assert {split: loaded[split]["id"][:] for split in loaded} == wanted
    assert pq.read_table("p/validation-00000-of-00001.parquet")["id"].to_pylist() == wanted["validation"]
    told = run("export", "m", "--provenance", "--out", "x.jsonl.gz")
    assert told.startswith("wrote x-train.jsonl.gz, x-validation.jsonl.gz: 60 records of ")
    lines = load_dataset(
        "json", data_files={s: f"x-{s}.jsonl.gz" for s in wanted}, cache_dir=str(tmp_path / "c")
    )
    assert {split: lines[split]["id"][:] for split in lines} == wanted
    with pytest.raises(StoreError, match=r"x-train\.jsonl\.gz: is there already"):
        run("export", "m", "--out", "x.jsonl.gz")
