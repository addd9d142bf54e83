"""Tokens for weighing: stems, numbers by value and pairs of characters, against a plain-Python reference."""

import re
import string
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_words import read_bytes
from word_reference import ALPHABETS, EVERY, ignored, normal, unspaced

from tulu_data.kernels.tokens import number_key, tokens_of

SPELLED = {
    "zero": 0, "one": 1, "nine": 9, "ten": 10, "twelve": 12, "nineteen": 19, "twenty": 20, "thirty": 30,
    "ninety": 90, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12,
    "once": 1, "twice": 2, "double": 2, "doubled": 2, "thrice": 3, "triple": 3, "tripled": 3, "first": 1,
    "second": 2, "third": 3,
}  # fmt: skip
ENGLISH = [
    *SPELLED,
    "half",
    "Twelve",
    "TWICE",
    "delivers",
    "delivery",
    "cat",
    "x2",
    "seconds",
    "internationalisation",
]
NUMBERS = [
    "1",
    "12",
    "1,200",
    "1200",
    "1200.0",
    "1,2",
    "1.2.3",
    "0.50",
    "12,345.67",
    "3.",
    "1,234,567",
    "007",
    "5th",
]
WIDE = str.maketrans({c: chr(ord(c) + 0xFEE0) for c in string.ascii_letters + string.digits + ",."})
pieces = st.one_of(
    st.sampled_from(ENGLISH), st.sampled_from(NUMBERS),
    st.sampled_from(NUMBERS).map(lambda text: text.translate(WIDE)),
    st.sampled_from(NUMBERS).map("\u2060".join),
    st.text("0123456789,.", max_size=9), *(st.text(letters, max_size=6) for letters in ALPHABETS.values()),
)  # fmt: skip
written = st.lists(st.tuples(pieces, st.sampled_from([" ", "", ", ", ".", "\n", "$", "-"])), max_size=12).map(
    lambda parts: "".join(piece + glue for piece, glue in parts)
)


def plain(data):
    """Return text as a number is read: characters folded or dropped; one that grows stands for nothing."""
    folded = (("" if ignored(c) else normal(c)) for c in data.decode())
    return "".join(c if len(c) < 2 else "?" for c in folded)


def value(digits):
    """Return the value of a number as text, exactly."""
    whole, _, part = digits.replace(",", "").partition(".")
    return ("number", int(whole), part.rstrip("0"))


def reference(text):
    """Return (key, exact key, first byte, end byte) of each token, keys as values that can be read."""
    data, tokens, single = text.encode(), [], None
    for folded, _, begin, stop in read_bytes(data):
        first = begin
        word, shown = "".join(folded), plain(data[first:stop])
        if re.match(r"[0-9]", shown):
            single = None
            before, gap = "", ""
            if tokens:
                before, gap = plain(data[tokens[-1][2] : tokens[-1][3]]), plain(data[tokens[-1][3] : first])
            joins = (gap == "." and re.fullmatch(r"[0-9]+", shown)) or (
                gap == "," and re.fullmatch(r"[0-9]{3}", shown)
            )
            if joins and re.fullmatch(r"[0-9][0-9,]*", before):
                first = tokens.pop()[2]
                shown = plain(data[first:stop])
            key = exact = value(re.match(r"[0-9,.]+", shown)[0])
        elif re.match(r"[0-9]", word):
            single, key = None, value(re.match(r"[0-9]+", word)[0])
            exact = key
        elif word in SPELLED:
            single, key = None, ("number", SPELLED[word], "")
            exact = key
        elif unspaced(word[0]):
            near = single if single and tokens[-1][3] == first else None
            key, exact, single = ("characters", near, word), ("word", word), stem(word)
            key = key if near else stem(word)
        else:
            single, key, exact = None, stem(word), ("word", word)
        listed = key[0] == "number" and tokens and tokens[-1][1][0] == "number"
        tokens.append((None if listed else key, exact, first, stop))
    return tokens


def stem(word):
    """Return the first five letters, with their accents."""
    letters = [k for k, c in enumerate(word) if not unicodedata.combining(c)]
    return ("stem", word[: letters[5]] if len(letters) > 5 else word)


def kernel(texts, before=b"", after=b""):
    """Return the tokens of texts that lie side by side in one array."""
    parts = [text.encode() for text in texts]
    ends = np.cumsum([len(part) for part in parts]).astype(np.int64) + len(before)
    begins = ends - [len(part) for part in parts]
    return tokens_of(np.frombuffer(before + b"".join(parts) + after, np.uint8), begins, ends), begins


