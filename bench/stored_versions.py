"""What it costs to compare new records with a stored version, by whole processes.

Usage: python bench/stored_versions.py DATA, DATA a folder with `train/`. The version holds
`anthropic_model_written`; new are one in a hundred as many records: some of its own, some with a word in ten
changed, some of another set. Each command runs three times, after what it would find was removed; medians.
"""

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planted_measure import Cost, measured, median
from results import markdown, write_section

RUNS = 3
MIXTURE = """version: 1
name: written
kind: sft
decontaminate: none
sources:
  written:
    uri: "{files}"
    adapter: prompt_completion
    columns: {{prompt: question, completion: answer_matching_behavior}}
    take: {{all: true}}
"""
MORE = """  new:
    uri: new.jsonl
    take: {all: true}
"""


def write_new(train: Path, path: Path) -> int:
    """Write the new records; return how many of them the version has, word for word or edited."""
    draw = random.Random(5)  # noqa: S311 - a fixed sample
    files = sorted((train / "anthropic_model_written").glob("*.jsonl"))
    old = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    old = [{"prompt": row["question"], "completion": row["answer_matching_behavior"]} for row in old]
    words = [word for row in old[:2000] for word in row["prompt"].split()]
    own = draw.sample(old, len(old) // 150)
    for row in own[::2]:
        said = row["prompt"].split()
        row["prompt"] = " ".join(draw.choice(words) if draw.random() < 0.1 else word for word in said)
    other = (train / "gsm8k_train/train.jsonl").read_text("utf-8").splitlines()[: len(old) // 300]
    rows = [*own, *({"prompt": r["question"], "completion": r["answer"]} for r in map(json.loads, other))]
    draw.shuffle(rows)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return len(own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A run of the command, and which versions have signatures before it."""

    what: str
    options: list[str]
    signed: tuple[list[str], ...] = ()
    """Options of the runs that sign them."""


def run(options: Sequence[str], work: Path) -> Cost:
    """Measure the command on the new records."""
    return measured([sys.executable, "-m", "tulu_data", "dedup", "new.jsonl", *options, "--out", "out"], work)


def build(spec: str, work: Path) -> str:
    """Build a version; return what names it."""
    (work / "spec.yaml").write_text(spec, "utf-8")
    measured([sys.executable, "-m", "tulu_data", "mix", "spec.yaml"], work)
    (line,) = (work / "store/refs/written").read_text("utf-8").splitlines()[-1:]
    return f"written@{line[:12]}"


def cost_of(case: Case, work: Path) -> Cost:
    """Return the medians of a case; a first run, that compiles what is not compiled yet, does not count."""
    costs = []
    for _ in range(RUNS + 1):
        for folder in (work / "store/written").glob("*/signatures"):
            shutil.rmtree(folder)
        for options in case.signed:
            run(options, work)
        costs.append(run(case.options, work))
    return median(costs[1:])


def main() -> None:
    train = Path(sys.argv[1]).resolve() / "train"
    rows = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        own = write_new(train, work / "new.jsonl")
        spec = MIXTURE.format(files=train / "anthropic_model_written/*.jsonl")
        one, other = build(spec, work), build(spec + MORE, work)
        first, second = ["--against", one], ["--against", other]
        for case in (
            Case(what="no version, the new records alone", options=[]),
            Case(what="the version read and compared as a dataset", options=[one]),
            Case(what="against the version, which is signed first", options=first),
            Case(what="against the version", options=first, signed=(first,)),
            Case(what="against one of 1% more, which is signed first", options=second),
            Case(what="the same, where the first one is signed", options=second, signed=(first,)),
        ):
            cost = cost_of(case, work)
            report = json.loads((work / "out/report.json").read_text("utf-8"))
            gone = f"{report['records'] - report['kept']:,}"
            rows.append((case.what, gone, f"{cost.processor:,.2f}", f"{cost.memory:,.0f}"))
        size = sum(path.stat().st_size for path in (work / "store/written").glob("*/signatures/*")) / 2
    held, new = report["against"][0]["records"] - report["records"], report["records"]
    heads = ("`tulu-data dedup` of the new records", ">dropped", ">processor s", ">peak MiB")
    text = (
        f"A version of `anthropic_model_written`, {held:,} records ({size / 1e6:,.0f} MB of signatures), and "
        f"{new:,} new records, of which it has {own:,}, half of them edited. Medians of {RUNS} processes.\n\n"
        f"{markdown(heads, rows)}"
    )
    print(text)
    write_section("stored_versions", text)


if __name__ == "__main__":
    main()
