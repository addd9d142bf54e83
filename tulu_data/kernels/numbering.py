"""Numbers for keys: equal keys get the same number, in order of first occurrence.

The one idea: an open table of places finds the first key like each key, in one pass and without sorting.
It does not say what keys stand for.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import kernel
from tulu_data.kernels.words import Hashes, Ints, fixed

Numbers = NDArray[np.int32]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_ONE, _S32 = np.uint64(1), np.uint64(32)


@kernel
def number_keys(keys: Hashes, table: Numbers, first: Ints, ids: Numbers) -> int:
    """Write the number of each key, and where each number stands first; return how many numbers there are.

    The table is empty, a power of two long, and longer than there are keys.
    """
    count, last = 0, np.uint64(len(table) - 1)
    for k in range(len(keys)):
        place = keys[k] * _FACTOR >> _S32 & last
        while table[place] != 0 and keys[first[table[place] - 1]] != keys[k]:
            place = (place + _ONE) & last
        if table[place] == 0:
            first[count] = k
            count += 1
            table[place] = count
        ids[k] = table[place] - 1
    return count


def numbered(keys: Hashes) -> tuple[Ints, Numbers]:
    """Return where each different key stands first, in order, and the number of every key."""
    table = np.zeros(1 << max(10, (2 * len(keys)).bit_length()), np.int32)
    first, ids = np.empty(len(keys), np.int64), np.empty(len(keys), np.int32)
    count = number_keys(fixed(keys), table, first, ids)
    return first[:count].copy(), ids
