"""The store: a folder of dataset names, each with immutable versions and a log.

`refs/<name>` lists the versions of a name, newest last, one content id a line with its time, so a
name's history survives and the newest is cheap to find. Reading never writes.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from tulu_data.errors import StoreError, nearest
from tulu_data.store.refs import read_refs
from tulu_data.store.version import Version

STORE_ENV = "TULU_DATA_STORE"


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of dataset versions."""

    root: Path

    @classmethod
    def default(cls, given: Path | None = None) -> "Store":
        """Return the store at `given`, else at $TULU_DATA_STORE, else ./store."""
        return cls(given or Path(os.environ.get(STORE_ENV) or "store"))

    def names(self) -> list[str]:
        """Return the dataset names that have a version, sorted."""
        refs = self.root / "refs"
        names = sorted(p.name for p in refs.iterdir()) if refs.is_dir() else []
        return [name for name in names if not name.startswith(".") and self.ids(name)]

    def ids(self, name: str) -> list[str]:
        """Return the content ids of a name, oldest first; versions that were removed are left out."""
        return [ref.content_id for ref in read_refs(self.root, name)]

    def known_ids(self, name: str) -> list[str]:
        """Return the content ids of a name, oldest first; raise StoreError when there is none."""
        ids = self.ids(name)
        if not ids:
            known = self.names()
            choices = f" (the store holds {', '.join(known)})" if known else " (the store is empty)"
            raise StoreError(f"{self.root}: no dataset {name!r}{nearest(name, known)}{choices}")
        return ids

    def versions(self, name: str) -> list[Version]:
        """Open every version of a name, oldest first."""
        return [Version.open(self.root / name / i) for i in self.ids(name)]

    def latest(self) -> Version | None:
        """Return the version built last over all names, or None in an empty store."""
        newest = [(refs[-1].time, name) for name in self.names() if (refs := read_refs(self.root, name))]
        return self.resolve(max(newest)[1]) if newest else None

    def resolve(self, ref: str) -> Version:
        """Open `name` (its newest) or `name@prefix`; raise StoreError when that is not one version."""
        name, _, prefix = ref.partition("@")
        ids = self.known_ids(name)
        if not prefix or prefix == "latest":
            return Version.open(self.root / name / ids[-1])
        fitting = [i for i in ids if i.startswith(prefix)]
        if len(fitting) == 1:
            return Version.open(self.root / name / fitting[0])
        if fitting:
            raise StoreError(
                f"{ref}: fits {len(fitting)} versions; give more digits of one of {', '.join(fitting)}"
            )
        have = ", ".join(f"{name}@{i[:8]}" for i in ids)
        raise StoreError(f"{ref}: no such version of {name!r} (the store holds {have})")
