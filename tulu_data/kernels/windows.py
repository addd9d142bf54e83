"""What a window of a record shares with a short text, token by token.

The one idea: the text's tokens are marked in a table with stamps, and a window slides over the record's
tokens, adding what comes in and taking off what falls out; so the best window costs one walk. Words count
once, numbers as often as both have them. It finds no candidates and judges nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bags import UNKNOWN_NUMBER, UNKNOWN_WORD, Numbers, Pairs, Vocabulary
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Ints, signed

Bits = NDArray[np.float64]

SCORES = 7
"""Bits of words that a unit and a window share, of the unit's words, of numbers that both hold, and of
numbers that either holds; squared bits of the shared words, of the unit's, and of the window's."""
_HAIR = 1e-6


class Units(NamedTuple):
    """The tokens of each unit."""

    ids: Numbers
    at: Ints
    """Where the tokens of each unit start, and their total at the end."""


class Marks(NamedTuple):
    """Room of one worker to tell a unit's tokens; stamps only grow."""

    stamp: Ints
    """Per id: the last candidate whose unit holds it."""
    held: Numbers
    """Per id: how often the unit holds it, and the window."""
    clock: Ints
    """One number: the last stamp given."""


def new_marks(vocabulary: Vocabulary) -> Marks:
    """Make the room of one worker."""
    size = len(vocabulary.keys)
    return Marks(np.zeros(size, np.int64), np.zeros((size, 2), np.int32), np.zeros(1, np.int64))


def window_widths(tokens: Ints) -> Ints:
    """Return the tokens of the windows in which units of so many tokens are looked for."""
    widths: Ints = tokens + tokens * 3 // 10 + 6
    return widths


@inner
def _window_width(tokens: int) -> int:
    """Do what `window_widths` does, for one unit."""
    return tokens + tokens * 3 // 10 + 6


@inner
def _mark(units: Units, unit: int, numbers: NDArray[np.bool_], marks: Marks) -> int:
    """Note the tokens of a unit, a word once and a number as often as it stands there; return the stamp."""
    marks.clock[0] += 1
    stamp = signed(marks.clock[0])
    for k in range(units.at[unit], units.at[unit + 1]):
        token = units.ids[k]
        if token < 0:
            continue
        if marks.stamp[token] != stamp:
            marks.stamp[token], marks.held[token, 0], marks.held[token, 1] = stamp, 0, 0
        if numbers[token] or marks.held[token, 0] == 0:
            marks.held[token, 0] += 1
    return stamp


@inner
def _best_window(
    ids: Numbers, low: int, high: int, width: int, bits: Bits, stamp: int, marks: Marks
) -> tuple[int, int]:
    """Return the window of `width` tokens that shares most with the marked unit, cut to what that takes."""
    total, best, end = 0.0, 0.0, low
    for p in range(low, high):
        if p - width >= low:
            token = ids[p - width]
            if token >= 0 and marks.stamp[token] == stamp:
                marks.held[token, 1] -= 1
                if marks.held[token, 1] < marks.held[token, 0]:
                    total -= bits[token]
        token = ids[p]
        if token >= 0 and marks.stamp[token] == stamp:
            marks.held[token, 1] += 1
            if marks.held[token, 1] <= marks.held[token, 0]:
                total += bits[token]
            if total > best + 1e-9:
                best, end = total, p + 1
    start, total = max(low, end - width), 0.0
    for p in range(start, end):
        if ids[p] >= 0:
            marks.held[ids[p], 1] = 0
    first = end
    while first > start and total < best - 1e-6:
        first -= 1
        token = ids[first]
        if token >= 0 and marks.stamp[token] == stamp:
            marks.held[token, 1] += 1
            total += bits[token] if marks.held[token, 1] <= marks.held[token, 0] else 0.0
    return first, end


@inner
def _add_token(
    token: int, vocabulary: Vocabulary, bits: Bits, marks: Marks, stamp: int, scores: Bits
) -> None:
    """Add a token of a window to its SCORES."""
    unknown = bits[len(bits) - 1]
    if token < 0:
        scores[3] += unknown if token == UNKNOWN_NUMBER else 0.0
        scores[6] += unknown * unknown / 2 if token == UNKNOWN_WORD else 0.0
        return
    weight, held = bits[token], marks.stamp[token] == stamp
    if vocabulary.numbers[token]:
        marks.held[token, 1] += held
        both = held and marks.held[token, 1] <= marks.held[token, 0]
        scores[2 if both else 3] += weight
    elif held:
        marks.held[token, 1] += 1
        if marks.held[token, 1] == 1:
            scores[0] += weight
            scores[4] += weight * weight
            scores[6] += weight * weight
    elif marks.stamp[token] != -stamp:
        marks.stamp[token] = -stamp
        scores[6] += weight * weight


