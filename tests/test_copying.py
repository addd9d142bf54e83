"""Runs and words written in place, against numpy's own slices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numba.core.errors import TypingError

from tulu_data.kernels.copying import copy, store


@njit(_nrt=False)
def copied(out, at, data, start, size):
    copy(out, at, data, start, size)


@njit(_nrt=False)
def stored(out, at, word):
    store(out, at, word)


@given(st.data(), st.sampled_from([np.uint8, np.uint32, np.int64]), st.integers(0, 300))
def test_a_run_is_copied_and_nothing_beside_it(data, kind, size):
    start, at, room = (data.draw(st.integers(0, 20)) for _ in range(3))
    source = np.arange(7, 7 + start + size + 5).astype(kind)
    source.flags.writeable = False
    out = np.zeros(at + size + room, kind)
    expected = out.copy()
    expected[at : at + size] = source[start : start + size]
    copied(out, at, source, start, size)
    assert out.tolist() == expected.tolist()


@given(st.integers(-(2**63), 2**64 - 1), st.integers(0, 9))
def test_a_word_is_stored_lowest_byte_first_wherever_it_stands(word, at):
    out = np.full(at + 10, 7, np.uint8)
    stored(out, at, np.uint64(word % 2**64) if word >= 0 else np.int64(word))
    assert bytes(out) == b"\x07" * at + (word % 2**64).to_bytes(8, "little") + b"\x07\x07"


def test_numbers_of_two_types_are_not_copied():
    with pytest.raises(TypingError):
        copied(np.zeros(3, np.uint8), 0, np.zeros(3, np.int64), 0, 3)
