"""Records become token documents with a loss mask: version -> chat template -> tokens.

The one idea: every record is accounted for. It becomes documents, or overflow explains why not, or
the run stops and names it. With `chat` this is the only place that masks; packing and caching only
move documents about. Nothing here knows a model.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from transformers import PreTrainedTokenizerBase

from trainers.chat import Ints, Message, RenderError, Span, render, token_mask
from tulu_data.errors import TrainError
from tulu_data.store.version import TRAIN, Version

Overflow = Literal["truncate", "drop", "split"]

_BATCH = 1024
"""Records rendered and tokenised at a time."""
_SHOWN = 5
"""Refused records that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Token documents end to end: document i is `tokens[offsets[i]:offsets[i + 1]]`."""

    tokens: npt.NDArray[np.int32]
    supervised: npt.NDArray[np.bool_]
    """Loss mask: True where a token is a target. The first token of a document never is."""
    offsets: Ints
    records: Ints
    """Row of the version that each document came from, not decreasing."""
    counts: Mapping[str, int]
    """Records, documents, tokens, and what overflow did, by name."""

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.records)

    @property
    def lengths(self) -> Ints:
        """Tokens of each document."""
        return np.diff(self.offsets)


def encode_version(
    version: Version, tokenizer: PreTrainedTokenizerBase, *, max_length: int, overflow: Overflow
) -> Documents:
    """Tokenise and mask a whole sft version; raise TrainError naming every kind of refused record."""
    check_tokenizer(tokenizer)
    if version.kind != "sft":
        raise TrainError(
            f"{version.ref}: the sft trainer reads versions of kind 'sft', found {version.kind!r}"
        )
    builder = _Builder(max_length=max_length, overflow=overflow)
    refused: list[tuple[str, str]] = []
    row = 0
    for batch in _records(version):
        rendered = [_try_render(tokenizer, messages, tools) for _, messages, tools in batch]
        texts = [r[0] for r in rendered if isinstance(r, tuple)]
        encoded = iter(_tokenise(tokenizer, texts))
        for (record_id, _, _), result in zip(batch, rendered, strict=True):
            if isinstance(result, str):
                refused.append((record_id, result))
            else:
                ids, starts, ends = next(encoded)
                mask, straddling = token_mask(starts, ends, result[1])
                if not mask[1:].any():
                    refused.append((record_id, "no token is supervised"))
                else:
                    builder.add(row, ids, mask, straddling)
            row += 1
    if refused:
        raise TrainError(_refusal(version, refused))
    return builder.build(records=row)


def check_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise TrainError when a tokenizer has no chat template or cannot tell where its tokens stand."""
    where = getattr(tokenizer, "name_or_path", "") or "the tokenizer"
    if not tokenizer.chat_template:
        raise TrainError(f"{where}: has no chat template; add one to its tokenizer_config.json")
    if not tokenizer.is_fast:
        raise TrainError(
            f"{where}: has no tokenizer.json, so tokens cannot be traced to the text; convert it first"
        )


def template_text(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return everything that decides how a chat is rendered, as one text for hashing."""
    return json.dumps([tokenizer.chat_template, tokenizer.special_tokens_map], sort_keys=True, default=str)


def _records(version: Version) -> Iterator[list[tuple[str, list[Message], list[Any] | None]]]:
    """Yield (record id, messages, tools) of what is trained on, in the version's order, some at a time."""
    for whole in version.batches(["id", "messages", "tools"], TRAIN if version.splits else None):
        for start in range(0, whole.num_rows, _BATCH):
            part: pa.RecordBatch = whole.slice(start, _BATCH)
            ids, messages, tools = (part.column(i).to_pylist() for i in range(3))
            yield [
                (i, [_message(m) for m in ms], json.loads(t) if t else None)
                for i, ms, t in zip(ids, messages, tools, strict=True)
            ]


def _message(stored: Mapping[str, str | None]) -> Message:
    """Turn a stored message into the dict that chat templates read."""
    message: Message = {"role": stored["role"], "content": stored["content"] or ""}
    if stored.get("tool_calls"):
        message["tool_calls"] = json.loads(stored["tool_calls"] or "[]")
    return message


def _try_render(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Any] | None
) -> tuple[str, list[Span]] | str:
    try:
        return render(tokenizer, messages, tools)
    except RenderError as error:
        return str(error)


