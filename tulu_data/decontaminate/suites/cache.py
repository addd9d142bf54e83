"""Suites kept beside their files, so that no file is parsed twice.

The one idea: an entry is named by its content (the bytes of every file, and how they are read), so it
is never stale and safe to delete; it is whole, because it is renamed into place. Entries lie in a
folder `.index` beside the suites, or in another folder where that one cannot be written. An entry
takes the place of the one that the same suite had before.
"""

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from tulu_data.decontaminate.suites.fields import INSTANCES

FOLDER = ".index"
"""Folder beside the suites; its name hides it from those who look for data."""

_FACTS = b"facts"
_NEW = ".new-"
_ABANDONED = 3600.0
"""Seconds without a byte after which an unfinished file is nobody's."""


class SuiteCache:
    """Entries of one folder of suites."""

    def __init__(self, beside: Path, instead: Path | None) -> None:
        """Keep entries beside the suites, or in the folder `instead` where that is not possible."""
        self._folders = [beside / FOLDER, *([instead] if instead is not None else [])]

    def table(self, owner: str, key: str) -> tuple[pa.Table, dict[str, Any]] | None:
        """Return the instances that an owner has under a key, memory-mapped, and facts about them."""
        for folder in self._folders:
            path = folder / _name(owner, key)
            try:
                with pa.memory_map(str(path)) as source:
                    table = pa.ipc.open_file(source).read_all()
                facts = json.loads(table.schema.metadata[_FACTS])
            except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
                # Absent, or torn off by a full disk: it is written anew.
                continue
            return table.replace_schema_metadata(None), facts
        return None

    def keep(self, owner: str, key: str, table: pa.Table, facts: Mapping[str, Any]) -> None:
        """Write an entry where it can be written, in place of the owner's older ones."""
        named = table.replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
        for folder in self._folders:
            try:
                write_whole(folder, _name(owner, key), named)
                for old in folder.glob(f"{_digest(owner)}-*.arrow"):
                    if old.name != _name(owner, key):
                        old.unlink(missing_ok=True)
            except OSError:
                continue
            return

    def facts(self, owner: str, key: str) -> dict[str, Any] | None:
        """Return facts that were kept without instances."""
        found = self.table(owner, key)
        return None if found is None else found[1]

    def keep_facts(self, owner: str, key: str, facts: Mapping[str, Any]) -> None:
        """Keep facts alone."""
        self.keep(owner, key, INSTANCES.empty_table(), facts)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


def _name(owner: str, key: str) -> str:
    return f"{_digest(owner)}-{key[:32]}.arrow"


def write_whole(folder: Path, name: str, table: pa.Table) -> None:
    """Write one file whole or not at all: under another name, synced, renamed.

    What a process left that was killed meanwhile is removed after a while.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        # What can be made anew belongs into no repository.
        (folder / ".gitignore").write_text("*\n", "utf-8")
    temporary = folder / f"{_NEW}{os.getpid()}-{threading.get_ident()}-{name}"
    try:
        whole = table.combine_chunks()
        with temporary.open("wb") as sink:
            with pa.ipc.new_file(sink, whole.schema) as writer:
                writer.write_table(whole)
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
