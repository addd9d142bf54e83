"""The mixture of `bench/real_mixture.yaml`, written with `datasets` and plain Python.

Usage: python bench/peer_mix_datasets.py WORKSPACE OUT [--no-decontamination]

Loads the same files, converts them to messages, filters, drops equal prompts and records with more
than half of an instance's words inside shared 8-grams (any suite, a plain Python set of 8-grams for
the first look), draws, shuffles and writes with `save_to_disk`. It prints the rows it wrote.
"""

import json
import re
import sys
from pathlib import Path

import datasets

WORD = re.compile(r"\w+")
N = 8


def turns(prompt: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def alpaca(row: dict) -> dict:
    answer = row.get("output") or row.get("response") or ""
    prompt = row["instruction"] + ("\n\n" + row["input"] if row.get("input") else "")
    before = [m for pair in row.get("history") or [] for m in turns(*pair)["messages"]]
    return {"messages": before + turns(prompt, answer)["messages"]}


ROLES = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}


def sharegpt(row: dict) -> dict:
    return {"messages": [{"role": ROLES[t["from"]], "content": t["value"]} for t in row["conversations"]]}


SOURCES = {
    "gpteacher": ("json", "train/gpteacher/*.json", alpaca, None, 1.0),
    "llamafactory_alpaca": ("json", "train/llamafactory_demo/alpaca_*_demo.json", alpaca, None, 1.0),
    "llamafactory_identity": ("json", "train/llamafactory_demo/identity.json", alpaca, None, 1.0),
    "llamafactory_tools": (
        "json", "train/llamafactory_demo/glaive_toolcall_*_demo.json", sharegpt, None, 0.5,
    ),
    "gsm8k_train": (
        "json", "train/gsm8k_train/train.jsonl", lambda r: turns(r["question"], r["answer"]), None, 1.5,
    ),
    "math_train": (
        "parquet", "train/math_train/train.parquet",
        lambda r: turns(*(r["reward_model"]["ground_truth"][key] for key in ("question", "solution"))),
        lambda r: r["level"] != "Level 1", 5000,
    ),
    "oasst_zh": ("json", "train/oasst_zh/oaast_sft_zh.json", alpaca, None, 1.0),
    "halueval": (
        "json", "train/halueval_general/general_data.json",
        lambda r: turns(r["user_query"], r["chatgpt_response"]), lambda r: r["hallucination"] == "no", 2000,
    ),
}  # fmt: skip


def grams(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + N]) for i in range(len(words) - N + 1)}


class Contamination:
    """The 8-gram rule in plain Python: a dict from 8-gram to the instances that hold it."""

    def __init__(self, evals: Path) -> None:
        self.words: list[list[str]] = []
        self.index: dict[tuple[str, ...], list[int]] = {}
        for path in sorted(evals.glob("*.jsonl")):
            for line in path.read_text("utf-8").strip().split("\n"):
                words = WORD.findall(json.loads(line)["question"].lower())
                for gram in grams(words):
                    self.index.setdefault(gram, []).append(len(self.words))
                self.words.append(words)

    def hits(self, row: dict) -> bool:
        """Tell whether a user turn of the record covers more than half of an instance."""
        for turn in row["messages"]:
            if turn["role"] == "user":
                shared = grams(WORD.findall(turn["content"].lower())) & self.index.keys()
                candidates = {i for gram in shared for i in self.index[gram]}
                if any(self.overlap(i, shared) > 0.5 for i in candidates):
                    return True
        return False

    def overlap(self, instance: int, shared: set[tuple[str, ...]]) -> float:
        """Return the share of an instance's words that lie in shared 8-grams."""
        words = self.words[instance]
        covered: set[int] = set()
        for i in range(len(words) - N + 1):
            if tuple(words[i : i + N]) in shared:
                covered.update(range(i, i + N))
        return len(covered) / len(words)


def main(workspace: Path, out: Path, *, decontaminate: bool) -> None:
    contamination = Contamination(workspace / "evals") if decontaminate else None
    parts, seen = [], set()

    def fresh(row: dict) -> bool:
        key = next((m["content"] for m in row["messages"] if m["role"] == "user"), "")
        new = key not in seen
        seen.add(key)
        return new and all(m["content"].strip() for m in row["messages"])

    for name, (form, files, convert, where, take) in SOURCES.items():
        for path in sorted(workspace.glob(files)):
            loaded = datasets.load_dataset(
                form, data_files=str(path), split="train", cache_dir=str(out / "cache")
            )
            if where is not None:
                loaded = loaded.filter(where)
            messages = loaded.map(convert, remove_columns=loaded.column_names)
            # A fingerprint of our own: `datasets` would otherwise pickle the whole index to hash it.
            messages = messages.filter(fresh, new_fingerprint=f"fresh-{name}-{path.stem}")
            if contamination is not None:
                mark = f"clean-{name}-{path.stem}"
                messages = messages.filter(lambda row: not contamination.hits(row), new_fingerprint=mark)
            messages = messages.shuffle(seed=42)
            whole, rest = divmod(take, 1) if isinstance(take, float) else (0, take / max(len(messages), 1))
            chosen = [messages] * int(whole) + [
                messages.select(range(min(len(messages), round(rest * len(messages)))))
            ]
            parts += [part.add_column("source", [name] * len(part)) for part in chosen if len(part)]
    mixed = datasets.concatenate_datasets(parts).shuffle(seed=42)
    mixed.save_to_disk(str(out / "mixed"))
    print(len(mixed))


if __name__ == "__main__":
    datasets.disable_progress_bars()
    main(Path(sys.argv[1]), Path(sys.argv[2]), decontaminate="--no-decontamination" not in sys.argv)
