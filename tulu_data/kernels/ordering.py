"""Hashes in order.

The one idea: hashes are spread evenly, so a few passes over their leading bits leave hardly any two in the
wrong order, and one more puts those right: several times faster than comparing them. Equal ones stay as they
come. It does not know what hashes stand for.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import kernel
from tulu_data.kernels.words import Hashes, Ints, fixed

Numbers = NDArray[np.int32]

_DIGIT, _PASSES = 11, 3
_MASK = np.uint64((1 << _DIGIT) - 1)


def in_order(hashes: Hashes) -> tuple[Hashes, Numbers]:
    """Return hashes in order, and where each stood; equal ones stay as they come."""
    keys, order, starts = hashes, np.arange(len(hashes), dtype=np.int32), np.empty(1 << _DIGIT, np.int64)
    room = [(np.empty_like(keys), np.empty_like(order)) for _ in range(2)]
    for digit in range(_PASSES):
        shift = np.uint64(64 - (_PASSES - digit) * _DIGIT)
        sort_digit(fixed(keys), fixed(order), shift, starts, *room[digit % 2])
        keys, order = room[digit % 2]
    finish(keys, order)
    return keys, order


@kernel
def sort_digit(
    keys: Hashes, order: Numbers, shift: np.uint64, starts: Ints, moved: Hashes, places: Numbers
) -> None:
    """Write keys by one digit, equal ones as they come; `starts` has a place for every value of it."""
    starts[:] = 0
    for k in range(len(keys)):
        starts[keys[k] >> shift & _MASK] += 1
    total = 0 * len(keys)
    for value in range(len(starts)):
        starts[value], total = total, total + starts[value]
    for k in range(len(keys)):
        value = keys[k] >> shift & _MASK
        place = starts[value]
        starts[value] += 1
        moved[place], places[place] = keys[k], order[k]


@kernel
def finish(keys: Hashes, order: Numbers) -> None:
    """Put keys in order whose leading bits are: few agree in those and not in the others."""
    for k in range(1, len(keys)):
        key, place, at = keys[k], order[k], k
        while at > 0 and keys[at - 1] > key:
            keys[at], order[at] = keys[at - 1], order[at - 1]
            at -= 1
        keys[at], order[at] = key, place
