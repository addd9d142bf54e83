"""What two short texts share, word by word in order, and letter by letter.

The one idea: candidates are few, so they can be compared for real: the heaviest common subsequence of
words (weights in bits, so that rare words decide), the n-grams that both hold, and the runs of letters
that both hold when all that stands between words is left out and letters are folded as in `words`, which
punctuation, line breaks and the width of letters cannot change. It finds no candidates and judges nothing.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.folding import CLASS_BITS, EXPANDS, IGNORED, PAGE_BITS, SEPARATES, Folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import MOST_POINTS, Bytes, Hashes, Ints, decode, signed

Ids = NDArray[np.int32]
Flags = NDArray[np.bool_]
Bits = NDArray[np.float64]
Steps = NDArray[np.uint8]

RUN = 8
"""Letters of a run."""
LETTER_ROOM = 1 << 15
_LAST = np.uint64(LETTER_ROOM - 1)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_EIGHT, _S49 = np.uint64(8), np.uint64(49)
_NINE = ord("9")
_CLASS, _PAGE = (1 << CLASS_BITS) - 1, (1 << PAGE_BITS) - 1
MOST_LETTERS = 3 * MOST_POINTS
"""Bytes of letters for a byte of text, at most."""
_TIE = 0.01
_ONE = np.uint64(1)
_ACROSS, _DOWN, _BOTH = 1, 2, 3


@inner
def _add_word(word: int, theirs: Ids, begin: int, end: int, bits: Bits, totals: Bits, steps: Steps) -> None:
    """Add a word of a unit to the table of a window: a row, whose steps are all down so far.

    A total differs from the one above it only from a place of the word on, as far as it goes across.
    """
    first, j, stop = np.uint64(begin), np.uint64(begin), np.uint64(end)
    while j < stop:
        if theirs[j] != word:
            j += _ONE
            continue
        left, before, fresh = totals[j - first], totals[j - first], True
        while fresh and j < stop:
            above, step = totals[j - first + _ONE], _DOWN
            best = above
            if left > best:
                best, step = left, _ACROSS
            if theirs[j] == word and before + bits[word] + _TIE >= best:
                best, step = before + bits[word] + _TIE, _BOTH
            totals[j - first + _ONE], steps[j - first] = best, step
            left, before, fresh = best, above, best != above
            j += _ONE
            while fresh and j < stop and theirs[j] != word and totals[j - first + _ONE] < left:
                before = totals[j - first + _ONE]
                totals[j - first + _ONE], steps[j - first] = left, _ACROSS
                j += _ONE


@kernel
def align(
    ours: Ids, ours_at: Ints, theirs: Ids, theirs_at: Ints, unit: Ints, bits: Bits, totals: Bits,
    steps: Steps, shared: Flags, shared_at: Ints, held: Flags,
) -> None:  # fmt: skip
    """Mark, for each k, the words of unit `unit[k]` and of window k on their heaviest common subsequence.

    Window k is `theirs[theirs_at[k, 0]:theirs_at[k, 1]]`; `shared` gets the unit's words from `shared_at[k]`
    on, `held` the window's. `totals` has room for the longest window and one more,
    `steps` for the largest table.
    """
    for k in range(len(unit)):
        a, n = ours_at[unit[k]], ours_at[unit[k] + 1] - ours_at[unit[k]]
        b, m = theirs_at[k, 0], theirs_at[k, 1] - theirs_at[k, 0]
        for j in range(m + 1):
            totals[j] = 0.0
        for i in range(n):
            row = steps[i * m : (i + 1) * m]
            row[:] = _DOWN
            if ours[a + i] >= 0:
                _add_word(ours[a + i], theirs, b, b + m, bits, totals, row)
        i, j = n - 1, m - 1
        while i >= 0 and j >= 0:
            step = steps[i * m + j]
            if step == _BOTH:
                shared[shared_at[k] + i] = held[b + j] = True
            i -= step != _ACROSS
            j -= step != _DOWN


@kernel
def share_grams(
    grams: Ids, grams_at: Ints, held: Ids, held_at: Ints, unit: Ints, bits: Bits, seen: Ints, shares: Bits
) -> None:
    """Write the bits of the unit's n-grams that window k holds, and of all of them.

    `held[held_at[k]:held_at[k + 1]]` are the n-grams of window k, -1 where there is none that counts;
    `seen` has a place for each n-gram, all -1.
    """
    for k in range(len(unit)):
        for p in range(held_at[k], held_at[k + 1]):
            if held[p] >= 0:
                seen[held[p]] = k
        for p in range(grams_at[unit[k]], grams_at[unit[k] + 1]):
            gram = grams[p]
            if gram >= 0:
                shares[k, 1] += bits[gram]
                if seen[gram] == k:
                    shares[k, 0] += bits[gram]


@inner
def _letter(b: int) -> int:
    """Return a byte of ASCII in lower case, 0 where it is no letter or digit."""
    if 0x61 <= b <= 0x7A or 0x30 <= b <= 0x39:
        return b
    return b | 0x20 if 0x41 <= b <= 0x5A else 0


@inner
def _put(point: int, room: Bytes, count: int) -> int:
    """Append a folded code point as bytes, of which only those of ASCII are below 0x80."""
    if point >= 0x800:
        room[count] = 0x80 | point >> 14
        count += 1
    if point >= 0x80:
        room[count] = 0x80 | point >> 7 & 0x7F
        count += 1
    room[count] = point if point < 0x80 else 0x80 | point & 0x7F
    return count + 1


@inner
def _spell(text: Bytes, begin: int, end: int, tables: Folding, room: Bytes) -> int:
    """Write what stands in words of a text, folded, and nothing between; return how many bytes."""
    p, count = begin, 0 * begin
    while p < end:
        b = signed(text[p])
        if b < 0x80:
            room[count] = _letter(b)
            count += room[count] != 0
            p += 1
            continue
        point, width = decode(text, p, end)
        p += width
        element, parts, at = signed(tables[signed(tables[point >> PAGE_BITS]) + (point & _PAGE)]), 1, 0 * p
        if element & _CLASS == EXPANDS:
            at = (element >> CLASS_BITS) + 1
            parts = signed(tables[at - 1])
        else:
            element += point << CLASS_BITS
        for k in range(parts):
            if at:
                element = signed(tables[at + k])
            if element & _CLASS not in (SEPARATES, IGNORED):
                count = _put(element >> CLASS_BITS, room, count)
    return count


def letter_room(longest: int) -> Bytes:
    """Make room for the letters of a text of so many bytes."""
    return np.empty(MOST_LETTERS * longest + 1, np.uint8)


@kernel
def share_letters(
    text: Bytes, begin: Ints, end: Ints, ours: Bytes, ours_begin: Ints, ours_end: Ints, unit: Ints,
    tables: Folding, table: Hashes, room: Bytes, shares: Bits,
) -> None:  # fmt: skip
    """Write which share of a unit's runs of letters window k, bytes `begin[k]` to `end[k]`, holds.

    `shares[k, 0]` is of all runs, `shares[k, 1]` of those with a digit, 0 where there is none. `table` has
    `1 << 15` places, all 0. A window that holds more runs fills them up: it is asked in order. `room` is
    `letter_room` of the longest of all these texts.
    """
    for k in range(len(unit)):
        h, stamp = np.uint64(0), np.uint64(k + 1)
        for p in range(_spell(text, begin[k], end[k], tables, room)):
            h = h << _EIGHT | np.uint64(room[p])
            if p >= RUN - 1:
                table[(h * _FACTOR) >> _S49 & _LAST] = stamp ^ (h * _FACTOR << np.uint64(20))
        h, digit, runs, found, with_digit, found_with = np.uint64(0), -RUN, 0, 0, 0, 0
        for p in range(_spell(ours, ours_begin[unit[k]], ours_end[unit[k]], tables, room)):
            h = h << _EIGHT | np.uint64(room[p])
            digit = p if room[p] <= _NINE else digit
            if p >= RUN - 1:
                same = table[(h * _FACTOR) >> _S49 & _LAST] == stamp ^ (h * _FACTOR << np.uint64(20))
                runs += 1
                found += same
                with_digit += p - digit < RUN
                found_with += same and p - digit < RUN
        shares[k, 0] = found / runs if runs else 0.0
        shares[k, 1] = found_with / with_digit if with_digit else 0.0


@kernel
def count_held(ids: Ids, first: Ints, chosen: Flags, seen: Ints, clock: Ints, held: Ints) -> None:
    """Count, for each id, the chosen records that hold it; record r holds `ids[first[r]:first[r + 1]]`."""
    for r in range(len(first) - 1):
        if chosen[r]:
            clock[0] += 1
            for p in range(first[r], first[r + 1]):
                if ids[p] >= 0 and seen[ids[p]] != clock[0]:
                    seen[ids[p]] = clock[0]
                    held[ids[p]] += 1


@kernel
def hash_grams(exact: Hashes, first: Ints, n: int, hashes: Hashes) -> None:
    """Write the hash of the n-gram that starts at each token, 0 where a record has no room for it."""
    for r in range(len(first) - 1):
        for p in range(first[r], first[r + 1]):
            h = np.uint64(0)
            if p + n <= first[r + 1]:
                for k in range(n):
                    h = (h ^ exact[p + k]) * _FACTOR
                    h ^= h >> np.uint64(29)
                h |= np.uint64(1)
            hashes[p] = h


@kernel
def count_characters(text: Bytes, begin: Ints, places: Ints, characters: NDArray[np.int32]) -> None:
    """Turn (first byte, end byte) rows into characters from byte `begin[k]` on.

    Rows go forward in a text, by their first bytes; they are short and may reach over the next ones.
    """
    at, passed, start = 0 * len(begin), 0 * len(begin), -1 + 0 * len(begin)
    for k in range(len(begin)):
        if begin[k] != start or places[k, 0] < at:
            at, passed, start = begin[k], 0 * at, begin[k]
        while at < places[k, 0]:
            passed += text[at] & 0xC0 != 0x80
            at += 1
        characters[k, 0] = characters[k, 1] = passed
        for p in range(at, places[k, 1]):
            characters[k, 1] += text[p] & 0xC0 != 0x80


@kernel
def stand_alone(text: Bytes, begin: Ints, end: Ints, low: Ints, high: Ints, opens: Bytes, ends: Bytes,
                alone: Flags) -> None:  # fmt: skip
    """Tell which passages, bytes `begin[k]` to `end[k]`, are a sentence or a line of `text[low[k]:high[k]]`.

    `opens` marks bytes that may stand right before a sentence without ending the last one, `ends` those
    that end one, before it and behind it. Bytes that are no ASCII are taken for either.
    """
    for k in range(len(begin)):
        p = begin[k] - 1
        while p >= low[k] and opens[text[p]]:
            p -= 1
        q = end[k]
        while q < high[k] and text[q] == 0x20:
            q += 1
        # A quotation mark or bracket behind a space opens what goes on.
        opening = q < high[k] and q > end[k] and opens[text[q]]
        alone[k] = (p < low[k] or ends[text[p]]) and (q >= high[k] or (ends[text[q]] and not opening))
