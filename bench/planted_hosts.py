"""The clean documents of the planted benchmark: texts of real training sets, each once.

The one idea: a host is one text, whatever shape its row had. Sets that hold known eval items (MATH,
DeepMath) and sets that are evals themselves (LLMBar, PandaLM, which repeats Self-Instruct's
instructions) are left out.
"""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Turns = list[tuple[str, str]]
"""(role, text) of each turn."""


def _json(path: Path) -> list[Any]:
    raw = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text("utf-8")
    if raw.lstrip().startswith("["):
        rows: list[Any] = json.loads(raw)
        return rows
    return [json.loads(line) for line in raw.split("\n") if line.strip()]


def hosts(train: Path) -> Iterator[str]:
    """Yield the texts of every set but Anthropic's, in a fixed order."""
    for path in sorted((train / "gpteacher").glob("*.json")):
        yield from (_joined(row, "instruction", "input", "response") for row in _json(path))
    yield from (
        _joined(row, "user_query", "chatgpt_response")
        for row in _json(train / "halueval_general/general_data.json")
    )
    yield from (row["text"] for row in _json(train / "oasst1_en_val/en-validation.jsonl"))
    for row in _json(train / "oasst_trees_100/en_100_tree.jsonl"):
        yield from _tree(row["prompt"])
    for name in ("oaast_rm_zh", "oaast_sft_zh"):
        yield from (
            _joined(row, "instruction", "input", "output") for row in _json(train / f"oasst_zh/{name}.json")
        )
    for path in sorted((train / "llamafactory_demo").glob("*_demo*.json*")):
        yield from (_strings(row) for row in _json(path))
    yield from (
        _joined(row, "instruction", "input", "output")
        for row in _json(train / "rasbt_instruct_pref/instruction-data.json")
    )
    yield from (_strings(row) for row in _json(train / "fastchat_dummy/dummy_conversation.json"))
    yield from (_joined(row, "question", "answer") for row in _json(train / "gsm8k_train/train.jsonl"))
    for path in sorted((train / "logic_kk").glob("*/train.parquet")):
        rows = pq.read_table(path, columns=["quiz", "solution_text"]).to_pylist()
        yield from (_joined(row, "quiz", "solution_text") for row in rows)


def many_hosts(train: Path) -> Iterator[str]:
    """Yield the questions of Anthropic's model-written sets."""
    for path in sorted((train / "anthropic_model_written").glob("*.jsonl")):
        yield from (row["question"].strip() for row in _json(path))


def chats(train: Path) -> Iterator[Turns]:
    """Yield transcripts of hh_rlhf as turns."""
    for row in _json(train / "hh_rlhf_harmless_test/test.jsonl.gz"):
        parts = re.split(r"\n\n(Human|Assistant):", row["chosen"])[1:]
        turns = [
            ("user" if who == "Human" else "assistant", text.strip())
            for who, text in zip(parts[::2], parts[1::2], strict=True)
        ]
        if len(turns) > 1 and all(text for _, text in turns) and turns[0][0] == "user":
            yield turns


def dialogues(train: Path) -> Iterator[str]:
    """Yield the Chinese dialogues of kdconv_zh, one line a turn."""
    for path in sorted((train / "kdconv_zh").glob("*/*.json")):
        yield from ("\n".join(turn["message"] for turn in row["messages"]) for row in _json(path))


def _joined(row: dict[str, Any], *names: str) -> str:
    texts = [row[name][0] if isinstance(row[name], list) else row[name] for name in names]
    return "\n".join(text for text in texts if text).strip()


def _tree(node: dict[str, Any]) -> Iterator[str]:
    yield node["text"]
    for reply in node["replies"]:
        yield from _tree(reply)


_NAMES = {"from", "role", "type", "id", "loss_weight", "label", "tools", "images", "system", "rejected"}


def _strings(value: object) -> str:
    """Join every text of a row in order, but for names and roles."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = [v for name, v in value.items() if name not in _NAMES]
    return "\n".join(filter(None, map(_strings, value))).strip() if isinstance(value, list) else ""
