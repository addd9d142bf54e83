"""Keys of texts: the same for texts that differ in case, width, zero-width characters and white space alone.

The one idea: the folded code points of a text enter two running hashes, a run of white space as one space
and none at either end; punctuation and symbols count, since `3 + 5` and `3 - 5` are not the same. 128 bits,
so that equal keys mean equal texts in any set that fits on disks. Accents on one letter count in the order in
which they stand. ASCII is folded eight bytes at a time, each in a lane of one word.
"""

import numpy as np

from tulu_data.kernels.bits import load, lowest, multiply
from tulu_data.kernels.folding import CLASS_BITS, EXPANDS, IGNORED, PAGE_BITS, Folding, folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Bytes, Hashes, Ints, decode, fixed, mixed, signed

_ASCII, _CLASS, _PAGE = 0x80, (1 << CLASS_BITS) - 1, (1 << PAGE_BITS) - 1
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_SEED, _OTHER = np.uint64(0x2545F4914F6CDD1D), np.uint64(0xE7037ED1A0B428DB)
_TURN, _BACK, _ZERO, _ONE, _TWO, _THREE, _SEVEN, _EIGHT, _FOURTEEN, _WORD = (
    np.uint64(number) for number in (29, 35, 0, 1, 2, 3, 7, 8, 14, 64)
)
_SPACE, _BEYOND, _PART, _LAST = (np.uint64(number) for number in (0x20, 0x80, 0x7F, 0xFF))
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


def _lanes(byte: int) -> np.uint64:
    """Return eight times the same byte."""
    return np.uint64(byte * 0x0101010101010101)


_TOPS, _BELOW, _SPACES = _lanes(0x80), _lanes(0x7F), _lanes(0x20)
_FROM_TAB, _FROM_SHIFT, _FROM_A, _FROM_BRACKET = (_lanes(0x80 - byte) for byte in (0x09, 0x0E, 0x41, 0x5B))
"""Added to a lane of ASCII, they set its top bit from that byte on."""

State = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
"""Two running hashes, the last bytes, which have not entered them yet, and how many these are: 1 to 8."""


def text_keys(text: Bytes, begin: Ints, end: Ints) -> Hashes:
    """Return the key of each text `text[begin[k]:end[k]]`, (n, 2) words; zeros where it is blank."""
    keys = np.zeros((len(begin), 2), np.uint64)
    hash_whole(fixed(text), fixed(begin), fixed(end), folding(), keys)
    return keys


@inner
def _is_white(point: int) -> bool:
    """Tell whether a code point beyond ASCII is white space."""
    return (
        point == 0xA0 or point == 0x3000 or 0x2000 <= point <= 0x200A or point == 0x2028  # noqa: PLR1714
        or point == 0x2029 or point == 0x202F or point == 0x205F or point == 0x85 or point == 0x1680
    )  # fmt: skip


