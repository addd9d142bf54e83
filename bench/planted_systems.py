"""The systems of the planted benchmark: how each is run as a fresh process, and what it found.

The one idea: a system is a command and a reader of what the command writes; ours is one system in two
states. Nothing is scored here.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import planted_decon
from planted_measure import Cost, measured
from planted_score import Corpus, Found, own_findings, placed, rows

HERE = Path(__file__).parent
HIDDEN = shutil.ignore_patterns(".*")
"""What is kept of the suites beside them is not part of the corpus."""
PLAIN = "plain 8-gram set"
SLICE = 20
"""Of the unplanted documents, every so many are in datatrove's slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system in one state: how to run it, and how to read what it found."""

    name: str
    run: Callable[[], Cost]
    megabytes: float
    """Text that a run reads."""
    read: Callable[[], list[Found]] | None = None
    """None for a state whose findings are those of another."""
    once: bool = False
    names_items: bool = True
    listed: bool = True
    """Whether its flags on unplanted texts are for a reader."""
    costs: list[Cost] = field(default_factory=list)
    note: Callable[[], str] = str
    """What a reader of its costs should know."""


def folder_of(rule: str, work: Path) -> Path:
    """Name the folder that a rule runs in."""
    return work / rule.replace(",", "+")


def command_of(rule: str) -> list[str]:
    """Return the command that scans the folder's train/ against its evals/ by a rule."""
    return [
        sys.executable, "-m", "tulu_data", "decontaminate", "train", "--against", "evals", "--rule", rule,
        "--store", "store", "--out", "out", "--workers", "2",
    ]  # fmt: skip


def ours(corpus: Corpus, rule: str, work: Path) -> list[System]:
    """Run `tulu-data decontaminate` by a rule, cold and warm."""
    base, size = folder_of(rule, work), corpus.about["megabytes"]
    command, env = command_of(rule), {"NUMBA_CACHE_DIR": str(base / "code")}

    def cold() -> Cost:
        shutil.rmtree(base, ignore_errors=True)
        for name in ("train", "evals"):
            shutil.copytree(corpus.folder / name, base / name, copy_function=os.link, ignore=HIDDEN)
        return measured(command, base, env)

    def warm() -> Cost:
        return measured(command, base, env)

    def read() -> list[Found]:
        return own_findings(corpus, base / "out/hits.parquet")

    return [
        System(name=f"{rule}, cold", run=cold, megabytes=size, once=True),
        System(name=rule, run=warm, megabytes=size, read=read),
    ]


def decon(corpus: Corpus, python: Path, work: Path) -> System:
    """Run decon with its defaults."""
    base = work / "decon"
    names = planted_decon.write_suites(corpus.folder / "evals", base / "suites")
    command = [python, HERE / "planted_decon.py", corpus.folder, base / "suites", base / "report"]

    def run() -> Cost:
        shutil.rmtree(base / "report", ignore_errors=True)
        return measured(command, base)

    def read() -> list[Found]:
        said = planted_decon.findings(base / "report", names, corpus.ids)
        return [Found(document=d, instance=name, theirs=theirs, ours=mine) for d, name, theirs, mine in said]

    return System(name="decon", run=run, megabytes=corpus.about["megabytes"], read=read)


def plain(corpus: Corpus, work: Path) -> System:
    """Run the plain set of 8-grams."""
    base = work / "plain"
    base.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, HERE / "planted_plain.py", corpus.folder, base / "flagged.txt"]

    def read() -> list[Found]:
        flagged = (base / "flagged.txt").read_text("utf-8").split()
        return [Found(document=document, instance=None) for document in flagged]

    return System(
        name=PLAIN, run=lambda: measured(command, base), megabytes=corpus.about["megabytes"], read=read,
        names_items=False, listed=False,
    )  # fmt: skip


def datatrove(corpus: Corpus, python: Path, work: Path) -> System:
    """Run datatrove's filter on a slice."""
    base = work / "datatrove"
    shutil.rmtree(base, ignore_errors=True)
    (base / "slice").mkdir(parents=True)
    size = count = 0
    for name in corpus.ids:
        with (base / "slice" / name).open("w", encoding="utf-8") as file:
            for row in rows(corpus.folder / "peer" / name):
                planted = row["id"].startswith("leak")
                count += not planted
                if planted or not count % SLICE:
                    file.write(json.dumps(row) + "\n")
                    size += len(row["text"].encode())
    command = [python, HERE / "planted_datatrove.py", corpus.folder, base / "slice", base / "found.jsonl"]

    def read() -> list[Found]:
        said = rows(base / "found.jsonl")
        return placed(corpus, ((d, tuple(name), gram, gram) for d, name, gram in said))

    def note() -> str:
        took = json.loads((base / "said.txt").read_text("utf-8").splitlines()[-1])
        return f"datatrove: {took['index']:.0f} s of index, then {size / 1e6 / took['filter']:.2f} MB/s."

    return System(
        name=f"datatrove, {size / 1e6:.0f} MB of it", run=lambda: measured(command, base),
        megabytes=size / 1e6, read=read, once=True, listed=False, note=note,
    )  # fmt: skip
