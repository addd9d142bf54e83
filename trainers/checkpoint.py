"""Checkpoints: everything a run needs to go on as if it had never stopped.

The one idea: a checkpoint is a folder that appears by one rename after its files reached the disk,
so a folder with a step's name is whole. It carries the config and the content id it belongs to, and
refuses to continue anything else.
"""

import json
import os
import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainers.configs import ABOUT, SftConfig, differences, to_mapping
from trainers.model import Policy
from tulu_data.errors import TrainError
from tulu_data.store.version import Version

STATE = "state.pt"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: steps done, the data cursor of the next step, and totals so far."""

    step: int = 0
    epoch: int = 0
    index: int = 0
    tokens: int = 0
    targets: int = 0
    seconds: float = 0.0
    """Time spent in steps, over every start of the run."""


def save_checkpoint(
    output: Path,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    config: SftConfig,
    version: Version,
) -> Path:
    """Write the checkpoint of a step atomically, then remove all but the newest `config.keep`."""
    folder = output / "checkpoints" / f"step-{progress.step:08d}"
    if folder.is_dir():  # a run resumed from before this step: its checkpoint is the same, bit for bit
        return folder
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    state = {
        "model": policy.model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": _random_state(),
    }
    about = {
        "format": FORMAT,
        "progress": asdict(progress),
        "version": {"ref": version.ref, "content_id": version.content_id},
        "config": to_mapping(config),
    }
    try:
        with (temporary / STATE).open("wb") as file:
            torch.save(state, file)
            _sync(file.fileno())
        with (temporary / ABOUT).open("w", encoding="utf-8") as text:
            json.dump(about, text, indent=2)
            text.flush()
            _sync(text.fileno())
        temporary.rename(folder)
        _sync_folder(folder.parent)
    except KeyboardInterrupt:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        shutil.rmtree(temporary, ignore_errors=True)
        raise TrainError(
            f"{folder}: cannot be written ({error}); "
            "make room and run again, it goes on from the checkpoint before"
        ) from None
    for old in checkpoints(output)[: -config.keep]:
        shutil.rmtree(old)
    return folder


def checkpoints(output: Path) -> list[Path]:
    """Return the whole checkpoints of a run, oldest first."""
    return sorted((output / "checkpoints").glob("step-*"))


def read_about(folder: Path, config: SftConfig, version: Version) -> Progress:
    """Read how far a checkpoint is; raise TrainError when it is of other data or other settings."""
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        progress = Progress(**about["progress"])
        content_id, old = about["version"]["content_id"], about["config"]
    except FileNotFoundError:
        raise TrainError(
            f"{folder}: no {ABOUT}, so no checkpoint; give a folder checkpoints/step-..."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise TrainError(
            f"{folder / ABOUT}: not readable as a checkpoint ({error}); remove the folder"
        ) from None
    if content_id != version.content_id:
        raise TrainError(
            f"{folder}: the checkpoint is of {about['version']['ref']}, this run reads {version.ref}; "
            f"give --data {about['version']['ref']} to go on, or another --output to start anew"
        )
    if changed := differences(old, to_mapping(config)):
        raise TrainError(
            f"{folder}: the checkpoint was written with other settings ({'; '.join(changed)}); "
            "use those settings to go on, or another --output to start anew"
        )
    return progress


def load_checkpoint(folder: Path, policy: Policy, optimizer: torch.optim.Optimizer) -> None:
    """Put weights, optimizer and random states back as they were."""
    try:
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError) as error:
        raise TrainError(
            f"{folder / STATE}: cannot be read ({error}); remove the folder and run again"
        ) from None
    policy.model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    _set_random_state(state["random"])


def _random_state() -> dict[str, Any]:
    """Gather the states of every generator, in types that load without running code."""
    name, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - libraries draw from it
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [
            str(name),
            torch.from_numpy(np.array(keys, np.int64)),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": list(random.getstate()),
    }


def _set_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
