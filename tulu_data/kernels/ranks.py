"""Ranks: the pseudo-random numbers that decide a draw and an order.

A rank depends on a key (seed, purpose, source name), a record id and a copy number, and on nothing
else: not on input order, threads, shards or the other sources. The mixing function is written out
here (the 64-bit finaliser of MurmurHash3), because library hashes change between releases.
"""

from hashlib import sha256
from typing import Literal

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Purpose = Literal["draw", "order", "split"]

_PIECE = 1 << 14
"""Records whose ranks are made at a time, so that what is between stays in the processor's cache."""
_HALF = np.uint64(33)
_FACTORS = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def rank_key(seed: int, purpose: Purpose, source: str) -> Words:
    """Return the two-word key of one source's ranks for one purpose."""
    text = f"{purpose}\0{seed}\0{source}".encode()
    return np.frombuffer(sha256(text).digest()[:16], dtype="<u8").astype(np.uint64)


def ranks(key: Words, ids: Words, copies: npt.NDArray[np.int64]) -> Words:
    """Return the rank of every (id, copy): `ids` is (n, 2) words, `copies` and the result are (n,)."""
    out = np.empty(copies.size, np.uint64)
    for start in range(0, copies.size, _PIECE):
        piece = slice(start, start + _PIECE)
        h = _mixed(ids[piece, 0] ^ key[0])
        h += ids[piece, 1]
        h = _mixed(h)
        h ^= key[1]
        h ^= copies[piece].astype(np.uint64) * _GOLDEN
        out[piece] = _mixed(h)
    return out


def _mixed(h: Words) -> Words:
    """Scramble 64 bits in place (fmix64 of MurmurHash3, A. Appleby, public domain)."""
    for factor in _FACTORS:
        h ^= h >> _HALF
        h *= factor
    h ^= h >> _HALF
    return h
