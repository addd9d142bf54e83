r"""Decontamination against its plain-Python peer, on the same real input in one run.

Usage: python bench/decontaminate.py FOLDER [MEGABYTES] [RUNS], a folder with `train/` and `evals/`.
Every whole-process figure is a fresh process that reads the same jsonl file and the same suites: ours with
two workers and with one, warm (machine code on disk) and cold (none); the peer is a set of lower-cased
`\w+` 8-grams, flags only. Two parts are measured in this process in processor seconds, records in memory,
one worker. The search kernel alone reads, hashes and looks up every word of every turn and names the pairs
that may be hits; on the rows as they are, and joined to documents of 4,000 characters. The scan alone is all
but reading, also with one 8-gram in every tenth record that thousands of instances share (made up: 5,000,
each with 20 words of its own; of the suites: the one that most of their longer questions share; and 250 that
are this very 8-gram, so that each of these records holds 250 instances).
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from known_overlaps import lines
from results import markdown, write_section

from tulu_data.decontaminate import Suite, build_index, load_suites
from tulu_data.decontaminate.index import Index, measure_of
from tulu_data.decontaminate.scan import scan
from tulu_data.kernels.coverage import candidates, new_scratch
from tulu_data.kernels.folding import folding
from tulu_data.schema import normalised_schema
from tulu_data.sources.turns import turns_of

ROOT = Path(__file__).parents[1]
DOCUMENT = 4000
"""Characters of a document."""


def training_texts(train: Path) -> list[str]:
    """Return the texts of real training sets, one per row."""
    texts = [p[0]["content"] for p in pq.read_table(train / "math_train/train.parquet")["prompt"].to_pylist()]
    texts += [row["prompt"] for row in lines(train / "roll_rlvr/math_deepmath_deal.jsonl")]
    texts += [f"{row['question']}\n{row['answer']}" for row in lines(train / "gsm8k_train/train.jsonl")]
    for path in sorted((train / "gpteacher").glob("*.json")):
        rows = json.loads(path.read_text("utf-8"))
        texts += [f"{row['instruction']}\n{row['input']}\n{row['response']}" for row in rows]
    for path in sorted((train / "anthropic_model_written").glob("*.jsonl")):
        texts += [row["question"] + row["answer_matching_behavior"] for row in lines(path)]
    return texts


def write_input(data: Path, folder: Path, size: float) -> float:
    """Write training rows of `size` MB (the sets over and over) and suites; return the MB of prompts."""
    (folder / "evals").mkdir()
    written = 0
    with (folder / "train.jsonl").open("w", encoding="utf-8") as stream:
        for text in cycle(training_texts(data / "train")):
            stream.write(json.dumps({"prompt": text, "completion": "Yes."}, ensure_ascii=False) + "\n")
            written += len(text.encode())
            if written >= size * 1e6:
                break
    for name, column in (("math", "problem"), ("gsm8k", "question"), ("mgsm", "question"), ("mbpp", "text")):
        for path in sorted((data / "evals" / name).glob("*.jsonl")):
            rows = [json.dumps({"question": row[column]}) for row in lines(path)]
            (folder / "evals" / f"{name}.jsonl").write_text("\n".join(rows), "utf-8")
    for path in sorted((data / "evals/mmlu_decon").glob("*.gz")):
        shutil.copy(path, folder / "evals" / path.name)
    return written / 1e6


def peer(folder: Path) -> int:
    """Flag rows that share any 8-gram with a suite: the plain-Python way."""
    known = set()
    for suite in load_suites(["evals"], folder):
        for question in suite.instances["question"].to_pylist():
            words = re.findall(r"\w+", question.lower())
            known.update(tuple(words[k : k + 8]) for k in range(len(words) - 7))
    flagged = 0
    with (folder / "train.jsonl").open(encoding="utf-8") as stream:
        for line in stream:
            words = re.findall(r"\w+", json.loads(line)["prompt"].lower())
            flagged += any(tuple(words[k : k + 8]) in known for k in range(len(words) - 7))
    return flagged


class Cost(NamedTuple):
    """What a process took."""

    seconds: float
    processor: float
    megabytes: float
    """Memory at its peak."""


def timed(command: list[str], folder: Path, cache: Path, runs: int, fresh: list[Path]) -> Cost:
    """Return the medians over fresh processes; `fresh` is removed before each."""
    costs = []
    for _ in range(runs):
        for path in fresh:
            shutil.rmtree(path, ignore_errors=True)
        start = time.perf_counter()
        env = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        seconds = time.perf_counter() - start
        costs.append(Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))


def kernel_speed(folder: Path, runs: int) -> tuple[dict[str, float], float, float, int]:
    """Return MB/s of the scan alone, one worker, by case; seconds of the index; its megabytes; its instances.

    The cases with a hot 8-gram count the megabytes of the same records without it.
    """
    suites = load_suites(["evals"], folder)
    prompts = [row["prompt"] for row in lines(folder / "train.jsonl")]
    megabytes = sum(len(prompt.encode()) for prompt in prompts) / 1e6
    build_index(suites[:1])
    start = time.perf_counter()
    index = build_index(suites)
    built = time.perf_counter() - start
    hot = "consider the following case and then say whether"
    made_up = [f"{hot} {' '.join(f'w{20 * k + j}' for j in range(20))}" for k in range(5000)]
    with_hot, all_hot = (
        build_index([*suites, suite_of(folder / name, questions)])
        for name, questions in (("shared", made_up), ("whole", [hot] * 250))
    )
    shared, holders = most_shared(suites)
    speeds = {
        "search kernel alone, 1 core": megabytes / search_seconds(index, prompts, runs),
        "search kernel alone, documents of 4 kB": megabytes / search_seconds(index, documents(prompts), runs),
        "scan alone, 1 worker": megabytes / scan_seconds(index, prompts, "", runs),
        "the same, 8-gram of 5,000 made-up instances": megabytes / scan_seconds(with_hot, prompts, hot, runs),
        f"the same, 8-gram of {holders:,} real instances": megabytes
        / scan_seconds(index, prompts, shared, runs),
        "the same, 8-gram that is the whole of 250 instances": megabytes
        / scan_seconds(all_hot, prompts, hot, runs),
    }
    size = sum(array.nbytes for grams in index.grams for array in grams if hasattr(array, "nbytes")) / 1e6
    return speeds, built, size, sum(s.instances.num_rows for s in suites)


def suite_of(folder: Path, questions: Sequence[str]) -> Suite:
    """Write questions as a suite and load it."""
    folder.mkdir()
    rows = [json.dumps({"question": question}) for question in questions]
    (folder / "hot.jsonl").write_text("\n".join(rows), "utf-8")
    return load_suites([folder.name], folder.parent)[0]


def most_shared(suites: Sequence[Suite]) -> tuple[str, int]:
    """Return the 8-gram in most questions of which it is less than half, and in how many it is."""
    held: Counter[tuple[str, ...]] = Counter()
    for suite in suites:
        for question in suite.instances["question"].to_pylist():
            words = re.findall(r"[^\W_]+", question.lower())
            if len(words) > 16:
                held.update({tuple(words[k : k + 8]) for k in range(len(words) - 7)})
    gram, count = held.most_common(1)[0]
    return " ".join(gram), count


def documents(prompts: Sequence[str]) -> list[str]:
    """Join prompts to longer texts."""
    made: list[list[str]] = [[]]
    size = 0
    for prompt in prompts:
        if size > DOCUMENT:
            made.append([])
            size = 0
        made[-1].append(prompt)
        size += len(prompt)
    return ["\n".join(parts) for parts in made]


def batches_of(texts: Sequence[str]) -> list[pa.RecordBatch]:
    """Make records of one user turn each."""
    rows = [
        {"id": f"{k:032x}", "messages": [{"role": "user", "content": text}]} for k, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=normalised_schema("sft")).to_batches(max_chunksize=8192)


def search_seconds(index: Index, texts: Sequence[str], runs: int) -> float:
    """Return the median processor seconds of the search for pairs that may be hits."""
    grams, measure = index.grams[0], measure_of(index.rules.grams[0])
    scratch, turns = new_scratch(grams), [turns_of(batch, "sft") for batch in batches_of(texts)]
    seconds = []
    for _ in range(runs + 1):
        start = time.process_time()
        for some in turns:
            candidates(some, grams, measure, scratch, folding())
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[1:])


def scan_seconds(index: Index, prompts: list[str], hot: str, runs: int) -> float:
    """Return the median processor seconds of a scan, one worker; every tenth record also says `hot`."""
    batches = batches_of([text if not hot or k % 10 else f"{text}\n{hot}." for k, text in enumerate(prompts)])
    seconds = []
    for _ in range(runs + 1):
        start = time.process_time()
        scan(batches, "sft", index, workers=1)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[1:])


def main() -> None:
    if sys.argv[1] == "--peer":
        print(peer(Path(sys.argv[2])))
        return
    size, runs = (
        (float(sys.argv[2]) if len(sys.argv) > 2 else 60.0),
        int(sys.argv[3]) if len(sys.argv) > 3 else 3,
    )
    with tempfile.TemporaryDirectory() as name:
        folder, code = Path(name), Path(name) / "machine_code"
        megabytes = write_input(Path(sys.argv[1]), folder, size)
        own = [sys.executable, "-m", "tulu_data", "decontaminate", "train.jsonl", "--against", "evals"]
        measured = {
            "peer: plain Python 8-gram set, flags only": timed(
                [sys.executable, str(Path(__file__)), "--peer", str(folder)], folder, code, runs, []
            ),
            "cold: compiles its kernels first, 2 workers": timed(
                [*own, "--workers", "2"], folder, code, 1, [code]
            ),
            "warm, 1 worker": timed([*own, "--workers", "1"], folder, code, runs, []),
            "warm, 2 workers": timed([*own, "--workers", "2"], folder, code, runs, []),
        }
        speeds, built, index_size, instances = kernel_speed(folder, runs)
    base = measured["peer: plain Python 8-gram set, flags only"].seconds
    rows = [
        (
            what, f"{cost.seconds:.1f}", f"{cost.processor:.1f}", f"{cost.megabytes:,.0f}",
            f"{megabytes / cost.seconds:.1f}", f"{base / cost.seconds:.1f}x",
        )
        for what, cost in measured.items()
    ]  # fmt: skip
    rows += [(what, "", f"{megabytes / speed:.2f}", "", f"{speed:.0f}", "") for what, speed in speeds.items()]
    heads = ("whole process", ">seconds", ">processor s", ">memory MB", ">MB/s", ">against peer")
    table = markdown(heads, rows)
    text = (
        f"{megabytes:.0f} MB of prompts against {instances:,} eval instances (math, gsm8k, mbpp, mmlu); "
        f"medians of {runs} (cold: 1). Index: {built:.2f} s, {index_size:.0f} MB.\n\n{table}"
    )
    print(text)
    write_section("decontaminate", text)


if __name__ == "__main__":
    main()
