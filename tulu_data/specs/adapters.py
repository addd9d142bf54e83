"""What each adapter reads and gives: what a spec may say of it, and what a check of specs needs to know.

The one idea: these are facts about the format of specs, so they stand apart from the code that reads records
and loads the libraries that this takes (`tulu_data/sources/adapters`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tulu_data.kinds import Kind
from tulu_data.specs.source import Adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The rows that an adapter reads."""

    kinds: tuple[Kind, ...]
    """Kinds of record that it can give."""
    parts: Mapping[str, tuple[str, ...]]
    """Every part with the column names under which it is looked for."""
    needs: str
    """The columns it needs, in words."""


FORMS: dict[Adapter, Form] = {
    "messages": Form(
        kinds=("sft",),
        parts={"messages": ("messages",), "system": ("system",), "tools": ("tools",)},
        needs="messages (a list of {role, content})",
    ),
    "threads": Form(
        kinds=("sft",),
        parts={"messages": ("thread.messages",), "system": (), "tools": ()},
        needs="messages of trees (message_id, parent_id, role, text), said with adapter: threads",
    ),
    "alpaca": Form(
        kinds=("sft",),
        parts={
            "instruction": ("instruction",), "input": ("input",), "output": ("output", "response"),
            "system": ("system",), "history": ("history",), "tools": ("tools",),
        },
        needs="instruction and output (or response)",
    ),
    "sharegpt": Form(
        kinds=("sft",),
        parts={"messages": ("conversations", "conversation"), "system": ("system",), "tools": ("tools",)},
        needs="conversations (a list of {from, value})",
    ),
    "prompt_completion": Form(
        kinds=("sft",),
        parts={
            "prompt": ("prompt",), "completion": ("completion", "response"), "system": ("system",),
            "tools": ("tools",),
        },
        needs="prompt and completion (or response)",
    ),
    "hh": Form(
        kinds=("preference", "sft"),
        parts={"chosen": ("chosen",), "rejected": ("rejected",), "text": ("text",)},
        needs="chosen and rejected as transcripts, without a prompt column",
    ),
    "preference": Form(
        kinds=("preference",),
        parts={
            "prompt": ("prompt", "conversations", "conversation", "messages", "question"),
            "instruction": ("instruction",), "input": ("input",),
            "chosen": ("chosen", "chosen_messages"), "rejected": ("rejected", "rejected_messages"),
            "system": ("system",),
        },
        needs="chosen and rejected, with a prompt (prompt, conversations, instruction) or as whole "
        "conversations",
    ),
    "rlvr": Form(
        kinds=("rlvr",),
        parts={
            "messages": ("messages",), "prompt": ("prompt",),
            "ground_truth": ("ground_truth", "reward_model.ground_truth"),
            "verifier": ("verifier", "dataset"), "system": ("system",),
        },
        needs="messages or prompt, and ground_truth (or reward_model.ground_truth)",
    ),
}  # fmt: skip
"""By the name of the adapter; `auto` is none, it chooses one."""
