"""A run that was killed and resumed equals the straight run bit for bit."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from trainer_fixtures import job, sums, write_sft_version

from trainers.checkpoint import checkpoints
from trainers.metrics import TIMED, read_metrics
from trainers.run import MODEL, plan_run
from trainers.sft import train_sft
from trainers.stop import Interrupted
from tulu_data.errors import TrainError
from tulu_data.store import Version

STEPS = 6
SETTINGS = {"steps": STEPS, "save_every": 2, "keep": 2, "micro_batch_tokens": 512}

CHILD = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from trainer_fixtures import job
from trainers.sft import train_sft
from tulu_data.store import Version

def watch(event, step):
    if (event, step) == ({event!r}, {step}):
        os.kill(os.getpid(), signal.SIGKILL)

train_sft(job(Version.open(Path({version!r})), Path({output!r}), **{settings!r}), watch=watch)
"""


class StopError(Exception):
    """Raised by a test in place of a kill."""


@pytest.fixture(scope="module")
def version(tmp_path_factory) -> Version:
    return write_sft_version(tmp_path_factory.mktemp("resume"), sums(20))


@pytest.fixture(scope="module")
def straight(version, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("straight") / "run"
    train_sft(job(version, output, **SETTINGS))
    return output


def rows(output: Path) -> list[dict[str, object]]:
    return [{k: v for k, v in row.items() if k not in TIMED} for row in read_metrics(output)]


def assert_equal_runs(output: Path, straight: Path) -> None:
    assert rows(output) == rows(straight)
    assert [row["step"] for row in rows(output)] == list(range(1, STEPS + 1))
    found, expected = (load_file(p / MODEL / "model.safetensors") for p in (output, straight))
    assert found.keys() == expected.keys()
    assert all(found[name].equal(expected[name]) for name in expected)


def interrupt(version, output: Path, event: str, step: int) -> None:
    def watch(seen: str, at: int) -> None:
        if (seen, at) == (event, step):
            raise StopError

    with pytest.raises(StopError):
        train_sft(job(version, output, **SETTINGS), watch=watch)


@pytest.mark.parametrize("event", ["stepped", "logged", "saved"])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_run_stopped_anywhere_goes_on_bit_for_bit(version, straight, tmp_path, event, step):
    if event == "saved" and step % 2:
        pytest.skip("no checkpoint is written at this step")
    interrupt(version, tmp_path / "run", event, step)
    train_sft(job(version, tmp_path / "run", **SETTINGS))
    assert_equal_runs(tmp_path / "run", straight)


def test_a_run_killed_three_times_equals_the_straight_run(version, straight, tmp_path):
    output = tmp_path / "run"
    for event, step in (("logged", 1), ("stepped", 4), ("saved", 4)):
        code = CHILD.format(
            tests=str(Path(__file__).parent),
            event=event,
            step=step,
            version=str(version.path),
            output=str(output),
            settings=SETTINGS,
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
    train_sft(job(version, output, **SETTINGS))
    assert_equal_runs(output, straight)


def test_weights_optimizer_and_random_states_are_all_restored(version, tmp_path):
    import torch

    straight, stopped = tmp_path / "a", tmp_path / "b"
    settings = {**SETTINGS, "steps": 4, "save_every": 2, "keep": 4}
    states = []
    for output, kill in ((straight, False), (stopped, True)):
        if kill:
            interrupt_at(version, output, 3, settings)
        copied = {}

        def watch(event: str, step: int, output: Path = output, copied: dict = copied) -> None:
            if event == "saved":
                copied[step] = torch.load(checkpoints(output)[-1] / "state.pt", weights_only=True)

        train_sft(job(version, output, **settings), watch=watch)
        states.append(copied[4])
    assert flat(states[0]) == flat(states[1])


def interrupt_at(version, output: Path, step: int, settings: dict) -> None:
    def watch(event: str, at: int) -> None:
        if (event, at) == ("stepped", step):
            raise StopError

    with pytest.raises(StopError):
        train_sft(job(version, output, **settings), watch=watch)


def flat(value: object) -> object:
    """Turn nested state into something that compares by value, tensors by their bytes."""
    if isinstance(value, dict):
        return {k: flat(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [flat(v) for v in value]
    return value.numpy().tobytes() if hasattr(value, "numpy") else value


def test_a_torn_metrics_row_is_written_again(version, straight, tmp_path):
    output = tmp_path / "run"
    interrupt(version, output, "logged", 3)
    with (output / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    train_sft(job(version, output, **SETTINGS))
    assert_equal_runs(output, straight)


def test_an_older_checkpoint_can_be_named(version, straight, tmp_path):
    output = tmp_path / "run"
    interrupt(version, output, "logged", 5)
    oldest = checkpoints(output)[0]
    train_sft(job(version, output, resume=str(oldest), **SETTINGS))
    assert_equal_runs(output, straight)


def test_a_half_written_checkpoint_is_not_used(version, straight, tmp_path):
    output = tmp_path / "run"
    interrupt(version, output, "logged", 5)
    (output / "checkpoints" / ".step-00000005.new").mkdir()
    train_sft(job(version, output, **SETTINGS))
    assert_equal_runs(output, straight)


def test_other_settings_are_refused_with_what_differs(version, tmp_path):
    interrupt(version, tmp_path / "run", "saved", 4)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(TrainError) as caught:
        train_sft(job(version, tmp_path / "run", **{**SETTINGS, "learning_rate": 2e-3, "seed": 1}))
    assert str(caught.value) == (
        f"{checkpoints(tmp_path / 'run')[-1]}: the checkpoint was written with other settings "
        "(learning_rate: 0.001 -> 0.002; seed: 0 -> 1); "
        "use those settings to go on, or another --output to start anew"
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_settings_that_cannot_change_the_weights_may_differ(version, straight, tmp_path):
    interrupt(version, tmp_path / "run", "saved", 4)
    train_sft(job(version, tmp_path / "run", **{**SETTINGS, "save_every": 1, "log_every": 3}))
    assert_equal_runs(tmp_path / "run", straight)


def test_other_data_is_refused(version, tmp_path):
    interrupt(version, tmp_path / "run", "saved", 4)
    other = write_sft_version(tmp_path / "store", sums(21))
    with pytest.raises(
        TrainError, match=f"is of {version.ref}, this run reads {other.ref}; give --data {version.ref}"
    ):
        train_sft(job(other, tmp_path / "run", **SETTINGS))


def test_resume_never_leaves_a_begun_run_alone(version, tmp_path):
    interrupt(version, tmp_path / "run", "saved", 4)
    with pytest.raises(TrainError, match=r"holds a run already \(4 steps\); leave out `--resume never`"):
        train_sft(job(version, tmp_path / "run", resume="never", **SETTINGS))


def test_a_finished_run_is_not_trained_again(version, straight):
    again = train_sft(job(version, straight, **SETTINGS))
    assert again.already_finished
    assert again.steps == STEPS
    with pytest.raises(TrainError, match=r"holds a finished run with other settings \(seed: 0 -> 9\)"):
        train_sft(job(version, straight, **{**SETTINGS, "seed": 9}))


def test_a_folder_that_is_no_checkpoint_is_refused(version, tmp_path):
    with pytest.raises(
        TrainError, match=r"no checkpoint.json, so no checkpoint; give a folder checkpoints/step-"
    ):
        train_sft(job(version, tmp_path / "run", resume=str(tmp_path), **SETTINGS))


@pytest.mark.parametrize("value", ["nonsense", "/nope"])
def test_a_resume_value_is_checked_even_on_a_finished_run(version, straight, value):
    with pytest.raises(TrainError, match=rf"^--resume {value}: no such folder; give a folder checkpoints/"):
        train_sft(job(version, straight, resume=value, **SETTINGS))
    with pytest.raises(TrainError, match=r"^--resume nevr: no such folder; did you mean 'never'\?"):
        plan_run(job(version, straight, resume="nevr", **SETTINGS))


def press(version, output: Path, event: str, step: int, *, times: int) -> str:
    """Press Ctrl-C inside the loop and return what the run says as it stops."""

    def watch(seen: str, at: int) -> None:
        if (seen, at) == (event, step):
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        train_sft(job(version, output, **SETTINGS), watch=watch)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return str(caught.value)


@pytest.mark.parametrize("event", ["stepped", "logged"])
def test_ctrl_c_finishes_the_step_saves_it_and_loses_nothing(version, straight, tmp_path, event):
    output = tmp_path / "run"
    assert press(version, output, event, 3, times=1) == (
        "stopped at step 3; the last checkpoint is step 3; run the same command to go on"
    )
    assert [p.name for p in checkpoints(output)] == ["step-00000002", "step-00000003"]
    train_sft(job(version, output, **SETTINGS))
    assert_equal_runs(output, straight)


def test_ctrl_c_in_the_last_step_still_ends_in_the_same_model(version, straight, tmp_path):
    assert "stopped at step 6; the last checkpoint is step 6" in press(
        version, tmp_path / "run", "stepped", 6, times=1
    )
    train_sft(job(version, tmp_path / "run", **SETTINGS))
    assert_equal_runs(tmp_path / "run", straight)


@pytest.mark.parametrize(
    ("event", "step", "said"),
    [
        ("stepped", 1, "stopped before the first step; run the same command to begin anew"),
        ("logged", 1, "stopped at step 1; there is no checkpoint yet; run the same command to begin anew"),
        ("stepped", 4, "stopped at step 3; the last checkpoint is step 2; run the same command to go on"),
    ],
)
def test_a_second_ctrl_c_leaves_at_once_and_the_run_goes_on(version, straight, tmp_path, event, step, said):
    assert press(version, tmp_path / "run", event, step, times=2) == said
    train_sft(job(version, tmp_path / "run", **SETTINGS))
    assert_equal_runs(tmp_path / "run", straight)


def test_a_keyboard_interrupt_from_anywhere_says_where_the_run_stands(version, straight, tmp_path):
    def watch(event: str, step: int) -> None:
        if (event, step) == ("logged", 5):
            raise KeyboardInterrupt

    output = tmp_path / "run"
    with pytest.raises(Interrupted, match="stopped at step 5; the last checkpoint is step 4; run the same"):
        train_sft(job(version, output, resume="auto", **SETTINGS), watch=watch)
    train_sft(job(version, output, **SETTINGS))
    assert_equal_runs(output, straight)


def test_after_resume_never_the_way_on_leaves_it_out(version, tmp_path):
    def watch(event: str, step: int) -> None:
        if (event, step) == ("saved", 2):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="run the same command without `--resume never` to go on"):
        train_sft(job(version, tmp_path / "run", resume="never", **SETTINGS), watch=watch)


def test_ctrl_c_while_a_checkpoint_is_written_leaves_no_half_of_it(version, tmp_path, monkeypatch):
    import torch

    def stop(state: object, file: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", stop)
    with pytest.raises(Interrupted, match="stopped at step 2; there is no checkpoint yet"):
        train_sft(job(version, tmp_path / "run", **SETTINGS))
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


def test_a_handler_of_the_caller_stays(version, tmp_path):
    heard = []

    def watch(event: str, step: int) -> None:
        if (event, step) == ("logged", 3):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        train_sft(job(version, tmp_path / "run", **SETTINGS), watch=watch)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]


def test_a_disk_that_refuses_leaves_the_last_checkpoint_whole(version, straight, tmp_path, monkeypatch):
    import torch

    output = tmp_path / "run"
    save = torch.save

    def refuse(state, file):
        if len(checkpoints(output)) == 1:
            raise OSError(28, "No space left on device")
        save(state, file)

    monkeypatch.setattr(torch, "save", refuse)
    with pytest.raises(TrainError, match="No space left on device"):
        train_sft(job(version, output, **SETTINGS))
    assert [p.name for p in checkpoints(output)] == ["step-00000002"]
    assert json.loads((checkpoints(output)[0] / "checkpoint.json").read_text())["progress"]["step"] == 2
    monkeypatch.undo()
    train_sft(job(version, output, **SETTINGS))
    assert_equal_runs(output, straight)
