"""What is compared of a record: its texts, as places in the batch's own buffers.

The one idea: a key names columns and roles, and every text of them has a voice: what is trained on is told
from what it answers, so the same words said by the other side are another text. Which of the other roles
says something does not matter; names, ids and settings of a record are never compared. It reads and
compares nothing.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.dedup.exact import prompts
from tulu_data.kernels.buffers import Messages, Text, messages_of, text_of
from tulu_data.kernels.piling import Spoken
from tulu_data.kernels.texts import Texts
from tulu_data.kernels.words import Ints
from tulu_data.schema import Kind
from tulu_data.specs.near import Key

ASKED, ANSWERED, REJECTED = range(3)
"""Voices: what a model is given, what it is to say, and what it is not to say."""
_VOICES = {"chosen": ANSWERED, "rejected": REJECTED}
_ASSISTANT = b"assistant"


def texts_of(batch: pa.RecordBatch, kind: Kind, key: Key) -> list[Spoken]:
    """Return the columns of texts that a key names, which follow one another in a record.

    `conversation` is all of a record: every message with its tool calls, and the ground truth that it is
    checked against. `prompt` is what stands before the first answer; of a preference, its prompt. `answer` is
    what assistants say; of a preference chosen and rejected, and of rlvr the ground truth.
    """
    found = list(_columns(batch, kind, key))
    return [spoken for spoken in found if len(spoken.voices)] or found[:1]


def _columns(batch: pa.RecordBatch, kind: Kind, key: Key) -> Iterator[Spoken]:
    """Yield the texts of each column that a key names."""
    if key == "prompt":
        yield from _said(messages_of(prompts(batch, kind)))
        return
    answers = key == "answer" and kind == "sft"
    for name in _names(kind, key):
        yield from _said(messages_of(batch.column(name)), answers=answers, voice=_VOICES.get(name))
    if kind == "rlvr":
        truth = text_of(batch.column("ground_truth"))
        voices = np.full(len(truth.valid), ANSWERED, np.uint8)
        yield _valid(truth, np.arange(batch.num_rows + 1, dtype=np.int64), truth.valid, voices)


def _names(kind: Kind, key: Key) -> tuple[str, ...]:
    """Name the columns of messages."""
    if kind == "preference":
        return ("chosen", "rejected") if key == "answer" else ("prompt", "chosen", "rejected")
    return () if kind == "rlvr" and key == "answer" else ("messages",)


def _said(messages: Messages, *, answers: bool = False, voice: int | None = None) -> Iterator[Spoken]:
    """Yield what messages say, or those of assistants alone, and their tool calls where there are any.

    Where no voice is given, that of assistants is ANSWERED, and that of others ASKED.
    """
    low, high = int(messages.offsets[0]), int(messages.offsets[-1])
    chosen = np.repeat(messages.valid, np.diff(messages.offsets))
    by_assistant = _are_assistants(messages.role, low, high)
    if answers:
        chosen &= by_assistant
    voices = np.where(by_assistant, ANSWERED, ASKED) if voice is None else np.full(high - low, voice)
    for column in (messages.content, messages.tool_calls):
        here = chosen & column.valid[low:high]
        if column is messages.content or here.any():
            yield _valid(_sliced(column, low, high), messages.offsets - low, here, voices)


def _sliced(column: Text, low: int, high: int) -> Text:
    return Text(column.offsets[low : high + 1], column.bytes, column.valid[low:high])


def _are_assistants(roles: Text, low: int, high: int) -> NDArray[np.bool_]:
    """Tell which messages assistants say."""
    begin, end = roles.offsets[low:high], roles.offsets[low + 1 : high + 1]
    fits = (end - begin == len(_ASSISTANT)) & roles.valid[low:high]
    for k, letter in enumerate(_ASSISTANT):
        fits[fits] = roles.bytes[begin[fits] + k] == letter
    told: NDArray[np.bool_] = fits
    return told


def _valid(text: Text, offsets: Ints, chosen: NDArray[np.bool_], voices: NDArray[np.integer]) -> Spoken:
    """Return the texts that are chosen, each with the record that holds it."""
    at = np.flatnonzero(chosen)
    first = np.searchsorted(at, offsets).astype(np.int64)
    texts = Texts(text.bytes, text.offsets[:-1][at], text.offsets[1:][at], first)
    return Spoken(texts, voices[at].astype(np.uint8))
