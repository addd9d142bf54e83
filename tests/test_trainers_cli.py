"""`tulu-data train` in a workspace: what it chooses by itself, what it prints, what it refuses."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from trainer_fixtures import REPOSITORY, TINY, sums, write_sft_version
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainers import sft
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


def test_the_runs_of_a_workspace_stand_at_its_root_and_go_on_from_anywhere(workspace, monkeypatch):
    version = write_sft_version(workspace / "store", sums(20), "demo")
    (workspace / "notes").mkdir()
    monkeypatch.chdir(workspace / "notes")
    output = workspace / "runs" / f"demo-{version.content_id[:8]}-sft"
    assert json.loads(run("--json").stdout)["model"] == str(output / MODEL)
    run("--output", "mine", "--store", "../store", "--set", "model=../models/tiny")
    assert sorted(p.name for p in (workspace / "notes").iterdir()) == ["mine"]
    monkeypatch.chdir(workspace)
    assert run().stdout.startswith("finished already")


def next_command(result: Result) -> list[str]:
    lines = result.stdout.splitlines()
    return shlex.split(lines[lines.index("try next") + 1])


def test_the_next_command_keeps_what_was_given_and_changes_one_thing(workspace):
    write_sft_version(workspace / "store", sums(20), "demo")
    write_sft_version(workspace / "store", sums(21), "newer")
    given = ["sft", "--data", "demo", "--set", "steps=2", "--set", "adam_betas=[0.9, 0.95]"]
    command = next_command(run(*given, "--set", "learning_rate=4e-3", "--output", "my run"))
    assert command == ["tulu-data", "train", *given, "--set", "learning_rate=0.002", "--output", "my run-2"]
    command = next_command(run(*command[2:]))
    assert command[-3:] == ["learning_rate=0.001", "--output", "my run-3"]
    assert command[:-3] == ["tulu-data", "train", *given, "--set"]


def test_ctrl_c_says_where_the_run_stands_and_exits_130(workspace, monkeypatch):
    write_sft_version(workspace / "store", sums(20), "demo")
    step, taken = sft.optimizer_step, []

    def pressed(*arguments: Any) -> Any:
        taken.append(1)
        if len(taken) == 3:
            signal.raise_signal(signal.SIGINT)
        return step(*arguments)

    monkeypatch.setattr(sft, "optimizer_step", pressed)
    stopped = run("--output", "out")
    assert stopped.exit_code == 130
    assert stopped.stdout == ""
    said = "stopped at step 3; the last checkpoint is step 3; run the same command to go on"
    assert stopped.stderr.splitlines()[-1] == said
    again = run("--output", "out")
    assert "resuming from step 3 (out/checkpoints/step-00000003)\n" in again.stderr
    assert again.exit_code == 0


def test_ctrl_c_before_anything_exits_130(workspace, monkeypatch):
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "_choose", pressed)
    stopped = run()
    assert (stopped.exit_code, stopped.stderr) == (130, "stopped; nothing was trained\n")


def test_a_resume_value_is_checked_before_anything_else(workspace):
    for words in (["--resume", "nonsense"], ["--resume", "/nope", "--dry-run"]):
        with pytest.raises(TrainError, match=rf"^--resume {words[1]}: no such folder; give a folder"):
            run(*words)


def test_mistaken_settings_are_found_without_torch(workspace):
    write_sft_version(workspace / "store", sums(2), "demo")
    code = """
import sys
from tulu_data.cli.train import command
from tulu_data.errors import SpecError
try:
    command(["sft", "--set", "batch_sise=3", "--set", "packing=x"], standalone_mode=False)
except SpecError as error:
    assert len(error.problems) == 2, error.problems
    sys.exit(3 if "torch" not in sys.modules and "transformers" not in sys.modules else 4)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3


@pytest.mark.parametrize("words", [[], ["sft"]])
@pytest.mark.parametrize("kind", ["preference", "rlvr"])
def test_a_kind_without_a_trainer_says_so_and_where_the_version_is(workspace, monkeypatch, kind, words):
    version = write_sft_version(workspace / "store", sums(2), "demo")
    other = replace(version, manifest=version.manifest.model_copy(update={"kind": kind}))
    monkeypatch.setattr(train, "_version", lambda *_: other)
    with pytest.raises(TrainError) as caught:
        run(*words)
    assert str(caught.value) == (
        f"{version.ref}: there is no trainer for versions of kind {kind!r} yet (only for sft); "
        f"read it with another tool ({version.path}), or name another version with --data NAME@VERSION"
    )


def test_a_hub_model_without_a_network_is_one_line(workspace):
    write_sft_version(workspace / "store", sums(2), "demo")
    with socket.socket() as taken:  # bound but not listening: every connection is refused
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(workspace / "hf"), "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(
            [sys.executable, "-m", "tulu_data", "train", "sft_tulu3_8b", "--dry-run"],
            env={**os.environ, **hub}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    why = f"no such folder, the hub at {endpoint} cannot be reached ("
    assert done.stderr.startswith(f"error: meta-llama/Llama-3.1-8B: {why}")
    assert "give a local folder (--set model=FOLDER), or set HF_HUB_OFFLINE=1 with" in done.stderr


def test_a_hub_model_that_is_not_in_the_cache_is_one_line_offline(workspace, monkeypatch):
    write_sft_version(workspace / "store", sums(2), "demo")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TrainError, match=r"^no-one/nothing: no such folder, HF_HUB_OFFLINE is set, and the "):
        run("--dry-run", "--set", "model=no-one/nothing")


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
