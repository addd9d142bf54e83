"""What is counted of every record of a version: lengths, turns, marks, and keys that tell equal ones.

The one idea: a batch becomes a few numbers for each of its records, column by column over Arrow's own
buffers; text is looked at once and not kept. It sums up nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tulu_data.dedup.heard import heard
from tulu_data.kernels.id_words import id_words
from tulu_data.schema import ROLES, Kind

Ints = NDArray[np.int64]
Marks = NDArray[np.bool_]
Count = Callable[[pa.RecordBatch, Kind], Ints]
"""Counts the tokens of every record."""

LENGTHS: dict[Kind, tuple[str, ...]] = {
    "sft": ("turns", "prompt", "answer"),
    "preference": ("turns", "prompt", "chosen", "rejected"),
    "rlvr": ("turns", "prompt", "ground_truth"),
}
"""What of a record is measured: messages, and characters of what a model is given and of what it is to say.

Of sft, `prompt` is what system, user and tool say, `answer` what the assistant says, tool calls included.
"""
MARKS: dict[Kind, tuple[str, ...]] = {
    "sft": ("system", "several_answers", "tool_calls", "tools", "empty_answer"),
    "preference": ("system", "chosen_longer", "rejected_longer", "same_answers", "empty_chosen"),
    "rlvr": ("system", "ground_truth"),
}
"""What holds of a record or not."""
_ASSISTANT = ROLES.index("assistant")
_SYSTEM = ROLES.index("system")
_NONE = np.empty(0, np.object_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Numbers of some records, each array with one for each of them."""

    source: NDArray[np.int32]
    """Place of its name among the version's sources."""
    record: NDArray[np.uint64]
    prompt: NDArray[np.uint64]
    """Equal for equal records, and for equal prompts."""
    roles: NDArray[np.int32]
    """Messages by role, (n, 4)."""
    lengths: dict[str, Ints]
    """By the names of LENGTHS."""
    marks: dict[str, Marks]
    """By the names of MARKS."""
    verifier: NDArray[np.object_]
    """Names, of rlvr records alone."""
    tokens: Ints | None


def columns_of(kind: Kind) -> list[str]:
    """Name the columns that are looked at."""
    more = {
        "sft": ["messages", "tools"], "preference": ["prompt", "chosen", "rejected"],
        "rlvr": ["messages", "ground_truth", "verifier"],
    }  # fmt: skip
    return ["id", "source", *more[kind]]


def measure(batch: pa.RecordBatch, kind: Kind, sources: pa.Array, count: Count | None) -> Measured:
    """Look at a batch of a version."""
    said = {
        name: _Said.of(batch.column(name))
        for name in ("messages", "prompt", "chosen", "rejected")
        if name in batch.schema.names
    }
    lengths, marks = _MEASURES[kind](batch, said)
    words = heard(batch, kind, "prompt", None).keys
    ids = id_words(batch.column("id"))
    verifiers = batch.column("verifier").to_numpy(zero_copy_only=False) if kind == "rlvr" else _NONE
    return Measured(
        source=pc.index_in(batch.column("source"), sources).to_numpy().astype(np.int32),
        record=ids[:, 0] ^ ids[:, 1], prompt=words[:, 0] ^ words[:, 1],
        roles=np.sum([one.roles() for one in said.values()], axis=0),
        lengths=lengths, marks=marks, verifier=verifiers,
        tokens=None if count is None else count(batch, kind),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """A column of messages."""

    at: Ints
    """Where the messages of each record begin, and the end of the last."""
    values: pa.StructArray
    role: NDArray[np.int8]
    """Place in ROLES."""
    length: Ints
    """Characters, those of tool calls included."""
    calls: Marks

    @classmethod
    def of(cls, column: pa.ListArray) -> "_Said":
        sizes = pc.fill_null(column.value_lengths(), 0).to_numpy().astype(np.int64)
        values = column.flatten()
        content, calls = (pc.struct_field(values, name) for name in ("content", "tool_calls"))
        length = _characters(content)
        if calls.null_count < len(calls):
            length = length + _characters(calls)
        role = pc.index_in(pc.struct_field(values, "role"), pa.array(ROLES, pa.large_string()))
        return cls(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]), values,
            role.to_numpy(zero_copy_only=False).astype(np.int8), length,
            np.asarray(calls.is_valid().to_numpy(zero_copy_only=False), np.bool_),
        )  # fmt: skip

    @property
    def turns(self) -> Ints:
        """Return the messages of each record."""
        return np.diff(self.at)

    def sums(self, numbers: NDArray[np.integer] | Marks) -> Ints:
        """Add up a number of each message, record by record."""
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(numbers, dtype=np.int64)])
        summed: Ints = total[self.at[1:]] - total[self.at[:-1]]
        return summed

    def roles(self) -> NDArray[np.int32]:
        """Count the messages of each record by role."""
        counts = [self.sums(self.role == k) for k in range(len(ROLES))]
        return np.stack(counts, axis=1).astype(np.int32)


