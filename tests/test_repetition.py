"""Repetition as the kernel measures it, against the definitions in plain Python."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_reference import EVERY

from tulu_data.kernels.folding import folding
from tulu_data.kernels.repetition import DUPLICATE, LONGEST, MEASURES, TOP, repetition
from tulu_data.kernels.words import MOST_POINTS, next_word

Word = tuple[tuple[int, ...], int, int]


def words_of(text: str) -> list[Word]:
    """Return the words of a text, each with its first character and the one behind it."""
    data = np.frombuffer(text.encode(), np.uint8)
    out = np.zeros(MOST_POINTS * len(data) + 2, np.int32)
    found, i, part = [], 0, 0
    while True:
        _, first, stop, i, part = next_word(data, i, part, len(data), folding(), out)
        if first < 0:
            return found
        start, end = (len(data[:at].tobytes().decode()) for at in (first, stop))
        found.append((tuple(out[1 : out[0] + 1].tolist()), start, end))


def units(text: str, words: list[Word], blank: bool) -> list[list[Word]]:
    """Part words at line ends, or at blank lines alone."""
    parts: list[list[Word]] = [[words[0]]]
    for before, word in pairwise(words):
        between = text[before[2] : word[1]]
        lines = between.split("\n")
        parted = any(not line.strip(" \t\r\x0b\x0c" + "".join(map(chr, range(32)))) for line in lines[1:-1])
        if parted if blank else len(lines) > 1:
            parts.append([])
        parts[-1].append(word)
    return parts


def covered(spans: list[tuple[int, int]]) -> int:
    return len({at for start, end in spans for at in range(start, end)})


def measured(text: str) -> dict[str, float]:
    """Measure a text by the definitions."""
    found = dict.fromkeys(MEASURES, 0.0)
    words = words_of(text)
    if len(words) < 2:
        return found
    whole = words[-1][2] - words[0][1]
    for name, blank in (("line", False), ("paragraph", True)):
        parts = units(text, words, blank)
        said = [tuple(word[0] for word in part) for part in parts]
        again = [part for at, part in enumerate(parts) if said[at] in said[:at]]
        found[f"duplicate_{name}s"] = len(again) / len(parts)
        found[f"duplicate_{name}_characters"] = sum(p[-1][2] - p[0][1] for p in again) / whole
    for n in (*TOP, *DUPLICATE):
        runs = [tuple(word[0] for word in words[at : at + n]) for at in range(len(words) - n + 1)]
        spans = [(words[at][1], words[at + n - 1][2]) for at in range(len(runs))]
        counts = Counter(runs)
        most = max(counts.values(), default=0)
        if n in DUPLICATE:
            again = [span for at, span in enumerate(spans) if runs[at] in runs[:at]]
            found[f"duplicate_{n}_grams"] = covered(again) / whole
        elif most > 1:
            tops = {run for run, count in counts.items() if count == most}
            found[f"top_{n}_gram"] = max(
                covered([span for span, run in zip(spans, runs, strict=True) if run == top]) / whole
                for top in tops
            )
    return found


def by_kernel(*texts: str) -> list[dict[str, float]]:
    data = [text.encode() for text in texts]
    ends = np.cumsum([len(one) for one in data])
    text = np.frombuffer(b"".join(data), np.uint8)
    _, shares = repetition(text, np.concatenate([[0], ends[:-1]]), ends)
    return [dict(zip(MEASURES, row, strict=True)) for row in shares.tolist()]


few = st.lists(
    st.sampled_from(["a", "b", "cc", "dd-d", "é", "字", "\n", "\n\n", " \n \n", "\n-\n"]), max_size=60
)
many = st.text(alphabet=EVERY + "\n", max_size=50)


@given(st.lists(st.one_of(few.map(" ".join), few.map("".join), many), min_size=1, max_size=4))
def test_the_kernel_measures_what_the_definitions_say(texts: list[str]) -> None:
    for text, found in zip(texts, by_kernel(*texts), strict=True):
        assert found == pytest.approx(measured(text), abs=1e-12)


limit = st.one_of(st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.floats(0, 1))


@given(
    st.lists(st.one_of(few.map(" ".join), few.map("".join), many), min_size=1, max_size=6),
    st.lists(limit, min_size=len(MEASURES), max_size=len(MEASURES)),
    st.integers(0, 20),
)
def test_what_is_above_a_limit_is_found_whatever_is_left_unmeasured(
    texts: list[str], limits: list[float], least: int
) -> None:
    every, most = by_kernel(*texts), np.array(limits)
    data = [text.encode() for text in texts]
    ends = np.cumsum([len(one) for one in data])
    begins = np.concatenate([[0], ends[:-1]])
    words, shares = repetition(np.frombuffer(b"".join(data), np.uint8), begins, ends, most, least)
    for text, whole, count, found in zip(texts, every, words, shares, strict=True):
        assert count == len(words_of(text))
        if count >= least:
            above = {name for name, one in zip(MEASURES, limits, strict=True) if whole[name] > one}
            said = dict(zip(MEASURES, found.tolist(), strict=True))
            assert {name for name, one in zip(MEASURES, limits, strict=True) if said[name] > one} == above
            assert {name: said[name] for name in above} == {name: whole[name] for name in above}


def test_ordinary_text_is_left_unmeasured_where_there_are_limits() -> None:
    prose = " ".join(f"word{i} of the" for i in range(200)).encode()
    place = np.zeros(1, np.int64), np.array([len(prose)])
    limits = np.full(len(MEASURES), 0.5)
    for most, is_measured in ((None, True), (limits, False)):
        _, shares = repetition(np.frombuffer(prose, np.uint8), *place, most)
        assert bool(shares.any()) == is_measured


def test_a_loop_is_nearly_all_repeated_and_prose_is_not() -> None:
    loop, prose = by_kernel(
        "The cat sat on the mat and looked at me. " * 20, " ".join(f"word{i} and" for i in range(200))
    )
    assert min(loop[f"duplicate_{n}_grams"] for n in DUPLICATE) > 0.9
    assert loop["top_2_gram"] == pytest.approx(10 / 41, abs=0.01)
    assert max(prose[f"duplicate_{n}_grams"] for n in DUPLICATE) == 0


def test_of_a_very_long_text_the_beginning_is_measured() -> None:
    once = " ".join(f"w{i}" for i in range(LONGEST // 5))
    (found,) = by_kernel(f"{once} {once}")
    assert len(once) > LONGEST
    assert found["duplicate_10_grams"] == 0


def test_no_texts_and_texts_without_words_are_measured_as_nothing() -> None:
    assert repetition(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))[0].tolist() == []
    assert [set(found.values()) for found in by_kernel("", "---\n---\n---", "one")] == [{0.0}] * 3
