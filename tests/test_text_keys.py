"""Keys of texts against plain Python: equal where texts are, but for case, width and white space."""

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