def _characters(texts: pa.Array) -> Ints:
    """Count the characters of texts; null has none."""
    counts: Ints = pc.fill_null(pc.utf8_length(texts), 0).to_numpy().astype(np.int64)
    return counts


def _of_sft(batch: pa.RecordBatch, said: dict[str, _Said]) -> tuple[dict[str, Ints], dict[str, Marks]]:
    messages = said["messages"]
    by_assistant = messages.role == _ASSISTANT
    answer = messages.sums(np.where(by_assistant, messages.length, 0))
    lengths = {"turns": messages.turns, "prompt": messages.sums(messages.length) - answer, "answer": answer}
    marks = {
        "system": messages.sums(messages.role == _SYSTEM) > 0,
        "several_answers": messages.sums(by_assistant) > 1,
        "tool_calls": messages.sums(messages.calls) > 0,
        "tools": np.asarray(batch.column("tools").is_valid().to_numpy(zero_copy_only=False), np.bool_),
        "empty_answer": messages.sums(by_assistant & (messages.length == 0)) > 0,
    }
    return lengths, marks


def _of_preference(
    _batch: pa.RecordBatch, said: dict[str, _Said]
) -> tuple[dict[str, Ints], dict[str, Marks]]:
    sums = {name: one.sums(one.length) for name, one in said.items()}
    chosen, rejected = sums["chosen"], sums["rejected"]
    marks = {
        "system": said["prompt"].sums(said["prompt"].role == _SYSTEM) > 0,
        "chosen_longer": chosen > rejected, "rejected_longer": rejected > chosen,
        "same_answers": _same(said["chosen"], said["rejected"]), "empty_chosen": chosen == 0,
    }  # fmt: skip
    return {"turns": said["prompt"].turns, **sums}, marks


def _same(one: _Said, other: _Said) -> Marks:
    """Tell which records have the same messages in both columns."""
    same: Marks = (one.turns == other.turns) & (one.sums(one.length) == other.sums(other.length))
    rows = np.flatnonzero(same)
    if len(rows):
        # Only these are compared letter by letter; they have as many messages on both sides.
        mine, theirs = (pa.array(_messages_of(side, rows)) for side in (one, other))
        unlike = np.zeros(len(mine), np.bool_)
        for name in ("role", "content", "tool_calls"):
            left, right = (
                pc.fill_null(pc.struct_field(side.values.take(at), name), "")
                for side, at in ((one, mine), (other, theirs))
            )
            unlike |= pc.not_equal(left, right).to_numpy(zero_copy_only=False)
        np.logical_and.at(same, np.repeat(rows, one.turns[rows]), ~unlike)
    return same


def _messages_of(said: _Said, rows: Ints) -> Ints:
    """Return the places of the messages of some records."""
    sizes = said.turns[rows]
    before = np.cumsum(sizes) - sizes
    return np.repeat(said.at[rows] - before, sizes) + np.arange(sizes.sum())


def _of_rlvr(batch: pa.RecordBatch, said: dict[str, _Said]) -> tuple[dict[str, Ints], dict[str, Marks]]:
    messages, truth = said["messages"], _characters(batch.column("ground_truth"))
    lengths = {
        "turns": messages.turns, "prompt": messages.sums(messages.length), "ground_truth": truth,
    }  # fmt: skip
    marks = {"system": messages.sums(messages.role == _SYSTEM) > 0, "ground_truth": truth > 0}
    return lengths, marks


_MEASURES = {"sft": _of_sft, "preference": _of_preference, "rlvr": _of_rlvr}
