"""Keys of texts: the same for texts that differ in case, width, zero-width characters and white space alone.

The one idea: the folded code points of a text enter two running hashes, a run of white space as one space
and none at either end; punctuation and symbols count, since `3 + 5` and `3 - 5` are not the same. 128 bits,
so that equal keys mean equal texts in any set that fits on disks. Accents on one letter count in the order in
which they stand.
"""

import numpy as np

from tulu_data.kernels.bits import multiply
from tulu_data.kernels.folding import CLASS_BITS, EXPANDS, IGNORED, PAGE_BITS, Folding, folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Bytes, Hashes, Ints, decode, fixed, mixed, signed

_CLASS, _PAGE, _ASCII = (1 << CLASS_BITS) - 1, (1 << PAGE_BITS) - 1, 0x80
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_SEED, _OTHER = np.uint64(0x2545F4914F6CDD1D), np.uint64(0xE7037ED1A0B428DB)
_TURN, _BACK, _THREE = np.uint64(29), np.uint64(35), np.uint64(3)
_ZERO, _ONE, _FULL = np.uint64(0), np.uint64(1), np.uint64(8)
_SPACE, _BEYOND, _SEVEN, _FOURTEEN = (np.uint64(number) for number in (0x20, 0x80, 7, 14))
_PART = np.uint64(0x7F)

_WHITE = (0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
"""White space of Unicode, besides U+2000 to U+200A."""

State = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
"""Two running hashes, the bytes that enter them next, and how many these are."""


def _letters() -> Bytes:
    """Return what each ASCII character is hashed as: white space as a space, letters in lower case."""
    folded = (0x20 if point in _WHITE else ord(chr(point).lower()) for point in range(_ASCII))
    return fixed(np.array(list(folded), np.uint8))


_LETTERS = _letters()


def text_keys(text: Bytes, begin: Ints, end: Ints) -> Hashes:
    """Return the key of each text `text[begin[k]:end[k]]`, (n, 2) words; zeros where it is blank."""
    keys = np.zeros((len(begin), 2), np.uint64)
    hash_whole(fixed(text), fixed(begin), fixed(end), folding(), _LETTERS, keys)
    return keys


@inner
def _is_white(point: int) -> bool:
    """Tell whether a code point beyond ASCII is white space."""
    return (
        point == 0xA0 or point == 0x3000 or 0x2000 <= point <= 0x200A or point == 0x2028  # noqa: PLR1714
        or point == 0x2029 or point == 0x202F or point == 0x205F or point == 0x85 or point == 0x1680
    )  # fmt: skip


@inner
def _push(state: State, byte: np.uint64) -> State:
    """Let a byte enter a key, eight at a time."""
    a, b, low, size = state
    low |= byte << (size << _THREE)
    size += _ONE
    if size == _FULL:
        a, b = multiply(a ^ low, _FIRST), ((b << _TURN | b >> _BACK) ^ low) * _SECOND
        low, size = _ZERO, _ZERO
    return a, b, low, size


@inner
def _push_point(state: State, gap: bool, point: np.uint64) -> State:
    """Let a code point enter a key, and the white space before it; beyond ASCII it is three marked bytes."""
    if gap:
        state = _push(state, _SPACE)
    if point < _BEYOND:
        return _push(state, point)
    state = _push(state, _BEYOND | point & _PART)
    state = _push(state, _BEYOND | point >> _SEVEN & _PART)
    return _push(state, _BEYOND | point >> _FOURTEEN)


@kernel
def hash_whole(text: Bytes, begin: Ints, end: Ints, tables: Folding, letters: Bytes, keys: Hashes) -> None:
    """Write the key of each text."""
    for k in range(len(begin)):
        i, gap, blank = begin[k], False, True
        state = (_SEED, _OTHER, _ZERO, _ZERO)
        while i < end[k]:
            byte = text[i]
            if byte < _ASCII:
                i += 1
                letter = np.uint64(letters[byte])
                if letter == _SPACE:
                    gap = not blank
                    continue
                if gap:
                    state = _push(state, _SPACE)
                state = _push(state, letter)
                gap = blank = False
                continue
            point, width = decode(text, i, end[k])
            i += width
            if _is_white(point):
                gap = not blank
                continue
            element = signed(tables[signed(tables[point >> PAGE_BITS]) + (point & _PAGE)])
            if element & _CLASS == EXPANDS:
                at = (element >> CLASS_BITS) + 1
                for p in range(signed(tables[at - 1])):
                    part = np.uint64(signed(tables[at + p]) >> CLASS_BITS)
                    if part == _SPACE:
                        gap = not blank
                        continue
                    state = _push_point(state, gap, part)
                    gap = blank = False
            elif element & _CLASS != IGNORED:
                state = _push_point(state, gap, np.uint64((element >> CLASS_BITS) + point))
                gap = blank = False
        if not blank:
            a, b, low, size = state
            a, b = multiply(a ^ low, _FIRST ^ size), ((b << _TURN | b >> _BACK) ^ low) * _SECOND + size
            keys[k, 0], keys[k, 1] = mixed(a), max(mixed(b), _ONE)
