"""Which messages of a record are looked at.

The one idea: a scope names messages, and the kernels get them as places in the batch's own text. Only where
messages of several columns belong together are they laid side by side. It finds nothing.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.kernels.buffers import Messages, messages_of
from tulu_data.kernels.coverage import Turns
from tulu_data.schema import Kind
from tulu_data.specs.rules import Scope


def turns_of(batch: pa.RecordBatch, kind: Kind, scope: Scope = "user") -> Turns:
    """List the turns of every record that a scope names; messages are counted over all columns in order."""
    if scope == "user":
        # The first column holds them all, and its messages are the first that are counted.
        return listed(messages_of(batch.column(columns_of(kind)[0])), users=True)
    turns = listed(messages_of(messages_in_order(batch, kind)), users=False)
    return turns._replace(joined=scope == "conversation")


def messages_in_order(batch: pa.RecordBatch, kind: Kind) -> pa.Array:
    """Return all messages of every record, in the order in which hits count them."""
    columns = [batch.column(name) for name in columns_of(kind)]
    return columns[0] if len(columns) == 1 else _side_by_side(columns)


def columns_of(kind: Kind) -> tuple[str, ...]:
    """Name the columns of messages."""
    return ("prompt", "chosen", "rejected") if kind == "preference" else ("messages",)


def listed(messages: Messages, *, users: bool) -> Turns:
    """List the turns of every record, in place: those of users, or all that have text."""
    offsets, content = messages.offsets, messages.content
    low, high = int(offsets[0]), int(offsets[-1])
    record = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    chosen = content.valid[low:high] & messages.valid[record]
    if users:
        chosen &= _is_user(messages, low, high)
    at = np.flatnonzero(chosen) + low
    owner = record[chosen]
    first = np.searchsorted(owner, np.arange(len(offsets)))
    return Turns(
        content.bytes,
        content.offsets[:-1][at],
        content.offsets[1:][at],
        at - offsets[owner],
        first.astype(np.int64),
    )


def _is_user(messages: Messages, low: int, high: int) -> NDArray[np.bool_]:
    """Tell which messages from `low` to `high` have the role `user`."""
    role = messages.role
    begin, end = role.offsets[low:high], role.offsets[low + 1 : high + 1]
    user: NDArray[np.bool_] = (end - begin == 4) & role.valid[low:high]
    for k, letter in enumerate(b"user"):
        user[user] = role.bytes[begin[user] + k] == letter
    return user


def _side_by_side(columns: list[pa.Array]) -> pa.Array:
    """Join columns of messages into one, record by record; null counts as none."""
    sizes = np.stack([column.value_lengths().fill_null(0).to_numpy() for column in columns], axis=1)
    starts = np.stack([np.asarray(column.offsets)[:-1] for column in columns], axis=1).astype(np.int64)
    values = pa.concat_arrays([column.values for column in columns])
    starts += np.cumsum([0, *(len(column.values) for column in columns[:-1])])
    flat, begin = sizes.ravel().astype(np.int64), starts.ravel()
    ends = np.cumsum(flat)
    places = np.repeat(begin - (ends - flat), flat) + np.arange(flat.sum())
    offsets = np.concatenate([[0], np.cumsum(sizes.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values.take(pa.array(places)))
