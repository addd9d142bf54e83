"""What a run tells about itself: metrics.jsonl always, a progress bar or lines, trackers on request.

The one idea: a row is a pure function of the run; only the fields of `TIMED` depend on the machine.
After a resume the file goes on where the checkpoint stood, without lost or repeated rows.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import torch

from tulu_data.errors import MissingExtraError

FILE = "metrics.jsonl"
TIMED = ("tokens_per_second", "mfu_6n", "mfu_attention", "elapsed")
"""Fields that differ between two equal runs."""

_PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "RTX 4090": 165}
"""Dense bf16 peak by device name (vendors' data sheets, without sparsity)."""

Metrics = dict[str, float | int | None]


class MetricsFile:
    """The metrics.jsonl of a run, one row per optimizer step."""

    def __init__(self, output: Path, *, done: int) -> None:
        """Open the file for appending, cut back to the rows of the first `done` steps."""
        path = output / FILE
        kept = b"".join(_rows_upto(path, done))
        if path.exists() and kept != path.read_bytes():
            temporary = path.with_name(f".{FILE}.new")
            temporary.write_bytes(kept)
            temporary.replace(path)
        self._file = path.open("ab")

    def write(self, row: Metrics) -> None:
        """Append one row, visible to readers at once."""
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()

    def sync(self) -> None:
        """Bring the rows to the disk; called before a checkpoint that counts on them."""
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _rows_upto(path: Path, done: int) -> Iterator[bytes]:
    """Yield the whole rows of the first `done` steps; a torn last row is left out."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n") and json.loads(line)["step"] <= done:
            yield line


def read_metrics(output: Path) -> list[Metrics]:
    """Return the whole rows of a run."""
    return [json.loads(line) for line in _rows_upto(output / FILE, sys.maxsize)]


def flops_per_step(
    parameters: int, layers: int, width: int, *, tokens: int, square_lengths: int
) -> tuple[float, float]:
    """Return a step's FLOPs by two conventions: 6 N tokens, and that plus attention.

    N counts the weights used in matrix products (no embedding look-up). Attention adds
    12 x layers x width x sum of squared document lengths (PaLM, appendix B, no causal discount).
    """
    plain = 6.0 * parameters * tokens
    return plain, plain + 12.0 * layers * width * square_lengths


def peak_flops(device: torch.device) -> float | None:
    """Return the device's dense bf16 FLOPs per second, or None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((tera * 1e12 for word, tera in _PEAK_TFLOPS.items() if word in name), None)


class Tracker(Protocol):
    """Where metrics also go."""

    def log(self, row: Metrics) -> None:
        """Send one row."""


class _TensorBoard:
    def __init__(self, output: Path) -> None:
        module = import_module("torch.utils.tensorboard")
        self._writer = module.SummaryWriter(str(output / "tensorboard"))

    def log(self, row: Metrics) -> None:
        for name, value in row.items():
            if value is not None and name != "step":
                self._writer.add_scalar(name, value, row["step"])
        self._writer.flush()


class _WandB:
    def __init__(self, output: Path, config: Mapping[str, object]) -> None:
        self._run = import_module("wandb").init(dir=str(output), name=output.name, config=dict(config))

    def log(self, row: Metrics) -> None:
        self._run.log(row, step=row["step"])


def open_trackers(names: tuple[str, ...], output: Path, config: Mapping[str, object]) -> list[Tracker]:
    """Open the trackers a recipe asks for; raise MissingExtraError for one that is not installed."""
    need_trackers(names)
    return [_TensorBoard(output) if name == "tensorboard" else _WandB(output, config) for name in names]


def need_trackers(names: tuple[str, ...]) -> None:
    """Raise MissingExtraError for a tracker that is not installed."""
    for name in names:
        if find_spec(name) is None:
            raise MissingExtraError("train", "track", name)


class Display(Protocol):
    """What a person sees while a run goes on."""

    def __call__(self, row: Metrics) -> None:
        """Show one row."""


@contextmanager
def display(total: int, every: int, *, done: int, quiet: bool = False) -> Iterator[Display]:
    """Show progress on stderr: a live bar on a terminal, else a line every `every` steps."""
    if quiet:
        yield _show_nothing
    elif sys.stderr.isatty() and find_spec("rich") is not None:
        with _bar(total, done) as show:
            yield show
    else:
        yield _Lines(total, every)


def tell(text: str, *, quiet: bool = False) -> None:
    """Say something about the run on stderr."""
    if not quiet:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _show_nothing(row: Metrics) -> None:
    del row


class _Lines:
    def __init__(self, total: int, every: int) -> None:
        self.total, self.every = total, every

    def __call__(self, row: Metrics) -> None:
        step = row["step"]
        if step in (1, self.total) or (step or 0) % self.every == 0:
            sys.stderr.write(f"step {step}/{self.total}  {_told(row)}\n")
            sys.stderr.flush()


@contextmanager
def _bar(total: int, done: int) -> Iterator[Display]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.description}")
    columns: list[Any] = [TextColumn("step"), MofNCompleteColumn(), BarColumn(), text, TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total, completed=done)
        yield lambda row: progress.update(task, advance=1, description=_told(row))


def _told(row: Metrics) -> str:
    """Say a row in a few words."""
    return (
        f"loss {row['loss']:.4f}  grad norm {row['grad_norm']:.3f}  "
        f"lr {row['learning_rate']:.2e}  {row['tokens_per_second']:,.0f} tokens/s"
    )
