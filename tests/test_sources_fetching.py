"""Downloads that break off: whatever happens, the whole file or none, and no byte twice."""

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.errors import SourceError
from tulu_data.sources.fetching import ChangedMeanwhileError, Remote, fetch, part_of
from tulu_data.sources.patience import LONGEST, WAITS, Patience, Trouble

DATA = bytes(range(200))


class DroppedError(Exception):
    """A lost connection."""


def remote(drops: list[int], asked: list[int], right: bytes = DATA) -> Remote:
    """Give the data, breaking off after so many bytes of each try."""

    def read(start: int) -> Iterator[bytes]:
        asked.append(start)
        stop = start + drops.pop(0) if drops else len(DATA)
        for at in range(start, min(stop, len(DATA)), 7):
            yield DATA[at : min(at + 7, stop)]
        if stop < len(DATA):
            raise DroppedError

    return Remote(
        name="x", size=len(DATA), read=read, is_right=lambda path: path.read_bytes() == right,
        trouble=lambda error: Trouble("lost") if isinstance(error, DroppedError) else None,
    )  # fmt: skip


@given(st.lists(st.integers(1, 60), max_size=12))
def test_whatever_breaks_off_no_byte_is_asked_for_twice(drops: list[int]) -> None:
    asked: list[int] = []
    with tempfile.TemporaryDirectory() as folder, mock.patch("time.sleep"):
        target = fetch(remote(list(drops), asked), Path(folder) / "deep" / "file")
        assert target.read_bytes() == DATA
        assert [path.name for path in target.parent.iterdir()] == ["file"]
    starts = [0]
    for drop in drops:
        starts.append(starts[-1] + drop)
    assert asked == [start for start in starts if start < len(DATA)]


def test_who_gives_nothing_is_given_up_after_some_growing_waits(tmp_path: Path) -> None:
    asked: list[int] = []
    with mock.patch("time.sleep") as sleep, pytest.raises(DroppedError):
        fetch(remote([50, *[0] * 50], asked), tmp_path / "file")
    assert [call.args[0] for call in sleep.call_args_list] == list(WAITS)
    assert asked == [0, *[50] * len(WAITS)]
    assert part_of(tmp_path / "file").read_bytes() == DATA[:50]


def test_bytes_that_are_wrong_twice_are_refused_and_not_kept(tmp_path: Path) -> None:
    asked: list[int] = []
    with pytest.raises(ChangedMeanwhileError):
        fetch(remote([], asked, right=b"other"), tmp_path / "file")
    assert asked == [0, 0]
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_fetch_a_file_once(tmp_path: Path) -> None:
    asked: list[int] = []
    threads = [threading.Thread(target=fetch, args=(remote([], asked), tmp_path / "file")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [0]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"no folder")
    with pytest.raises(
        SourceError, match=r"cannot keep x \(File exists\); make room, or the folder writable"
    ):
        fetch(remote([], []), tmp_path / "cache" / "file")
    with (
        mock.patch("os.fsync", side_effect=OSError(28, os.strerror(28))),
        pytest.raises(SourceError) as error,
    ):
        fetch(remote([], []), tmp_path / "file")
    assert "cannot keep x (No space left on device)" in str(error.value)
    assert not (tmp_path / "file").exists()


def test_what_the_other_side_asks_to_wait_is_obeyed_up_to_a_bound() -> None:
    with mock.patch("time.sleep") as sleep:
        assert Patience("x").wait(Trouble("busy", after=30))
        assert not Patience("x").wait(Trouble("busy", after=LONGEST + 1))
    assert [call.args[0] for call in sleep.call_args_list] == [30]
