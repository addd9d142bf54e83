"""Ranks: the pseudo-random numbers that decide a draw and an order.

A rank depends on a key (seed, purpose, source name), a record id and a copy number, and on nothing
else: not on input order, threads, shards or the other sources. The mixing function is written out
here (the 64-bit finaliser of MurmurHash3), because library hashes change between releases.
"""

from hashlib import sha256
from typing import Literal

import numpy as np
import numpy.typing as npt

from tulu_data.kernels.jit import inner, kernel

Words = npt.NDArray[np.uint64]
Purpose = Literal["draw", "order", "split"]


def rank_key(seed: int, purpose: Purpose, source: str) -> Words:
    """Return the two-word key of one source's ranks for one purpose."""
    text = f"{purpose}\0{seed}\0{source}".encode()
    return np.frombuffer(sha256(text).digest()[:16], dtype="<u8").astype(np.uint64)


def ranks(key: Words, ids: Words, copies: npt.NDArray[np.int64]) -> Words:
    """Return the rank of every (id, copy): `ids` is (n, 2) words, `copies` and the result are (n,)."""
    out = np.empty(copies.size, np.uint64)
    _ranks(key, np.ascontiguousarray(ids), copies, out)
    return out


@inner
def _mix(h: np.uint64) -> np.uint64:
    """Scramble 64 bits (fmix64 of MurmurHash3, A. Appleby, public domain)."""
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@kernel
def _ranks(key: Words, ids: Words, copies: npt.NDArray[np.int64], out: Words) -> None:
    """Write the rank of every (id, copy) under one key."""
    for i in range(copies.size):
        h = _mix(ids[i, 0] ^ key[0])
        h = _mix(h + ids[i, 1])
        out[i] = _mix(h ^ key[1] ^ (np.uint64(copies[i]) * np.uint64(0x9E3779B97F4A7C15)))
