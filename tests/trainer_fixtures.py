"""What the trainer tests share: small sft versions, the tiny model, and templates of several makers."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from trainers.configs import Recipe, SftConfig
from trainers.run import Job
from tulu_data.schema import version_schema
from tulu_data.store import Draft, Manifest, Store, Version, write_version

REPOSITORY = Path(__file__).parent.parent
TINY = REPOSITORY / "tulu_data" / "workspace" / "files" / "models" / "tiny"

torch.set_num_threads(1)  # tiny tensors gain nothing from more, and wait long for busy cores

Turns = Sequence[tuple[str, str]]


def write_sft_version(root: Path, chats: Sequence[Turns], name: str = "chats") -> Version:
    """Store chats of (role, content) turns as an sft version."""
    messages = [[{"role": r, "content": c, "tool_calls": None} for r, c in chat] for chat in chats]
    return write_messages_version(root, [(m, None) for m in messages], name)


def write_messages_version(
    root: Path, records: Sequence[tuple[Sequence[Mapping[str, Any]], str | None]], name: str = "chats"
) -> Version:
    """Store (messages, tools) records as an sft version."""
    rows = [
        {
            "id": sha256(repr((i, messages)).encode()).hexdigest()[:32],
            "messages": [dict(m) for m in messages],
            "tools": tools,
            "source": "test",
            "origin": f"test.jsonl:{i + 1}",
            "copy": 0,
        }
        for i, (messages, tools) in enumerate(records)
    ]
    batch = pa.RecordBatch.from_pylist(rows, schema=version_schema("sft"))
    manifest = Manifest(
        name=name,
        kind="sft",
        content_id=sha256(repr(rows).encode()).hexdigest(),
        recipe_id="0" * 64,
        rows=len(rows),
        created="2026-01-01T00:00:00+00:00",
        shards=(),
        sources=(),
    )
    return write_version(
        Store(root), Draft(manifest=manifest, inputs_id="0" * 64, files={}, tables={}), [batch]
    )


def sums(count: int) -> list[list[tuple[str, str]]]:
    """Return `count` short chats of different lengths."""
    chats = []
    for i in range(count):
        a, b = 3 + 7 * i % 40, 2 + 5 * i % 11
        story = " ".join(f"There are {a} apples in box {k}." for k in range(i % 6))
        chat = [("user", f"{story} How many apples is {a} + {b}?"), ("assistant", f"{a} + {b} = {a + b}.")]
        if i % 3 == 0:
            chat = [("system", "You are a helpful assistant."), *chat]
        if i % 4 == 0:
            chat += [("user", "Are you sure?"), ("assistant", f"Sure! The answer is {a + b}." * (1 + i % 3))]
        chats.append(chat)
    return chats


def config(**changes: Any) -> SftConfig:
    """Return a config for the tiny model that takes a second on a CPU."""
    settings: dict[str, Any] = {
        "model": str(TINY), "init": "random", "max_length": 128, "batch_size": 8, "micro_batch_tokens": 256,
        "steps": 6, "learning_rate": 1e-3, "schedule": "linear", "warmup_ratio": 0.2,
    }  # fmt: skip
    return SftConfig(**{**settings, **changes})


def job(version: Version, output: Path, resume: str = "auto", **changes: Any) -> Job:
    """Return a quiet job over a version."""
    recipe = Recipe(name="test", config=config(**changes))
    return Job(recipe=recipe, version=version, output=output, resume=resume, quiet=True)