def _tokenise(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Iterable[tuple[list[int], Ints, Ints]]:
    """Yield token ids and the first and past-the-last character of each token."""
    if not texts:
        return
    out = tokenizer(
        texts,
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        verbose=False,
    )
    for ids, offsets in zip(out["input_ids"], out["offset_mapping"], strict=True):
        edges = np.array(offsets, dtype=np.int64).reshape(-1, 2)
        yield ids, edges[:, 0], edges[:, 1]


class _Builder:
    """Gather documents, applying the overflow policy and counting what it did."""

    def __init__(self, *, max_length: int, overflow: Overflow) -> None:
        self.max_length, self.overflow = max_length, overflow
        self.tokens: list[npt.NDArray[np.int32]] = []
        self.masks: list[npt.NDArray[np.bool_]] = []
        self.records: list[int] = []
        self.counts: Counter[str] = Counter()

    def add(self, row: int, ids: Sequence[int], mask: npt.NDArray[np.bool_], straddling: int) -> None:
        """Add one record's tokens as one document or, by policy, none or several."""
        self.counts["straddling_tokens"] += straddling
        size, limit = len(ids), self.max_length
        if size > limit:
            self.counts["too_long"] += 1
            if self.overflow == "drop":
                self.counts["dropped_tokens"] += size
                return
        stop = size if self.overflow == "split" else min(size, limit)
        self.counts["truncated_tokens"] += size - stop
        tokens = np.array(ids, dtype=np.int32)
        for start in range(0, stop, limit):
            self._document(
                row, tokens[start : min(start + limit, stop)], mask[start : min(start + limit, stop)]
            )

    def _document(self, row: int, tokens: npt.NDArray[np.int32], mask: npt.NDArray[np.bool_]) -> None:
        """Add one document, unless overflow left it without a target."""
        mask = mask.copy()
        mask[0] = False
        if not mask.any():
            self.counts["documents_without_target"] += 1
            self.counts["dropped_tokens"] += len(tokens)
            return
        self.tokens.append(tokens)
        self.masks.append(mask)
        self.records.append(row)

    def build(self, *, records: int) -> Documents:
        """Join what was gathered."""
        lengths = [len(t) for t in self.tokens]
        masks = np.concatenate(self.masks) if self.masks else np.zeros(0, np.bool_)
        kept = len(set(self.records))
        counts = {
            "records": records,
            "trained_records": kept,
            "documents": len(lengths),
            "tokens": sum(lengths),
            "supervised_tokens": int(masks.sum()),
            "too_long": self.counts["too_long"],
            "truncated_tokens": self.counts["truncated_tokens"],
            "dropped_tokens": self.counts["dropped_tokens"],
            "dropped_records": records - kept,
            "documents_without_target": self.counts["documents_without_target"],
            "straddling_tokens": self.counts["straddling_tokens"],
        }
        return Documents(
            tokens=np.concatenate(self.tokens) if self.tokens else np.zeros(0, np.int32),
            supervised=masks,
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            records=np.array(self.records, dtype=np.int64),
            counts=counts,
        )


def _refusal(version: Version, refused: Sequence[tuple[str, str]]) -> str:
    """Write the error over refused records: how many, why, and the first few ids."""
    reasons = Counter(reason for _, reason in refused)
    why = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    ids = ", ".join(record_id for record_id, _ in refused[:_SHOWN]) + (
        ", ..." if len(refused) > _SHOWN else ""
    )
    return (
        f"{version.ref}: {len(refused)} of {version.num_rows} records have no sound loss mask ({why}); "
        f"records {ids}; drop them in the mixture or use another chat template"
    )
