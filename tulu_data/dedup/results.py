"""What answers come to: a number, a few words, or the ground truth; of alike texts those that differ stay.

The one idea: the same question asked backwards, or of another formula, has nearly the same words and another
result. What an answer comes to is the number that it ends with, else all of it where it is short; of rlvr it
is the ground truth. It compares nothing.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.dedup.texts import ANSWERED
from tulu_data.kernels.piling import Laid
from tulu_data.kernels.texts import Texts
from tulu_data.kernels.units import units_of
from tulu_data.kernels.words import Hashes
from tulu_data.schema import Kind

_SHORT = 3
"""Words that are an answer of their own, at most."""
_TAIL = 64
"""Bytes that such words, and the last number of any answer, are looked for in."""
_ODD, _LEAST = np.uint64(1), np.uint64(2)


def results_of(laid: Laid, keys: Hashes, kind: Kind) -> Hashes:
    """Return a number for what the last answer of each text comes to; 0 where that is not told.

    `keys` are those of the pieces. Odd numbers are those of numbers, even ones of other words.
    """
    results = np.zeros(len(laid.ends), np.uint64)
    has = np.flatnonzero(np.diff(laid.texts.first))
    last = laid.texts.first[1:][has] - 1
    answered = (laid.voices[last] == ANSWERED) & (keys[last, 1] != 0)
    rows, last = has[answered], last[answered]
    whole = np.maximum(keys[last, 0] & ~_ODD, _LEAST)
    if kind == "rlvr":
        results[rows] = whole
    elif kind == "sft":
        begin, end = laid.texts.begin[last], laid.texts.end[last]
        tails = Texts(laid.texts.text, np.maximum(begin, end - _TAIL), end, np.arange(len(last) + 1))
        words = units_of(tails, "words")
        ending = np.append(words.units, np.uint32(0))[np.where(words.sizes > 0, words.end - 1, -1)]
        short = (end - begin <= _TAIL) & (words.sizes <= _SHORT)
        results[rows] = np.where(ending & 1, ending, np.where(short, whole, 0))
    return results


def differ(one: Hashes, other: Hashes) -> NDArray[np.bool_]:
    """Tell which results are told, of one kind, and not the same."""
    told: NDArray[np.bool_] = (one != 0) & (other != 0) & ((one ^ other) & _ODD == 0) & (one != other)
    return told
