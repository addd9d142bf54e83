"""Rows that each hold a whole conversation tree, taken apart into one row a message.

The one idea: a tree written out (`prompt` with `replies` in `replies`) says the same as messages that name
their parents. Messages are numbered through the file in the order in which a tree is read, each before its
replies.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import orjson
import pyarrow as pa

from tulu_data.sources.json_values import Row, batch_of_rows, dump
from tulu_data.sources.rows import RAW_LIMIT, BadRow, RawBatch

_ROOT, _REPLIES = "prompt", "replies"


def holds_trees(schema: pa.Schema) -> bool:
    """Tell whether rows hold trees: a prompt that may have replies, and no message of their own."""
    return _ROOT in schema.names and not {"text", "parent_id"} & set(schema.names)


def flattened(batch: RawBatch, before: int) -> RawBatch:
    """Return the messages of the trees of a batch; `before` counts the messages of earlier ones."""
    numbers = count(before + 1)
    rows: list[Row] = []
    placed: list[int] = []
    bad = [replace(one, row=next(numbers)) for one in batch.bad]
    for tree in batch.table.to_pylist():
        root = _loaded(tree.pop(_ROOT, None))
        if not isinstance(root, dict):
            raw = dump({**tree, _ROOT: root})[:RAW_LIMIT]
            bad.append(
                BadRow(row=next(numbers), reason="broken messages", detail=f"{_ROOT} is no message", raw=raw)
            )
            continue
        for message in _walk(root, {k: v for k, v in tree.items() if v is not None}, numbers):
            rows.append(message)
            placed.append(message.pop("_number"))
    return batch_of_rows(rows, placed, bad)


def _loaded(value: Any) -> Any:
    """Return a tree that was kept as JSON text, because trees differ in depth, as what it is."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _walk(root: dict[str, Any], shared: dict[str, Any], numbers: "count[int]") -> Iterator[Row]:
    """Yield the messages of a tree, each before its replies, with what the tree says of all of them."""
    waiting: list[tuple[dict[str, Any], str | None]] = [(root, None)]
    while waiting:
        node, parent = waiting.pop()
        number = next(numbers)
        own = {key: value for key, value in node.items() if key != _REPLIES and value is not None}
        ident = str(own.get("message_id") or f"message {number}")
        yield {**shared, **own, "message_id": ident, "parent_id": parent, "_number": number}
        replies = [r for r in node.get(_REPLIES) or () if isinstance(r, dict)]
        waiting += [(reply, ident) for reply in reversed(replies)]
