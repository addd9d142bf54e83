"""A file that is hashed and written past the system's page cache, while the next bytes are being made.

The one idea: a version is written once and read much later, so its gigabytes need not push out what is read
now, nor cost the copies that a page cache makes; and one thread hashes and the disk works while the caller
does. Where a file system does not write so, the file is an ordinary one. What is written is on the disk when
`close` returns. It does not know what it writes.
"""

import errno
import mmap
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from hashlib import sha256
from pathlib import Path
from typing import Self

BLOCK = 4096
"""Size and place of what is written directly are multiples of this."""
PIECE = 1 << 23
"""Bytes that are written at a time."""
_PIECES = 4


class UnbufferedFile:
    """A new file, written from its beginning to its end."""

    def __init__(self, path: Path, pieces: "Pieces") -> None:
        """Create the file; raise OSError where it cannot be, then or in a later call."""
        self._pieces, self._size, self._filled = pieces, 0, 0
        self._under_way: deque[tuple[memoryview, Future[None], Future[None]]] = deque()
        self._digest = sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file, self._is_direct = _opened(path, flags)
        self._piece = pieces.take()

    @property
    def size(self) -> int:
        """Return the bytes that were given so far."""
        return self._size + self._filled

    @property
    def sha256(self) -> str:
        """Return the hash of the bytes, in hexadecimal digits; the file is closed."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> int:
        """Take all of some bytes; raise OSError where those before could not be written."""
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
                self._hand_over()
            while self._under_way:
                self._finish()
            os.ftruncate(self._file, size)
            self._size = size
            os.fsync(self._file)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file as it is; what is not written is lost."""
        if self._file >= 0:
            file, self._file = self._file, -1
            for piece, hashed, written in self._under_way:
                wait((hashed, written))
                self._pieces.give(piece)
            self._under_way.clear()
            self._pieces.give(self._piece)
            os.close(file)

    def _hand_over(self) -> None:
        """Let the piece be hashed and written, in its turn, and go on with another."""
        if len(self._under_way) == _PIECES - 1:
            self._finish()
        piece, begin, count = self._piece, self._size, self._filled
        self._size, self._filled = begin + count, 0
        # The last block of a file is written whole and cut off again.
        whole = -(-count // BLOCK) * BLOCK if self._is_direct else count
        hashed = self._pieces.hasher.submit(self._digest.update, piece[:count])
        written = self._pieces.writer.submit(self._write, piece[:whole], begin)
        self._under_way.append((piece, hashed, written))
        self._piece = self._pieces.take()

    def _write(self, piece: memoryview, begin: int) -> None:
        done = 0
        while done < len(piece):
            count = os.pwrite(self._file, piece[done:], begin + done)
            if self._is_direct and done + count < len(piece):
                count = count // BLOCK * BLOCK
            if not count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done += count

    def _finish(self) -> None:
        """Wait for the first piece that is under way; raise the OSError that it met."""
        piece, hashed, written = self._under_way.popleft()
        try:
            hashed.result()
            written.result()
        finally:
            self._pieces.give(piece)


class Pieces:
    """Memory that pieces are gathered in, and threads that hash and write them: file after file."""

    def __init__(self) -> None:
        # Fresh maps begin at the beginning of a page, as direct writes must.
        self._free = [memoryview(mmap.mmap(-1, PIECE)) for _ in range(_PIECES)]
        self.hasher, self.writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hasher.shutdown()
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
