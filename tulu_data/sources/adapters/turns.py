"""Whole columns of chats: build them, join them, split them, compare them.

The one idea: a column of chats is offsets over one column of messages, so joining a prompt to a
completion is arithmetic on offsets and one gather, never a loop over rows. Every function takes
and returns arrays of `schema.MESSAGES` without nulls.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import MESSAGE, MESSAGES, ROLES, TEXT, Role
from tulu_data.sources.adapters.faults import Indices, Mask

Lengths = npt.NDArray[np.int64]


def lengths_of(lists: pa.Array) -> Lengths:
    """Return the length of every list, 0 for a null."""
    counted = pc.fill_null(pc.list_value_length(lists), 0)
    return np.asarray(counted.to_numpy(zero_copy_only=False), dtype=np.int64)


def chats_of(lengths: Lengths, values: pa.Array) -> pa.Array:
    """Cut a column of messages into chats of the given lengths."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=MESSAGES)


def empty_chats(rows: int) -> pa.Array:
    """Return chats without a message."""
    return chats_of(np.zeros(rows, dtype=np.int64), pa.array([], MESSAGE))


def messages_of(roles: pa.Array, contents: pa.Array, calls: pa.Array | None = None) -> pa.Array:
    """Return a column of messages."""
    calls = pa.nulls(len(roles), TEXT) if calls is None else calls
    return pa.StructArray.from_arrays([roles, contents, calls], fields=list(MESSAGE))


def single_turns(role: Role, contents: pa.Array, present: Mask | None = None) -> pa.Array:
    """Return chats of one message each, of none where `present` is false."""
    here = np.ones(len(contents), dtype=bool) if present is None else present
    kept = contents if here.all() else contents.filter(pa.array(here))
    kept = pc.fill_null(kept, "")
    return chats_of(here.astype(np.int64), messages_of(_repeated(role, len(kept)), kept))


def _repeated(role: Role, count: int) -> pa.Array:
    return pa.array(list(ROLES), TEXT).take(pa.array(np.full(count, ROLES.index(role), dtype=np.int64)))


def _ranges(starts: Indices, lengths: Lengths) -> Indices:
    """Return start, start+1, ... for every start and length, one after the other."""
    total = int(lengths.sum())
    before = np.cumsum(lengths) - lengths
    found: Indices = np.arange(total, dtype=np.int64) + np.repeat(starts - before, lengths)
    return found


def join(*columns: pa.Array) -> pa.Array:
    """Put the chats of several columns one after the other, row by row."""
    counts = [lengths_of(c) for c in columns]
    total: Lengths = np.asarray(np.sum(counts, axis=0, dtype=np.int64))
    at = np.cumsum(total) - total
    index = np.empty(int(total.sum()), dtype=np.int64)
    base = 0
    for count in counts:
        index[_ranges(at, count)] = base + np.arange(int(count.sum()))
        at = at + count
        base += int(count.sum())
    values = pa.concat_arrays([c.flatten() for c in columns])
    return chats_of(total, values.take(pa.array(index)))


def cut(chats: pa.Array, starts: Lengths, stops: Lengths) -> pa.Array:
    """Return the messages from start to stop of every chat."""
    lengths = lengths_of(chats)
    first = np.cumsum(lengths) - lengths
    index = _ranges(first + starts, stops - starts)
    return chats_of(stops - starts, chats.flatten().take(pa.array(index)))


def shared_prefix(left: pa.Array, right: pa.Array) -> Lengths:
    """Return how many messages two columns of chats share from the start, row by row."""
    n_left, n_right = lengths_of(left), lengths_of(right)
    both = np.minimum(n_left, n_right)
    i = _ranges(np.cumsum(n_left) - n_left, both)
    j = _ranges(np.cumsum(n_right) - n_right, both)
    same = _equal(left.flatten().take(pa.array(i)), right.flatten().take(pa.array(j)))
    position = _ranges(np.zeros(len(both), dtype=np.int64), both)
    mismatch = np.where(same, np.iinfo(np.int64).max, position)
    found = both.copy()
    some = np.flatnonzero(both)
    if len(some):
        starts = (np.cumsum(both) - both)[some]
        found[some] = np.minimum(np.minimum.reduceat(mismatch, starts), both[some])
    return found


def _equal(left: pa.Array, right: pa.Array) -> Mask:
    same = np.ones(len(left), dtype=bool)
    for name in ("role", "content", "tool_calls"):
        a, b = (
            pc.fill_null(pc.struct_field(left, name), "\0"),
            pc.fill_null(pc.struct_field(right, name), "\0"),
        )
        same &= np.asarray(pc.equal(a, b).to_numpy(zero_copy_only=False), dtype=bool)
    return same


def has_role(chats: pa.Array, role: Role) -> Mask:
    """Tell for every chat whether a message of this role is in it."""
    lengths = lengths_of(chats)
    is_role = pc.equal(pc.struct_field(chats.flatten(), "role"), role).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    return np.bincount(owners[np.asarray(is_role, dtype=bool)], minlength=len(lengths)) > 0


def role_at(chats: pa.Array, *, last: bool) -> pa.Array:
    """Return the role of the first or last message of every chat, null where there is none."""
    lengths = lengths_of(chats)
    first = np.cumsum(lengths) - lengths
    index = first + lengths - 1 if last else first
    # A masked index gives null; the value below the mask only has to exist.
    safe = pa.array(np.where(lengths > 0, index, 0), mask=lengths == 0)
    return pc.struct_field(chats.flatten(), "role").take(safe)
