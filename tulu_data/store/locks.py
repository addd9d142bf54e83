"""The writer lock of a name: one process at a time changes its versions, its log and its tags.

The one idea: the kernel holds the lock, so it ends with the process, however that ends. It writes nothing
but the empty file that is locked, and readers never ask for it. Who holds it may ask for it again, so that a
build can hold it from its beginning and what writes for it need not know; another thread may not.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
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
