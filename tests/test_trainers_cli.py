"""`tulu-data train` in a workspace: what it chooses by itself, what it prints, what it refuses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from trainer_fixtures import REPOSITORY, TINY, sums, write_sft_version
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainers.run import MODEL
from tulu_data.cli import train
from tulu_data.errors import MissingExtraError, StoreError, TrainError

RECIPE = """\
algorithm: sft
init: random
max_length: 128
batch_size: 8
micro_batch_tokens: 256
steps: 4
learning_rate: 1e-3
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    shutil.copytree(TINY, tmp_path / "models" / "tiny")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "sft.yaml").write_text(RECIPE)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\nmodel: models/tiny\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _nowhere(name: str) -> None:
    """Find no module."""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(train.command, list(arguments), catch_exceptions=False)


def test_without_arguments_it_trains_on_the_newest_version(workspace):
    version = write_sft_version(workspace / "store", sums(20), "demo")
    result = run()
    output = Path("runs") / f"demo-{version.content_id[:8]}-sft"
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines()[1:6])
    assert lines["model"] == str(output / MODEL)
    assert lines["version"] == version.ref
    assert lines["steps"] == "4"
    assert "try next" in result.stdout
    assert "step 4/4  loss" in result.stderr
    first, last = (json.loads(x)["loss"] for x in (output / "metrics.jsonl").read_text().splitlines()[::3])
    assert lines["loss"] == f"{first:.4f} -> {last:.4f}"


def test_the_saved_model_opens_and_names_its_version(workspace):
    version = write_sft_version(workspace / "store", sums(20), "demo")
    summary = json.loads(run("--json", "--output", "out").stdout)
    model = AutoModelForCausalLM.from_pretrained("out/model")
    tokenizer = AutoTokenizer.from_pretrained("out/model")
    assert model.config.tulu_data == {
        "version": version.ref,
        "content_id": version.content_id,
        "recipe": "sft",
        "algorithm": "sft",
        "base_model": "models/tiny",
        "steps": 4,
    }
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(TINY).chat_template
    record = json.loads(Path("out/model/training.json").read_text())
    assert record["summary"] == summary
    assert record["data"]["records"] == 20
    assert version.ref in Path("out/model/README.md").read_text()
    assert not Path("out/checkpoints").exists()


def test_a_dry_run_writes_no_run_and_counts_what_the_run_does(workspace):
    write_sft_version(workspace / "store", sums(20), "demo")
    plan = json.loads(run("--dry-run", "--json", "--set", "epochs=2").stdout)
    assert not Path("runs").exists()
    assert "peak memory" in run("--dry-run").stdout
    summary = json.loads(run("--json", "--set", "epochs=2").stdout)
    assert summary["steps"] == plan["steps"]
    assert summary["tokens"] == 2 * plan["data"]["tokens"]
    assert summary["supervised_tokens"] == 2 * plan["data"]["supervised_tokens"]


def test_a_second_run_says_that_it_is_finished(workspace):
    write_sft_version(workspace / "store", sums(20), "demo")
    run()
    assert run().stdout.startswith("finished already; give another --output to train again")


def test_an_algorithm_word_a_recipe_name_and_a_path_are_told_apart(workspace):
    write_sft_version(workspace / "store", sums(20), "demo")
    for words in (["sft"], ["sft", "recipes/sft.yaml"], ["recipes/sft.yaml"]):
        assert "recipes" in run(*words, "--dry-run").stdout or run(*words, "--dry-run").exit_code == 0
    plan = json.loads(run("sft_smoke", "--dry-run", "--json", "--set", "init=random").stdout)
    assert plan["steps"] == 20
    wrong = CliRunner().invoke(train.command, ["sfd", "recipes/sft.yaml"])
    assert wrong.exit_code == 2
    assert "'sfd' is no algorithm; did you mean 'sft'?" in wrong.stderr


def test_it_works_from_a_folder_inside_the_workspace(workspace, monkeypatch):
    write_sft_version(workspace / "store", sums(20), "demo")
    (workspace / "notes").mkdir()
    monkeypatch.chdir(workspace / "notes")
    assert json.loads(run("--dry-run", "--json").stdout)["steps"] == 4


def test_an_empty_store_says_what_would_do(workspace):
    with pytest.raises(
        TrainError, match="holds no dataset version; build one first with: tulu-data mix SPEC"
    ):
        run()
    with pytest.raises(StoreError, match="the store is empty"):
        run("--data", "demo")


def test_a_model_without_weights_says_what_would_do(workspace):
    write_sft_version(workspace / "store", sums(20), "demo")
    with pytest.raises(
        TrainError,
        match=r"set `init: random` to start from random weights, or give a folder with weights",
    ):
        run("--set", "init=pretrained")
    assert not Path("runs").exists()


def test_a_model_that_is_not_there_is_refused(workspace):
    write_sft_version(workspace / "store", sums(20), "demo")
    with pytest.raises(TrainError, match=r"^models/none/x: no such model folder or .gguf file"):
        run("--set", "model=models/none/x")
    with pytest.raises(TrainError, match=r"has no config.json, so it is no model folder"):
        run("--set", "model=recipes")


def test_a_tracker_that_is_not_installed_names_the_extra(workspace, monkeypatch):
    write_sft_version(workspace / "store", sums(20), "demo")
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setattr("trainers.metrics.find_spec", _nowhere)
    with pytest.raises(MissingExtraError, match=r"install it with: pip install 'tulu-data\[track\]'"):
        run("--set", "track=[wandb]")


def test_without_torch_it_names_the_extra(workspace, monkeypatch):
    monkeypatch.setattr(train, "find_spec", _nowhere)
    with pytest.raises(MissingExtraError, match=r"install it with: pip install 'tulu-data\[train\]'"):
        run()


def test_trainers_need_nothing_of_the_data_engine_but_the_store():
    code = """
import sys
for name in ("numba", "datasets", "polars", "duckdb", "orjson", "click", "rich"):
    sys.modules[name] = None
import trainers.sft
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
