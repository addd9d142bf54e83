"""Stopping by Ctrl-C: a wish that the loop grants after its step, and the account of where a run stands.

The one idea: the first Ctrl-C lets the current step finish, so that a checkpoint of it can be
written; a second one leaves at once and loses only what came after the newest checkpoint. Nothing
here trains or writes.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from trainers.checkpoint import checkpoints
from trainers.metrics import read_metrics

_HEARD = b"\nstopping after this step; press Ctrl-C again to stop at once\n"


class Interrupted(KeyboardInterrupt):
    """A run was stopped by its user; the text says where it stands and how to go on."""


@dataclass(slots=True)
class Stop:
    """Whether the user asked to stop."""

    asked: bool = False


@contextmanager
def listening(*, quiet: bool) -> Iterator[Stop]:
    """Turn the first Ctrl-C into a wish; leave any handler but Python's own alone."""
    stop = Stop()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield stop
        return

    def hear(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.asked = True
        if not quiet:
            os.write(2, _HEARD)  # sys.stderr may be in the middle of a write

    signal.signal(signal.SIGINT, hear)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def explained(output: Path, resume: str) -> Iterator[None]:
    """Turn a KeyboardInterrupt into one that says where the run stands."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(_account(output, resume)) from None


def _account(output: Path, resume: str) -> str:
    """Say how far a run came, what of it is kept, and what goes on from there."""
    same = "run the same command" + (" without `--resume never`" if resume == "never" else "")
    steps, kept = len(read_metrics(output)), checkpoints(output)
    if not steps:
        return f"stopped before the first step; {same} to begin anew"
    if not kept:
        return f"stopped at step {steps}; there is no checkpoint yet; {same} to begin anew"
    last = int(kept[-1].name.removeprefix("step-"))
    return f"stopped at step {steps}; the last checkpoint is step {last}; {same} to go on"
