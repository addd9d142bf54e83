"""MinHash as `datasketch` has it, bit for bit.

The one idea: a signature keeps the smallest of the hashes of a text's shingles under each of some
permutations, and two texts agree in one with a probability that is the Jaccard similarity of their sets.
Permutations are those of datasketch's scheme `affine32`, its default from 2.0 on. Of a text, a shingle is
hashed as its UTF-8 bytes by SHA-1, as datasketch does; of sets of our own hashes, the lower 32 bits count.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import Folding, folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.normalised import MOST_BYTES, SPACE, Pen, encode, new_pen, write_points
from tulu_data.kernels.sha1 import READ_BEYOND, Lanes, hash_messages, new_lanes
from tulu_data.kernels.shingles import Sets, Shingling
from tulu_data.kernels.texts import Size, Texts, fixed_texts, size_of
from tulu_data.kernels.words import Bytes, Hashes, Ints, fixed

Signatures = NDArray[np.uint32]
"""One row a text, one column a permutation."""

_LOW = np.uint64(0xFFFFFFFF)
_FIRST, _SECOND = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_S13, _S16 = np.uint32(13), np.uint32(16)


class Permutations(NamedTuple):
    """Permutations of 32-bit numbers: `factor * h + addend`, modulo 2 ** 32."""

    factors: Signatures
    addends: Signatures


class Written(NamedTuple):
    """Room for one text in UTF-8 and its shingles."""

    pen: Pen
    points: Hashes
    data: Bytes
    starts: Ints
    """Where each unit starts, and in the end where another would."""
    begin: Ints
    end: Ints
    """First and end byte of each shingle."""
    hashes: Signatures
    lanes: Lanes


def new_permutations(count: int = 128, seed: int = 1) -> Permutations:
    """Draw permutations as datasketch does."""
    draw = np.random.RandomState(seed)  # another generator would draw other numbers
    odd = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return Permutations(fixed(odd), fixed(draw.randint(0, 1 << 32, count, dtype=np.uint32)))


def signatures(sets: Sets, permutations: Permutations) -> Signatures:
    """Return the signatures of sets, that of `datasketch.MinHash` for the lower 32 bits of their n-grams."""
    made = np.empty((len(sets.at) - 1, len(permutations.factors)), np.uint32)
    sign_hashes(fixed(sets.hashes), fixed(sets.at), permutations, made)
    return made


def sign_datasketch(texts: Texts, shingling: Shingling, permutations: Permutations) -> Signatures:
    """Return the signatures that `datasketch.MinHash` has after an update with each shingle.

    A shingle is so many words of the normalised text with one space between them, or so many characters of
    it, spaces included, in UTF-8.
    """
    texts, size = fixed_texts(texts), size_of(texts)
    made = np.empty((len(texts.first) - 1, len(permutations.factors)), np.uint32)
    words = shingling.unit == "words"
    sign_written(texts, words, shingling.n, folding(), _new_written(size), permutations, made)
    return made


def _new_written(size: Size) -> Written:
    """Make room for the largest text."""
    count = size.units("characters")
    starts, begin, end = (np.empty(count + 1, np.int64) for _ in range(3))
    data = np.empty(size.ascii + MOST_BYTES * size.other + size.pieces + 1 + READ_BEYOND, np.uint8)
    pen, points = new_pen(size.ascii, size.other), np.empty(count, np.uint64)
    return Written(pen, points, data, starts, begin, end, np.empty(count, np.uint32), new_lanes())


@inner
def _write(points: Hashes, count: int, words: bool, written: Written) -> int:
    """Write code points in UTF-8 and where units start; return how many units there are."""
    at, made = 0 * count, 0 * count
    for p in range(count):
        if not words or p == 0 or points[p - 1] == SPACE:
            written.starts[made] = at
            made += 1
        at = encode(points[p], written.data, at)
    # As if a space followed, where units are words.
    written.starts[made] = at + words
    return made


@inner
def _cut(written: Written, made: int, n: int, words: bool) -> int:
    """Write where shingles begin and end; return how many there are."""
    size = min(made, n)
    count = made - size + (size > 0)
    for p in range(count):
        written.begin[p] = written.starts[p]
        written.end[p] = written.starts[p + size] - words
    return count


@inner
def _keep_least(h: np.uint32, permutations: Permutations, row: Signatures) -> None:
    """Keep what is smaller under each permutation, of a hash that MurmurHash3's last step mixes first."""
    h = np.uint32((h ^ np.uint32(h >> _S16)) * _FIRST)
    h = np.uint32((h ^ np.uint32(h >> _S13)) * _SECOND)
    h ^= np.uint32(h >> _S16)
    for j in range(len(row)):
        row[j] = min(row[j], np.uint32(np.uint32(permutations.factors[j] * h) + permutations.addends[j]))


@kernel
def sign_hashes(hashes: Hashes, at: Ints, permutations: Permutations, made: Signatures) -> None:
    """Write the signature of each set."""
    for k in range(len(at) - 1):
        made[k, :] = np.uint32(_LOW)
        for p in range(at[k], at[k + 1]):
            _keep_least(np.uint32(hashes[p] & _LOW), permutations, made[k])


@kernel
def sign_written(
    texts: Texts, words: bool, n: int, tables: Folding, written: Written, permutations: Permutations,
    made: Signatures,
) -> None:  # fmt: skip
    """Write the signature of each text."""
    for k in range(len(made)):
        made[k, :] = np.uint32(_LOW)
        low, high = texts.first[k], texts.first[k + 1]
        begin, end = texts.begin[low:high], texts.end[low:high]
        points = write_points(texts.text, begin, end, tables, written.pen, written.points)
        count = _cut(written, _write(written.points, points, words, written), n, words)
        hash_messages(written.data, written.begin, written.end, count, written.lanes, written.hashes)
        for p in range(count):
            _keep_least(written.hashes[p], permutations, made[k])
