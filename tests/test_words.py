"""Words as the kernel reads them, against the plain-Python reference, in many scripts."""

import ctypes
import mmap
import string
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_reference import ALPHABETS, EVERY, words

from tulu_data.kernels.folding import fold, folding
from tulu_data.kernels.words import MOST_POINTS, MOST_WORDS, hash_all, next_word

texts = st.one_of(
    *(st.text(alphabet=letters, max_size=60) for letters in (*ALPHABETS.values(), EVERY)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
ascii_and_others = st.lists(
    st.one_of(st.text(string.ascii_letters + " .,9", max_size=100), st.text(alphabet=EVERY, max_size=3)),
    max_size=5,
).map("".join)


def whole(data):
    """Return bytes as an array, with where its one text begins and ends."""
    text = np.frombuffer(data, np.uint8)
    return text, np.array([0]), np.array([len(text)])


def read_bytes(data):
    """Read words as (folded characters, hash, first byte, end byte)."""
    text = np.frombuffer(data, np.uint8)
    out = np.zeros(MOST_POINTS * len(text) + 2, np.int32)
    found, i, part = [], 0, 0
    while True:
        h, first, stop, i, part = next_word(text, i, part, len(text), folding(), out)
        if first < 0:
            return found
        points = out[1 : out[0] + 1].tolist()
        found.append((tuple(chr(abs(p)) for p in points), int(h), first, stop))


def kernel_words(text):
    return [word for word, *_ in read_bytes(text.encode())]


@given(texts)
def test_the_kernel_reads_the_words_of_the_reference(text):
    assert kernel_words(text) == words(text)


def test_every_code_point_between_letters_reads_as_the_reference_says():
    ranges = [
        (0, 0x3400),
        (0xA000, 0xD800),
        (0xF900, 0x17000),
        (0x18D00, 0x20000),
        (0x2F800, 0x2FA20),
        (0xE0000, 0xE0200),
    ]
    for first, stop in ranges:
        for start in range(first, stop, 0x400):
            text = " ".join(f"a{chr(c)}\u0301b" for c in range(start, min(start + 0x400, stop)))
            assert kernel_words(text) == words(text)


@given(texts)
def test_hashes_stand_for_words(text):
    seen = {}
    found = read_bytes(text.encode())
    for word, h, _, _ in found:
        assert seen.setdefault(word, h) == h
    assert len(set(seen.values())) == len(seen)
    hashes = hash_all(*whole(text.encode()), folding())[0]
    assert hashes.tolist() == [h for _, h, _, _ in found]


@given(ascii_and_others, st.integers(0, 150), st.integers(0, 150))
def test_a_text_amid_other_bytes_has_the_hashes_of_its_words(text, before, after):
    data, around = text.encode(), b"Row9"
    buffer = np.frombuffer((around * 40)[:before] + data + (around * 40)[:after], np.uint8)
    hashes, _ = hash_all(buffer, np.array([before]), np.array([before + len(data)]), folding())
    assert hashes.tolist() == [h for _, h, _, _ in read_bytes(data)]


@given(st.text(string.ascii_letters + string.digits + " -", max_size=150), st.data())
def test_a_word_has_one_hash_however_it_is_written(text, data):
    disguises = {c: [c, c.swapcase(), chr(ord(c) + 0xFEE0), f"{c}\u00ad"] for c in text if c.isalnum()}
    written = "".join(data.draw(st.sampled_from(disguises.get(c, [c]))) for c in text)
    plain = hash_all(*whole(text.encode() + b" " * 100), folding())[0].tolist()
    assert hash_all(*whole(written.encode() + b" " * 100), folding())[0].tolist() == plain
    assert [h for _, h, _, _ in read_bytes(written.encode())] == plain


def test_words_of_every_length_have_hashes_of_their_own():
    written = [letter * size for letter in "ab0" for size in range(1, 150)]
    found = hash_all(*whole(" ".join(written).encode()), folding())[0]
    assert len(set(found.tolist())) == len(written)
    assert found.tolist() == [h for _, h, _, _ in read_bytes(" ".join(written).encode())]


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system for a page that cannot be read")
def test_nothing_beyond_the_end_of_the_array_is_read():
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * page)
    text = np.frombuffer(memory, np.uint8)[:page]
    beyond = ctypes.c_void_p(text.ctypes.data + page)
    assert ctypes.CDLL(None, use_errno=True).mprotect(beyond, page, 0) == 0
    for size in range(1, 100):
        text[:] = np.frombuffer((b"x" * size + b" ") * page, np.uint8)[:page]
        assert len(hash_all(*whole(text), folding())[0]) == -(-page // (size + 1))


@given(texts, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_words_do_not_depend_on_the_normal_form(text, form):
    assert kernel_words(unicodedata.normalize(form, text)) == kernel_words(text)


@given(texts)
def test_a_words_bytes_read_as_that_word(text):
    data = text.encode()
    for word, _, first, stop in read_bytes(data):
        assert word in kernel_words(data[first:stop].decode())


@given(texts, st.sampled_from(["\u200b", "\u00ad", "\ufe0f", "\u2060"]))
def test_invisible_characters_change_nothing(text, invisible):
    assert kernel_words(invisible.join(text)) == kernel_words(text)


@given(st.binary(max_size=60))
def test_broken_utf8_is_read_without_harm(data):
    found = read_bytes(data)
    assert all(0 <= first < stop <= len(data) for _, _, first, stop in found)
    assert len(found) <= MOST_WORDS * len(data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Full\u00a0width ＡＢＣ １２", ["full", "width", "abc", "12"]),
        ("it\u2019s it's", ["it", "s", "it", "s"]),
        ("Stra\u00dfe STRASSE", ["strasse", "strasse"]),
        ("zero\u200bwidth soft\u00adhyphen", ["zerowidth", "softhyphen"]),
        ("caf\u00e9 cafe\u0301", ["cafe\u0301", "cafe\u0301"]),
        ("48 clips, 7 or 1,000", ["48", "clips", "7", "or", "1", "000"]),
        ("今天ok", ["今", "天", "ok"]),
        ("한글 가각", [unicodedata.normalize("NFD", "한글"), unicodedata.normalize("NFD", "가각")]),
        ("snake_case \\frac{1}{2}", ["snake", "case", "frac", "1", "2"]),
        ("", []),
        (" \n?!", []),
    ],
)
def test_words_by_example(text, expected):
    assert ["".join(word) for word in kernel_words(text)] == expected


def test_no_code_point_becomes_more_than_the_room_set_aside_for_it():
    for c in range(0x80, 0x30000):
        if not 0xD800 <= c < 0xE000:
            folded, width = fold(chr(c)), len(chr(c).encode())
            assert len(folded) <= MOST_POINTS * width
            assert len(words(chr(c))) <= MOST_WORDS * width
