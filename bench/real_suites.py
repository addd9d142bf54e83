"""Turn raw benchmark files into eval suites in our own layout.

Usage: python bench/real_suites.py DATA_FOLDER OUT_FOLDER

Reads the raw layouts of GSM8K, MATH, MBPP, HumanEval, TruthfulQA, BBH and MMLU and writes one
jsonl per suite with suite, id, split, question, answer (and choices). Nothing is changed in the
texts. Other benchmarks and scripts of this folder import `write_suites`.
"""

import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

Row = dict[str, object]

MBPP_SPLITS = ((10, "prompt"), (510, "test"), (600, "validation"), (974, "train"))
"""Last task of each split (Austin et al. 2021)."""


def _jsonl(path: Path) -> Iterator[dict]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def gsm8k(evals: Path) -> Iterator[Row]:
    for i, row in enumerate(_jsonl(evals / "gsm8k/test.jsonl")):
        yield {"id": str(i), "split": "test", "question": row["question"], "answer": row["answer"]}


def math(evals: Path) -> Iterator[Row]:
    for i, row in enumerate(_jsonl(evals / "math/test.jsonl")):
        yield {"id": str(i), "split": "test", "question": row["problem"], "answer": row["solution"]}


def mbpp(evals: Path) -> Iterator[Row]:
    for row in _jsonl(evals / "mbpp/mbpp.jsonl"):
        number = int(row["task_id"])
        split = (
            "prompt"
            if number <= 10
            else "test"
            if number <= 510
            else "validation"
            if number <= 600
            else "train"
        )
        yield {"id": str(number), "split": split, "question": row["text"], "answer": row["code"]}


def humaneval(evals: Path) -> Iterator[Row]:
    for row in _jsonl(evals / "humaneval/HumanEval.jsonl.gz"):
        yield {
            "id": row["task_id"], "split": "test",
            "question": row["prompt"], "answer": row["canonical_solution"],
        }  # fmt: skip


def truthfulqa(evals: Path) -> Iterator[Row]:
    with (evals / "truthfulqa/TruthfulQA.csv").open(encoding="utf-8-sig", newline="") as file:
        for i, row in enumerate(csv.DictReader(file)):
            yield {
                "id": str(i),
                "split": "validation",
                "question": row["Question"],
                "answer": row["Best Answer"],
            }


def bbh(evals: Path) -> Iterator[Row]:
    for path in sorted((evals / "bbh/bbh").glob("*.json")):
        for i, row in enumerate(json.loads(path.read_text("utf-8"))["examples"]):
            yield {
                "id": f"{path.stem}/{i}",
                "split": "test",
                "question": row["input"],
                "answer": row["target"],
            }


def mmlu(evals: Path) -> Iterator[Row]:
    for path in sorted((evals / "mmlu_csv/test").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for i, row in enumerate(csv.DictReader(file)):
                choices = [row[f"choice{n}"] for n in range(4)]
                subject = path.stem.removesuffix("_test")
                yield {
                    "id": f"{subject}/{i}", "split": "test", "question": row["question"],
                    "answer": choices[int(row["answer"])], "choices": choices,
                }  # fmt: skip


SUITES: dict[str, Callable[[Path], Iterator[Row]]] = {
    "gsm8k": gsm8k, "math": math, "mbpp": mbpp, "humaneval": humaneval,
    "truthfulqa": truthfulqa, "bbh": bbh, "mmlu": mmlu,
}  # fmt: skip


def write_suites(data: Path, out: Path, names: tuple[str, ...] = tuple(SUITES)) -> None:
    """Write the named suites of a data folder as jsonl files."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        with (out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in SUITES[name](data / "evals"):
                file.write(json.dumps({"suite": name, **row}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_suites(Path(sys.argv[1]), Path(sys.argv[2]))
