"""Texts that are kept, by the bands of their signatures, to look others up in and to add to.

The one idea: a band is a table of chains of the texts that agree in it, and texts are looked up band by band,
so that what one band needs stays in the processor's cache. The rest of the signatures then tells the most
unlike ones away. Nothing is capped: what crowds a chain costs time; only texts without words, whose
signatures are all the same, meet nothing. Threads may look up side by side while nobody adds. It does not
compare texts.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Hashes, Ints, Marks, fixed

Numbers = NDArray[np.int32]
Signatures = NDArray[np.uint32]
Shares = NDArray[np.float64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_ONE, _S32, _S40 = np.uint64(1), np.uint64(32), np.uint64(40)
_KEY = np.uint64(0xFFFFFFFF)
_EMPTY = np.uint32(0xFFFFFFFF)
_REMEMBERED = 14
"""Pairs that are remembered during a look-up, a power of two: most that meet do so in many bands."""


class Kept(NamedTuple):
    """Kept texts, numbered as they were added."""

    heads: Numbers
    """Text last added to each chain + 1, by band and the leading bits of its key."""
    before: Numbers
    """By band and text: the text added before it to this chain + 1."""
    keys: Signatures
    """By band and text: the other bits of its key."""
    marks: NDArray[np.uint8]
    """By text and lane: the last byte of its signature."""
    size: Ints
    """How many texts there are."""


class Seen(NamedTuple):
    """Room of one worker."""

    pairs: Hashes
    """Pairs that met, each + 1, where no other has taken the place."""
    at: Ints
    """Where a look-up goes on: band, text asked for, kept text + 1."""
    found: Hashes
    """Pairs that share enough, a number each."""


def new_kept(room: int, bands: int, lanes: int) -> Kept:
    """Make room for so many texts."""
    slots = 1 << max(4, room.bit_length())
    return Kept(
        np.zeros((bands, slots), np.int32), np.empty((bands, room), np.int32),
        np.empty((bands, room), np.uint32), np.empty((room, lanes), np.uint8), np.zeros(1, np.int64),
    )  # fmt: skip


def new_seen() -> Seen:
    """Make the room of one worker."""
    slots = 1 << _REMEMBERED
    return Seen(np.empty(slots, np.uint64), np.empty(3, np.int64), np.empty(slots, np.uint64))


def add(kept: Kept, keys: Hashes, signatures: Signatures) -> None:
    """Add texts, given by the keys of their bands and by their signatures."""
    add_texts(kept, fixed(keys), fixed(signatures))


def find(kept: Kept, keys: Hashes, signatures: Signatures, agreeing: int, seen: Seen) -> Ints:
    """Return (text asked for, kept text) rows of those that share a band and at least so many lanes."""
    return _collect(kept, keys, signatures, agreeing, seen, adding=False)


def find_among(keys: Hashes, signatures: Signatures, agreeing: int) -> Ints:
    """Return (text, earlier text) rows of texts that share a band and at least so many lanes."""
    kept = new_kept(len(keys), keys.shape[1], signatures.shape[1])
    return _collect(kept, keys, signatures, agreeing, new_seen(), adding=True)


def _collect(
    kept: Kept, keys: Hashes, signatures: Signatures, agreeing: int, seen: Seen, *, adding: bool
) -> Ints:
    """Gather the pairs that `find_texts` writes, each once, in the order of the texts asked for."""
    keys, signatures, parts = fixed(keys), fixed(signatures), list[Hashes]()
    seen.at[:], seen.pairs[:] = 0, 0
    if adding:
        mark(kept, signatures, 0)
    while seen.at[0] < keys.shape[1]:
        made = find_texts(kept, keys, signatures, agreeing, adding, seen)
        parts.append(seen.found[:made].copy())
    pairs = np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))
    return np.stack([pairs >> _S32, pairs & _KEY], axis=1).astype(np.int64)


@inner
def _has_words(signature: Signatures) -> bool:
    """Tell the signature of a text with words from that of one without."""
    j = 0
    while j < len(signature) and signature[j] == _EMPTY:
        j += 1
    return j < len(signature)


@inner
def _chain(kept: Kept, band: int, key: np.uint64, text: int | np.unsignedinteger[Any]) -> None:
    """Put a text before the chain of a key."""
    slot = key >> _S40 & np.uint64(kept.heads.shape[1] - 1)
    kept.keys[band, text] = key & _KEY
    kept.before[band, text] = kept.heads[band, slot]
    kept.heads[band, slot] = text + _ONE


@kernel
def mark(kept: Kept, signatures: Signatures, first: int) -> None:
    """Write the last bytes of signatures, those of the text `first` and the next ones."""
    for k in range(np.uint64(len(signatures))):
        text = np.uint64(first) + k
        for j in range(np.uint64(signatures.shape[1])):
            kept.marks[text, j] = signatures[k, j]


@kernel
def add_texts(kept: Kept, keys: Hashes, signatures: Signatures) -> None:
    """Add texts, one after the other."""
    first = np.uint64(kept.size[0])
    mark(kept, signatures, kept.size[0])
    for band in range(np.uint64(keys.shape[1])):
        for k in range(np.uint64(len(keys))):
            _chain(kept, band, keys[k, band], first + k)
    kept.size[0] += len(keys)


@inner
def _agreed(marks: NDArray[np.uint8], signature: Signatures) -> np.uint32:
    """Count the lanes that may be the same."""
    count = np.uint32(0)
    for j in range(np.uint64(len(marks))):
        count = np.uint32(count + np.uint32(marks[j] == np.uint8(signature[j])))
    return count


@kernel
def find_texts(
    kept: Kept, keys: Hashes, signatures: Signatures, agreeing: int, adding: bool, seen: Seen
) -> int:
    """Write pairs, `text asked for << 32 | kept text`, from where `seen.at` says; return how many.

    With `adding`, each text is chained once it was looked up. A pair may come more than once. Where there is
    no more room, `seen.at` says where to go on; at the end it says so of the number of bands.
    """
    made, last = np.uint64(0), np.uint64(kept.heads.shape[1] - 1)
    places = np.uint64(64 - _REMEMBERED)
    first, begin, on = np.uint64(seen.at[0]), np.uint64(seen.at[1]), np.uint64(seen.at[2])
    for band in range(first, np.uint64(keys.shape[1])):
        for k in range(begin, np.uint64(len(keys))):
            key = keys[k, band]
            low = np.uint32(key & _KEY)
            text = on or np.uint64(kept.heads[band, key >> _S40 & last])
            on = np.uint64(0)
            while text:
                other = text - _ONE
                if kept.keys[band, other] == low:
                    pair = k << _S32 | other
                    place = pair * _FACTOR >> places
                    if seen.pairs[place] != pair + _ONE:
                        if made == np.uint64(len(seen.found)):
                            seen.at[0], seen.at[1], seen.at[2] = band, k, text
                            return np.int64(made)  # type: ignore[return-value]
                        seen.pairs[place] = pair + _ONE
                        if _agreed(kept.marks[other], signatures[k]) >= agreeing and _has_words(
                            signatures[k]
                        ):
                            seen.found[made] = pair
                            made += _ONE
                text = np.uint64(kept.before[band, other])
            if adding:
                _chain(kept, band, key, k)
        begin = np.uint64(0)
    seen.at[0] = keys.shape[1]
    return np.int64(made)  # type: ignore[return-value]


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
