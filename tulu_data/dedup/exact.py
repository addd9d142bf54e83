"""Exact duplicates: keep one record of every group with the same key.

Which one is kept, the ranks that are given say; it makes none. Dedup of a deduplicated set changes nothing.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import MESSAGES, Kind

Words = npt.NDArray[np.uint64]


def first_of_each(
    keys: Words, rank: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return which rows are kept, and for every row the row that stands for it.

    `keys` are (n, 2) words; among rows of one key the lowest rank wins, then the earliest row.
    """
    count = len(keys)
    order = np.lexsort((rank, keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    starts = np.ones(count, np.bool_)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    group = np.cumsum(starts) - 1
    kept = np.zeros(count, np.bool_)
    kept[order[starts]] = True
    stands = np.empty(count, np.int64)
    stands[order] = order[starts][group] if count else order
    return kept, stands


def first_equal(known: Words, asked: Words) -> npt.NDArray[np.int64]:
    """Return the first row of `known` that each row of `asked` is equal to, or -1; both are (n, 2) words."""
    order = np.argsort(known[:, 0], kind="stable")
    ordered = known[order]
    at, end = (np.searchsorted(ordered[:, 0], asked[:, 0], side) for side in ("left", "right"))
    found = np.full(len(asked), -1, np.int64)
    left = np.flatnonzero(at < end)
    while len(left):
        # Words are hashes, so hardly any two rows agree in the first and not in the second.
        same = ordered[at[left], 1] == asked[left, 1]
        found[left[same]] = order[at[left[same]]]
        at[left] += 1
        left = left[~same & (at[left] < end[left])]
    return found


def prompts(batch: pa.RecordBatch, kind: Kind) -> pa.Array:
    """Return the prompt of every record as a messages column."""
    if kind == "preference":
        return batch.column("prompt")
    messages = batch.column("messages")
    if kind == "rlvr":
        return messages
    return _before_first_answer(messages)


def _before_first_answer(messages: pa.Array) -> pa.Array:
    """Cut every list of messages before its first assistant turn."""
    offsets = messages.offsets.to_numpy().astype(np.int64)
    starts, ends = offsets[:-1], offsets[1:]
    roles = messages.values.field("role") if len(messages.values) else pa.array([], pa.large_string())
    answers = np.flatnonzero(pc.equal(roles, "assistant").to_numpy(zero_copy_only=False))
    following = np.searchsorted(answers, starts)
    first = np.append(answers, np.iinfo(np.int64).max)[following]
    lengths = np.minimum(first, ends) - starts
    taken = np.repeat(
        starts - np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(starts) else starts, lengths
    )
    index = taken + np.arange(lengths.sum())
    new_offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(new_offsets), messages.values.take(pa.array(index)), type=MESSAGES
    )
