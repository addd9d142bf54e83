"""The sha256 of files, kept so that a file that nobody touched is not hashed again.

The one idea, which is Git's index: what the disk says of a file (which one it is, its size, when its bytes
and when its entry were last changed) stands for its bytes, unless it was changed so shortly before it was
hashed that a further change might carry the same times. A file copied back in place, or with its times set
back, has another time of its entry, which no program can set; Windows has no such time, and there every file
is hashed. Bytes that rot on a disk show in none of these: who wants to know hashes afresh, as `verify` does.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

WORTH = 1 << 20
"""Bytes below which a file is hashed faster than its digest is found."""
SETTLED = 3_000_000_000
"""Nanoseconds after a change from which the next one has other times; FAT counts by two seconds."""


def sha256_of(path: Path) -> str:
    """Hash the bytes of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Digests:
    """Digests of files, kept in a folder; in none, every file is hashed each time."""

    def __init__(self, folder: Path | None, now: Callable[[], int] = time.time_ns) -> None:
        """Keep digests in a folder that is made when the first of them is known."""
        self._folder, self._now = folder, now

    def of(self, path: Path) -> str:
        """Return the sha256 of a file in hexadecimal digits; raise OSError where it cannot be read."""
        before = path.stat()
        if self._folder is None or before.st_size < WORTH or os.name == "nt":
            return sha256_of(path)
        name, state = f"{before.st_dev:x}-{before.st_ino:x}.json", _state(before)
        known = _known(self._folder / name, state)
        if known is not None:
            return known
        begun = self._now()
        found = sha256_of(path)
        if _state(path.stat()) == state and begun - max(before.st_mtime_ns, before.st_ctime_ns) > SETTLED:
            from tulu_data.store.whole import replacing  # a check of specs hashes nothing, and loads no store

            # One that cannot be written does without.
            with suppress(OSError), replacing(self._folder, name) as sink:
                sink.write(json.dumps({"state": state, "sha256": found}).encode())
        return found


FRESH = Digests(None)
"""Hashes every file."""


def state_of(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does; raise OSError where it cannot be looked at."""
    return _state(path.stat())


def _state(seen: os.stat_result) -> tuple[int, ...]:
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def _known(path: Path, state: tuple[int, ...]) -> str | None:
    """Return the digest that was kept of a file in this state."""
    # Absent, torn or foreign: all the same.
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_bytes())
        if kept["state"] == list(state):
            return str(kept["sha256"])
    return None
