"""Texts on disk: what was appended is what is mapped, and a full disk is said."""

import resource
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.dedup.pile import Pile, Piled
from tulu_data.errors import StoreError
from tulu_data.kernels.units import Units

PART = st.lists(st.binary(max_size=20), max_size=4)


def laid(texts):
    """Return texts with units of their own: four for each byte, but for the first."""
    text, end = (
        np.frombuffer(b"".join(texts), np.uint8),
        np.cumsum([len(text) for text in texts], dtype=np.int64),
    )
    units = [4 * list(each[1:]) for each in texts]
    ends = np.cumsum([len(each) for each in units], dtype=np.int64)
    flat = np.array([unit for each in units for unit in each], np.uint32)
    return Piled(
        text,
        end - [len(text) for text in texts],
        end,
        Units(flat, ends - [len(each) for each in units], ends),
        np.array([sum(each) for each in texts], np.uint64),
    )


def read(texts):
    """Return texts, and look at what they came with."""
    found = [texts.text[a:b].tobytes() for a, b in zip(texts.begin, texts.end, strict=True)]
    units = [texts.units.units[a:b].tolist() for a, b in zip(texts.units.begin, texts.units.end, strict=True)]
    assert units == [4 * list(each[1:]) for each in found]
    assert texts.results.tolist() == [sum(each) for each in found]
    return found


@contextmanager
def full_after(size):
    """Let files of this process grow to so many bytes alone, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@given(st.lists(PART, max_size=5), st.data())
def test_texts_are_those_that_were_appended_and_not_cut(tmp_path_factory, parts, data):
    with Pile(tmp_path_factory.mktemp("pile")) as pile:
        expected: list = []
        for part in parts:
            pile.append(laid(part))
            expected += part
            assert len(pile) == len(expected)
            if data.draw(st.booleans()):
                keep = data.draw(st.integers(0, len(expected)))
                pile.cut(keep)
                del expected[keep:]
                assert len(pile) == len(expected)
        texts = pile.texts()
        assert read(texts) == expected
        assert texts.texts.first.tolist() == list(range(len(expected) + 1))
        rows = data.draw(st.lists(st.sampled_from(range(len(expected))))) if expected else []
        assert read(texts.chosen(np.array(rows, np.int64))) == [expected[k] for k in rows]


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 30), st.randoms(use_true_random=False))
def test_runs_are_of_about_a_size_and_leave_none_out(sizes, size, rnd):
    ends = np.cumsum([0, *sizes])
    rows = list(range(len(sizes)))
    rnd.shuffle(rows)
    found = list(_texts(ends).runs(np.array(rows, np.int64), size))
    assert [k for a, b in found for k in range(a, b)] == list(range(len(rows)))
    for a, b in found:
        assert b > a
        assert sum(sizes[k] for k in rows[a : b - 1]) <= size
    for (a, b), (_, following) in pairwise(found):
        assert sum(sizes[k] for k in rows[a : min(b + 1, following)]) >= size or b == following


def _texts(ends):
    units = Units(np.zeros(int(ends[-1]), np.uint32), ends[:-1], ends[1:])
    nothing = np.zeros(len(ends) - 1, np.int64)
    return Piled(np.zeros(0, np.uint8), nothing, nothing, units, nothing.astype(np.uint64))


def test_no_file_is_to_be_seen_while_texts_are_held(tmp_path):
    folder = tmp_path / "store" / "cache" / "dedup"
    with Pile(folder) as pile:
        pile.append(laid([b"one", b"two"]))
        assert read(pile.texts()) == [b"one", b"two"]
        assert list(folder.iterdir()) == []
    assert list(folder.iterdir()) == []


FULL = "{}: cannot hold the texts that are compared ({}); make room, or choose another store with --store"


def fill(pile, size):
    for _ in range(20_000):
        pile.append(laid([b"x" * size]))


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_a_full_disk_is_said_and_what_fitted_before_is_still_there(tmp_path, size):
    with Pile(tmp_path) as pile:
        pile.append(laid([b"first"]))
        with full_after(10_000):
            with pytest.raises(StoreError) as caught:
                fill(pile, size)
            pile.cut(1)
            assert len(pile) == 1
        assert str(caught.value) == FULL.format(tmp_path, "File too large")
        pile.append(laid([b"second"]))
        assert read(pile.texts()) == [b"first", b"second"]


def test_a_pile_is_left_while_the_disk_is_full(tmp_path):
    with full_after(10_000), Pile(tmp_path) as pile, pytest.raises(StoreError):
        fill(pile, 100)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_said_word_for_word(tmp_path, monkeypatch):
    with Pile(tmp_path) as pile:

        def write(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pile._units._file, "write", write, raising=True)
        with pytest.raises(StoreError) as caught:
            pile.append(laid([b"one"]))
    assert str(caught.value) == FULL.format(tmp_path, "No space left on device")


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError) as caught:
        Pile(tmp_path / "store" / "cache")
    assert str(caught.value) == FULL.format(tmp_path / "store" / "cache", "Not a directory")
