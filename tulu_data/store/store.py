"""The store: a folder of dataset names, each with immutable versions and a log.

`refs/<name>` lists the versions of a name, newest last, one content id a line with its time, so a
name's history survives and the newest is cheap to find; `refs/.tags/<name>` lists what its versions are
called besides. Reading never writes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tulu_data.errors import StoreError, nearest
from tulu_data.store.locks import locked
from tulu_data.store.refs import read_refs
from tulu_data.store.tags import LATEST, Tag, check_tag, read_tags, tagged, write_tags
from tulu_data.store.version import SHORT, Version

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

    def built(self, name: str) -> dict[str, str]:
        """Return when each version of a name was last built, found built already, or pulled; oldest first."""
        return {ref.content_id: ref.time for ref in read_refs(self.root, name)}

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

    def tagged(self, name: str) -> dict[str, list[str]]:
        """Return the tags of every content id of a name that has any."""
        return tagged(self.root, name)

    def resolve(self, ref: str) -> Version:
        """Open `name` (its newest), `name@tag` or `name@prefix`; raise StoreError for no whole version."""
        return Version.open(self.locate(ref))

    def locate(self, ref: str) -> Path:
        """Return the folder of `name`, `name@tag` or `name@prefix`; raise StoreError when it is not one."""
        name, _, word = ref.partition("@")
        ids = self.known_ids(name)
        if not word or word == LATEST:
            return self.root / name / ids[-1]
        tags = read_tags(self.root, name)
        fitting = [tags[word].content_id] if word in tags else [i for i in ids if i.startswith(word)]
        if len(fitting) == 1:
            return self.root / name / fitting[0]
        if fitting:
            raise StoreError(
                f"{ref}: fits {len(fitting)} versions; give more digits of one of {', '.join(fitting)}"
            )
        have = ", ".join(f"{name}@{i[:SHORT]}" for i in ids)
        known = f"; tags: {', '.join(tags)}" if tags else ""
        raise StoreError(
            f"{ref}: no such version of {name!r}{nearest(word, tags)} (the store holds {have}{known})"
        )

    def tag(self, version: Version, tag: str, *, move: bool = False) -> Tag | None:
        """Call a version by a tag and return what the tag stood for before; raise StoreError as `check_tag`.

        A tag that stands for another version stays there unless it is to `move`.
        """
        check_tag(tag)
        with self._changing(version.name):
            tags = read_tags(self.root, version.name)
            before = tags.get(tag)
            if before is not None and before.content_id == version.content_id:
                return before
            if before is not None and not move:
                raise StoreError(
                    f"tag {tag!r}: is {version.name}@{before.content_id[:SHORT]} since {before.time[:10]}; "
                    f"move it to {version.ref} with --move"
                )
            now = datetime.now(UTC).isoformat(timespec="seconds")
            made = Tag(tag=tag, content_id=version.content_id, time=now)
            write_tags(self.root, version.name, tags | {tag: made})
            return before

    def untag(self, name: str, tag: str) -> Tag:
        """Forget a tag and return what it stood for; raise StoreError where there is none."""
        self.known_ids(name)
        with self._changing(name):
            tags = read_tags(self.root, name)
            if tag not in tags:
                known = f" (tags of {name}: {', '.join(tags)})" if tags else f" ({name} has no tags)"
                raise StoreError(f"{name}@{tag}: no such tag{nearest(tag, tags)}{known}")
            write_tags(self.root, name, {word: one for word, one in tags.items() if word != tag})
            return tags[tag]

    @contextmanager
    def _changing(self, name: str) -> Iterator[None]:
        """Hold the writer lock of a name; raise StoreError where the disk refuses."""
        try:
            with locked(self.root, name):
                yield
        except OSError as error:
            raise StoreError(
                f"{error.filename or self.root / name}: cannot be changed ({error.strerror or error}); "
                "the tags are as they were; make the store writable"
            ) from error