def assert_same(texts, found, begins):
    """Hold tokens to the reference: the same places, and keys that are equal where they should be."""
    want = [
        [*row[:2], row[2] + b, row[3] + b]
        for text, b in zip(texts, begins, strict=True)
        for row in reference(text)
    ]
    assert found.places.tolist() == [row[2:] for row in want]
    assert np.diff(found.at).tolist() == [len(reference(text)) for text in texts]
    for k, keys in enumerate((found.keys, found.exact)):
        seen, back = {None: 0}, {0: None}
        for row, key in zip(want, keys.tolist(), strict=True):
            assert seen.setdefault(row[k], key) == key, row
            assert back.setdefault(key, row[k]) == row[k], row
            assert row[k] is None or (key & 1) == (row[k][0] == "number")


@settings(max_examples=300)
@given(st.lists(written, min_size=1, max_size=3))
def test_tokens_are_those_of_the_reference(texts):
    assert_same(texts, *kernel(texts))


@settings(max_examples=100)
@given(written, st.integers(0, 40), st.integers(0, 40))
def test_tokens_do_not_depend_on_what_lies_around_a_text(text, before, after):
    around = b"Row9 7,\xe5\xa4\xa9\xe6\xb0\x97"
    found, begins = kernel([text], (around * 9)[:before], (around * 9)[:after])
    assert_same([text], found, begins)


@settings(max_examples=100)
@given(st.text(EVERY, max_size=40))
def test_tokens_of_every_script_are_those_of_the_reference(text):
    assert_same([text], *kernel([text]))


def keys(text):
    return kernel([text])[0].keys.tolist()


@pytest.mark.parametrize(
    ("text", "whole", "part", "digits"),
    [
        ("1200", 1200, 0, 0), ("1,200", 1200, 0, 0), ("1,200.00", 1200, 0, 0), ("1200.0", 1200, 0, 0),
        ("\uff11\uff12\uff10\uff10", 1200, 0, 0), ("3.50", 3, 5, 1), ("3.05", 3, 5, 2), ("twelve", 12, 0, 0),
        ("\uff11\uff0c\uff12\uff10\uff10\uff0e\uff15", 1200, 5, 1),
        ("1\u200b2\u2060,\u00ad0\ufeff00", 12000, 0, 0),
        ("Twice", 2, 0, 0), ("5th", 5, 0, 0), ("1,234,567.80", 1234567, 8, 1), ("\u2466", 7, 0, 0),
    ],
)  # fmt: skip
def test_a_number_counts_by_its_value(text, whole, part, digits):
    assert keys(text) == [number_key(whole, part, digits)]
    assert keys(f"It cost {text} then") == [*keys("It cost"), number_key(whole, part, digits), *keys("then")]


@pytest.mark.parametrize("text", ["1,2", "1,2000", "1 200", "1.2.3", "1. 5", "1,,200", "1,200 300", "12/5"])
def test_numbers_that_are_several_do_not_join(text):
    assert keys("1200") != keys(text)
    first, *rest = keys(text)
    assert rest == [0]
    assert first


def test_a_number_right_after_a_number_says_nothing_and_keeps_its_exact_key():
    found, _ = kernel(["7 8 nine x 10, 11"])
    alone = [kernel([text])[0].keys[0] for text in ("7", "x", "10")]
    assert found.keys.tolist() == [alone[0], 0, 0, alone[1], alone[2], 0]
    assert found.exact.tolist() == [kernel([t])[0].exact[0] for t in ("7", "8", "9", "x", "10", "11")]


def test_words_of_one_stem_are_one_key_and_several_exact_ones():
    found, _ = kernel(["deliver delivers Delivery d\u00e9livre delta"])
    assert len(set(found.keys[:3].tolist())) == 1
    assert len(set(found.keys.tolist())) == 3
    assert len(set(found.exact.tolist())) == 5


@pytest.mark.parametrize("size", [*range(1, 20), 31, 32, 33, 64, 65, 200])
def test_words_of_any_length_have_the_stem_of_their_first_letters(size):
    word = ("abcdefghij" * 20)[:size]
    for text in (word, word.upper(), word.translate(WIDE), f"{word[0]}\u00ad{word[1:]}"):
        found, _ = kernel([text])
        assert found.keys.tolist() == keys(word[:5])
        assert found.exact.tolist() == kernel([word])[0].exact.tolist()
    assert found.exact.tolist() != kernel([f"{word}k"])[0].exact.tolist()


def test_in_scripts_without_spaces_neighbours_are_a_token():
    alone, pair = keys("\u5929"), keys("\u5929\u6c17")
    assert pair[:1] == alone
    assert pair[1:] != keys("\u6c17")
    assert keys("\u5929 \u6c17") == [*alone, *keys("\u6c17")]
    assert keys("\u6c17\u5929\u6c17")[-1:] == pair[1:]
    assert keys("\u5929a\u6c17") == [*alone, *keys("a"), *keys("\u6c17")]


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_broken_utf8_is_read_without_harm(data):
    found = tokens_of(np.frombuffer(data, np.uint8), np.array([0]), np.array([len(data)]))
    assert all(0 <= first < stop <= len(data) for first, stop in found.places.tolist())
