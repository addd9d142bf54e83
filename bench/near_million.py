r"""A million short records: what `tulu-data dedup` takes of time, memory and disk; what ten million would.

Usage: python bench/near_million.py DATA [--records 1000000] [--work DIR], DATA with `train/`.

Records are two statements of the set of model-written statements each, drawn and joined, and one in ten is a
copy of another with 5 to 20% of its words edited. Memory is the process' peak, mapped pages of files
included, which the system takes back when it needs them.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from near_edits import Words, edited
from planted_measure import measured
from results import markdown, write_section

TEN = 10_000_000


def statements(data: Path) -> list[str]:
    """Read the statements."""
    files = sorted((data / "train" / "anthropic_model_written").glob("*.jsonl"))
    return [json.loads(line)["statement"] for path in files for line in path.open(encoding="utf-8")]


def records(said: list[str], count: int, rng: random.Random) -> Iterator[str]:
    """Make records; one in ten is an edited copy of one before."""
    words = Words(spaced=[word for text in rng.sample(said, 5000) for word in text.split()], characters="")
    before: list[str] = []
    for _ in range(count):
        if before and rng.random() < 0.1:
            yield edited([rng.choice(before)], rng.uniform(0.05, 0.2), words, rng).texts[0]
            continue
        made = f"{rng.choice(said)} {rng.choice(said)}"
        if len(before) < 100_000:
            before.append(made)
        yield made


def make(data: Path, path: Path, count: int) -> float:
    """Write the records; return megabytes."""
    made = records(statements(data), count, random.Random(1))  # noqa: S311 - a draw that anyone can repeat
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"prompt": text, "completion": "Yes."}) + "\n" for text in made)
    return path.stat().st_size / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--records", type=int, nargs="+", default=[250_000, 1_000_000])
    parser.add_argument("--work", type=Path, default=Path("near-million"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    table, costs = [], []
    for count in given.records:
        size = make(given.data, given.work / "records.jsonl", count)
        command = [
            sys.executable,
            "-m",
            "tulu_data",
            "dedup",
            "records.jsonl",
            "--out",
            "report",
            "--store",
            "store",
        ]
        cost = measured([*command, "--workers", "2"], given.work.resolve())
        told = json.loads((given.work / "report" / "report.json").read_text("utf-8"))
        costs.append((count, cost))
        row = (count, f"{size:.0f}", f"{cost.wall:.0f}", f"{cost.processor:.0f}", f"{cost.memory:.0f}")
        table.append((*map(str, row), f"{told['kept']:,}", str(told["search"]["compared"])))
        print(table[-1])
    head = (
        ">records", ">MB", ">seconds", ">processor s", ">peak MiB", ">kept", ">pairs compared"
    )  # fmt: skip
    (few, small), (many, large) = costs[0], costs[-1]
    ten = (large.memory * 2**20 + (TEN - many) * (large.memory - small.memory) / (many - few) * 2**20) / 2**30
    slope = (large.memory - small.memory) / (many - few) * 1024 * 1024
    text = (
        f"{markdown(head, table)}\n\nFrom {few:,} to {many:,} records memory grows by {slope:,.0f} bytes "
        f"a record, so ten million take about {ten:.1f} GiB, mapped pages of the files included, and "
        f"{TEN / many * size / 1e3:.1f} GB of disk for the texts and four bytes more for each word."
    )
    print(text)
    write_section("near_million", text)


if __name__ == "__main__":
    main()
