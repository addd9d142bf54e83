"""GSM8K rephrased by a model, and GSM8K's own training split, against GSM8K's test split.

Usage: python bench/planted_rephrased.py DATA [--rule tulu3 --rule lexical] [--no-write]

The 1,319 rephrased questions are true leaks that share few n-grams with their originals: the right item
must be named. The weights of the judgement were fitted on those of even number. The 7,473 training
questions are other questions of the same kind: an item named in one of them is a false alarm, but for a few
(each is listed). Rows are a prompt and a completion, as in training.
"""

import argparse
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from planted_measure import measured
from planted_score import rows
from planted_systems import command_of
from results import markdown, write_section

TEXT = re.compile(r"Question: (.*)\nAnswer:\s*(.*)", re.DOTALL)
SHOWN = 100


def write_rows(data: Path, folder: Path) -> None:
    """Write both training sets, one file each, and the suite."""
    test = [row["question"] for row in rows(data / "evals/gsm8k/test.jsonl")]
    _jsonl(folder / "evals/gsm8k.jsonl", ({"id": str(k), "question": text} for k, text in enumerate(test)))
    path = data / "evals/decontam_gold_rephrase/rephrase/rephrase_gsm8k.jsonl"
    _jsonl(folder / "train/rephrased.jsonl", (_split(row["text"]) for row in rows(path)))
    own = rows(data / "train/gsm8k_train/train.jsonl")
    _jsonl(folder / "train/own.jsonl", ({"prompt": r["question"], "completion": r["answer"]} for r in own))


def _split(text: str) -> dict[str, str]:
    match = TEXT.fullmatch(text)
    if not match:
        raise SystemExit(f"rephrased GSM8K: a row is not 'Question: ...' and 'Answer: ...': {text[:80]!r}")
    return {"prompt": match[1], "completion": match[2]}


def _jsonl(path: Path, lines: Iterator[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")


def matches(folder: Path) -> dict[str, dict[int, dict[int, str]]]:
    """Return, by file and row (from 0), the items that the last run named and what it called the match."""
    named: dict[str, dict[int, dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
    for hit in pq.read_table(
        folder / "out/hits.parquet", columns=["origin", "instance", "match"]
    ).to_pylist():
        file, _, row = hit["origin"].rpartition(":")
        items = named[Path(file).stem][int(row) - 1]
        if items.get(int(hit["instance"])) != "item":
            items[int(hit["instance"])] = hit["match"]
    return named


def judge(rule: str, folder: Path, counts: tuple[int, int]) -> tuple[tuple[str, ...], list[str]]:
    """Run one rule; return its line of the table, and the training rows in which it names an item."""
    measured(command_of(rule), folder)
    named = matches(folder)
    found = [items.get(k) for k, items in named["rephrased"].items()]
    right = [k for k, items in named["rephrased"].items() if items.get(k) == "item"]
    wrong = sum(
        "item" in items.values() and items.get(k) != "item" for k, items in named["rephrased"].items()
    )
    flagged = {k: items for k, items in named["own"].items() if "item" in items.values()}
    share = [f"{n:,} ({n / counts[0]:.1%})" for n in (len(right), sum(map(bool, found)), wrong)]
    even = sum(k % 2 == 0 for k in right)
    halves = f"{even / -(-counts[0] // 2):.1%}, {(len(right) - even) / (counts[0] // 2):.1%}"
    said = [
        f"{k} -> {sorted(i for i, match in items.items() if match == 'item')[:3]}"
        for k, items in flagged.items()
    ]
    others = len(named["own"]) - len(flagged)
    return (
        rule,
        share[0],
        halves,
        *share[1:],
        f"{len(flagged):,} ({len(flagged) / counts[1]:.2%})",
        f"{others:,}",
    ), said


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--rule", action="append", help="rule, or rules joined by commas; may repeat (tulu3)")
    parser.add_argument("--no-write", dest="write", action="store_false", help="leave RESULTS.md alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(given.data, folder)
        counts = tuple(sum(1 for _ in rows(folder / f"train/{name}.jsonl")) for name in ("rephrased", "own"))
        judged = {rule: judge(rule, folder, counts) for rule in given.rule or ["tulu3"]}
        asked = [row["prompt"] for row in rows(folder / "train/own.jsonl")]
    head = (
        "rule", ">right item", ">of the even, the odd questions", ">right, whatever the match",
        ">only a wrong item", ">own training rows with an item", ">with another match",
    )  # fmt: skip
    text = (
        f"{counts[0]:,} rephrased GSM8K questions and GSM8K's {counts[1]:,} training questions "
        f"against its test split.\n\n{markdown(head, [line for line, _ in judged.values()])}"
    )
    print(text)
    for rule, (_, said) in judged.items():
        for line in said:
            row = asked[int(line.split(" -> ")[0])]
            print(f"{rule}: training row {line}: {' '.join(row.split())[:SHOWN]}")
    if given.write:
        write_section("planted_rephrased", text)


if __name__ == "__main__":
    main()
