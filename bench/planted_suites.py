"""The suites of the planted benchmark: everything that the data folder's evals hold, in our layout.

The one idea: `write_all` writes one jsonl per suite and copies the files that are already in the
common eval_key layout, and returns every instance, so that labels and suites come from one reading.
Texts are not changed.
"""

import csv
import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from planted_forms import Instance, same_words
from real_suites import SUITES, Row


def _rows(path: Path) -> Iterator[dict]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def math500(evals: Path) -> Iterator[Row]:
    for i, row in enumerate(_rows(evals / "math500/test.jsonl")):
        yield {"id": str(i), "split": "test", "question": row["problem"], "answer": row["solution"]}


def humaneval_plus(evals: Path) -> Iterator[Row]:
    for row in _rows(evals / "humaneval_plus/HumanEvalPlus-Mini.jsonl.gz"):
        yield {
            "id": row["task_id"], "split": "test",
            "question": row["prompt"], "answer": row["canonical_solution"],
        }  # fmt: skip


def mbpp_plus(evals: Path) -> Iterator[Row]:
    for row in _rows(evals / "mbpp_plus/MbppPlus.jsonl.gz"):
        question = row["prompt"].strip().strip('"').strip()
        yield {
            "id": row["task_id"], "split": "test",
            "question": question, "answer": row["canonical_solution"],
        }  # fmt: skip


def ifeval(evals: Path) -> Iterator[Row]:
    for row in _rows(evals / "ifeval/input_data.jsonl"):
        yield {"id": str(row["key"]), "split": "train", "question": row["prompt"]}


def popqa(evals: Path) -> Iterator[Row]:
    for row in _rows(evals / "popqa_1k/test.jsonl"):
        answer = row["golden_answers"][0]
        yield {"id": row["id"], "split": "test", "question": row["question"], "answer": answer}


def drop(evals: Path) -> Iterator[Row]:
    for i, row in enumerate(_rows(evals / "drop/drop_v0_dev.jsonl.gz")):
        passage, _, question = row["context"].rpartition("\nQuestion:")
        yield {
            "id": str(i), "split": "validation", "answer": row["ref_text"],
            "passage": passage.removeprefix("Passage:").strip(),
            "question": question.removesuffix("Answer:").strip(),
        }  # fmt: skip


def mt_bench(evals: Path) -> Iterator[Row]:
    for name in ("mt_bench", "vicuna_bench"):
        for row in _rows(evals / "mt_bench" / name / "question.jsonl"):
            for turn, text in enumerate(row["turns"], 1):
                yield {"id": f"{name}/{row['question_id']}/{turn}", "split": "test", "question": text}


def arena_hard(evals: Path) -> Iterator[Row]:
    for version in ("v0.1", "v2.0"):
        for row in _rows(evals / f"arena_hard/arena-hard-{version}/question.jsonl"):
            yield {"id": f"{version}/{row['uid']}", "split": "test", "question": row["prompt"]}


def self_instruct(evals: Path) -> Iterator[Row]:
    for row in _rows(evals / "self_instruct_252/user_oriented_instructions.jsonl"):
        one = row["instances"][0]
        question = f"{row['instruction']}\n\n{one['input']}".strip()
        yield {"id": row["id"], "split": "test", "question": question, "answer": one["output"]}


def xstest(evals: Path) -> Iterator[Row]:
    with (evals / "xstest/xstest_prompts.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {"id": row["id"], "split": "test", "question": row["prompt"]}


def mgsm(evals: Path) -> Iterator[Row]:
    for path in sorted((evals / "mgsm").glob("*.tsv")):
        for i, line in enumerate(path.read_text("utf-8").splitlines()):
            question, _, answer = line.rpartition("\t")
            language = path.stem.removeprefix("mgsm_")
            yield {"id": f"{language}/{i}", "split": language, "question": question, "answer": answer}


ALL: dict[str, Callable[[Path], Iterator[Row]]] = {
    **{name: read for name, read in SUITES.items() if name != "mmlu"}, "mmlu_csv": SUITES["mmlu"],
    "math500": math500, "humaneval_plus": humaneval_plus, "mbpp_plus": mbpp_plus, "ifeval": ifeval,
    "popqa": popqa, "drop": drop, "mt_bench": mt_bench, "arena_hard": arena_hard,
    "self_instruct": self_instruct, "xstest": xstest, "mgsm": mgsm,
}  # fmt: skip
"""Readers by suite name; `mmlu` itself is the name in the eval_key files, which are copied as they stand."""


def write_all(data: Path, out: Path) -> list[Instance]:
    """Write every suite to a folder; return its instances."""
    out.mkdir(parents=True, exist_ok=True)
    instances = []
    for name, read in ALL.items():
        with (out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in read(data / "evals"):
                file.write(json.dumps({"suite": name, **row}, ensure_ascii=False) + "\n")
                instances.append(_instance(name, row))
    seen = set()
    for path in sorted((data / "evals/mmlu_decon").glob("*.gz")):
        shutil.copyfile(path, out / path.name)
        for row in _rows(path):
            key = row["split"], row["eval_instance_index"]
            if key not in seen:
                seen.add(key)
                instances.append(_instance(row["eval_key"], {**row, "id": key[1], "answer": None}))
    return instances


def _instance(suite: str, row: Row) -> Instance:
    text = {name: str(row.get(name) or "") for name in ("question", "passage", "answer")}
    return Instance(suite=suite, split=str(row["split"]), id=str(row["id"]), **text)


def equal_questions(instances: list[Instance]) -> dict[str, list[Instance]]:
    """Group instances whose questions have the same words in the same order."""
    groups: dict[str, list[Instance]] = defaultdict(list)
    for one in instances:
        groups[same_words(one.question)].append(one)
    return groups
