r"""Check the tulu3 rule against known overlaps of real training sets and eval suites.

Usage: python bench/known_overlaps.py FOLDER, a folder with `train/` and `evals/` sets. The oracle here
is independent and plain: lower-cased `\w+`, sets of 8-grams. Every eval item on which rule and
oracle differ is printed with the reason, found by giving the oracle the rule's own words.
"""

import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.decontaminate import build_index, load_suites
from tulu_data.decontaminate.scan import scan
from tulu_data.kernels.folding import folding
from tulu_data.kernels.words import next_word
from tulu_data.schema import normalised_schema

N = 8
Split = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One training set against one eval suite, with the number of items known to be hit."""

    name: str
    texts: list[str]
    """What the known figure compares: one text per training row."""
    items: dict[str, str]
    known: int
    about: str


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def cases(data: Path) -> Iterator[Case]:
    train, evals = data / "train", data / "evals"
    math = {str(k): row["problem"] for k, row in enumerate(lines(evals / "math/test.jsonl"))}
    gsm8k = {str(k): row["question"] for k, row in enumerate(lines(evals / "gsm8k/test.jsonl"))}
    prompts = pq.read_table(train / "math_train/train.parquet")["prompt"].to_pylist()
    yield Case(
        name="math_train -> math", texts=[p[0]["content"] for p in prompts], items=math, known=617,
        about="the user turn, with its fixed suffix",
    )  # fmt: skip
    deep = lines(train / "roll_rlvr/math_deepmath_deal.jsonl")
    yield Case(
        name="roll_rlvr -> math", texts=[r["prompt"] for r in deep], items=math, known=222, about="the prompt"
    )
    gpt = [
        row
        for path in sorted((train / "gpteacher").glob("*.json"))
        for row in json.loads(path.read_text("utf-8"))
    ]
    mbpp = {
        str(r["task_id"]): r["text"] for r in lines(evals / "mbpp/mbpp.jsonl") if 11 <= r["task_id"] <= 510
    }
    yield Case(
        name="gpteacher -> mbpp", known=20, items=mbpp,
        texts=[f"{r['instruction']}\n{r['input']}".strip() for r in gpt],
        about="instruction and input",
    )  # fmt: skip
    own = [row["question"] for row in lines(train / "gsm8k_train/train.jsonl")]
    yield Case(name="gsm8k_train -> gsm8k", texts=own, items=gsm8k, known=2, about="the question")
    again = [row["text"] for row in lines(evals / "decontam_gold_rephrase/rephrase/rephrase_gsm8k.jsonl")]
    yield Case(name="rephrased gsm8k -> gsm8k", texts=again, items=gsm8k, known=0, about="the whole text")


def plain_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def own_words(text: str) -> list[str]:
    """Split as the rule does, word by word through its kernel."""
    data, out, found, i, part = (
        np.frombuffer(text.encode(), np.uint8),
        np.zeros(6 * len(text) * 4 + 2, np.int32),
        [],
        0,
        0,
    )
    while True:
        _, first, _, i, part = next_word(data, i, part, len(data), folding(), out)
        if first < 0:
            return found
        found.append("".join(chr(abs(p)) for p in out[1 : out[0] + 1]))


def grams(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[k : k + N]) for k in range(len(words) - N + 1)]


def oracle(texts: Iterable[str], items: dict[str, str], split: Split) -> dict[str, float]:
    """Return, per item, the largest share of its words covered by one text; items below 8 words have none."""
    words = {key: split(item) for key, item in items.items()}
    holders = defaultdict(set)
    for key, own in words.items():
        for gram in grams(own):
            holders[gram].add(key)
    best: dict[str, float] = defaultdict(float)
    for text in texts:
        shared = {gram for gram in grams(split(text)) if gram in holders}
        for key in {k for gram in shared for k in holders[gram]}:
            places = [k for k, gram in enumerate(grams(words[key])) if gram in shared]
            covered = {k + j for k in places for j in range(N)}
            best[key] = max(best[key], len(covered) / len(words[key]))
    return best


def by_rule(case: Case) -> dict[str, tuple[float, str]]:
    """Run the real thing (suite file, records, index, scan); return the best overlap and text per item."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [json.dumps({"id": key, "question": item}) for key, item in case.items.items()]
        (Path(folder) / "suite.jsonl").write_text("\n".join(rows), "utf-8")
        index = build_index(load_suites(["suite.jsonl"], Path(folder)), "tulu3")
    rows = [
        {"id": f"{k:032x}", "messages": [{"role": "user", "content": text}]}
        for k, text in enumerate(case.texts)
    ]
    found = scan([pa.RecordBatch.from_pylist(rows, schema=normalised_schema("sft"))], "sft", index).table
    best: dict[str, tuple[float, str]] = {}
    for hit in found.to_pylist():
        best[hit["instance"]] = max(
            best.get(hit["instance"], (0.0, "")), (hit["overlap"], case.texts[hit["record"]])
        )
    return best


def check(case: Case) -> bool:
    """Print one case and every difference; tell whether all of it is explained."""
    plain, ours = oracle(case.texts, case.items, plain_words), by_rule(case)
    same = oracle(case.texts, case.items, own_words)
    hit = {key for key, share in plain.items() if share > 0.5}
    short = {key for key in ours if len(own_words(case.items[key])) < N}
    whole = all((same[key] > 0.5) == (key in ours) for key in case.items if key not in short)
    print(
        f"{case.name}: known {case.known}, oracle {len(hit)}, rule {len(ours)} "
        f"({len(short)} of them shorter than {N} words, matched as phrases); {case.about}; "
        f"with the rule's words the oracle {'agrees on every item' if whole else 'DISAGREES'}"
    )
    for key in sorted(hit ^ set(ours), key=int):
        print(f"   {key}: {explained(case.items[key], plain[key], ours.get(key), same[key])}")
    return whole and len(hit) == case.known


def explained(item: str, plain: float, ours: tuple[float, str] | None, same: float) -> str:
    """Say why rule and oracle differ on an item."""
    words, own = plain_words(item), own_words(item)
    if ours is not None and len(own) < N:
        return f"short: {len(own)} words, the whole phrase stands in a record | {item!r}"
    parts = [w for w in words if w not in own][:4]
    if ours is not None and not parts:
        theirs = own_words(ours[1])
        parts = [f"{w} (record)" for w in plain_words(ours[1]) if w not in theirs][:4]
    text = f"oracle {plain:.3f} of {len(words)} words, rule {same:.3f} of {len(own)} words"
    return f"{text}; split otherwise: {', '.join(map(repr, parts)) or 'nothing'} | {item[:70]!r}"


def main() -> None:
    data = Path(sys.argv[1])
    if not (data / "train").is_dir():
        sys.exit(f"{data}: no folder 'train'; give the folder that holds train/ and evals/")
    explained_all = [check(case) for case in cases(data)]
    if not all(explained_all):
        sys.exit(1)


if __name__ == "__main__":
    main()
