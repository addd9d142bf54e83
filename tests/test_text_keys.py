"""Keys of texts against plain Python: equal where texts are, but for case, width and white space."""

import ctypes
import mmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shingle_reference import batch
from word_reference import ALPHABETS, EVERY, ignored, normal

from tulu_data.kernels.text_keys import text_keys

WHITE = [
    *map(chr, (0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B))),
    *map(chr, (0x2028, 0x2029, 0x202F, 0x205F, 0x3000)),
]
"""White_Space of the Unicode Character Database."""
LETTERS = (*ALPHABETS.values(), EVERY, "aB ", "a\u00a8 \u0308", "a\0\x01\x1f ", "+- 3", "".join(WHITE) + "a")
texts = st.one_of(st.text(max_size=6), *(st.text(letters, max_size=6) for letters in LETTERS))


def keys_of(texts):
    given_ = batch([[text] for text in texts])
    return [tuple(key) for key in text_keys(given_.text, given_.begin, given_.end).tolist()]


WORDS = 2**64 - 1


def mixed(number):
    for shift in (32, 29):
        number ^= number >> shift
        if shift == 32:
            number = number * 0xBF58476D1CE4E5B9 & WORDS
    return number


def key_of(text):
    """Return the key of a text by its definition, a byte at a time."""
    points = folded(text)
    if not points:
        return 0, 0
    pushed = b"".join(
        bytes([p]) if p < 0x80 else bytes([0x80 | p & 0x7F, 0x80 | p >> 7 & 0x7F, 0x80 | p >> 14])
        for p in map(ord, points)
    )
    a, b = 0x2545F4914F6CDD1D, 0xE7037ED1A0B428DB
    whole, size = divmod(len(pushed), 8)
    for at in range(0, 8 * whole + 1, 8):
        low = int.from_bytes(pushed[at : at + 8], "little")
        count = size if at == 8 * whole else 0
        product = (a ^ low) * (0x9E3779B97F4A7C15 ^ count)
        a = (product ^ product >> 64) & WORDS
        b = (((b << 29 | b >> 35) & WORDS ^ low) * 0xD6E8FEB86659FD93 + count) & WORDS
    return mixed(a), max(mixed(b), 1)


def folded(text):
    """Return a text folded code point by code point, with one space between what white space parts."""
    points = "".join(normal(c) for c in text if not ignored(c))
    for c in WHITE:
        points = points.replace(c, " ")
    return " ".join(part for part in points.split(" ") if part)


@given(st.lists(texts, max_size=8))
def test_keys_are_equal_exactly_where_the_folded_texts_are(texts):
    texts = [*texts, *(f" {text.upper()}\n" for text in texts), *(text[:-1] for text in texts)]
    keys = keys_of(texts)
    for one, mine in zip(texts, keys, strict=True):
        for other, theirs in zip(texts, keys, strict=True):
            assert (mine == theirs) == (folded(one) == folded(other)), (one, other)


RUNS = ("a", "Z", "@[`{", "\0", "\x08", "\x0e\x1f", "\x7f", "q" * 8, "XyZ 0.9-", "  ", "\r\n", " " * 9)
BEYOND = ("é", "ﬁ", "ﷺ", "\u200b", "a\u00a8", "가", "中", "😀")
runs = st.sampled_from((*RUNS, *BEYOND, *WHITE))
long_texts = st.lists(runs, max_size=14).map("".join)


@given(st.lists(texts | long_texts, max_size=5))
def test_keys_are_those_of_the_definition(texts):
    assert keys_of(texts) == [key_of(text) for text in texts]


@given(st.integers(0, 26), st.integers(0, 26), runs)
def test_what_stands_at_any_place_of_a_word_is_read(before, after, middle):
    text = "Abcdefghijklmnopqrstuvwxyz"[:before] + middle + "ZYXWVUTSRQPONMLKJIHGFEDCBA"[:after]
    assert keys_of([text]) == [key_of(text)]


@given(st.lists(long_texts, min_size=1, max_size=4))
def test_nothing_beyond_the_end_of_the_array_is_read(texts):
    encoded = [text.encode() for text in texts]
    joined = b"".join(encoded)
    with mmap.mmap(-1, 2 * mmap.PAGESIZE) as memory:
        start = mmap.PAGESIZE - len(joined)
        memory[start : mmap.PAGESIZE] = joined
        array = np.frombuffer(memory, np.uint8, len(joined), start)
        behind = ctypes.c_void_p(array.ctypes.data + len(joined))
        protect = ctypes.CDLL(None).mprotect
        # Reading there would end the process.
        assert protect(behind, mmap.PAGESIZE, 0) == 0
        ends = np.cumsum([0, *map(len, encoded)])
        keys = text_keys(array, ends[:-1], ends[1:]).tolist()
        assert protect(behind, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE) == 0
        del array
    assert [tuple(key) for key in keys] == [key_of(text) for text in texts]


@given(texts)
def test_only_a_blank_text_has_no_key(text):
    (key,) = keys_of([text])
    assert (key == (0, 0)) == (not folded(text))


@pytest.mark.parametrize("c", WHITE)
def test_all_white_space_is_one_space(c):
    same = keys_of([f"{c}one{c}{c}two{c}", "one two"])
    assert same[0] == same[1]
    assert keys_of([c, f"{c} {c}"]) == [(0, 0)] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"), ("ｆｕｌｌ　１２", "full 12"), ("line\r\nbreak", "line break"),
        ("zero\u200bwidth\ufeff", "zerowidth"), ("ﬁne", "fine"), ("caf\u00e9", "cafe\u0301"),
        ("가", "\u1100\u1161"), ("ﷺ", "صلى الله عليه وسلم"), ("a\u00a8", "a \u0308"),
        ("soft\u00adhyphen", "softhyphen"),
    ],
)  # fmt: skip
def test_what_does_not_matter(one, other):
    same = keys_of([one, other])
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 + 5", "3 - 5"), ("3+5", "3 + 5"), ("a b", "ab"), ("ab", "ba"), ("x.", "x"), ("$5", "5"),
        ("¬p", "p"), ("cafe", "café"), ("\0a", "a"), ("a\x1fb", "a b"), ("\0", "\0\0"), ("a\0", "a"),
        ("😀", "😁"),
    ],
)  # fmt: skip
def test_what_does_matter(one, other):
    mine, theirs = keys_of([one, other])
    assert mine != theirs


def test_texts_far_apart_in_one_run_of_bytes_are_read_each_for_itself():
    text = np.frombuffer(b"one two ONE  TWO one two", np.uint8)
    begin, end = np.array([17, 8, 3, 5, 24]), np.array([24, 16, 3, 5, 24])
    keys = text_keys(text, begin, end).tolist()
    assert keys[0] == keys[1] != [0, 0]
    assert keys[2:] == [[0, 0]] * 3


def test_there_may_be_no_text():
    assert keys_of([]) == []


def test_all_code_points_have_the_key_of_what_they_fold_to():
    points = [chr(p) for p in range(0x30000) if not 0xD800 <= p < 0xE000]
    apart: dict = {}
    for point, key in zip(points, keys_of(points), strict=True):
        assert apart.setdefault(folded(point), key) == key, hex(ord(point))
    assert len(set(apart.values())) == len(apart)
