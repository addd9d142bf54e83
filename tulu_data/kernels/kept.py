"""Texts that are kept, by the bands of their signatures, to look others up in and to add to.

The one idea: bands are chains through a table of numbers, so adding a text touches each of its bands once,
and looking one up names every kept text that shares a band with it; the rest of their signatures then tells
the most unlike ones away. Nothing is capped: what crowds a chain costs time; only texts without words, whose
signatures are all the same, meet nothing. Threads may look up side by side while nobody adds. It does not
compare texts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Hashes, Ints, fixed

Numbers = NDArray[np.int32]
Signatures = NDArray[np.uint32]
Shares = NDArray[np.float64]
Marks = NDArray[np.bool_]

_ONE, _S40 = np.uint64(1), np.uint64(40)
_KEY = np.uint64(0xFFFFFFFF)
_EMPTY = np.uint32(0xFFFFFFFF)


class Kept(NamedTuple):
    """Kept texts, numbered as they were added."""

    heads: Numbers
    """Text last added to each chain + 1, by band and the leading bits of its key."""
    before: Numbers
    """By text and band: the text added before it to this chain + 1."""
    keys: Signatures
    """By text and band: the other bits of its key."""
    marks: NDArray[np.uint8]
    """By text and lane: the last byte of its signature."""
    size: Ints
    """How many texts there are."""


class Seen(NamedTuple):
    """Room of one worker."""

    stamps: Ints
    """By text: the last question that met it."""
    clock: Ints


def new_kept(room: int, bands: int, lanes: int) -> Kept:
    """Make room for so many texts."""
    slots = 1 << max(4, room.bit_length())
    return Kept(
        np.zeros((bands, slots), np.int32), np.empty((room, bands), np.int32),
        np.empty((room, bands), np.uint32), np.empty((room, lanes), np.uint8), np.zeros(1, np.int64),
    )  # fmt: skip


def new_seen(kept: Kept) -> Seen:
    """Make the room of one worker."""
    return Seen(np.zeros(len(kept.before), np.int64), np.zeros(1, np.int64))


def add(kept: Kept, keys: Hashes, signatures: Signatures) -> None:
    """Add texts, given by the keys of their bands and by their signatures."""
    add_texts(kept, fixed(keys), fixed(signatures))


def find(kept: Kept, keys: Hashes, signatures: Signatures, agreeing: int, seen: Seen) -> Ints:
    """Return (text asked for, kept text) rows of those that share a band and at least so many lanes."""
    return _collect(kept, keys, signatures, agreeing, seen, adding=False)


def find_among(keys: Hashes, signatures: Signatures, agreeing: int) -> Ints:
    """Return (text, earlier text) rows of texts that share a band and at least so many lanes."""
    kept = new_kept(len(keys), keys.shape[1], signatures.shape[1])
    return _collect(kept, keys, signatures, agreeing, new_seen(kept), adding=True)


def _collect(
    kept: Kept, keys: Hashes, signatures: Signatures, agreeing: int, seen: Seen, *, adding: bool
) -> Ints:
    """Gather the rows that `find_texts` writes, with as much room as they need."""
    keys, signatures = fixed(keys), fixed(signatures)
    found, rows, start = np.empty((max(1 << 10, 4 * len(keys)), 2), np.int64), list[Ints](), 0
    while start < len(keys):
        made, stop = find_texts(kept, keys, signatures, agreeing, adding, start, seen, found)
        rows.append(found[:made].copy())
        if stop == start:
            # One text meets more others than there is room for.
            found = np.empty((4 * len(found), 2), np.int64)
        start = stop
    return np.concatenate([np.empty((0, 2), np.int64), *rows])


@inner
def _add(kept: Kept, keys: Hashes, signatures: Signatures, k: int) -> None:
    """Add a text to each of its chains."""
    text, last = kept.size[0], np.uint64(kept.heads.shape[1] - 1)
    for band in range(keys.shape[1]):
        slot = keys[k, band] >> _S40 & last
        kept.keys[text, band] = keys[k, band] & _KEY
        kept.before[text, band] = kept.heads[band, slot]
        kept.heads[band, slot] = text + 1
    for j in range(signatures.shape[1]):
        kept.marks[text, j] = signatures[k, j]
    kept.size[0] = text + 1


@inner
def _has_words(signature: Signatures) -> bool:
    """Tell the signature of a text with words from that of one without."""
    j = 0
    while j < len(signature) and signature[j] == _EMPTY:
        j += 1
    return j < len(signature)


@kernel
def add_texts(kept: Kept, keys: Hashes, signatures: Signatures) -> None:
    """Add texts, one after the other."""
    for k in range(len(keys)):
        _add(kept, keys, signatures, k)


@kernel
def find_texts(
    kept: Kept, keys: Hashes, signatures: Signatures, agreeing: int, adding: bool, start: int, seen: Seen,
    found: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Write (text asked for, kept text) rows; return how many, and the text to go on with.

    Where `found` gets full, the rows of that one do not count. With `adding`, each text is added once it was
    looked up.
    """
    made, last = 0, np.uint64(kept.heads.shape[1] - 1)
    for k in range(start, len(keys)):
        seen.clock[0] += 1
        before, clock = made, seen.clock[0]
        for band in range(keys.shape[1] if _has_words(signatures[k]) else 0):
            text = kept.heads[band, keys[k, band] >> _S40 & last]
            key = np.uint32(keys[k, band] & _KEY)
            while text:
                other = text - 1
                text = kept.before[other, band]
                if kept.keys[other, band] != key or seen.stamps[other] == clock:
                    continue
                seen.stamps[other] = clock
                count, marks, mine = np.uint32(0), kept.marks[other], signatures[k]
                for j in range(len(marks)):
                    count = np.uint32(count + np.uint32(marks[j] == np.uint8(mine[j])))
                if count < agreeing:
                    continue
                if made == len(found):
                    return before, k
                found[made, 0], found[made, 1] = k, other
                made += 1
        if adding:
            _add(kept, keys, signatures, k)
    return made, len(keys)


@kernel
def keep_first(
    pairs: Ints, jaccard: Shares, containment: Shares, inside: Marks, alike: Ints, most: Shares,
    contained: Shares, is_inside: Marks,
) -> None:  # fmt: skip
    """Drop texts that are like a kept one before them: `alike` gets the one that is most like each.

    `pairs` are (text, text before it) rows in the order of the first; `alike` is -1 for what is kept.
    """
    for x in range(len(pairs)):
        text, other, share = pairs[x, 0], pairs[x, 1], jaccard[x]
        if alike[other] >= 0:
            continue
        if alike[text] < 0 or share > most[text] or (share == most[text] and other < alike[text]):
            alike[text], most[text], contained[text] = other, share, containment[x]
            is_inside[text] = inside[x]
