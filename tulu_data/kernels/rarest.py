"""Pairs of tokens in order, and the rarest of each text.

The one idea: pairs are hashes, so a few passes over their leading bits put them in order. That tells how
many texts share each, and then every text chooses among its own: no pair is compared with those of another
text. It knows pairs as hashes only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import kernel
from tulu_data.kernels.words import Hashes, Ints, fixed

Numbers = NDArray[np.int32]
Shares = NDArray[np.uint8]

_REPEATED = 255
_DIGIT, _PASSES = 11, 3
_MASK = np.uint64((1 << _DIGIT) - 1)


class Held(NamedTuple):
    """Pairs that texts hold."""

    hashes: Hashes
    owner: Numbers
    """Text of each."""
    weights: Numbers


def rarest(held: Held, most_shared: int, most: int) -> Held:
    """Return the `most` rarest pairs of each text, in order, each once; none that more than so many share.

    Those of a text stand together, and `most_shared` fits a byte. Of equally rare pairs the heaviest go
    first, then those of the least hash.
    """
    keys, order = in_order(held.hashes)
    shared, chosen = np.ones(len(keys), np.uint8), np.zeros(len(keys), np.bool_)
    count_shared(fixed(keys), fixed(order), fixed(held.owner), most_shared + 1, shared)
    room = np.empty(most, np.int64)
    choose_rarest(
        fixed(held.hashes), fixed(held.owner), fixed(held.weights), fixed(shared), most_shared, room, chosen
    )
    places = np.flatnonzero(chosen)
    hashes, order = in_order(held.hashes[places])
    places = places[order]
    return Held(hashes, held.owner[places], held.weights[places])


def in_order(hashes: Hashes) -> tuple[Hashes, Numbers]:
    """Return hashes in order, and where each stood; equal ones stay as they come."""
    keys, order, starts = hashes, np.arange(len(hashes), dtype=np.int32), np.empty(1 << _DIGIT, np.int64)
    room = [(np.empty_like(keys), np.empty_like(order)) for _ in range(2)]
    for digit in range(_PASSES):
        shift = np.uint64(64 - (_PASSES - digit) * _DIGIT)
        sort_digit(fixed(keys), fixed(order), shift, starts, *room[digit % 2])
        keys, order = room[digit % 2]
    finish(keys, order)
    return keys, order


@kernel
def sort_digit(
    keys: Hashes, order: Numbers, shift: np.uint64, starts: Ints, moved: Hashes, places: Numbers
) -> None:
    """Write keys by one digit, equal ones as they come; `starts` has a place for every value of it."""
    starts[:] = 0
    for k in range(len(keys)):
        starts[keys[k] >> shift & _MASK] += 1
    total = 0 * len(keys)
    for value in range(len(starts)):
        starts[value], total = total, total + starts[value]
    for k in range(len(keys)):
        value = keys[k] >> shift & _MASK
        place = starts[value]
        starts[value] += 1
        moved[place], places[place] = keys[k], order[k]


@kernel
def finish(keys: Hashes, order: Numbers) -> None:
    """Put keys in order whose leading bits are: few agree in those and not in the others."""
    for k in range(1, len(keys)):
        key, place, at = keys[k], order[k], k
        while at > 0 and keys[at - 1] > key:
            keys[at], order[at] = keys[at - 1], order[at - 1]
            at -= 1
        keys[at], order[at] = key, place


@kernel
def count_shared(keys: Hashes, order: Numbers, owner: Numbers, most: int, shared: Shares) -> None:
    """Write how many texts share each pair, `most` where there are more, and mark those that a text repeats.

    Nothing is written for a pair that stands in one place.
    """
    start = 0 * most
    while start < len(keys):
        stop = start + 1
        while stop < len(keys) and keys[stop] == keys[start]:
            stop += 1
        if stop > start + 1:
            count, last = 0 * most, -1 + 0 * most
            for k in range(start, stop):
                again = owner[order[k]] == last
                last = owner[order[k]]
                shared[order[k]] = _REPEATED * again
                count += not again
            for k in range(start, stop):
                if shared[order[k]] != _REPEATED:
                    shared[order[k]] = min(count, most)
        start = stop


@kernel
def choose_rarest(
    hashes: Hashes, owner: Numbers, weights: Numbers, shared: Shares, most_shared: int, best: Ints,
    chosen: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Mark the rarest pairs of each text, as many as `best` has room for."""
    start = 0 * most_shared
    while start < len(hashes):
        stop, held = start, 0 * most_shared
        while stop < len(hashes) and owner[stop] == owner[start]:
            k, stop = stop, stop + 1
            if shared[k] > most_shared:
                continue
            at = held
            while at > 0:
                other = best[at - 1]
                if shared[other] != shared[k]:
                    first = shared[k] < shared[other]
                elif weights[other] != weights[k]:
                    first = weights[k] > weights[other]
                else:
                    first = hashes[k] < hashes[other]
                if not first:
                    break
                if at < len(best):
                    best[at] = other
                at -= 1
            if at < len(best):
                best[at] = k
                held = min(held + 1, len(best))
        for k in range(held):
            chosen[best[k]] = True
        start = stop
