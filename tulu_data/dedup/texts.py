"""What is compared of a record: its texts, as places in the batch's own buffers.

The one idea: a key names columns and roles; names, ids and settings of a record are never compared, and
neither are roles, so the same words said by others are the same text. It reads and compares nothing.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.dedup.exact import prompts
from tulu_data.kernels.buffers import Messages, Text, messages_of, text_of
from tulu_data.kernels.shingles import Texts
from tulu_data.kernels.words import Ints
from tulu_data.schema import Kind
from tulu_data.specs.near import Key


def texts_of(batch: pa.RecordBatch, kind: Kind, key: Key) -> list[Texts]:
    """Return the columns of texts that a key names, which follow one another in a record.

    `conversation` is all of a record: every message with its tool calls, and the ground truth that it is
    checked against. `prompt` is what stands before the first answer; of a preference, its prompt. `answer` is
    what assistants say; of a preference chosen and rejected, and of rlvr the ground truth.
    """
    found = list(_columns(batch, kind, key))
    return [texts for texts in found if len(texts.begin)] or found[:1]


def _columns(batch: pa.RecordBatch, kind: Kind, key: Key) -> Iterator[Texts]:
    """Yield the texts of each column that a key names."""
    if key == "prompt":
        yield from _said(messages_of(prompts(batch, kind)), None)
        return
    role = "assistant" if key == "answer" and kind == "sft" else None
    for name in _names(kind, key):
        yield from _said(messages_of(batch.column(name)), role)
    if kind == "rlvr":
        truth = text_of(batch.column("ground_truth"))
        yield _valid(truth, np.arange(batch.num_rows + 1, dtype=np.int64), truth.valid)


def _names(kind: Kind, key: Key) -> tuple[str, ...]:
    """Name the columns of messages."""
    if kind == "preference":
        return ("chosen", "rejected") if key == "answer" else ("prompt", "chosen", "rejected")
    return () if kind == "rlvr" and key == "answer" else ("messages",)


def _said(messages: Messages, role: str | None) -> Iterator[Texts]:
    """Yield what messages of a role say, or of all roles, and their tool calls where there are any."""
    low, high = int(messages.offsets[0]), int(messages.offsets[-1])
    chosen = np.repeat(messages.valid, np.diff(messages.offsets))
    if role is not None:
        chosen &= _has_role(messages.role, low, high, role)
    for column in (messages.content, messages.tool_calls):
        here = chosen & column.valid[low:high]
        if column is messages.content or here.any():
            yield _valid(_sliced(column, low, high), messages.offsets - low, here)


def _sliced(column: Text, low: int, high: int) -> Text:
    return Text(column.offsets[low : high + 1], column.bytes, column.valid[low:high])


def _has_role(roles: Text, low: int, high: int, role: str) -> NDArray[np.bool_]:
    """Tell which messages have a role."""
    name = np.frombuffer(role.encode(), np.uint8)
    begin, end = roles.offsets[low:high], roles.offsets[low + 1 : high + 1]
    fits = (end - begin == len(name)) & roles.valid[low:high]
    for k, letter in enumerate(name):
        fits[fits] = roles.bytes[begin[fits] + k] == letter
    told: NDArray[np.bool_] = fits
    return told


def _valid(text: Text, offsets: Ints, chosen: NDArray[np.bool_]) -> Texts:
    """Return the texts that are chosen, each with the record that holds it."""
    at = np.flatnonzero(chosen)
    first = np.searchsorted(at, offsets).astype(np.int64)
    return Texts(text.bytes, text.offsets[:-1][at], text.offsets[1:][at], first)
