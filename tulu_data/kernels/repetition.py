"""How much of a text says again what it said before: in lines, in paragraphs and in runs of words.

The measures are those of Gopher (Rae et al. 2021, arXiv 2112.11446, table A1), exact by these definitions.
Words are those of `words`, so case and punctuation do not count, and in scripts without spaces a character is
one. A line is the words between two line ends, a paragraph those between two blank lines; without a word it
is none. A run of words covers the characters from its first to its last, and all shares are of the characters
from the first word of the text to the last.

The one idea: what surely is below its limit is not measured. A run that is said again is made of pairs of
words that are, and how much these cover at most, one look at each word tells; ordinary text is done then.
Elsewhere a run of n words that stands there twice begins with one of n - 1 that does, and goes on with
another, so each length looks only where the one before found something. Runs are told apart by hashes of 64
bits. It does not say how much is too much.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bits import BLOCK, classes
from tulu_data.kernels.folding import PRIME, Folding, folding
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.texts import Texts, size_of
from tulu_data.kernels.words import (
    Bytes,
    Hashes,
    Ints,
    Points,
    fixed,
    hash_ascii,
    mixed,
    next_word,
    signed,
)

Numbers = NDArray[np.int32]
Shares = NDArray[np.float64]
LONGEST = 1 << 20
"""Bytes of a text that are looked at."""
TOP = (2, 3, 4)
"""Words of runs of which the most frequent one counts."""
DUPLICATE = (5, 6, 7, 8, 9, 10)
"""Words of runs of which all count that were said before."""
MEASURES = (
    "duplicate_lines", "duplicate_line_characters", "duplicate_paragraphs", "duplicate_paragraph_characters",
    *(f"top_{n}_gram" for n in TOP), *(f"duplicate_{n}_grams" for n in DUPLICATE),
)  # fmt: skip
"""Shares of a text, by column."""
LINES, PARAGRAPHS, GRAMS = 0, 2, 4
"""Columns at which the measures of each sort begin."""
_FIRST, _LAST_TOP, _LAST = TOP[0], TOP[-1], DUPLICATE[-1]
_ZERO, _ONE, _HALF, _BITS, _LOWER = (np.uint64(number) for number in (0, 1, 32, 64, 0xFFFFFFFF))
_SPARE = np.uint64(8)
"""Places of the table of what was met for each word; what shares one by chance is taken for met."""
_BLOCK, _SIGN = np.uint64(BLOCK), np.uint8(7)
_END, _SPACE, _ASCII, _TAIL, _MARK = 0x0A, 0x20, 0x80, 0x80, 0xC0


class _Room(NamedTuple):
    """Space for the words and runs of one text."""

    hashes: Hashes
    places: Ints
    """First and end byte of each word, and then the same in characters."""
    runs: Hashes
    """Hash of the run that starts at each word."""
    live: Numbers
    """First what parts each word from the last, then the words at which a run may stand there twice."""
    slot: Numbers
    """Where the run of each of these is in the table."""
    chosen: Numbers
    """Which of these are of the most frequent run."""
    table: Hashes
    state: Hashes
    """Of each place of the table, the turn of counting it was last used in, and how often in that."""
    covered: Numbers
    """Characters that the run of a place covers."""
    reach: Numbers
    """Where its last character is."""
    met: Numbers
    """Of each place of another table, the last text in which something fell there."""


def repetition(
    text: Bytes, begin: Ints, end: Ints, limits: Shares | None = None, min_words: int = 0
) -> tuple[Ints, Shares]:
    """Return the words of each text, and its shares, one column for each of `MEASURES`.

    Where limits are given, one for each measure, shares that are not above theirs may be left at 0, and so
    are those of texts of fewer words. Of a text of more than a MiB, the first of it is measured.
    """
    end = np.minimum(end, begin + LONGEST)
    texts = Texts(text, begin, end, np.arange(len(begin) + 1))
    room = _room(size_of(texts).units("words"))
    counts, shares = np.zeros(len(begin), np.int64), np.zeros((len(begin), len(MEASURES)))
    nothing = np.empty(0, np.int32)
    most = np.full(len(MEASURES), -1.0) if limits is None else np.ascontiguousarray(limits, np.float64)
    least = max(min_words, _FIRST)
    measure_texts(
        fixed(text), fixed(begin), fixed(end), folding(), nothing, room, most, least, counts, shares
    )
    return counts, shares


def _room(words: int) -> _Room:
    """Return space for a text of so many words."""
    size = 1 << (2 * words).bit_length()
    return _Room(
        np.empty(words, np.uint64), np.empty((words, 2), np.int64), np.empty(words, np.uint64),
        np.empty(words, np.int32), np.empty(words, np.int32), np.empty(words, np.int32),
        np.empty(size, np.uint64),
        np.zeros(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.int32),
        np.zeros(int(_SPARE) * size, np.int32),
    )  # fmt: skip


@kernel
def measure_texts(
    text: Bytes, begin: Ints, end: Ints, tables: Folding, nothing: Points, room: _Room, limits: Shares,
    least: int, counts: Ints, shares: Shares,
) -> None:  # fmt: skip
    """Count the words of each text, and measure it where a share may be above its limit."""
    turn = 0
    for k in range(len(begin)):
        words = _words(text, begin[k], end[k], tables, nothing, room.hashes, room.places)
        counts[k] = words
        if words >= least:
            border = _place(text, words, room.places, room.live)
            whole = room.places[words - 1, 1] - room.places[0, 0]
            if border > 0:
                _units(words, room, turn + 1, 1, whole, shares, k, LINES)
            if border > 1:
                _units(words, room, turn + 2, 2, whole, shares, k, PARAGRAPHS)
            if _may_repeat(words, room, k + 1, whole, limits):
                _runs(words, room, turn + 3, whole, shares, k)
            turn += 3 + _LAST


@inner
def _words(
    text: Bytes, begin: int, stop: int, tables: Folding, nothing: Points, hashes: Hashes, places: Ints
) -> int:
    """Write the hashes and places of the words of a text, and return how many they are."""
    count = _ZERO
    i, part = begin, 0 * begin
    while i < stop:
        if part == 0 and text[i] < _ASCII:
            j, count = hash_ascii(text, np.uint64(i), np.uint64(stop), hashes, count, places, None)
            i = signed(j)
        if i < stop:
            h, first, last, i, part = next_word(text, i, part, stop, tables, nothing)
            if first >= 0:
                hashes[count] = h
                places[count, 0], places[count, 1] = first, last
                count += _ONE
    return np.int64(count)  # type: ignore[return-value]


@inner
def _place(text: Bytes, words: int, places: Ints, parted: Numbers) -> int:
    """Turn bytes into characters, and write what parts each word from the last.

    That is 0 for nothing, 1 for a line end, 2 for a blank line; return the greatest.
    """
    most = 0 * words
    at = places[0, 0]
    for t in range(np.uint64(words)):
        first = places[t, 0]
        parted[t] = _border(text, at, first)
        most = max(most, signed(parted[t]))
        at = places[t, 1]
    if not _is_ascii(text, np.uint64(places[0, 0]), np.uint64(at)):
        _to_characters(text, words, places)
    return most


@inner
def _is_ascii(text: Bytes, start: np.uint64, stop: np.uint64) -> bool:
    """Tell whether all bytes of a stretch are ASCII; the last block of it may lie on the one before."""
    found, i = _ZERO, start
    if stop - start < _BLOCK:
        while i < stop:
            found |= np.uint64(text[i] >> _SIGN)
            i += _ONE
    else:
        while i < stop - _BLOCK:
            found |= classes(text, i)[1]
            i += _BLOCK
        found |= classes(text, stop - _BLOCK)[1]
    return bool(found == _ZERO)


@inner
def _border(text: Bytes, start: int, stop: int) -> int:
    """Tell what parts two words."""
    if stop - start == 1:
        return signed(text[np.uint64(start)] == _END)
    found, blank = 0, False
    for i in range(np.uint64(start), np.uint64(max(start, stop))):
        b = signed(text[i])
        if b == _END:
            found = 2 if blank else max(found, 1)
            blank = True
        elif b > _SPACE:
            blank = False
    return found


@inner
def _to_characters(text: Bytes, words: int, places: Ints) -> None:
    """Turn bytes into characters, from the first word on."""
    at, passed = places[0, 0], 0 * words
    for t in range(words):
        first, stop = places[t, 0], places[t, 1]
        # Words out of one character lie on one another.
        back = at > first
        for i in range(at, first):
            passed += signed(text[i]) & _MARK != _TAIL
        start = passed - back
        for i in range(max(at, first), stop):
            passed += signed(text[i]) & _MARK != _TAIL
        places[t, 0], places[t, 1] = start, passed
        at = max(at, stop)


@inner
def _units(
    words: int, room: _Room, turn: int, border: int, whole: int, shares: Shares, k: int, column: int
) -> None:
    """Measure units, parted by a border or by more, that say what one before says."""
    mask = _mask(words, room)
    units, again, covered = 0, 0, 0
    first, h = 0 * words, _ZERO
    for t in range(words):
        h = (h + room.hashes[t]) * PRIME
        if t + 1 == words or room.live[t + 1] >= border:
            units += 1
            if _times(room, _slot(room, mask, mixed(h), turn)) > 1:
                again += 1
                covered += room.places[t, 1] - room.places[first, 0]
            first, h = t + 1, _ZERO
    shares[k, column], shares[k, column + 1] = again / units, covered / whole


@inner
def _may_repeat(words: int, room: _Room, k: int, whole: int, limits: Shares) -> bool:
    """Tell whether runs of words may cover more than a limit lets them, by the pairs that are said again.

    A run that stood there before covers such pairs alone. The most frequent one covers these and the place
    where it stood first, which is no longer than the longest stretch of as many words.
    """
    covered, longest = _said_again(words, room, k)
    for n in range(_FIRST, _LAST + 1):
        most = covered + longest if n <= _LAST_TOP else covered
        if most / whole > limits[GRAMS + n - _FIRST]:
            return True
    return False


@inner
def _said_again(words: int, room: _Room, k: int) -> tuple[int, int]:
    """Return how many characters pairs of words cover that stood there before, or that are taken for such.

    And how long the longest stretch of `_LAST_TOP` words is, or all where they are fewer.
    """
    shift = _BITS
    while _ONE << (_BITS - shift) < min(_SPARE * np.uint64(words), np.uint64(len(room.met))):
        shift -= _ONE
    places, behind = room.places, np.uint64(_LAST_TOP - 1)
    before, covered, was_met = room.hashes[0], 0 * words, False
    longest = places[min(words, _LAST_TOP) - 1, 1] - places[0, 0]
    for t in range(_ONE, np.uint64(words)):
        h, stop = room.hashes[t], places[t, 1]
        slot = before * PRIME + h >> shift
        is_met = room.met[slot] == k
        room.met[slot] = k
        # The word that two pairs share counts once; without a branch, which no one could foretell.
        covered += is_met * (stop - places[t - _ONE, np.uint64(was_met)])
        longest = max(longest, stop - places[t - min(np.uint64(t), behind), 0])
        before, was_met = h, is_met
    return covered, longest


@inner
def _runs(words: int, room: _Room, turn: int, whole: int, shares: Shares, k: int) -> None:
    """Measure runs of words, longer and longer, where shorter ones stand there twice."""
    live, origin = words - 1, room.places[0, 0]
    for i in range(words):
        room.places[i, 0] -= origin
        room.places[i, 1] -= origin
        room.live[i] = i
        room.runs[i] = room.hashes[i]
    for n in range(_FIRST, _LAST + 1):
        most = _count(live, n, room, turn + n)
        if most < 2:
            break
        covered = _top(live, n, most, room) if n <= _LAST_TOP else _again(live, n, room)
        shares[k, GRAMS + n - _FIRST] = covered / whole
        live = _still_live(live, n, words, room)


@inner
def _count(live: int, n: int, room: _Room, turn: int) -> int:
    """Count the runs of n words that start at live words; return how often the most frequent one does."""
    mask, most = _mask(live, room), 0
    for x in range(live):
        i = room.live[x]
        h = mixed(room.runs[i] * PRIME + room.hashes[i + n - 1])
        room.runs[i] = h
        slot = _slot(room, mask, h, turn)
        room.slot[x] = slot
        most = max(most, _times(room, slot))
    return most


@inner
def _top(live: int, n: int, most: int, room: _Room) -> int:
    """Return the characters that the most frequent run covers; of several, the one that covers most."""
    best, chosen = 0 * most, 0 * most
    for x in range(live):
        if _times(room, room.slot[x]) == most:
            room.covered[room.slot[x]] = room.reach[room.slot[x]] = 0
            room.chosen[chosen] = x
            chosen += 1
    for c in range(chosen):
        x = room.chosen[c]
        i, slot = room.live[x], room.slot[x]
        stop = room.places[i + n - 1, 1]
        room.covered[slot] += stop - max(room.places[i, 0], room.reach[slot])
        room.reach[slot] = stop
        best = max(best, room.covered[slot])
    return best


@inner
def _again(live: int, n: int, room: _Room) -> int:
    """Return the characters that runs cover that stood there before."""
    covered, reach = 0 * n, 0 * n
    for x in range(live):
        room.reach[room.slot[x]] = -1
    for x in range(live):
        slot = room.slot[x]
        if room.reach[slot] >= 0:
            i = room.live[x]
            stop = room.places[i + n - 1, 1]
            covered += stop - max(room.places[i, 0], reach)
            reach = stop
        room.reach[slot] = 0
    return covered


@inner
def _still_live(live: int, n: int, words: int, room: _Room) -> int:
    """Keep the words at which a run of one word more may stand there twice."""
    made = 0
    for x in range(live - 1):
        i = room.live[x]
        if (
            _times(room, room.slot[x]) > 1
            and room.live[x + 1] == i + 1
            and _times(room, room.slot[x + 1]) > 1
            and i + n < words
        ):
            room.live[made] = i
            made += 1
    return made


@inner
def _mask(entries: int, room: _Room) -> np.uint64:
    """Return the places of a table with room for twice as many entries, less one."""
    mask = np.uint64(15)
    while mask < np.uint64(2 * entries):
        mask = mask << _ONE | _ONE
    return min(mask, np.uint64(len(room.table) - 1))


@inner
def _slot(room: _Room, mask: np.uint64, h: np.uint64, turn: int) -> np.uint64:
    """Count a hash once more in a turn; return its place in the table."""
    slot, this = h & mask, np.uint64(turn)
    while room.state[slot] >> _HALF == this and room.table[slot] != h:
        slot = slot + _ONE & mask
    if room.state[slot] >> _HALF != this:
        room.state[slot], room.table[slot] = this << _HALF, h
    room.state[slot] += _ONE
    return slot


@inner
def _times(room: _Room, slot: np.uint64 | np.int32) -> int:
    """Return how often the hash of a place was counted in its last turn."""
    return np.int64(room.state[slot] & _LOWER)  # type: ignore[return-value]
