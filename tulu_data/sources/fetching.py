"""Bring a file from elsewhere to the disk: resumed where it broke off, whole or not at all.

The one idea: bytes are appended to a file of another name, `.NAME.part`, which stays when the process is
killed or the connection lost, and the next try asks for the rest alone; once all are there they are checked,
synced and renamed. Two processes do not write one part: the second waits and finds the file. It does not know
what the other side speaks: a `Remote` gives the bytes from an offset on.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tulu_data.errors import SourceError
from tulu_data.sources.patience import Patience, Trouble

CHUNK = 1 << 20
"""Bytes that are asked for or written at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A file elsewhere, in one state."""

    name: str
    """How it is told to people; no secret."""
    size: int
    read: Callable[[int], Iterator[bytes]]
    """Gives its bytes from an offset on."""
    trouble: Callable[[Exception], Trouble | None]
    """Says of what reading raised whether another try may do."""
    is_right: Callable[[Path], bool]
    """Tells whether a downloaded file is what it should be, as far as that is known before."""


class ChangedMeanwhileError(Exception):
    """The bytes that arrived are not those that were announced, in two whole downloads."""


def fetch(remote: Remote, target: Path) -> Path:
    """Bring a file to `target`, unless it is there; return `target`.

    Raises SourceError where the disk refuses, ChangedMeanwhileError, and what `read` raises in the end.
    """
    with _part(remote, target) as part:
        if not target.is_file():
            _fill(remote, part, target)
    return target


def part_of(target: Path) -> Path:
    """Name the file that holds what has arrived of a target so far."""
    return target.with_name(f".{target.name}.part")


def _fill(remote: Remote, file: BinaryIO, target: Path) -> None:
    """Append what is missing, check the whole and give it its name."""
    part = part_of(target)
    for _ in range(2):
        _append(remote, file, target)
        if remote.is_right(part):
            with _kept(remote, target):
                os.fsync(file.fileno())
                part.replace(target)
            return
        # What lay there may be of another state of the file; a second, whole download decides.
        file.truncate(0)
    part.unlink(missing_ok=True)
    raise ChangedMeanwhileError(remote.name)


def _append(remote: Remote, file: BinaryIO, target: Path) -> None:
    """Append bytes until all are there."""
    patience = Patience(remote.name)
    while (have := file.seek(0, os.SEEK_END)) != remote.size:
        if have > remote.size:
            file.truncate(0)
            continue
        try:
            for chunk in remote.read(have):
                with _kept(remote, target):
                    file.write(chunk)
                    file.flush()
                patience.progressed()
            failure: Exception = ConnectionError(f"{remote.name}: the answer ended early")
            met: Trouble | None = Trouble("the answer ended early")
        except Exception as error:  # noqa: BLE001 - the remote says which of its errors pass
            failure, met = error, remote.trouble(error)
        if met is not None:
            met = Trouble(f"{met.text} at byte {file.tell():,} of {remote.size:,}", met.after)
        if file.tell() != remote.size and (met is None or not patience.wait(met)):
            raise failure


@contextmanager
def _kept(remote: Remote, target: Path) -> Iterator[None]:
    """Say of errors inside that the disk does not take a file."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{target.parent}: cannot keep {remote.name} ({error.strerror or error}); make room, or the "
            "folder writable, and run the command again: what has arrived is not asked for twice"
        ) from None


@contextmanager
def _part(remote: Remote, target: Path) -> Iterator[BinaryIO]:
    """Open the part of a target, alone."""
    part = part_of(target)
    with _kept(remote, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        opened = part.open("ab")
    with opened as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
        if target.is_file():
            # Another process was faster; this one has opened a part that nobody needs.
            part.unlink(missing_ok=True)
