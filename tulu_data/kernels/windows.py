"""What a window of a record shares with a short text, token by token.

The one idea: the text's tokens are marked in a table with stamps, and a window slides over those of the
record's tokens that are marked, adding what comes in and taking off what falls out; so the best window costs
one walk. Words count once, numbers as often as both have them. Most windows cannot come to what their caller
asks for, which a bound tells before they are scored. It finds no candidates and judges nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bags import UNKNOWN_NUMBER, UNKNOWN_WORD, Numbers, Pairs, Vocabulary
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import Ints, signed

Bits = NDArray[np.float64]

_ZERO, _ROUGH = np.uint64(0), 1e-4
SCORES = 7
"""Bits of words that a unit and a window share, of the unit's words, of numbers that both hold, and of
numbers that either holds; squared bits of the shared words, of the unit's, and of the window's."""
_HAIR = 1e-6


class Units(NamedTuple):
    """The tokens of each unit."""

    ids: Numbers
    at: Ints
    """Where the tokens of each unit start, and their total at the end."""


class Bar(NamedTuple):
    """What windows are asked for: so many shared bits, and a share of all, one of words, or a likeness."""

    least: float
    """Bits that unit and window share."""
    share: float
    """These bits, as a share of those of the unit and of the window's other numbers; or"""
    words: float
    """the bits of shared words, as a share of those of the unit's words; or"""
    likeness: float
    """the cosine of words, the share of numbers times their weight added and the dilution taken off."""
    numbers: float
    """Weight of numbers beside words."""
    beside: float
    """Bits of numbers that no text holds."""
    dilution: float
    """What each doubling of a record's length over the unit's takes."""
    wholes: Bits
    """Of each unit: bits of its words, of its numbers, and the most bits of a word over all squared bits."""


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
    size = max(len(vocabulary.keys), 1)
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
def _spot(ids: Numbers, low: int, high: int, stamp: int, marks: Marks, spots: Ints) -> int:
    """Write the places of the tokens that are marked; return how many.

    Written first and taken back by not counting them: no branch that can be guessed wrong.
    """
    count = _ZERO
    for p in range(np.uint64(low), np.uint64(high)):
        spots[count] = p
        count += np.uint64((marks.stamp[max(ids[p], 0)] == stamp) & (ids[p] >= 0))
    return np.int64(count)  # type: ignore[return-value]


@inner
def _best_window(
    ids: Numbers, low: int, width: int, bits: Bits, marks: Marks, spots: Ints, count: int
) -> tuple[float, int, int]:
    """Return what the best window of `width` tokens shares with the marked unit, and the spots in it."""
    total, best, first, end, out = 0.0, 0.0, 0 * low, 0 * low, 0 * low
    for k in range(count):
        token = ids[spots[k]]
        while spots[out] + width <= spots[k]:
            gone = ids[spots[out]]
            marks.held[gone, 1] -= 1
            if marks.held[gone, 1] < marks.held[gone, 0]:
                total -= bits[gone]
            out += 1
        marks.held[token, 1] += 1
        if marks.held[token, 1] <= marks.held[token, 0]:
            total += bits[token]
        if total > best + 1e-9:
            best, first, end = total, out, k + 1
    return best, first, end


@inner
def _cut(ids: Numbers, best: float, first: int, end: int, bits: Bits, marks: Marks, spots: Ints) -> int:
    """Return the spot from which on those before `end` share as much as the window from `first` on."""
    for k in range(first, end):
        marks.held[ids[spots[k]], 1] = 0
    total, start = 0.0, end
    while start > first and total < best - 1e-6:
        start -= 1
        token = ids[spots[start]]
        marks.held[token, 1] += 1
        total += bits[token] if marks.held[token, 1] <= marks.held[token, 0] else 0.0
    return start


@inner
def _is_enough(best: float, unit: int, dilution: float, bar: Bar) -> bool:
    """Tell whether a window that shares so many bits may come to what is asked for."""
    words, numbers, peak = bar.wholes[unit, 0], bar.wholes[unit, 1], bar.wholes[unit, 2]
    # Beyond what rounding does.
    best += _ROUGH
    if best < bar.least:
        return False
    if best >= bar.share * (words + numbers) or best >= bar.words * words:
        return True
    # The squares of the shared words are at most the largest of their bits times all of them.
    alike = min(np.sqrt(best * peak), 1.0) + bar.numbers * min(best, numbers) / (numbers + bar.beside)
    return bool(alike + _ROUGH >= bar.likeness + dilution)


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
def add_up(units: Units, vocabulary: Vocabulary, bits: Bits, marks: Marks, wholes: Bits) -> None:
    """Write the `wholes` of a bar."""
    for u in range(len(units.at) - 1):
        marks.clock[0] += 1
        stamp, words, numbers, squares, most = marks.clock[0], 0.0, 0.0, 0.0, 0.0
        for k in range(units.at[u], units.at[u + 1]):
            token = units.ids[k]
            if token >= 0 and vocabulary.numbers[token]:
                numbers += bits[token]
            elif token >= 0 and marks.stamp[token] != stamp:
                marks.stamp[token] = stamp
                words += bits[token]
                squares += bits[token] * bits[token]
                most = max(most, bits[token])
        wholes[u, 0], wholes[u, 1], wholes[u, 2] = words, numbers, most / squares if squares else 0.0


@kernel
def weigh_stretches(
    ids: Numbers, first: Ints, found: Ints, units: Units, vocabulary: Vocabulary, pairs: Pairs, bits: Bits,
    bar: Bar, marks: Marks, spots: Ints, rows: Ints, windows: Ints, scores: Bits,
) -> int:  # fmt: skip
    """Write the best windows of (record, unit, stretch) rows, the same with room around, and their SCORES.

    Returns how many rows there are and writes which: a stretch below 0 is the whole record, which is always
    there; others are left out where they cannot come up to the bar. A window is (first token, end token), cut
    to what it shares; the room holds the tokens that share nothing. `bits` holds the bits of each id and,
    last, those of a token that is not known; `spots` has room for the tokens of a record and one more.
    """
    made = 0 * len(found)
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
        count = _spot(ids, low, high, stamp, marks, spots)
        best, begin, stop = _best_window(ids, low, width, bits, marks, spots, count)
        dilution = bar.dilution * np.log2(max((first[record + 1] - first[record]) / max(tokens, 1), 1.0))
        if stretch >= 0 and not _is_enough(best, unit, dilution, bar):
            continue
        start, end = low, low
        if stop > begin:
            start, end = spots[_cut(ids, best, begin, stop, bits, marks, spots)], spots[stop - 1] + 1
        _score(ids, start, end, units, unit, vocabulary, bits, marks, scores[made])
        spare = width - tokens
        rows[made], windows[made, 0], windows[made, 1] = k, start, end
        windows[made, 2] = max(first[record], min(start, end - tokens) - spare)
        windows[made, 3] = min(first[record + 1], max(end, start + tokens) + spare)
        made += 1
    return made


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
