"""What answers come to: a number, a few words, or the ground truth; of alike texts those that differ stay.

The one idea: the same question asked backwards, or of another formula, has nearly the same words and another
result. What an answer comes to is what it has in a box, else all of it where it is short, else the number
that it ends with; other answers do not tell. It compares no texts.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.dedup.texts import ANSWERED
from tulu_data.kernels.boxed import boxed
from tulu_data.kernels.piling import Laid
from tulu_data.kernels.shingles import shingles_of_units
from tulu_data.kernels.text_keys import text_keys
from tulu_data.kernels.texts import Texts
from tulu_data.kernels.units import Units, units_of
from tulu_data.kernels.words import Hashes
from tulu_data.schema import Kind

_SHORT = 3
"""Words that are an answer of their own, at most; a ground truth is one while it fits into a tail."""
_TAIL, _REACH = 64, 512
"""Bytes at the end that such words, and the last number of any answer, are looked for in; and boxes."""
_ODD, _LEAST = np.uint64(1), np.uint64(2)


def results_of(laid: Laid, keys: Hashes, kind: Kind) -> Hashes:
    """Return a number for what the last answer of each text comes to; 0 where that is not told.

    `keys` are those of the pieces. Odd numbers are those of numbers, even ones of other words.
    """
    results = np.zeros(len(laid.ends), np.uint64)
    has = np.flatnonzero(np.diff(laid.texts.first))
    last = laid.texts.first[1:][has] - 1
    answered = (laid.voices[last] == ANSWERED) & (keys[last, 1] != 0)
    if kind != "preference" and answered.any():
        results[has[answered]] = _told(laid, last[answered], exactly=kind == "rlvr")
    return results


def _told(laid: Laid, pieces: NDArray[np.int64], *, exactly: bool) -> Hashes:
    """Return what some pieces come to; `exactly`: so that a sign or a dot more is another result."""
    text = laid.texts.text
    begin, end, in_box = boxed(text, laid.texts.begin[pieces], laid.texts.end[pieces], _REACH)
    whole = end - begin <= _TAIL
    begin = np.maximum(begin, end - _TAIL)
    words = units_of(Texts(text, begin, end, np.arange(len(pieces) + 1)), "words")
    number = _ending(words)
    told = np.where(number & _ODD, number, 0)
    # The words of a short answer, as one shingle of all of them; without words, what else is there.
    short = np.flatnonzero(whole & (words.sizes <= _SHORT) & (number & _ODD == 0))
    said = text_keys(text, begin[short], end[short])[:, 0]
    has_words = words.sizes[short] > 0
    said[has_words] = shingles_of_units(words.chosen(short[has_words]), _TAIL).hashes
    told[short] = np.maximum(said & ~_ODD, _LEAST)
    exact = np.flatnonzero(whole & (in_box & (words.sizes > 1) | exactly))
    told[exact] = np.maximum(text_keys(text, begin[exact], end[exact])[:, 0] & ~_ODD, _LEAST)
    return told


def _ending(words: Units) -> Hashes:
    """Return the last unit of each text, 0 where there is none."""
    at = np.where(words.sizes > 0, words.end - 1, -1)
    last: Hashes = np.append(words.units, np.uint32(0))[at].astype(np.uint64)
    return last


def differ(one: Hashes, other: Hashes) -> NDArray[np.bool_]:
    """Tell which results are told, of one kind, and not the same."""
    told: NDArray[np.bool_] = (one != 0) & (other != 0) & ((one ^ other) & _ODD == 0) & (one != other)
    return told
