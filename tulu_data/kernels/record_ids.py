"""Record ids: the first 16 bytes of a sha256 over a canonical encoding of the content columns.

The encoding is ours and fixed, so an id does not depend on a library, a codec or a machine. For a
record of kind K, all integers unsigned 64-bit little-endian:

    record  := K 0x00 column*              content columns in schema order; null columns are left out
    column  := size(name) name value
    value   := size(text) text             for a text column
             | count message*              for a messages column
    message := size(role) role  size(content) content  tool_calls
    tool_calls := 2^64-1 when null | size(text) text

A null column leaves nothing behind, so a nullable column that joins the schema later changes no
id of a record without it. Kernels lay out whole batches; OpenSSL does the hashing.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.kernels.buffers import Messages, Text, messages_of, text_of
from tulu_data.kernels.copying import copy, store
from tulu_data.kernels.digests import sha256_digests
from tulu_data.kernels.jit import inner, kernel
from tulu_data.schema import CONTENT, MESSAGES, Kind

ID_BYTES = 16
_DIGITS = np.frombuffer(bytes(range(256)).hex().encode(), "V2")
"""The two hexadecimal digits of each byte."""
_NULL = -1
"""All bits set, as a size that no text has."""

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def record_ids(batch: pa.RecordBatch, kind: Kind) -> pa.Array:
    """Return the ids of a batch as 32 hexadecimal digits each (large_string)."""
    digits = _DIGITS[content_digests(batch, kind)].tobytes()
    offsets = np.arange(batch.num_rows + 1, dtype=np.int64) * (2 * ID_BYTES)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digits)]
    return pa.Array.from_buffers(pa.large_string(), batch.num_rows, buffers)


def content_digests(batch: pa.RecordBatch, kind: Kind) -> Bytes:
    """Return the first ID_BYTES of the sha256 of every record's canonical bytes: (n, ID_BYTES)."""
    return sha256_digests(*canonical_bytes(batch, kind))[:, :ID_BYTES]


def canonical_bytes(batch: pa.RecordBatch, kind: Kind) -> tuple[Bytes, Offsets]:
    """Encode every record of a batch; return the bytes and where each record ends in them."""
    columns = [_column(batch, field) for field in CONTENT[kind]]
    head = kind.encode() + b"\0"
    sizes = np.full(batch.num_rows, len(head), dtype=np.int64)
    for name, column in columns:
        column.add_sizes(len(name), sizes)
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    cursor = ends - sizes
    _write_constant(np.frombuffer(head, np.uint8), cursor, out)
    for name, column in columns:
        column.write(np.frombuffer(name, np.uint8), cursor, out)
    return out, ends


class _TextColumn:
    """Encoder of one text column."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def add_sizes(self, name: int, sizes: Offsets) -> None:
        sizes += np.where(self.text.valid, 16 + name + np.diff(self.text.offsets), 0)

    def write(self, name: Bytes, cursor: Offsets, out: Bytes) -> None:
        _write_text(name, self.text.offsets, self.text.bytes, self.text.valid, cursor, out)


class _MessagesColumn:
    """Encoder of one messages column."""

    def __init__(self, messages: Messages) -> None:
        self.messages = messages

    def add_sizes(self, name: int, sizes: Offsets) -> None:
        m = self.messages
        each = 24 + np.diff(m.role.offsets) + np.diff(m.content.offsets)
        each += np.where(m.tool_calls.valid, np.diff(m.tool_calls.offsets), 0)
        total = np.concatenate(([0], np.cumsum(each)))
        rows = total[m.offsets[1:]] - total[m.offsets[:-1]]
        sizes += np.where(m.valid, 16 + name + rows, 0)

    def write(self, name: Bytes, cursor: Offsets, out: Bytes) -> None:
        m = self.messages
        _write_messages(
            name, m.offsets, m.valid,
            m.role.offsets, m.role.bytes, m.content.offsets, m.content.bytes,
            m.tool_calls.offsets, m.tool_calls.bytes, m.tool_calls.valid,
            cursor, out,
        )  # fmt: skip


def _column(batch: pa.RecordBatch, field: pa.Field) -> tuple[bytes, _TextColumn | _MessagesColumn]:
    array = batch.column(field.name)
    if field.type == MESSAGES:
        return field.name.encode(), _MessagesColumn(messages_of(array))
    return field.name.encode(), _TextColumn(text_of(array))


@inner
def _put_size(out: Bytes, at: int, value: int) -> int:
    """Write one little-endian 64-bit integer; return where the next byte goes."""
    store(out, at, value)
    return at + 8


@inner
def _put_bytes(out: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    """Write size and bytes of `data[start:end]`; return where the next byte goes."""
    at = _put_size(out, at, end - start)
    copy(out, at, data, start, end - start)
    return at + end - start


@kernel
def _write_constant(head: Bytes, cursor: Offsets, out: Bytes) -> None:
    """Write the same bytes at every record's cursor and move the cursors on."""
    for row in range(cursor.size):
        copy(out, cursor[row], head, 0, head.size)
        cursor[row] += head.size


@kernel
def _write_text(
    name: Bytes, offsets: Offsets, data: Bytes, valid: npt.NDArray[np.bool_], cursor: Offsets, out: Bytes
) -> None:
    """Write one text column of every record."""
    for row in range(cursor.size):
        if valid[row]:
            at = _put_bytes(out, cursor[row], name, 0, name.size)
            cursor[row] = _put_bytes(out, at, data, offsets[row], offsets[row + 1])


@kernel
def _write_messages(
    name: Bytes, offsets: Offsets, valid: npt.NDArray[np.bool_],
    role_offsets: Offsets, role: Bytes, content_offsets: Offsets, content: Bytes,
    call_offsets: Offsets, calls: Bytes, call_valid: npt.NDArray[np.bool_],
    cursor: Offsets, out: Bytes,
) -> None:  # fmt: skip
    """Write one messages column of every record."""
    for row in range(cursor.size):
        if not valid[row]:
            continue
        at = _put_bytes(out, cursor[row], name, 0, name.size)
        at = _put_size(out, at, offsets[row + 1] - offsets[row])
        for i in range(offsets[row], offsets[row + 1]):
            at = _put_bytes(out, at, role, role_offsets[i], role_offsets[i + 1])
            at = _put_bytes(out, at, content, content_offsets[i], content_offsets[i + 1])
            if call_valid[i]:
                at = _put_bytes(out, at, calls, call_offsets[i], call_offsets[i + 1])
            else:
                at = _put_size(out, at, _NULL)
        cursor[row] = at
