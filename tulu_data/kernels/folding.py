"""Tables that say what every Unicode code point becomes in a word.

The one idea: normalisation is context-free. Each code point maps, alone, to its compatibility
decomposition, case folded; a decomposition (unlike a composition) needs no look at the neighbours,
so `e` + combining acute and the precomposed letter give the same code points. The one step of NFKD
that does look around, the order of marks on one base, is made moot elsewhere: an accent enters a
word's hash by addition. The tables come from Python's own `unicodedata`; nothing here reads text.
"""

import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

SEPARATES, WORD, SINGLE, MARK, ACCENT, IGNORED, EXPANDS = range(7)
"""Classes of code points.

SEPARATES ends a word. WORD goes on with one. SINGLE is a word of its own (scripts written without
spaces). MARK goes on with a word but starts none, its order matters; ACCENT likewise, its order among
accents does not. IGNORED is dropped without ending a word. EXPANDS becomes several code points.
"""

PRIME = np.uint64(0x9E3779B97F4A7C15)
"""A code point adds `spread(code point * PRIME)` to its word's hash."""
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_S32, _S29 = np.uint64(32), np.uint64(29)

CLASS_BITS = 3
PAGE_BITS = 7
_CODE_POINTS = sys.maxunicode + 1
_BUILDING = Lock()
_IOTA_BELOW = "\u0345"
"""Case folding would turn this accent into a letter, and then the order of marks would matter."""

_IGNORED = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Default_Ignorable_Code_Point of the Unicode Character Database: zero-width, soft hyphen, selectors."""

_UNSPACED = (
    (0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3041, 0x312F),
    (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA9E0, 0xA9FF),
    (0xAA60, 0xAA7F), (0xF900, 0xFAFF), (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Thai, Lao, Myanmar, Khmer, kana, bopomofo and ideographs: scripts without spaces between words."""

_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x2F7FF), (0x2FA1E, 0x3FFFF))
_HANGUL = (0xAC00, 0xD7A3)
_EMPTY = ((0xD800, 0xF8FF), (0x40000, 0xDFFFF), (0xE1000, sys.maxunicode))
"""Surrogates, private use and planes without characters: they separate."""


def _marked(ranges: tuple[tuple[int, int], ...]) -> bytes:
    """Return a byte for each code point, 1 where ranges hold it."""
    marked = np.zeros(_CODE_POINTS, np.uint8)
    for first, last in ranges:
        marked[first : last + 1] = 1
    return marked.tobytes()


_IS_IGNORED, _IS_UNSPACED = _marked(_IGNORED), _marked(_UNSPACED)


Folding = NDArray[np.int32]
"""What each code point becomes: first the place of the page of each 128 code points. Pages hold
`(folded - code point) << 3 | class` or `place of an expansion << 3 | EXPANDS`; an expansion is a count,
then as many `folded << 3 | class`."""


def spread(number: np.uint64) -> np.uint64:
    """Spread the bits of a number (multiply and shift, twice)."""
    number = (number ^ (number >> _S32)) * _MIX
    return number ^ (number >> _S29)


def folding() -> Folding:
    """Return the tables, which are built once per process (some hundredths of a second)."""
    # Threads wait for the first of them; each would build its own.
    with _BUILDING:
        return _built()


@cache
def _built() -> Folding:
    """Build the tables."""
    entries = np.zeros(_CODE_POINTS, np.int32)
    expansions: list[int] = []
    for first, last in _IDEOGRAPHS:
        entries[first : last + 1] = SINGLE
    for point in _looked_up():
        entries[point] = _entry(point, expansions)
    for first, last in _IGNORED:
        entries[first : last + 1] = IGNORED
    hangul = _hangul()
    first, last = _HANGUL
    entries[first : last + 1] = (len(expansions) + 4 * np.arange(last + 1 - first)) << CLASS_BITS | EXPANDS
    expanded = np.concatenate([np.array(expansions, np.int32), hangul.ravel()])
    return _paged(entries, expanded)


def _looked_up() -> Iterator[int]:
    """Yield the code points that no range settles and that are assigned; others separate."""
    skipped = sorted((*_IDEOGRAPHS, _HANGUL, *_EMPTY))
    starts = [0, *(last + 1 for _, last in skipped)]
    stops = [*(first for first, _ in skipped), _CODE_POINTS]
    category = unicodedata.category
    for start, stop in zip(starts, stops, strict=True):
        yield from (point for point in range(start, stop) if category(chr(point)) != "Cn")


def _entry(point: int, expansions: list[int]) -> int:
    """Return the table entry of one code point; a longer result is appended to `expansions`."""
    folded = fold(chr(point))
    if len(folded) == 1:
        return (ord(folded) - point) << CLASS_BITS | class_of(folded)
    if not folded:
        return IGNORED
    index = len(expansions)
    expansions.append(len(folded))
    expansions.extend(ord(c) << CLASS_BITS | class_of(c) for c in folded)
    return index << CLASS_BITS | EXPANDS


def fold(character: str) -> str:
    """Return the compatibility decomposition of one character, case folded, until nothing changes."""
    if not unicodedata.decomposition(character) and character.casefold() == character:
        return character
    seen, folded = "", character
    while folded != seen:
        seen = folded
        cased = (c if c == _IOTA_BELOW else c.casefold() for c in unicodedata.normalize("NFKD", seen))
        folded = unicodedata.normalize("NFKD", "".join(cased))
    return folded


def class_of(character: str) -> int:
    """Return the class of one folded character."""
    point, category = ord(character), unicodedata.category(character)
    if category == "Me" or _IS_IGNORED[point]:
        return IGNORED
    if category[0] == "M":
        return ACCENT if unicodedata.combining(character) else MARK
    if category[0] not in "LN":
        return SEPARATES
    return SINGLE if category != "Nd" and _IS_UNSPACED[point] else WORD


def _hangul() -> NDArray[np.int32]:
    """Return the expansions of all Hangul syllables, four numbers each (Unicode standard, 3.12)."""
    first, last = _HANGUL
    rest = np.arange(last + 1 - first, dtype=np.int32)
    jamo = [0x1100 + rest // 588, 0x1161 + rest % 588 // 28, 0x11A7 + rest % 28]
    count = np.where(rest % 28 == 0, 2, 3).astype(np.int32)
    return np.stack([count, *(j << CLASS_BITS | WORD for j in jamo)], axis=1).astype(np.int32)


def _paged(entries: NDArray[np.int32], expanded: NDArray[np.int32]) -> Folding:
    """Lay out pages, equal ones once, and expansions as one read-only array, places from its start."""
    rows = entries.reshape(-1, 1 << PAGE_BITS)
    kept: dict[bytes, int] = {}
    which = [kept.setdefault(row.tobytes(), len(kept)) for row in rows]
    pages = np.frombuffer(b"".join(kept), np.int32).copy()
    base = len(which) + len(pages)
    pages[pages & 7 == EXPANDS] += base << CLASS_BITS
    places = (np.array(which, np.int32) << PAGE_BITS) + len(which)
    table: Folding = np.concatenate([places.astype(np.int32), pages, expanded])
    table.flags.writeable = False
    return table
