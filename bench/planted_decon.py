"""decon, the peer of the planted benchmark: runs under a Python that has PyPI's `decontaminate`.

Usage: python bench/planted_decon.py CORPUS SUITES REPORT, the suites as `write_suites` lays them out.
decon's own defaults, two threads. `findings` reads the report afterwards, in the benchmark's process.
"""

import gzip
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

Names = dict[tuple[str, int], tuple[str, str, str]]
"""(eval file, row) -> suite, split, instance."""


def write_suites(evals: Path, out: Path) -> Names:
    """Write suites in decon's layout; those that are in it already are copied as they stand."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    names: Names = {}
    for path in sorted(evals.glob("*.gz")):
        shutil.copyfile(path, out / path.name)
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                index = row["eval_instance_index"]
                names[row["eval_key"] + "/" + row["split"], index] = row["eval_key"], row["split"], str(index)
    for path in sorted(evals.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines, gzip.open(out / f"{path.stem}-1.jsonl.gz", "wt") as file:
            for k, row in enumerate(map(json.loads, lines)):
                names[row["suite"] + "/" + row["split"], k] = row["suite"], row["split"], row["id"]
                file.write(json.dumps(_theirs(row, k, len(names))) + "\n")
    return names


def _theirs(row: dict, k: int, number: int) -> dict:
    """Lay a row out; decon tells instances apart by `doc_id` alone, so its number is its own in all files."""
    passage = {"passage": row["passage"]} if row.get("passage") else {}
    return {
        "eval_key": row["suite"], "eval_instance_index": k, "split": row["split"], "is_correct": True,
        "question": row["question"], "answer": row.get("answer") or "", "config": "default", "doc_id": number,
        "fingerprint": hashlib.sha256(f"{row['suite']}-{k}".encode()).hexdigest()[:16], **passage,
    }  # fmt: skip


def findings(report: Path, names: Names, ids: dict[str, list[str]]) -> Iterator[tuple[str, tuple, str, str]]:
    """Yield document, (suite, split, instance), and the matched texts of document and instance."""
    for path in sorted(report.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                document = ids[row["training_file"]][row["training_line"]]
                named = names[row["eval_key"] + "/" + row["split"], row["eval_instance_index"]]
                yield document, named, row["training_overlap_text"], row["eval_overlap_text"]


def main() -> None:
    import decon

    corpus, suites, report = sys.argv[1:]
    config = decon.Config(
        training_dir=f"{corpus}/peer", evals_dir=suites, report_output_dir=report, worker_threads=2
    )
    decon.detect(config)


if __name__ == "__main__":
    main()
