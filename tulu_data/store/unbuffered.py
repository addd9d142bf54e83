"""A file that is written past the system's page cache, while the next bytes are being made.

The one idea: a version is written once and read much later, so its gigabytes need not push out what is read
now, nor cost the copies that a page cache makes; and the disk works while the caller does. Where a file
system does not write so, the file is an ordinary one. What is written is on the disk when `close` returns.
It does not know what it writes.
"""

import errno
import mmap
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

BLOCK = 4096
"""Size and place of what is written directly are multiples of this."""
PIECE = 1 << 23
"""Bytes that are written at a time."""
_PIECES = 3


class UnbufferedFile:
    """A new file, written from its beginning to its end."""

    def __init__(self, path: Path, pieces: "Pieces") -> None:
        """Create the file; raise OSError where it cannot be, then or in a later call."""
        self._pieces, self._size, self._filled = pieces, 0, 0
        self._written: Future[None] | None = None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file, self._is_direct = _opened(path, flags)
        self._piece = pieces.take()

    @property
    def size(self) -> int:
        """Return the bytes that were given so far."""
        return self._size + self._filled

    def write(self, data: bytes) -> int:
        """Take all of some bytes."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            count = min(len(self._piece) - self._filled, len(view) - done)
            self._piece[self._filled : self._filled + count] = view[done : done + count]
            self._filled += count
            done += count
            if self._filled == len(self._piece):
                self._hand_over()
        return len(view)

    def close(self) -> None:
        """Write what is left and wait until all of it is on the disk."""
        try:
            size = self.size
            if self._filled:
                if self._is_direct:
                    # The last block is written whole and cut off again.
                    self._filled = -(-self._filled // BLOCK) * BLOCK
                self._hand_over()
            self._wait()
            os.ftruncate(self._file, size)
            self._size = size
            os.fsync(self._file)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file as it is; what is not written is lost."""
        if self._file >= 0:
            file, self._file = self._file, -1
            if self._written is not None:
                self._written.exception()
            self._pieces.give(self._piece)
            os.close(file)

    def _hand_over(self) -> None:
        """Let the piece be written, in its turn, and go on with another."""
        self._wait()
        piece, begin, end = self._piece, self._size, self._size + self._filled
        self._size, self._filled = end, 0
        self._piece = self._pieces.take()
        self._written = self._pieces.writer.submit(self._write, piece, begin, end)

    def _write(self, piece: memoryview, begin: int, end: int) -> None:
        try:
            at = begin
            while at < end:
                done = os.pwrite(self._file, piece[at - begin : end - begin], at)
                if self._is_direct and at + done < end:
                    done = done // BLOCK * BLOCK
                if not done:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                at += done
        finally:
            self._pieces.give(piece)

    def _wait(self) -> None:
        """Wait for the piece before; raise the OSError that it met."""
        if self._written is not None:
            self._written.result()


class Pieces:
    """Memory that pieces are gathered in, and the thread that writes them: for one file after another."""

    def __init__(self) -> None:
        # Fresh maps begin at the beginning of a page, as direct writes must.
        self._free = [memoryview(mmap.mmap(-1, PIECE)) for _ in range(_PIECES)]
        self.writer = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.shutdown()

    def take(self) -> memoryview:
        """Return a piece that nobody uses."""
        return self._free.pop()

    def give(self, piece: memoryview) -> None:
        """Take a piece back."""
        self._free.append(piece)


def _opened(path: Path, flags: int) -> tuple[int, bool]:
    """Open a file for direct writes where its file system takes them; tell whether it does."""
    direct = getattr(os, "O_DIRECT", 0)
    if direct:
        try:
            return os.open(path, flags | direct, 0o666), True
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
            path.unlink(missing_ok=True)  # Some file systems make the file before they refuse.
    return os.open(path, flags, 0o666), False
