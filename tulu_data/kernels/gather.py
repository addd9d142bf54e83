"""Gather rows from many memory-mapped batches into one batch, copying each text once.

Rows of the result are numbered by their place; every input batch says which of its rows go where.
Two passes: measure (lengths, then offsets), then copy bytes to their final place. Arrow's own
`take` on chunked nested columns joins whole columns first, which a dataset larger than memory
does not survive.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.kernels.buffers import Messages, Text, messages_of, text_of
from tulu_data.kernels.copying import copy
from tulu_data.kernels.jit import kernel
from tulu_data.schema import MESSAGE, MESSAGES

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows `rows` of a batch that become rows `places` of the result."""

    batch: pa.RecordBatch
    rows: Index
    places: Index


def gather(pieces: Sequence[Piece], schema: pa.Schema, size: int) -> pa.RecordBatch:
    """Return the batch of `size` rows that the pieces make up; columns are text or messages."""
    columns = []
    for field in schema:
        arrays = [piece.batch.column(field.name) for piece in pieces]
        if field.type == MESSAGES:
            columns.append(_gather_messages([messages_of(a) for a in arrays], pieces, size))
        else:
            spots = [(piece.rows, piece.places) for piece in pieces]
            columns.append(_gather_text([text_of(a) for a in arrays], spots, size))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _gather_text(texts: Sequence[Text], spots: Sequence[tuple[Index, Index]], size: int) -> pa.Array:
    """Gather one text column: `spots` holds (rows, places) of each text."""
    offsets, valid = np.zeros(size + 1, np.int64), np.zeros(size, np.bool_)
    for text, (rows, places) in zip(texts, spots, strict=True):
        _measure(text.offsets, text.valid, rows, places, offsets, valid)
    np.cumsum(offsets, out=offsets)
    data = np.empty(offsets[-1], np.uint8)
    for text, (rows, places) in zip(texts, spots, strict=True):
        _copy(text.offsets, text.bytes, text.valid, rows, places, offsets, data)
    buffers = [_bitmap(valid), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), size, buffers)


def _gather_messages(columns: Sequence[Messages], pieces: Sequence[Piece], size: int) -> pa.Array:
    """Gather one messages column: lists first, then the texts of their messages."""
    offsets, valid = np.zeros(size + 1, np.int64), np.zeros(size, np.bool_)
    for column, piece in zip(columns, pieces, strict=True):
        _measure(column.offsets, column.valid, piece.rows, piece.places, offsets, valid)
    np.cumsum(offsets, out=offsets)
    if offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError(f"{offsets[-1]} messages in one batch; gather fewer rows at a time")
    spots = [_elements(column, piece, offsets) for column, piece in zip(columns, pieces, strict=True)]
    count = int(offsets[-1])
    children = [
        _gather_text([getattr(column, name) for column in columns], spots, count)
        for name in ("role", "content", "tool_calls")
    ]
    values = pa.StructArray.from_arrays(children, fields=list(MESSAGE))
    buffers = [_bitmap(valid), pa.py_buffer(offsets.astype(np.int32))]
    return pa.Array.from_buffers(MESSAGES, size, buffers, children=[values])


def _elements(column: Messages, piece: Piece, out_offsets: Index) -> tuple[Index, Index]:
    """Return the rows and places of the messages of a piece's records."""
    sizes = np.diff(column.offsets)[piece.rows] * column.valid[piece.rows]
    rows, places = np.empty((2, int(sizes.sum())), np.int64)
    _spread(column.offsets, column.valid, piece.rows, piece.places, out_offsets, rows, places)
    return rows, places


def _bitmap(valid: npt.NDArray[np.bool_]) -> pa.Buffer | None:
    """Pack validity into Arrow's bitmap; None when nothing is null."""
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))


@kernel
def _measure(
    offsets: Index, valid: npt.NDArray[np.bool_], rows: Index, places: Index,
    out_offsets: Index, out_valid: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    """Note the length of every gathered value, one place to the right, ready for a running sum."""
    for i in range(rows.size):
        row = rows[i]
        if valid[row]:
            out_valid[places[i]] = True
            out_offsets[places[i] + 1] = offsets[row + 1] - offsets[row]


@kernel
def _copy(
    offsets: Index, data: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_],
    rows: Index, places: Index, out_offsets: Index, out: npt.NDArray[np.uint8],
) -> None:  # fmt: skip
    """Copy the bytes of every gathered text to its place."""
    for i in range(rows.size):
        row = rows[i]
        if valid[row]:
            copy(out, out_offsets[places[i]], data, offsets[row], offsets[row + 1] - offsets[row])


@kernel
def _spread(
    offsets: Index, valid: npt.NDArray[np.bool_], rows: Index, places: Index, out_offsets: Index,
    element_rows: Index, element_places: Index,
) -> None:  # fmt: skip
    """Turn (rows, places) of lists into (rows, places) of their elements."""
    at = 0
    for i in range(rows.size):
        if valid[rows[i]]:
            for j in range(offsets[rows[i] + 1] - offsets[rows[i]]):
                element_rows[at] = offsets[rows[i]] + j
                element_places[at] = out_offsets[places[i]] + j
                at += 1
