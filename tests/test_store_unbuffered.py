"""A file written past the page cache holds what an ordinary one would, or says why not."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tulu_data.store import unbuffered
from tulu_data.store.unbuffered import BLOCK, Pieces, UnbufferedFile

SIZES = st.lists(st.integers(0, 3 * BLOCK) | st.sampled_from([BLOCK, BLOCK - 1, BLOCK + 1]), max_size=12)


def write(path: Path, parts: list[bytes]) -> int:
    with Pieces() as pieces:
        file = UnbufferedFile(path, pieces)
        for part in parts:
            assert file.write(part) == len(part)
        file.close()
        assert file.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()
        return file.size


@pytest.mark.parametrize("refuse", [False, True])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sizes=SIZES)
def test_the_file_holds_the_bytes_in_order(tmp_path, monkeypatch, refuse, sizes):
    with monkeypatch.context() as patched:
        patched.setattr(unbuffered, "PIECE", 2 * BLOCK)
        if refuse:
            patched.delattr(os, "O_DIRECT", raising=False)
        parts = [bytes([i % 251]) * size for i, size in enumerate(sizes)]
        path = tmp_path / "file"
        path.unlink(missing_ok=True)
        assert write(path, parts) == sum(sizes)
        assert path.read_bytes() == b"".join(parts)


def test_a_file_system_that_takes_no_direct_writes_gets_ordinary_ones(tmp_path, monkeypatch):
    real, asked = os.open, []

    def refusing(path, flags, *rest):
        asked.append(bool(flags & os.O_DIRECT))
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refusing)
    assert write(tmp_path / "file", [b"abc"]) == 3
    assert asked == [True, False]
    assert (tmp_path / "file").read_bytes() == b"abc"


def test_a_full_disk_is_told_and_the_pieces_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(unbuffered, "PIECE", BLOCK)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Pieces() as pieces:
        monkeypatch.setattr(os, "pwrite", full)
        file = UnbufferedFile(tmp_path / "file", pieces)
        # Many more than there are pieces: the first that fails is told, and not at the end alone.
        with pytest.raises(OSError, match="No space left"):
            file.write(b"x" * (9 * BLOCK))
        file.abandon()
        taken = [pieces.take() for _ in range(unbuffered._PIECES)]
        assert len({id(piece) for piece in taken}) == len(taken)
        with pytest.raises(IndexError):
            pieces.take()
        for piece in taken:
            pieces.give(piece)
        monkeypatch.undo()
        other = UnbufferedFile(tmp_path / "other", pieces)
        other.write(b"y" * (2 * unbuffered.PIECE + 5))
        other.close()
        assert other.size == (tmp_path / "other").stat().st_size == 2 * unbuffered.PIECE + 5


def test_a_write_that_takes_half_of_a_piece_goes_on_at_a_block(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(
        os,
        "pwrite",
        lambda file, data, at: real(file, data[: max(BLOCK, len(data) // 2 // BLOCK * BLOCK)], at),
    )
    data = os.urandom(5 * BLOCK + 17)
    write(tmp_path / "file", [data])
    assert (tmp_path / "file").read_bytes() == data
