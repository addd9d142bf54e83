"""Suites kept beside their files, so that no file is parsed twice.

The one idea: an entry is named by its content (the bytes of every file, and how they are read), so it
is never stale and safe to delete; it is whole, because it is renamed into place. Entries lie in a
folder `.index` beside the suites, or in another folder where that one cannot be written. An entry
takes the place of the one that the same suite had before.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from tulu_data.decontaminate.suites.fields import INSTANCES
from tulu_data.store.whole import write_whole

FOLDER = ".index"
"""Folder beside the suites; its name hides it from those who look for data."""

_FACTS = b"facts"


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