@inner
def _score(
    ids: Numbers, low: int, high: int, units: Units, unit: int, vocabulary: Vocabulary, bits: Bits,
    marks: Marks, scores: Bits,
) -> int:  # fmt: skip
    """Write the SCORES of a window of tokens and a unit; return the stamp of what both hold."""
    stamp = _mark(units, unit, vocabulary.numbers, marks)
    for k in range(len(scores)):
        scores[k] = 0.0
    for k in range(units.at[unit], units.at[unit + 1]):
        token = units.ids[k]
        if token >= 0 and vocabulary.numbers[token]:
            scores[3] += bits[token]
        elif token >= 0 and marks.held[token, 0] == 1:
            marks.held[token, 0] = 2
            scores[1] += bits[token]
            scores[5] += bits[token] * bits[token]
    for p in range(low, high):
        _add_token(ids[p], vocabulary, bits, marks, stamp, scores)
    return stamp


@inner
def _least_third(units: Units, unit: int, bits: Bits, marks: Marks, stamp: int) -> float:
    """Return the least share of bits that a scored window holds of a third of a unit, by bits."""
    whole = 0.0
    for k in range(units.at[unit], units.at[unit + 1]):
        whole += bits[units.ids[k]] if units.ids[k] >= 0 else 0.0
    passed, third, held, every, least = 0.0, 1, 0.0, 0.0, 1.0
    for k in range(units.at[unit], units.at[unit + 1]):
        token = units.ids[k]
        if token < 0:
            continue
        while passed + bits[token] / 2 > whole * third / 3 + _HAIR:
            least = min(least, held / every if every else 1.0)
            held, every, third = 0.0, 0.0, third + 1
        passed += bits[token]
        every += bits[token]
        held += bits[token] if marks.stamp[token] == stamp and marks.held[token, 1] else 0.0
    return min(least, held / every if every else 1.0)


@kernel
def weigh_stretches(
    ids: Numbers, first: Ints, found: Ints, units: Units, vocabulary: Vocabulary, pairs: Pairs, bits: Bits,
    marks: Marks, windows: Ints, scores: Bits,
) -> None:  # fmt: skip
    """Write, for each (record, unit, stretch), its best window, the same with room around, and its SCORES.

    A window is (first token, end token), cut to what it shares; the room holds the tokens that share nothing.

    A stretch below 0 is the whole record.
    `bits` holds the bits of each id and, last, those of a token that is not known.
    """
    for k in range(len(found)):
        record, unit, stretch = found[k, 0], found[k, 1], found[k, 2]
        shift = pairs.limits[unit, 1]
        low, high = first[record], first[record + 1]
        if stretch >= 0:
            low += max(stretch - 1, 0) << shift
            high = min(first[record] + (stretch + 1 << shift), high)
        stamp = _mark(units, unit, vocabulary.numbers, marks)
        tokens = units.at[unit + 1] - units.at[unit]
        width = _window_width(tokens)
        start, end = _best_window(ids, low, high, width, bits, stamp, marks)
        _score(ids, start, end, units, unit, vocabulary, bits, marks, scores[k])
        spare = width - tokens
        windows[k, 0], windows[k, 1] = start, end
        windows[k, 2] = max(first[record], min(start, end - tokens) - spare)
        windows[k, 3] = min(first[record + 1], max(end, start + tokens) + spare)


@kernel
def score_windows(
    ids: Numbers, at: Ints, unit: Ints, units: Units, vocabulary: Vocabulary, bits: Bits, marks: Marks,
    scores: Bits, thirds: Bits,
) -> None:  # fmt: skip
    """Write the SCORES of window k, `ids[at[k, 0]:at[k, 1]]`, and unit `unit[k]`, and its least third.

    A least third is the least share, by bits, that the window holds of the first, second or last third.
    """
    for k in range(len(unit)):
        stamp = _score(ids, at[k, 0], at[k, 1], units, unit[k], vocabulary, bits, marks, scores[k])
        thirds[k] = _least_third(units, unit[k], bits, marks, stamp)
