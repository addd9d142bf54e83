"""Locks: of a name, whose versions, log and tags one process at a time changes; of a folder in the making.

The one idea: the kernel holds the lock, so it ends with the process, however that ends. It writes nothing
but the empty file that is locked, and readers never ask for it. Who holds it may ask for it again, so that a
build can hold it from its beginning and what writes for it need not know; another thread may not.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from tulu_data.errors import StoreError

LOCK = ".lock"
_HELD: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())
"""Folders whose locks are held here; a thread begins with none."""


@contextmanager
def locked(root: Path, name: str) -> Iterator[Path]:
    """Hold the writer lock of a name and give its folder; raise StoreError where another process has it."""
    parent = root / name
    parent.mkdir(parents=True, exist_ok=True)
    mine = parent.resolve()
    if mine in _HELD.get():
        yield parent
        return
    with (parent / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{parent}: another process is writing {name!r}; wait for it, or build into another --store"
            ) from None
        before = _HELD.set(_HELD.get() | {mine})
        try:
            yield parent
        finally:
            _HELD.reset(before)


@contextmanager
def making(folder: Path) -> Iterator[None]:
    """Let others see that a folder is being made, as long as this process lives and is at it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        # A disk that knows no locks is no reason to make nothing.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def is_making(folder: Path) -> bool | None:
    """Tell whether a process is making a folder; None where the disk does not tell."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    else:
        return False
    finally:
        os.close(handle)
