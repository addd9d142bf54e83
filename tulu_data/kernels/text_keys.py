"""Keys of texts: the same for texts that differ in case, width, zero-width characters and white space alone.

The one idea: the folded code points of a text enter two running hashes, a run of white space as one space
and none at either end; punctuation and symbols count, since `3 + 5` and `3 - 5` are not the same. 128 bits,
so that equal keys mean equal texts in any set that fits on disks. Accents on one letter count in the order in
which they stand.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import CLASS_BITS, EXPANDS, IGNORED, PAGE_BITS, Folding, folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Bytes, Hashes, Ints, decode, fixed, mixed, signed

_CLASS, _PAGE, _ASCII = (1 << CLASS_BITS) - 1, (1 << PAGE_BITS) - 1, 0x80
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_TURN, _BACK = np.uint64(29), np.uint64(35)
_SPACE, _NUMBERED = np.uint64(0x20), np.uint64(1)

_WHITE = (0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
"""White space of Unicode, besides U+2000 to U+200A."""
_LOW_WHITE: NDArray[np.bool_] = np.array([point in _WHITE for point in range(_ASCII)])


def text_keys(text: Bytes, begin: Ints, end: Ints) -> Hashes:
    """Return the key of each text `text[begin[k]:end[k]]`, (n, 2) words; zeros where it is blank."""
    keys = np.zeros((len(begin), 2), np.uint64)
    hash_whole(fixed(text), fixed(begin), fixed(end), folding(), fixed(_LOW_WHITE), keys)
    return keys


@inner
def _is_white(point: int) -> bool:
    """Tell whether a code point beyond ASCII is white space."""
    return (
        point == 0xA0 or point == 0x3000 or 0x2000 <= point <= 0x200A or point == 0x2028  # noqa: PLR1714
        or point == 0x2029 or point == 0x202F or point == 0x205F or point == 0x85 or point == 0x1680
    )  # fmt: skip


@inner
def _add(keys: Hashes, k: int, gap: bool, point: np.uint64) -> None:
    """Let a code point, and the white space before it, enter a key.

    Code points count from 1 here, or those of U+0000 would leave no trace at the start.
    """
    a, b = keys[k, 0], keys[k, 1]
    if gap and a != 0:
        a = ((a << _TURN | a >> _BACK) ^ (_SPACE + _NUMBERED)) * _FIRST
        b = ((b << _TURN | b >> _BACK) ^ (_SPACE + _NUMBERED)) * _SECOND
    keys[k, 0] = ((a << _TURN | a >> _BACK) ^ (point + _NUMBERED)) * _FIRST
    keys[k, 1] = ((b << _TURN | b >> _BACK) ^ (point + _NUMBERED)) * _SECOND


@kernel
def hash_whole(
    text: Bytes, begin: Ints, end: Ints, tables: Folding, white: NDArray[np.bool_], keys: Hashes
) -> None:
    """Write the key of each text."""
    for k in range(len(begin)):
        i, gap = begin[k], False
        while i < end[k]:
            byte = text[i]
            if byte < _ASCII:
                i += 1
                if white[byte]:
                    gap = True
                    continue
                element = signed(tables[signed(tables[signed(byte) >> PAGE_BITS]) + (signed(byte) & _PAGE)])
                _add(keys, k, gap, np.uint64((element >> CLASS_BITS) + signed(byte)))
                gap = False
                continue
            point, width = decode(text, i, end[k])
            i += width
            if _is_white(point):
                gap = True
                continue
            element = signed(tables[signed(tables[point >> PAGE_BITS]) + (point & _PAGE)])
            if element & _CLASS == EXPANDS:
                at = (element >> CLASS_BITS) + 1
                for p in range(signed(tables[at - 1])):
                    part = np.uint64(signed(tables[at + p]) >> CLASS_BITS)
                    if part == _SPACE:
                        gap = True
                        continue
                    _add(keys, k, gap, part)
                    gap = False
            elif element & _CLASS != IGNORED:
                _add(keys, k, gap, np.uint64((element >> CLASS_BITS) + point))
                gap = False
        if keys[k, 0] != 0 or keys[k, 1] != 0:
            keys[k, 0] = mixed(keys[k, 0])
            keys[k, 1] = mixed(keys[k, 1])