@inner
def _entered(a: np.uint64, b: np.uint64, low: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Let eight bytes enter the hashes."""
    return multiply(a ^ low, _FIRST), ((b << _TURN | b >> _BACK) ^ low) * _SECOND


@inner
def _pushed(state: State, word: np.uint64, count: np.uint64) -> State:
    """Append the lowest 1 to 8 bytes of a word, which has no others."""
    a, b, low, size = state
    # Twice, since a shift by 64 is none.
    low |= word << (size << _TWO) << (size << _TWO)
    total = size + count
    if total > _EIGHT:
        a, b = _entered(a, b, low)
        low, total = word >> (_WORD - (size << _THREE)), total - _EIGHT
    return a, b, low, total


@inner
def _pushed_point(state: State, point: np.uint64) -> State:
    """Append a code point; beyond ASCII it is three marked bytes."""
    if point < _BEYOND:
        return _pushed(state, point, _ONE)
    marked = _BEYOND | point & _PART | (_BEYOND | point >> _SEVEN & _PART) << _EIGHT
    return _pushed(state, marked | (_BEYOND | point >> _FOURTEEN) << (_EIGHT + _EIGHT), _THREE)


@inner
def _next_eight(text: Bytes, i: np.uint64, stop: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the next bytes and a mark in the lanes that lie beyond a text's end."""
    if i + _EIGHT <= stop:
        return load(text, i), _ZERO
    over = i + _EIGHT - stop << _THREE
    beyond = _TOPS << (_WORD - over)
    if stop >= _EIGHT:
        return load(text, stop - _EIGHT) >> over, beyond
    word = _ZERO
    for k in range(i, stop):
        word |= np.uint64(text[k]) << (k - i << _THREE)
    return word, beyond


@inner
def _folded(word: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return eight bytes, letters in lower case and white space as spaces, and a mark in the lanes of spaces.

    Lanes that are not ASCII have no mark and some value.
    """
    plain = word & _BELOW
    control = plain + _FROM_TAB & ~(plain + _FROM_SHIFT) & _TOPS
    capital = plain + _FROM_A & ~(plain + _FROM_BRACKET) & _TOPS
    lanes = (control << _ONE) - (control >> _SEVEN)
    folded = (plain | capital >> _TWO) & ~lanes | lanes & _SPACES
    return folded, ~((folded ^ _SPACES) + _BELOW | word) & _TOPS


@inner
def _pushed_beyond(state: State, after: np.uint64, point: int, tables: Folding) -> tuple[State, np.uint64]:
    """Append what a code point beyond ASCII becomes; return `after` as of then."""
    element = signed(tables[signed(tables[point >> PAGE_BITS]) + (point & _PAGE)])
    kind, at = element & _CLASS, element >> CLASS_BITS
    if _is_white(point):
        if not after:
            state = _pushed(state, _SPACE, _ONE)
        after = _BEYOND
    elif kind == EXPANDS:
        for p in range(at + 1, at + 1 + signed(tables[at])):
            part = np.uint64(signed(tables[p]) >> CLASS_BITS)
            if part != _SPACE or not after:
                state = _pushed_point(state, part)
            after = _BEYOND if part == _SPACE else _ZERO
    elif kind != IGNORED:
        state = _pushed_point(state, np.uint64(at + point))
        after = _ZERO
    return state, after


@inner
def _finished(state: State, after: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the key of a text that is not blank; a space at its end does not count."""
    a, b, low, size = state
    if after:
        size -= _ONE
        low &= ~(_LAST << (size << _THREE))
    if size == _EIGHT:
        a, b = _entered(a, b, low)
        low, size = _ZERO, _ZERO
    a, b = multiply(a ^ low, _FIRST ^ size), ((b << _TURN | b >> _BACK) ^ low) * _SECOND + size
    return mixed(a), max(mixed(b), _ONE)


@kernel
def hash_whole(text: Bytes, begin: Ints, end: Ints, tables: Folding, keys: Hashes) -> None:
    """Write the key of each text."""
    for k in range(len(begin)):
        i, stop = np.uint64(begin[k]), np.uint64(end[k])
        # `after` is _BEYOND, the mark of a lane, where a space would be the second or the very first.
        state, after = (_SEED, _OTHER, _ZERO, _ZERO), _BEYOND
        while i < stop:
            word, out = _next_eight(text, i, stop)
            folded, spaces = _folded(word)
            bad = spaces & (spaces << _EIGHT | after) | word & _TOPS | out
            if not bad:
                state = _pushed(state, folded, _EIGHT)
                after = spaces >> (_WORD - _EIGHT)
                i += _EIGHT
                continue
            count = lowest(bad) >> _THREE
            if count:
                bits = count << _THREE
                state = _pushed(state, folded & ~(_ALL << bits), count)
                after = spaces >> (bits - _EIGHT) & _BEYOND
                i += count
            elif spaces & _BEYOND:
                i += lowest(spaces ^ _TOPS) >> _THREE
            while i < stop and text[i] >= _ASCII:
                point, width = decode(text, np.int64(i), np.int64(stop))  # type: ignore[arg-type]
                state, after = _pushed_beyond(state, after, point, tables)
                i += np.uint64(width)
        if state[3]:
            keys[k, 0], keys[k, 1] = _finished(state, after)
