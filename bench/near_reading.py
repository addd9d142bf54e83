r"""What `tulu-data dedup` finds in real training sets, for a person to read.

Usage: python bench/near_reading.py DATA [--sets NAME ...] [--work DIR] [--sample 50] [-- OPTION ...], DATA
a folder with `train/`; what stands after `--` goes to the command. Prints Markdown: per set how many clusters
of which sizes, why records were dropped, what near_oracle.py says of each dropped record and the one that it
stands for, and a sample of such pairs, the same for the same finding.
"""

import argparse
import gzip
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from near_oracle import KINDS, Oracle
from near_pages import drawn, pair
from planted_measure import measured
from results import markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """Files of a real set, and the columns that say something."""

    files: str
    prompt: str = ""
    completion: str = ""

    @property
    def options(self) -> list[str]:
        """What the command must be told of it."""
        if not self.prompt:
            return []
        return [
            "--kind",
            "sft",
            "--columns",
            f"prompt={self.prompt}",
            "--columns",
            f"completion={self.completion}",
        ]


SETS = {
    "anthropic_model_written": Set(
        files="anthropic_model_written/*.jsonl", prompt="question", completion="answer_matching_behavior"
    ),
    "gpteacher": Set(files="gpteacher/*.json"),
    "gsm8k_train": Set(files="gsm8k_train/train.jsonl", prompt="question", completion="answer"),
    "halueval_general": Set(
        files="halueval_general/general_data.json", prompt="user_query", completion="chatgpt_response"
    ),
    "logic_kk": Set(files="logic_kk/*/train.parquet", prompt="quiz", completion="solution_text"),
    "math_train": Set(files="math_train/train.parquet"),
    "oasst_zh": Set(files="oasst_zh/oaast_sft_zh.json"),
    "roll_rlvr": Set(files="roll_rlvr/*.jsonl"),
}
SIZES = ((2, 2), (3, 5), (6, 20), (21, 100), (101, 10**9))


def dedup(data: Path, one: Set, work: Path, options: list[str]) -> list[dict]:
    """Run the command on a set; return the rows of clusters.parquet."""
    work.mkdir(parents=True, exist_ok=True)
    files = str((data / "train").resolve() / one.files)
    command = [
        sys.executable, "-m", "tulu_data", "dedup", files, *one.options, "--store", "store", "--out", "out",
        *options,
    ]  # fmt: skip
    cost = measured(command, work)
    print(f"{files}: {cost.wall:.1f} s, {cost.memory:.0f} MiB", file=sys.stderr)
    rows: list[dict] = pq.read_table(work / "out/clusters.parquet").to_pylist()
    return rows


def texts(one: Set, origins: Iterable[str]) -> dict[str, str]:
    """Read the texts of rows that are named `file:row`."""
    wanted: dict[str, list[int]] = {}
    for origin in origins:
        path, _, row = origin.rpartition(":")
        wanted.setdefault(path, []).append(int(row))
    found = {}
    for path, numbers in wanted.items():
        rows = read(Path(path))
        found.update({f"{path}:{k}": shown(one, rows[k - 1]) for k in numbers})
    return found


def read(path: Path) -> list[dict]:
    """Read the rows of a file."""
    if path.suffix == ".parquet":
        rows: list[dict] = pq.read_table(path).to_pylist()
        return rows
    raw = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text("utf-8")
    parsed = json.loads(raw) if raw.lstrip().startswith("[") else None
    return parsed or [json.loads(line) for line in raw.split("\n") if line.strip()]


def shown(one: Set, row: dict) -> str:
    """Return what a row says."""
    if one.prompt:
        return f"{row[one.prompt]}\n{row[one.completion]}"
    return "\n".join(_strings(row))


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def page(name: str, one: Set, rows: list[dict], sample: int) -> str:
    """Lay out the finding on a set."""
    content = texts(one, (row["origin"] for row in rows))
    gone = sorted((row for row in rows if not row["kept"]), key=lambda row: row["origin"])
    oracle = Oracle(content.values())
    verdicts = [oracle.judged(content[row["origin"]], content[row["stands"]]) for row in gone]
    kinds, reasons = Counter(verdict.kind for verdict in verdicts), Counter(row["reason"] for row in gone)
    sizes = [row["size"] for row in rows if row["kept"]]
    spread = [
        (f"{a}" if a == b else f"{a}-{b}" if b < 10**6 else f"{a}+", sum(a <= n <= b for n in sizes))
        for a, b in SIZES
    ]
    parts = [
        f"## {name}",
        f"{len(gone):,} records dropped, {len(sizes):,} clusters; the largest: "
        + ", ".join(f"{n:,}" for n in sorted(sizes, reverse=True)[:5])
        + ".",
        markdown(("records of a cluster", ">clusters"), [(said, f"{n:,}") for said, n in spread]),
        markdown(("why", ">dropped"), [(reason, f"{n:,}") for reason, n in reasons.most_common()]),
        markdown(("verdict", ">dropped"), [(kind, f"{kinds[kind]:,}") for kind in KINDS]),
    ]
    for row, verdict in drawn(list(zip(gone, verdicts, strict=True)), sample):
        title = (
            f"{row['reason']}, {row['jaccard']:.2f} / {row['containment']:.2f}; {verdict.kind}, "
            f"{verdict.similarity:.2f} / {verdict.inside:.2f}; of {row['size']}"
        )
        parts.append(pair(title, content[row["stands"]], content[row["origin"]]))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--work", type=Path)
    parser.add_argument("--sample", type=int, default=50)
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given = parser.parse_args(sys.argv[1:cut])
    if not (given.data / "train").is_dir():
        sys.exit(f"{given.data}: no folder 'train'; give the folder that holds train/")
    with tempfile.TemporaryDirectory() as name:
        for chosen in given.sets:
            work = (given.work or Path(name)).resolve() / chosen
            rows = dedup(given.data, SETS[chosen], work, sys.argv[cut + 1 :])
            print(page(chosen, SETS[chosen], rows, given.sample))


if __name__ == "__main__":
    main()
