"""The systems of the near-duplicate benchmark: how each is run as a fresh process, and what it found.

The one idea: a system is a command and a reader of what the command writes; ours is one system in two states,
a peer one for each kind of shingle. Nothing is scored here.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from near_score import Answer, Corpus, own_answer, peer_answer
from planted_measure import Cost, measured

HERE = Path(__file__).parent
OURS = "tulu-data"
RUNS = {1: "single words", 5: "5-grams"}
"""What a peer's shingles are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system in one state."""

    name: str
    run: Callable[[], Cost]
    read: Callable[[], Answer] | None = None
    """None for a state whose findings are those of another."""
    once: bool = False
    costs: list[Cost] = field(default_factory=list)


def command_of(*options: str) -> list[str]:
    """Return the command that dedups the folder's train/."""
    return [
        sys.executable, "-m", "tulu_data", "dedup", "train", "--store", "store", "--out", "out",
        "--workers", "2", *options,
    ]  # fmt: skip


def ours(corpus: Corpus, work: Path) -> list[System]:
    """Run `tulu-data dedup` with its defaults, cold and warm."""
    base = work / "ours"
    env = {"NUMBA_CACHE_DIR": str(base / "code")}

    def cold() -> Cost:
        shutil.rmtree(base, ignore_errors=True)
        lay(corpus, base)
        return measured(command_of(), base, env)

    return [
        System(name=f"{OURS}, cold", run=cold, once=True),
        System(
            name=OURS, run=lambda: measured(command_of(), base, env),
            read=lambda: own_answer(corpus, base / "out/clusters.parquet"),
        ),
    ]  # fmt: skip


def lay(corpus: Corpus, base: Path) -> None:
    """Put the files to dedup into a folder of their own."""
    shutil.copytree(corpus.folder / "train", base / "train", copy_function=os.link)


def at_threshold(corpus: Corpus, work: Path, threshold: float) -> System:
    """Run ours at another threshold; the machine code is that of the other runs."""
    base = work / f"ours-{threshold}"
    env = {"NUMBA_CACHE_DIR": str(work / "ours/code")}

    def run() -> Cost:
        shutil.rmtree(base, ignore_errors=True)
        lay(corpus, base)
        return measured(command_of("--jaccard-threshold", str(threshold)), base, env)

    return System(name=OURS, run=run, read=lambda: own_answer(corpus, base / "out/clusters.parquet"))


def peer(
    corpus: Corpus, python: Path, work: Path, name: str, words: int, threshold: float = 0.7,
    *, once: bool = False,
) -> System:  # fmt: skip
    """Run a peer on shingles of so many words."""
    base = work / f"{name}-{words}-{threshold}"
    base.mkdir(parents=True, exist_ok=True)
    command = [
        python, HERE / "near_peers.py", name, str(words), str(threshold), corpus.folder / "peer",
        base / "pairs.txt",
    ]  # fmt: skip
    return System(
        name=f"{name}, {RUNS[words]}", run=lambda: measured(command, base), once=once,
        read=lambda: peer_answer(corpus, base / "pairs.txt"),
    )  # fmt: skip
