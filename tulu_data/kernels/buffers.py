"""Arrow text and messages columns as numpy views, without copying the text.

Kernels take plain arrays: offsets (n + 1, int64), bytes (uint8) and validity (bool). Slices and
chunk offsets are resolved here, so that no kernel needs to know about them. Offsets and bytes are
read-only views always: a writable one would make numba compile every kernel a second time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_NO_BYTES = np.frombuffer(b"", dtype=np.uint8)
_NO_OFFSETS = np.frombuffer(b"\0" * 8, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Text:
    """A large_string column: text i is `bytes[offsets[i]:offsets[i + 1]]` where `valid[i]`."""

    offsets: npt.NDArray[np.int64]
    bytes: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Messages:
    """A messages column: record i holds messages `offsets[i]` to `offsets[i + 1]` where `valid[i]`."""

    offsets: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    role: Text
    content: Text
    tool_calls: Text


def text_of(array: pa.Array) -> Text:
    """View a large_string array; raise TypeError for another type."""
    if array.type != pa.large_string():
        raise TypeError(f"expected large_string, found {array.type}")
    if len(array) == 0:
        return Text(_NO_OFFSETS, _NO_BYTES, np.zeros(0, np.bool_))
    _, offsets, data = array.buffers()
    view = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else _NO_BYTES
    return Text(view, content, valid_of(array))


def messages_of(array: pa.Array) -> Messages:
    """View a list<struct<role, content, tool_calls>> array."""
    if len(array):
        view = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
        offsets = view.astype(np.int64)
    else:
        offsets = np.zeros(1, np.int64)
    # Only the messages of this slice: a small slice of a large batch must not cost the batch.
    values = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    fields = [text_of(pc.struct_field(values, name)) for name in ("role", "content", "tool_calls")]
    offsets -= offsets[0]
    offsets.flags.writeable = False
    return Messages(offsets, valid_of(array), *fields)


def valid_of(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which values of an array are not null."""
    if array.null_count == 0:
        return np.ones(len(array), np.bool_)
    return np.array(array.is_valid().to_numpy(zero_copy_only=False), np.bool_)
