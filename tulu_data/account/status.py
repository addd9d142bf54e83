"""Is what a spec stands for built, and if not, why: keys, files, pins, stored versions, code.

The one idea: the newest version of the spec's name says what it was made of, and that is compared with what
a build would read now, by the same hashes. Queries of files here are run. No network is asked, no record is
read, and nothing is written but digests of files, which the store keeps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tulu_data.account.anew import Anew, what_anew
from tulu_data.account.changes import KeyChange, key_changes, renamed
from tulu_data.account.inputs import InputChange, Looked, Place, input_changes, look, other_inputs
from tulu_data.account.rebuild import moved_steps
from tulu_data.errors import SpecError, StoreError, TuluDataError
from tulu_data.mix.pins import pins_of, version_names
from tulu_data.mix.recipe import inputs_id, recipe_id, resolved_spec
from tulu_data.sources.cache import normalised
from tulu_data.sources.location import names_version
from tulu_data.sources.reading import Reading
from tulu_data.specs.document import read_document
from tulu_data.specs.mixture import MixtureFile, read_mixture
from tulu_data.specs.uris import HUB, SQL, is_pinned
from tulu_data.store import Store, Version
from tulu_data.store.refs import find_built

State = Literal["built", "stale", "never built", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of one spec."""

    path: Path
    file: MixtureFile | None
    """None where the spec cannot be read."""
    state: State
    version: Version | None = None
    """The newest of its name."""
    built: str | None = None
    """Content id of an older version that this spec made of these very inputs."""
    problems: tuple[str, ...] = ()
    """Why a build would stop: mistakes of the spec, sources and versions that cannot be had."""
    keys: tuple[KeyChange, ...] = ()
    inputs: tuple[InputChange, ...] = ()
    moved: tuple[str, ...] = ()
    """Stored versions that are others now."""
    unpinned: tuple[str, ...] = ()
    """Sources elsewhere that the lock has no fitting pin for; a build would ask for them."""
    unasked: tuple[str, ...] = ()
    """Queries of databases elsewhere; a build runs them and compares."""
    code: tuple[str, ...] = ()
    """Steps whose code gives other results since."""
    anew: Anew | None = None
    kept: tuple[int, int] = (0, 0)
    """Files that the cache has as they are read, of all that are here."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "spec": str(self.path), "name": self.file.mixture.name if self.file else None,
            "state": self.state, "version": self.version.ref if self.version else None, "built": self.built,
            "problems": list(self.problems), "keys": [change.to_dict() for change in self.keys],
            "inputs": [asdict(change) for change in self.inputs], "moved": list(self.moved),
            "unpinned": list(self.unpinned), "unasked": list(self.unasked), "code": list(self.code),
            "anew": asdict(self.anew) if self.anew else None,
            "cache": {"kept": self.kept[0], "files": self.kept[1]},
        }  # fmt: skip


def status(path: Path, base: Path, store: Store) -> Status:
    """Compare a spec with the newest version of its name."""
    try:
        file = read_mixture(path)
    except SpecError as error:
        return Status(path=path, file=None, state="broken", problems=error.problems)
    now = _Now(file, base, store)
    newest = _newest(store, file.mixture.name)
    problems = tuple(now.problems())
    found = Status(
        path=path, file=file, state="never built", unpinned=tuple(now.unpinned), problems=problems,
        unasked=tuple(now.unasked()), kept=now.kept(),
    )  # fmt: skip
    if newest is None:
        return found
    before = read_document(newest.path / "spec.yaml").data
    moved = tuple(now.moved(newest))
    keys = tuple(
        change for change in key_changes(before, now.spec(newest)) if not now.explains(change, moved)
    )
    inputs = tuple(input_changes(file.mixture, newest.manifest, now.place, now.looked, renamed(keys)))
    code = tuple(moved_steps(newest.manifest))
    is_same = not (keys or inputs or moved or code or problems or now.unpinned)
    older = None if is_same else now.built()
    return replace(
        found, state="built" if is_same or older else "stale", version=newest, built=older, keys=keys,
        inputs=inputs, moved=moved, code=code,
        anew=None if is_same else what_anew(file.mixture, keys, inputs, code),
    )  # fmt: skip


def _newest(store: Store, name: str) -> Version | None:
    """Open the newest whole version of a name."""
    for content_id in reversed(store.ids(name)):
        try:
            return Version.open(store.root / name / content_id)
        except StoreError:
            continue
    return None


class _Now:
    """What a spec reads now, found without a network."""

    def __init__(self, file: MixtureFile, base: Path, store: Store) -> None:
        self.file, self.base, self.store, self.mixture = file, base, store, file.mixture
        self.pins = pins_of(file)
        self.place = Place(base=base, store=store, pins=self.pins, offline=True)
        self.looked: Mapping[str, Looked] = look(self.mixture, self.place)
        pinned = [name for name, source in self.mixture.sources.items() if is_pinned(source.uri)]
        self.unpinned = [name for name in pinned if name not in self.pins]
        self.versions: dict[str, Version] = {}
        self.lost: list[str] = []
        for ref in version_names(file, base):
            try:
                self.versions[ref] = store.resolve(ref)
            except StoreError as error:
                self.lost.append(str(error))
        self.others: list[tuple[str, str, str]] | None = None
        """What is read besides sources; None where it cannot be had."""
        try:
            self.others = list(other_inputs(self.mixture, self.place))
        except TuluDataError as error:
            self.lost.append(str(error).splitlines()[0])

    def problems(self) -> Iterator[str]:
        """Yield what a build could not have; what is pinned elsewhere it would fetch."""
        for name, one in self.looked.items():
            if one.why and not one.is_elsewhere:
                update = f"; bring back what it reads, or: {self._update(name)}" if one.files else ""
                yield f"source {name}: {one.why}{update}"
        yield from (text for text in self.lost if not any(text in one for one in self._whys()))

    def _update(self, name: str) -> str:
        """Return the command that moves the pin of a source."""
        return f"tulu-data lock {self.file.path} --update {name}"

    def unasked(self) -> Iterator[str]:
        """Yield the queries whose databases are elsewhere; a build runs them."""
        for name, one in self.looked.items():
            if one.is_elsewhere and self.mixture.sources[name].uri.startswith(SQL):
                yield name

    def _whys(self) -> list[str]:
        return [one.why for one in self.looked.values() if one.why]

    def spec(self, like: Version) -> dict[str, object]:
        """Return the spec with what is known of its pins; what is not known stays as in a version."""
        before = {source.name: source.revision for source in like.manifest.sources}
        revisions = self._revisions()
        for name, source in self.mixture.sources.items():
            if name not in revisions and (source.uri.startswith(HUB) or names_version(source.uri, self.base)):
                revisions[name] = before.get(name) or "?"
        known = {ref: self.versions.get(ref, like) for ref in version_names(self.file, self.base)}
        return resolved_spec(self.mixture, revisions, known)

    def _revisions(self) -> dict[str, str]:
        """Return commits and content ids by source, as far as they are known."""
        sources = self.mixture.sources
        commits = {n: pin.revision for n, pin in self.pins.items() if sources[n].uri.startswith(HUB)}
        stored = {n: self.versions[s.uri].content_id for n, s in sources.items() if s.uri in self.versions}
        return commits | stored

    def moved(self, newest: Version) -> Iterator[str]:
        """Yield the stored versions that are others than when a version was built."""
        lock: Any = read_document(newest.path / "lock.yaml").data
        for ref, was in (lock.get("versions") or {}).items():
            now = self.versions.get(ref)
            if now is not None and now.content_id != was:
                yield f"{ref} was {was[:8]}, is {now.content_id[:8]}"

    def explains(self, change: KeyChange, moved: tuple[str, ...]) -> bool:
        """Tell whether a key differs because a stored version has moved, which is said already."""
        if not moved:
            return False
        match change.path:
            case ("sources", name, "uri"):
                return any(text.startswith(f"{self.mixture.sources[str(name)].uri} ") for text in moved)
            case ("steps", _, "against"):
                names = [{str(ref).partition("@")[0] for ref in one} for one in (change.before, change.after)]
                return names[0] == names[1]
        return False

    def built(self) -> str | None:
        """Return the content id that this very spec made of these very inputs, if it is there."""
        if (
            self.unpinned
            or self.lost
            or self.others is None
            or any(one.files is None for one in self.looked.values())
        ):
            return None
        read = [(name, f.origin, f.sha256) for name, one in self.looked.items() for f in one.files or ()]
        recipe = recipe_id(self.mixture, self._revisions(), self.versions)
        return find_built(
            self.store.root,
            self.mixture.name,
            recipe,
            inputs_id([*read, *self.others]),
        )

    def kept(self) -> tuple[int, int]:
        """Count the files that the cache has as they are read, and those that are here."""
        cache = self.store.root / "cache" / "normalised"
        found: dict[tuple[str, Reading], bool] = {}
        for name, one in self.looked.items():
            reading = Reading.of(self.mixture.kind, self.mixture.sources[name])
            for file in one.files or ():
                if (file.origin, reading) not in found:
                    found[file.origin, reading] = normalised(file, reading, cache) is not None
        return sum(found.values()), len(found)
