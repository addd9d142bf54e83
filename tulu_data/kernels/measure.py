"""What a rule counts of an indexed text, and when that is a hit.

The one idea: a measure grows with what is shared. So grams that all together are no hit can never be
the only ones that a hit shares, and the index need not look a text up by them. Nothing here knows what
is shared, or with what.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import inner

Ints = NDArray[np.int64]
Slots = NDArray[np.int32]

COUNTED = ("words", "grams", "run")
"""Covered words, shared grams, or words of the longest run of covered words, by number."""
WORDS, GRAMS, RUN = range(len(COUNTED))


class Measure(NamedTuple):
    """What a rule counts and when that is a hit."""

    counted: int
    """Place in `COUNTED`. Grams are measured against all of a unit's grams, the others against its words."""
    threshold: float
    inclusive: bool
    """Whether meeting the threshold is enough."""


@inner
def overlap(slots: Slots, first: int, last: int, width: int, counted: int, marks: Ints, least: int) -> int:
    """Return the overlap of a unit by those of its grams whose slots have at least a mark.

    Its grams, each of `width` words, are those from `first` to `last` in `slots`.
    """
    covered, reach, begin = 0, 0, 0
    for at in range(last - first):
        if marks[slots[first + at]] >= least:
            if at > reach:
                begin = at
            if counted == WORDS:
                covered += at + width - max(reach, at)
            elif counted == GRAMS:
                covered += 1
            else:
                covered = max(covered, at + width - begin)
            reach = at + width
    return covered


@inner
def is_hit(covered: int, whole: int, measure: Measure) -> bool:
    """Tell whether an overlap is a hit; `whole` is that of a unit all of whose grams are shared."""
    limit = measure.threshold * whole
    return covered > limit or (measure.inclusive and covered >= limit - 1e-9)
