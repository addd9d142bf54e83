"""SHA-1 of many short messages side by side.

The one idea: sixteen messages go through the steps of SHA-1 together, each in a lane of its own, so that a
step is one instruction for all of them. Only the first 32 bits of a digest are kept, as datasketch reads
them: it hashes what it is given so, and SHA-1 is here for its sake and secures nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bits import load
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Bytes, Ints

Words = NDArray[np.uint32]

LANES = 16
"""Messages side by side."""
READ_BEYOND = 8
"""Bytes that must follow the last message in its array."""

_STEPS, _START, _BLOCK = 80, 5, 64
_INITIAL = tuple(np.uint32(n) for n in (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0))
_ADDED = tuple(np.uint32(n) for n in (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6))
_LOW, _ENDING = np.uint64(0xFFFFFFFF), np.uint64(0x80)
_ONE, _EIGHT = np.uint32(1), np.uint64(8)


class Lanes(NamedTuple):
    """Room for messages side by side: a row of lanes for each step."""

    scheduled: Words
    """80 rows: the message, spread over the steps."""
    mixed: Words
    """85 rows: the first of the five words of the state after each step, behind those that it starts with;
    the others are what it was one to four steps before."""
    state: Words
    """5 rows: the state before a block."""


def new_lanes() -> Lanes:
    """Make room for messages."""
    return Lanes(*(np.empty(rows * LANES, np.uint32) for rows in (_STEPS, _STEPS + _START, _START)))


@inner
def _turned(word: np.uint32, by: int) -> np.uint32:
    """Rotate a word to the left."""
    return np.uint32(np.uint32(word << np.uint32(by)) | np.uint32(word >> np.uint32(32 - by)))


@inner
def _swapped(word: np.uint32) -> np.uint32:
    """Return a word with its bytes in the other order."""
    outer = np.uint32(_turned(word, 8) & np.uint32(0x00FF00FF))
    return np.uint32(outer | np.uint32(_turned(word, 24) & np.uint32(0xFF00FF00)))


@inner
def _blocks(size: int) -> int:
    """Return how many blocks a message of so many bytes takes, with its end and length."""
    return (size + _EIGHT_BYTES + _BLOCK) // _BLOCK


_EIGHT_BYTES = 8


@inner
def _fill(data: Bytes, begin: int, size: int, block: int, lane: int, scheduled: Words) -> None:
    """Write one block of a message, with its end and length, to its lane; bytes in the order of memory."""
    for t in range(16):
        at = block * _BLOCK + 4 * t
        word = np.uint64(0)
        if at <= size:
            word = load(data, np.uint64(begin + at)) & _LOW
            if size - at < 4:
                shift = np.uint64(size - at) * _EIGHT
                word = word & ((np.uint64(1) << shift) - np.uint64(1)) | _ENDING << shift
        scheduled[t * LANES + lane] = np.uint32(word)


@inner
def _compress(lanes: Lanes) -> None:
    """Take the state through one block of every lane."""
    w, a = lanes.scheduled, lanes.mixed
    for x in range(16 * LANES, _STEPS * LANES):
        word = w[x - 3 * LANES] ^ w[x - 8 * LANES] ^ w[x - 14 * LANES] ^ w[x - 16 * LANES]
        w[x] = _turned(np.uint32(word), 1)
    for x in range(LANES):
        a[4 * LANES + x] = lanes.state[x]
        a[3 * LANES + x] = lanes.state[LANES + x]
        for j in range(2, _START):
            # The older ones are turned when they are used, so they are turned back here.
            a[(4 - j) * LANES + x] = _turned(lanes.state[j * LANES + x], 2)
    for t in range(_STEPS):
        for x in range(t * LANES, (t + 1) * LANES):
            b = a[x + 3 * LANES]
            c, d = _turned(a[x + 2 * LANES], 30), _turned(a[x + LANES], 30)
            if t < 20:
                f = np.uint32((d ^ (b & (c ^ d))) + _ADDED[0])
            elif t < 40:
                f = np.uint32((b ^ c ^ d) + _ADDED[1])
            elif t < 60:
                f = np.uint32(((b & c) | (d & (b | c))) + _ADDED[2])
            else:
                f = np.uint32((b ^ c ^ d) + _ADDED[3])
            older = np.uint32(_turned(a[x], 30) + w[x])
            a[x + 5 * LANES] = np.uint32(np.uint32(_turned(a[x + 4 * LANES], 5) + f) + older)
    for x in range(LANES):
        lanes.state[x] = np.uint32(lanes.state[x] + a[84 * LANES + x])
        lanes.state[LANES + x] = np.uint32(lanes.state[LANES + x] + a[83 * LANES + x])
        for j in range(2, _START):
            last = _turned(a[(84 - j) * LANES + x], 30)
            lanes.state[j * LANES + x] = np.uint32(lanes.state[j * LANES + x] + last)


@kernel
def hash_messages(data: Bytes, begin: Ints, end: Ints, count: int, lanes: Lanes, hashes: Words) -> None:
    """Write what `datasketch.sha1_hash32` is of the first `count` messages `data[begin[k]:end[k]]`."""
    for first in range(0, count, LANES):
        here, most = min(count - first, LANES), 0
        for lane in range(here):
            most = max(most, _blocks(end[first + lane] - begin[first + lane]))
        for j in range(_START):
            for lane in range(LANES):
                lanes.state[j * LANES + lane] = _INITIAL[j]
        for block in range(most):
            for lane in range(here):
                k = first + lane
                _fill(data, begin[k], end[k] - begin[k], block, lane, lanes.scheduled)
            for x in range(16 * LANES):
                lanes.scheduled[x] = _swapped(lanes.scheduled[x])
            for lane in range(here):
                k = first + lane
                if block == _blocks(end[k] - begin[k]) - 1:
                    lanes.scheduled[15 * LANES + lane] = np.uint32((end[k] - begin[k]) << 3)
            _compress(lanes)
            for lane in range(here):
                k = first + lane
                if block == _blocks(end[k] - begin[k]) - 1:
                    hashes[k] = _swapped(lanes.state[lane])
