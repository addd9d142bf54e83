"""Tokens of a text for comparing what two texts say rather than how they say it.

The one idea: a word counts by its first five letters, so that `deliver`, `delivers` and `delivery` are
one token; a number counts by its value, so that `1,200`, `1200.0` and (in English) `twelve` and `12` are
one; and in scripts written without spaces, two neighbouring characters are a token. A token's key says
which it is by its lowest bit. A number right after a number says nothing (a list, a table, a range): its key
is 0. Words and their places are those of `words`; nothing here compares texts.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.bits import load
from tulu_data.kernels.folding import (
    CLASS_BITS,
    EXPANDS,
    IGNORED,
    PAGE_BITS,
    SINGLE,
    Folding,
    folding,
)
from tulu_data.kernels.jit import inner, kernel
from tulu_data.kernels.words import (
    MOST_POINTS,
    Bytes,
    Hashes,
    Ints,
    Points,
    decode,
    fixed,
    hash_all,
    joined,
    mixed,
    next_word,
    signed,
    word_room,
)

STEM = 5
"""Letters of a word that count."""
NUMBER = np.uint64(1)
"""Bit of a key that tells a number."""

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
_TENS = "thirty forty fifty sixty seventy eighty ninety"
_NUMBER_WORDS = {
    **{word: k for k, word in enumerate(_UNITS.split())},
    **{word: 10 * (k + 3) for k, word in enumerate(_TENS.split())},
    "hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000, "dozen": 12,
    "once": 1, "twice": 2, "double": 2, "doubled": 2, "thrice": 3, "triple": 3, "tripled": 3,
    "first": 1, "second": 2, "third": 3,
}  # fmt: skip
"""English words that stand for numbers. `half` and `quarter` keep being words, as their fractions would."""
_TABLE = 1 << 12
_LAST = np.uint64(_TABLE - 1)

_STEMS, _PAIRS, _VALUES, _PARTS = (
    np.uint64(n) for n in (0x9FB21C651E98DF25, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB)
)
_SEED = np.uint64(0x2545F4914F6CDD1D)
_ZERO, _EIGHT, _SIXTEEN, _FIVE_BYTES = (np.uint64(n) for n in (0, 8, 16, 0xFFFFFFFFFF))
_ALL, _LOWER = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x2020202020202020)
_NINE, _COMMA, _DOT, _ASCII = ord("9"), ord(","), ord("."), 0x80
_NOUGHT = ord("0")
_CLASS, _PAGE = (1 << CLASS_BITS) - 1, (1 << PAGE_BITS) - 1


class NumberWords(NamedTuple):
    """Number words by the hash of the word: a table in which each has a place of its own."""

    hashes: Hashes
    keys: Hashes
    shift: np.uint64
    """The place of a hash is in its bits from here on."""


class Tokens(NamedTuple):
    """The tokens of some texts."""

    keys: Hashes
    """Key of the token: of the first letters of a word, of the value of a number."""
    exact: Hashes
    """The same, but of the whole word, and never 0."""
    places: Ints
    """First and end byte of each token, one row a token."""
    at: Ints
    """Where the tokens of each text start, and their total at the end."""


def number_key(whole: int, part: int, digits: int) -> int:
    """Return the key of `whole` + `part` / 10 ** `digits`, whose part does not end with a nought."""
    with np.errstate(over="ignore"):
        h = np.uint64(whole) * _VALUES + np.uint64(part) * _PARTS + np.uint64(digits)
        h = (h ^ h >> np.uint64(32)) * np.uint64(0xBF58476D1CE4E5B9)
        return int(h ^ h >> np.uint64(29) | NUMBER)


@cache
def number_words() -> NumberWords:
    """Return the table of number words."""
    words = sorted(_NUMBER_WORDS)
    ends = np.cumsum([len(word) for word in words])
    text = np.frombuffer("".join(words).encode(), np.uint8)
    hashed, _ = hash_all(text, np.concatenate([[0], ends[:-1]]), ends, folding())
    hashes, keys = np.zeros(_TABLE, np.uint64), np.zeros(_TABLE, np.uint64)
    shifts = (np.uint64(k) for k in range(52))
    shift = next(s for s in shifts if len(np.unique(hashed >> s & _LAST)) == len(words))
    places = (hashed >> shift & _LAST).astype(np.int64)
    hashes[places] = hashed
    keys[places] = [number_key(_NUMBER_WORDS[word], 0, 0) for word in words]
    return NumberWords(fixed(hashes), fixed(keys), shift)


@inner
def _number_word(h: np.uint64, numbers: NumberWords) -> np.uint64:
    """Return the key of a number word, 0 of another word, by the hash of the word."""
    place = h >> numbers.shift & _LAST
    return numbers.keys[place] if numbers.hashes[place] == h else _ZERO


@inner
def _number_key(whole: np.uint64, part: np.uint64, digits: np.uint64) -> np.uint64:
    """Do what `number_key` does, in a kernel."""
    return mixed(whole * _VALUES + part * _PARTS + digits) | NUMBER


@inner
def _folded(text: Bytes, k: int, end: int, tables: Folding) -> tuple[int, int]:
    """Return what the code point at byte `k` becomes (-1: nothing, 0: several), and its width."""
    if text[k] < _ASCII:
        return signed(text[k]), 1
    point, width = decode(text, k, end)
    element = signed(tables[signed(tables[point >> PAGE_BITS]) + (point & _PAGE)])
    if element & _CLASS == IGNORED or element & _CLASS == EXPANDS:
        return -1 if element & _CLASS == IGNORED else 0, width
    return point + (element >> CLASS_BITS), width


@inner
def _read_number(text: Bytes, first: int, end: int, tables: Folding) -> np.uint64:
    """Return the key of the number at the start of `text[first:end]`: digits, commas, one dot."""
    whole, part, digits, kept = _ZERO, _ZERO, _ZERO, _ZERO
    ten, one, dotted, k = np.uint64(10), np.uint64(1), False, first
    while k < end:
        point, width = _folded(text, k, end, tables)
        k += width
        if point == _DOT:
            dotted = True
        elif _NOUGHT <= point <= _NINE:
            digit = np.uint64(point - _NOUGHT)
            if dotted:
                part, digits = part * ten + digit, digits + one
            else:
                whole = whole * ten + digit
        elif point != _COMMA and point >= 0:
            break
    kept = digits
    while kept > _ZERO and part % ten == _ZERO:
        part, kept = part // ten, kept - one
    return _number_key(whole, part, kept)


@inner
def _continues(text: Bytes, before: Ints, first: int, stop: int, tables: Folding) -> bool:
    """Tell whether digits at `first` go on with the number at `before`: `1,200` and `3.5`, not `1,2`."""
    k, between, digits = before[0], 0, 0
    while k < stop:
        point, width = _folded(text, k, stop, tables)
        if _NOUGHT <= point <= _NINE:
            digits += k >= first
        elif point in (_COMMA, _DOT):
            if k >= before[1]:
                if between:
                    return False
                between = point
            elif point == _DOT:
                return False
        elif point >= 0:
            return False
        k += width
    return between == _DOT or (between == _COMMA and digits == 3)


@inner
def _stem(out: Points) -> np.uint64:
    """Return the key of a word that is written out: of its first letters, with their accents."""
    low, h, size, plain = _ZERO, _SEED, 0, True
    for k in range(1, out[0] + 1):
        point = signed(out[k])
        size += point >= 0
        if size > STEM:
            break
        plain &= 0 <= point < _ASCII
        low |= np.uint64(point & 0xFF) << np.uint64(8 * (size - 1))
        h = mixed((h ^ np.uint64(point)) * _PAIRS)
    return _word_key(low if plain else h)


@inner
def _word_key(h: np.uint64) -> np.uint64:
    """Turn letters or a hash into the key of a word."""
    return mixed(h * _STEMS) & ~NUMBER


@inner
def _written(out: Points, h: np.uint64, numbers: NumberWords) -> np.uint64:
    """Return the key of a word that is written out and has hash `h`, be its digits no ASCII."""
    value, k = _ZERO, 1
    while k <= out[0] and _NOUGHT <= out[k] <= _NINE:
        value = value * np.uint64(10) + np.uint64(signed(out[k]) - _NOUGHT)
        k += 1
    if k > 1:
        return _number_key(value, _ZERO, _ZERO)
    number = _number_word(h, numbers)
    return number or _stem(out)


@inner
def _is_single(out: Points, tables: Folding) -> bool:
    """Tell whether a word is one character of a script without spaces."""
    if out[0] < 1 or out[1] < 0:
        return False
    element = signed(tables[signed(tables[signed(out[1]) >> PAGE_BITS]) + (signed(out[1]) & 127)])
    return element & 7 == SINGLE


@inner
def _ascii_range(text: Bytes, first: int, end: int, alphabet: Bytes) -> tuple[int, int]:
    """Return first and end byte of the next ASCII word, twice the same where it is not as plain as that."""
    while first < end and text[first] < _ASCII and not alphabet[text[first]]:
        first += 1
    stop = first
    while stop < end and alphabet[text[stop]]:
        stop += 1
    whole = stop == end or text[stop] < _ASCII
    return first, stop if whole and first + 16 <= len(text) and stop - first <= 16 else first


@inner
def _ascii_word(text: Bytes, first: int, stop: int, numbers: NumberWords) -> tuple[np.uint64, np.uint64]:
    """Return key and exact key of an ASCII word of at most 16 letters; 16 bytes from its first on exist."""
    size, at = np.uint64(stop - first), np.uint64(first)
    unused = (_EIGHT - min(size, _EIGHT)) << np.uint64(2)
    low = (load(text, at) | _LOWER) & (_ALL >> unused >> unused)
    rest = (_EIGHT - (max(size, _EIGHT) - _EIGHT)) << np.uint64(2)
    h = joined(_SEED, low, (load(text, at + _EIGHT) | _LOWER) & (_ALL >> rest >> rest))
    number = _number_word(h, numbers)
    if number:
        return number, number
    return _word_key(low & _FIVE_BYTES), h


@kernel
def find_tokens(
    text: Bytes, begin: Ints, end: Ints, tables: Folding, numbers: NumberWords, alphabet: Bytes, out: Points,
    keys: Hashes, exact: Hashes, places: Ints, at: Ints,
) -> None:  # fmt: skip
    """Write the tokens of the texts `text[begin[k]:end[k]]`: keys, (first byte, end byte), texts' starts."""
    count = 0
    for k in range(len(begin)):
        at[k] = count
        i, part, single, start = begin[k], 0 * begin[k], _ZERO, count
        while i < end[k]:
            first, stop, key, h, plain = i, i, _ZERO, _ZERO, False
            if part == 0 and text[i] < _ASCII:
                first, stop = _ascii_range(text, i, end[k], alphabet)
                if first == end[k]:
                    break
                plain = stop > first
                i = first
            if plain:
                i, single = stop, _ZERO
                if text[first] > _NINE:
                    key, h = _ascii_word(text, first, stop, numbers)
            else:
                h, first, stop, i, part = next_word(text, i, part, end[k], tables, out)
                if first < 0:
                    break
                opening, _ = _folded(text, first, end[k], tables)
                if opening < _NOUGHT or opening > _NINE:
                    key, alone = _written(out, h, numbers), _is_single(out, tables)
                    near = single != _ZERO and places[count - 1, 1] == first
                    before, single = single, key if alone else _ZERO
                    key = _word_key(key ^ before * _PAIRS) if alone and near else key
            if key == _ZERO:
                single = _ZERO
                if count > start and _continues(text, places[count - 1], first, stop, tables):
                    count -= 1
                    first = places[count, 0]
                key = _read_number(text, first, stop, tables)
            exact[count] = key if key & NUMBER else h & ~NUMBER
            listed = key & NUMBER and count > start and exact[count - 1] & NUMBER
            keys[count] = _ZERO if listed else key
            places[count, 0], places[count, 1] = first, stop
            count += 1
    at[len(begin)] = count


@cache
def _alphabet() -> NDArray[np.uint8]:
    """Return which bytes are ASCII letters or digits."""
    marked = bytes(b < _ASCII and chr(b).isalnum() for b in range(256))
    return np.frombuffer(marked, np.uint8)


def tokens_of(text: Bytes, begin: Ints, end: Ints) -> Tokens:
    """Return the tokens of the texts `text[begin[k]:end[k]]`."""
    room = word_room(text, begin, end)
    keys, exact, places = np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty((room, 2), np.int64)
    at, out = np.empty(len(begin) + 1, np.int64), _room_to_spell(begin, end)
    find_tokens(
        fixed(text),
        fixed(begin),
        fixed(end),
        folding(),
        number_words(),
        _alphabet(),
        out,
        keys,
        exact,
        places,
        at,
    )
    return Tokens(keys[: at[-1]], exact[: at[-1]], places[: at[-1]], at)


def _room_to_spell(begin: Ints, end: Ints) -> Points:
    """Make room to write any one word out."""
    return np.empty(MOST_POINTS * int((end - begin).max(initial=0)) + 2, np.int32)
