"""Digests that are kept: never another than that of the bytes that are there."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.sources.digests import FRESH, SETTLED, WORTH, Digests, sha256_of

LATER = 10 * SETTLED
LARGE = bytes(range(256)) * (WORTH // 256)


class Clock:
    """Tells a time so long after the last change of a file."""

    def __init__(self, path: Path) -> None:
        self.path, self.after = path, LATER

    def __call__(self) -> int:
        seen = self.path.stat()
        return max(seen.st_mtime_ns, seen.st_ctime_ns) + self.after


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    return path


def _kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _poison(folder: Path) -> None:
    """Make every digest that is kept another one, so that a use of it shows."""
    for path in _kept(folder):
        kept = path.read_text("utf-8")
        path.write_text(kept[: kept.index('"sha256"')] + '"sha256": "kept"}', "utf-8")


def test_a_file_that_nobody_touched_is_hashed_once(large: Path, tmp_path: Path) -> None:
    digests = Digests(tmp_path / "kept", Clock(large))
    assert digests.of(large) == hashlib.sha256(LARGE).hexdigest()
    _poison(tmp_path / "kept")
    assert digests.of(large) == "kept"
    assert FRESH.of(large) == sha256_of(large) == hashlib.sha256(LARGE).hexdigest()


def test_the_same_size_and_set_back_times_hide_no_change(large: Path, tmp_path: Path) -> None:
    digests = Digests(tmp_path / "kept", Clock(large))
    seen = large.stat()
    digests.of(large)
    changed = LARGE[:-1] + b"x"
    large.write_bytes(changed)
    os.utime(large, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert large.stat().st_mtime_ns == seen.st_mtime_ns
    assert digests.of(large) == hashlib.sha256(changed).hexdigest()


def test_another_file_in_its_place_is_hashed(large: Path, tmp_path: Path) -> None:
    digests = Digests(tmp_path / "kept", Clock(large))
    digests.of(large)
    other = tmp_path / "other.bin"
    other.write_bytes(LARGE[::-1])
    other.replace(large)
    assert digests.of(large) == hashlib.sha256(LARGE[::-1]).hexdigest()


@pytest.mark.parametrize("after", [-LATER, 0, SETTLED])
def test_what_changed_just_now_is_not_kept(large: Path, tmp_path: Path, after: int) -> None:
    clock = Clock(large)
    clock.after = after
    assert Digests(tmp_path / "kept", clock).of(large) == sha256_of(large)
    assert _kept(tmp_path / "kept") == []


def test_small_files_are_hashed(tmp_path: Path) -> None:
    path = tmp_path / "small.txt"
    path.write_bytes(LARGE[:-1])
    assert Digests(tmp_path / "kept", Clock(path)).of(path) == hashlib.sha256(LARGE[:-1]).hexdigest()
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_takes_nothing_is_done_without(large: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file", "utf-8")
    assert Digests(tmp_path / "kept", Clock(large)).of(large) == sha256_of(large)


@given(
    st.sampled_from(
        ["", "{", "[]", "null", '{"state": []}', '{"sha256": "x"}', '{"state": 3, "sha256": "x"}']
    )
)
def test_what_is_torn_or_foreign_counts_as_absent(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("digests")
    large = folder / "large.bin"
    large.write_bytes(LARGE)
    digests = Digests(folder / "kept", Clock(large))
    digests.of(large)
    (path,) = _kept(folder / "kept")
    path.write_text(text, "utf-8")
    assert digests.of(large) == sha256_of(large)


def test_a_file_that_is_gone_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Digests(tmp_path).of(tmp_path / "gone")
