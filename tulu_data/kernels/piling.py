"""Texts laid one after another: all that is compared of a record as one run of bytes.

The one idea: each column of a record's texts is copied to where the record's last one ended, with a line end
behind every piece, so that no word reaches over a border. It does not choose what is laid down.
"""

from collections.abc import Sequence

import numpy as np

from tulu_data.kernels.jit import kernel
from tulu_data.kernels.shingles import Texts
from tulu_data.kernels.words import Bytes, Ints, fixed

_END = np.uint8(0x0A)


def pile(columns: Sequence[Texts]) -> tuple[Bytes, Ints]:
    """Return the texts of all columns, record by record, and where each record ends."""
    count = len(columns[0].first) - 1
    sizes = np.zeros(count, np.int64)
    for column in columns:
        add_sizes(fixed(column.begin), fixed(column.end), fixed(column.first), sizes)
    ends = np.cumsum(sizes)
    out, cursor = np.empty(int(ends[-1]) if count else 0, np.uint8), ends - sizes
    for text, begin, end, first in columns:
        lay_down(fixed(text), fixed(begin), fixed(end), fixed(first), cursor, out)
    return out, ends


@kernel
def add_sizes(begin: Ints, end: Ints, first: Ints, sizes: Ints) -> None:
    """Add to each record's size that of its pieces, with a line end each."""
    for k in range(len(sizes)):
        for t in range(first[k], first[k + 1]):
            sizes[k] += end[t] - begin[t] + 1


@kernel
def lay_down(text: Bytes, begin: Ints, end: Ints, first: Ints, cursor: Ints, out: Bytes) -> None:
    """Copy the pieces of each record to its cursor, and move the cursors on."""
    for k in range(len(cursor)):
        at = cursor[k]
        for t in range(first[k], first[k + 1]):
            start, size = begin[t], end[t] - begin[t]
            for i in range(size):
                out[at + i] = text[start + i]
            out[at + size] = _END
            at += size + 1
        cursor[k] = at
