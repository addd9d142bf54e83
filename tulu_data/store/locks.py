"""The writer lock of a name: one process at a time changes its versions, its log and its tags.

The one idea: the kernel holds the lock, so it ends with the process, however that ends. It writes nothing
but the empty file that is locked, and readers never ask for it.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tulu_data.errors import StoreError

LOCK = ".lock"


@contextmanager
def locked(root: Path, name: str) -> Iterator[Path]:
    """Hold the writer lock of a name and give its folder; raise StoreError where another process has it."""
    parent = root / name
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{parent}: another process is writing {name!r}; wait for it, or build into another --store"
            ) from None
        yield parent
