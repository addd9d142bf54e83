"""Classes of texts by naive Bayes over the features that an automaton reads in their bytes.

The one idea: an automaton walks the bytes once; states that end a feature name it, and each feature that a
text holds adds its weights to the score of every class, once for the logarithm of how often it is there. What
the automaton and the classes are about is not known here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import CLASS_BITS, EXPANDS, PAGE_BITS, SINGLE, WORD, Folding, folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.texts import Texts, fixed_texts
from tulu_data.kernels.words import Bytes, Ints, decode, fixed, signed

Numbers = NDArray[np.int32]
Scores = NDArray[np.float32]
_PAGE, _CLASS = (1 << PAGE_BITS) - 1, (1 << CLASS_BITS) - 1
_ASCII, _NINE = 0x80, ord("9")


class Model(NamedTuple):
    """An automaton and the weights of its features."""

    rows: Numbers
    """Next state by byte, 256 numbers a row; states share rows."""
    row: Numbers
    """Row of each state; the first state is 0."""
    feature: Numbers
    """Feature that a state ends, or -1."""
    weights: Scores
    """Of each feature, one number a class."""
    prior: Scores
    """Score of each class before anything is read."""


def scores_of(texts: Texts, most: int, model: Model) -> tuple[Scores, Ints, Ints]:
    """Return the score of each class for each text, its bytes and its letters; `most` bytes of it count."""
    count = len(texts.first) - 1
    scores = np.tile(model.prior, (count, 1))
    sizes, letters = np.zeros(count, np.int64), np.zeros(count, np.int64)
    times, seen = np.zeros(len(model.weights), np.int32), np.empty(most + 1, np.int32)
    score_texts(fixed_texts(texts), most, model, folding(), times, seen, scores, sizes, letters)
    return scores, sizes, letters


def fixed_model(model: Model) -> Model:
    """Return a model as kernels take it."""
    return Model(*(fixed(array) for array in model))


@kernel
def score_texts(
    texts: Texts, most: int, model: Model, tables: Folding, times: Numbers, seen: Numbers, scores: Scores,
    sizes: Ints, letters: Ints,
) -> None:  # fmt: skip
    """Add up the scores of each text. `times` holds 0 for every feature, before and after."""
    for k in range(len(sizes)):
        count, left = 0, most
        state = 0 * most
        for t in range(texts.first[k], texts.first[k + 1]):
            begin = texts.begin[t]
            end = min(texts.end[t], begin + left)
            left -= end - begin
            letters[k] += _letters(texts.text, begin, end, tables)
            for i in range(begin, end):
                state = signed(model.rows[(signed(model.row[state]) << 8) + texts.text[i]])
                feature = signed(model.feature[state])
                if feature >= 0:
                    if times[feature] == 0:
                        seen[count] = feature
                        count += 1
                    times[feature] += 1
        sizes[k] = most - left
        if count == 0:
            # Nothing speaks for any class.
            for c in range(scores.shape[1]):
                scores[k, c] = 0
        for s in range(count):
            feature = signed(seen[s])
            weight = np.float32(np.log1p(np.float32(times[feature])))
            times[feature] = 0
            for c in range(scores.shape[1]):
                scores[k, c] += weight * model.weights[feature, c]


@inner
def _letters(text: Bytes, begin: int, end: int, tables: Folding) -> int:
    """Count the characters of words that are no digits."""
    count, i = 0 * begin, begin
    while i < end:
        point, width = decode(text, i, end)
        kind = signed(tables[signed(tables[point >> PAGE_BITS]) + (point & _PAGE)]) & _CLASS
        count += (WORD <= kind <= SINGLE or kind == EXPANDS) and (point > _NINE)
        i += width
    return count
