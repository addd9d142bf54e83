"""Files that can be made anew, each written whole or not at all.

The one idea: a file is written under another name, synced and renamed into place, so that a reader finds all
of it or none; what a process left that was killed meanwhile is removed after a while. It does not know what
the files are for.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

_NEW = ".new-"
_ABANDONED = 3600.0
"""Seconds without a byte after which an unfinished file is nobody's."""


def write_whole(folder: Path, name: str, table: pa.Table) -> None:
    """Write one Arrow file whole or not at all."""
    whole = table.combine_chunks()
    with replacing(folder, name) as sink, pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole)


@contextmanager
def replacing(folder: Path, name: str) -> Iterator[BinaryIO]:
    """Yield what takes the place of a file when all of it was written: under another name, synced, renamed.

    What a process left that was killed meanwhile is removed after a while.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        # What can be made anew belongs into no repository.
        (folder / ".gitignore").write_text("*\n", "utf-8")
    temporary = folder / f"{_NEW}{os.getpid()}-{threading.get_ident()}-{name}"
    try:
        with temporary.open("wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(folder / name)
    finally:
        temporary.unlink(missing_ok=True)
        _remove_torn(folder)


def _remove_torn(folder: Path) -> None:
    """Remove unfinished files at which nobody can be writing any more."""
    for path in folder.glob(f"{_NEW}*"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _ABANDONED:
                path.unlink()
