"""Texts that are kept, by the bands of their signatures, to look others up in and to add to.

The one idea: a band is a table of chains of the texts that agree in it, and texts are looked up band by band,
so that what one band needs stays in the processor's cache. The rest of the signatures then tells the most
unlike ones away. Nothing is capped: what crowds a chain costs time; only texts without words, whose
signatures are all the same, meet nothing. Threads may look up side by side while nobody adds. It does not
compare texts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Hashes, Ints, fixed, signed

Signatures = NDArray[np.uint32]
Marks = NDArray[np.uint8]
"""By text and lane: the last byte of its signature."""
Shares = NDArray[np.float64]
Verdicts = NDArray[np.bool_]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_ZERO, _ONE, _S32, _S40 = (np.uint64(number) for number in (0, 1, 32, 40))
_LOW = np.uint64(0xFFFFFFFF)
_REMEMBERED = np.uint64(14)
"""Pairs that are remembered during a look-up, a power of two: most that meet do so in many bands."""
_PART = 512
"""Texts looked up at a time among themselves."""
_RUN = np.uint64(64)
"""Lanes counted in eight bits."""


class Kept(NamedTuple):
    """Kept texts by their bands.

    A band has chains of entries: a part of the band's key, and the number of a text + 1 in the lower half. So
    an entry tells whether its text is meant before anything of the text is looked at.
    """

    heads: Hashes
    """By band and the leading bits of a key: the entry last added, or 0."""
    before: Hashes
    """By band and text: the entry before it, or 0."""


class Seen(NamedTuple):
    """Room for looking up some texts."""

    pairs: Hashes
    """Pairs that met, each + 1, where no other has taken the place."""
    entries: Hashes
    wanted: Hashes
    asked: Hashes
    """The chains that are followed: next entry, key that is looked for, text asked for."""


def new_kept(room: int, bands: int) -> Kept:
    """Make room for so many texts, which are numbered from 0 on."""
    slots = 1 << max(4, room.bit_length())
    return Kept(np.zeros((bands, slots), np.uint64), np.empty((bands, room), np.uint64))


def marks_of(signatures: Signatures) -> Marks:
    """Return the last byte of each lane: little to hold, and enough to tell the most unlike texts away."""
    return signatures.astype(np.uint8)


def chain(kept: Kept, keys: Hashes, texts: Ints, bands: range) -> None:
    """Put texts, given by their numbers and the keys of all bands, into some bands.

    Threads may share out the bands.
    """
    chain_texts(kept, fixed(keys), fixed(texts), bands.start, bands.stop)


def find(kept: Kept, keys: Hashes, marks: Marks, known: Marks, agreeing: int) -> Ints:
    """Return (text asked for, kept text) rows of those that share a band and at least so many lanes.

    `marks` are those of the texts asked for, `known` those of all by their number. Each pair is there once,
    in the order of the texts asked for and then of the kept ones.
    """
    return _collect(kept, keys, marks, known, agreeing, len(known))


def find_among(keys: Hashes, marks: Marks, agreeing: int) -> Ints:
    """Return (text, earlier text) rows of texts that share a band and at least so many lanes, as `find`."""
    total, every = len(keys), range(keys.shape[1])
    kept, parts = new_kept(total, len(every)), [np.empty((0, 2), np.int64)]
    for start in range(0, total, _PART):
        texts = np.arange(start, min(start + _PART, total))
        chain(kept, keys[texts], texts, every)
        found = _collect(kept, keys[texts], marks[texts], marks, agreeing, start)
        parts.append(found + np.array([start, 0]))
    return np.concatenate(parts)


def _collect(kept: Kept, keys: Hashes, marks: Marks, known: Marks, agreeing: int, below: int) -> Ints:
    """Gather the pairs that `find_texts` writes, with as much room as they need."""
    remembered = np.empty(1 << int(_REMEMBERED), np.uint64)
    seen = Seen(remembered, *(np.empty(len(keys), np.uint64) for _ in range(3)))
    found, keys, marks, known = np.empty(1 << 14, np.uint64), fixed(keys), fixed(marks), fixed(known)
    while (made := find_texts(kept, keys, marks, known, agreeing, below, seen, found)) > len(found):
        found = np.empty(2 * made, np.uint64)
    pairs = np.unique(found[:made])
    return np.stack([pairs >> _S32, pairs & _LOW], axis=1).astype(np.int64)


@inner
def _slot(kept: Kept, key: np.uint64) -> np.uint64:
    """Return the chain of a key."""
    return key >> _S40 & np.uint64(kept.heads.shape[1] - 1)


@kernel
def chain_texts(kept: Kept, keys: Hashes, texts: Ints, begin: int, end: int) -> None:
    """Put texts before the chains of some bands."""
    for band in range(np.uint64(begin), np.uint64(end)):
        for k in range(np.uint64(len(keys))):
            text, slot = np.uint64(texts[k]), _slot(kept, keys[k, band])
            kept.before[band, text] = kept.heads[band, slot]
            kept.heads[band, slot] = keys[k, band] << _S32 | text + _ONE


@inner
def _agreed(one: Marks, other: Marks) -> int:
    """Count the marks that are the same."""
    total, lanes = 0 * len(one), np.uint64(len(one))
    for begin in range(_ZERO, lanes, _RUN):
        count = np.uint8(0)
        for j in range(begin, min(begin + _RUN, lanes)):
            count = np.uint8(count + np.uint8(one[j] == other[j]))
        total += signed(count)
    return total


@kernel
def find_texts(
    kept: Kept, keys: Hashes, marks: Marks, known: Marks, agreeing: int, below: int, seen: Seen, found: Hashes
) -> int:
    """Write pairs, `text asked for << 32 | kept text`, as many as there is room for; return their number.

    A pair may come more than once. The text k that is asked for meets those with numbers lower than `below`
    + k. All texts take each step along their chains together, so that one need not wait for what another
    reads.
    """
    made, count, limit = _ZERO, np.uint64(len(keys)), np.uint64(below)
    seen.pairs[:] = _ZERO
    for band in range(np.uint64(keys.shape[1])):
        left = _ZERO
        for k in range(count):
            key = keys[k, band]
            entry = kept.heads[band, _slot(kept, key)]
            seen.entries[left], seen.wanted[left], seen.asked[left] = entry, key & _LOW, k
            left += np.uint64(entry != _ZERO)
        while left:
            on = _ZERO
            for x in range(left):
                entry, wanted, k = seen.entries[x], seen.wanted[x], seen.asked[x]
                other = (entry & _LOW) - _ONE
                if entry >> _S32 == wanted and other < limit + k:
                    pair = k << _S32 | other
                    place = pair * _FACTOR >> np.uint64(np.uint64(64) - _REMEMBERED)
                    if seen.pairs[place] != pair + _ONE:
                        seen.pairs[place] = pair + _ONE
                        if _agreed(known[other], marks[k]) >= agreeing:
                            if made < np.uint64(len(found)):
                                found[made] = pair
                            made += _ONE
                following = kept.before[band, other]
                seen.entries[on], seen.wanted[on], seen.asked[on] = following, wanted, k
                on += np.uint64(following != _ZERO)
            left = on
    return np.int64(made)  # type: ignore[return-value]


@kernel
def keep_first(
    pairs: Ints, jaccard: Shares, containment: Shares, inside: Verdicts, alike: Ints, most: Shares,
    contained: Shares, is_inside: Verdicts,
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
