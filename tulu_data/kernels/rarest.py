"""The rarest pairs of tokens of each text.

The one idea: in the order of their hashes, equal pairs stand together, which tells how many texts share
each; then every text chooses among its own, and no pair is compared with those of another text. It knows
pairs as hashes only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.ordering import in_order
from tulu_data.kernels.words import Hashes, Ints, fixed

Numbers = NDArray[np.int32]
Shares = NDArray[np.uint8]

_REPEATED = 255


class Held(NamedTuple):
    """Pairs that texts hold."""

    hashes: Hashes
    owner: Numbers
    """Text of each."""
    weights: Numbers


def rarest(held: Held, most_shared: int, most: int, parts: int) -> Held:
    """Return the `most` rarest pairs of each part of a text, in order, each once; none that more texts share.

    Those of a text stand together, in the order in which it has them, and `most_shared` fits a byte. A part
    is one of `parts` equal ones. Of equally rare pairs the heaviest go first, then those of the least hash.
    """
    keys, order = in_order(held.hashes)
    shared, chosen = np.ones(len(keys), np.uint8), np.zeros(len(keys), np.bool_)
    count_shared(fixed(keys), fixed(order), fixed(held.owner), most_shared + 1, shared)
    room = np.empty(most, np.int64)
    choose_rarest(
        fixed(held.hashes),
        fixed(held.owner),
        fixed(held.weights),
        fixed(shared),
        most_shared,
        parts,
        room,
        chosen,
    )
    places = np.flatnonzero(chosen)
    hashes, order = in_order(held.hashes[places])
    places = places[order]
    return Held(hashes, held.owner[places], held.weights[places])


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


@inner
def _keep_best(
    first: int, end: int, hashes: Hashes, weights: Numbers, shared: Shares, most_shared: int, best: Ints,
    chosen: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Mark the rarest pairs from `first` to `end`, as many as `best` has room for."""
    held = 0 * most_shared
    for k in range(first, end):
        if shared[k] > most_shared:
            continue
        at = held
        while at > 0:
            other = best[at - 1]
            if shared[other] != shared[k]:
                before = shared[k] < shared[other]
            elif weights[other] != weights[k]:
                before = weights[k] > weights[other]
            else:
                before = hashes[k] < hashes[other]
            if not before:
                break
            if at < len(best):
                best[at] = other
            at -= 1
        if at < len(best):
            best[at] = k
            held = min(held + 1, len(best))
    for k in range(held):
        chosen[best[k]] = True


@kernel
def choose_rarest(
    hashes: Hashes, owner: Numbers, weights: Numbers, shared: Shares, most_shared: int, parts: int,
    best: Ints, chosen: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Mark the rarest pairs of each part of each text, as many of a part as `best` has room for."""
    start = 0 * most_shared
    while start < len(hashes):
        stop = start
        while stop < len(hashes) and owner[stop] == owner[start]:
            stop += 1
        for part in range(parts):
            first, end = start + (stop - start) * part // parts, start + (stop - start) * (part + 1) // parts
            _keep_best(first, end, hashes, weights, shared, most_shared, best, chosen)
        start = stop
