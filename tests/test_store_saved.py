"""Values of flat arrays come back from disk as they were, or are made anew."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tulu_data.store import saved
from tulu_data.store.saved import Shelf, arrays_of


class Inner(NamedTuple):
    marks: NDArray[np.bool_]
    factor: np.uint64


class Value(NamedTuple):
    known: NDArray[np.uint64]
    none: NDArray[np.int32]
    inner: Inner
    count: int


VALUE = Value(
    np.arange(6, dtype=np.uint64).reshape(3, 2), np.zeros((0, 4), np.int32),
    Inner(np.array([True, False, True]), np.uint64(1 << 63)), 5,
)  # fmt: skip


def kept(folders: list[Path], made: list[int], key: str = "k" * 64) -> Value:
    return Shelf(folders).kept("any", key, Value, lambda: made.append(1) or VALUE, most=1)


def assert_same(value: Value) -> None:
    for (place, array), (_, other) in zip(arrays_of(VALUE), arrays_of(value), strict=True):
        assert np.array_equal(array, other), place
        assert (array.shape, array.dtype) == (other.shape, other.dtype)


def test_a_value_of_any_shape_comes_back_read_only(tmp_path):
    made: list[int] = []
    for _ in range(2):
        value = kept([tmp_path], made)
        assert_same(value)
        assert not value.known.flags.writeable
        assert value.known.flags.c_contiguous
    assert made == [1]
    assert (saved._opened(tmp_path / f"any-{'k' * 32}.arrow", "k" * 64, Value).known[2, 1]) == 5


@pytest.mark.parametrize("left", [0, 1, 500, -1])
def test_a_file_that_is_torn_is_made_anew(tmp_path, left):
    made: list[int] = []
    kept([tmp_path], made)
    (path,) = tmp_path.glob("*.arrow")
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    assert_same(kept([tmp_path], made))
    assert made == [1, 1]
    assert path.read_bytes() == whole


def test_a_value_lies_in_the_first_folder_that_can_be_written_or_in_none(tmp_path):
    made: list[int] = []
    (tmp_path / "file").write_bytes(b"")
    nowhere, there = tmp_path / "file" / "in", tmp_path / "there"
    assert_same(kept([nowhere, there], made))
    assert_same(kept([nowhere, there], made))
    assert made == [1]
    assert_same(kept([nowhere], made))
    assert_same(kept([nowhere], made))
    assert made == [1, 1, 1]


def test_of_a_label_the_files_written_last_stay(tmp_path):
    for key in "abc":
        kept([tmp_path], [], key * 64)
    assert [path.name for path in tmp_path.glob("*.arrow")] == [f"any-{'c' * 32}.arrow"]
