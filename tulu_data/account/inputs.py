"""What a spec reads, as it is now, beside what a version was made of.

The one idea: every file is hashed and compared with what the version recorded; a file that is gone, one that
changed and one that is new are told apart, each with its source. It decides nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tulu_data.decontaminate import find_suites
from tulu_data.errors import TuluDataError
from tulu_data.filters import models_asked
from tulu_data.sources.digests import Digests, sha256_of
from tulu_data.sources.files import SourceFile
from tulu_data.sources.location import resolve_source
from tulu_data.sources.query import asks_server
from tulu_data.specs.document import read_document
from tulu_data.specs.lock import SourcePin
from tulu_data.specs.mixture import Mixture
from tulu_data.specs.source import Source
from tulu_data.specs.steps import DecontaminateStep
from tulu_data.specs.uris import HUB, SQL, is_pinned, without_revision
from tulu_data.store import Manifest, SourceEntry, Store, Version

Files = Mapping[str, str]
"""Sha256 by origin."""
RESULT = "the result of its query"
"""Stands for the origin of what a query gives, which is named by its bytes."""
_SHORT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChange:
    """One file that is not what it was when a version was built."""

    role: str
    """`source NAME`, `suite`, `decisions`, `tokenizer` or `model`."""
    origin: str
    was: str | None
    """Its sha256 when the version was built; None where it was not there."""
    now: str | None
    """Its sha256 now; None where it is not there."""
    why: str | None = None
    """Why a build cannot have it, where that is so."""

    def __str__(self) -> str:
        """Say in one line what became of it."""
        if self.now is None:
            return f"{self.role}: {self.origin} is gone" + (f" ({self.why})" if self.why else "")
        if self.was is None:
            return f"{self.role}: {self.origin} is new ({self.now[:8]})"
        return f"{self.role}: {self.origin} changed ({self.was[:8]} -> {self.now[:8]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the inputs of a spec are looked for."""

    base: Path
    store: Store
    pins: Mapping[str, SourcePin]
    """Of hub sources, by name."""
    offline: bool
    digests: Digests | None = None
    """Of files; those that the store keeps, where none are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a source is now."""

    files: tuple[SourceFile, ...] | None
    """None where it cannot be had."""
    why: str | None = None
    """Why not, or why a build would refuse what is there."""
    is_elsewhere: bool = False
    """It could not be asked offline, so it is what its pin says."""


def own_pins(version: Version, mixture: Mixture) -> dict[str, SourcePin]:
    """Return the pins that a version was built with, as answers to its own spec, which names commits."""
    lock: Any = read_document(version.path / "lock.yaml").data
    pins = {name: SourcePin.model_validate_json(dumps(pin)) for name, pin in lock.get("pins", {}).items()}
    return {
        name: pin.model_copy(
            update={"wanted": mixture.sources[name].revision or "main", "uri": mixture.sources[name].asked}
        )
        for name, pin in pins.items()
    }


def look(mixture: Mixture, place: Place) -> dict[str, Looked]:
    """Find and hash the files of every source; sources that ask for the same are looked for once."""
    asked: dict[object, Looked] = {}
    found: dict[str, Looked] = {}
    for name, source in mixture.sources.items():
        question = source.asked, source.revision, source.config, source.split, source.adapter == "threads"
        if question not in asked:
            asked[question] = _look(name, source, place)
        found[name] = asked[question]
    return found


def _look(name: str, source: Source, place: Place) -> Looked:
    """Find the files of a source; the result of a query is what it gives now, whatever its pin says."""
    is_query = source.uri.startswith(SQL)
    pins = {} if is_query else place.pins
    try:
        files = resolve_source(
            name, source, base=place.base, store=place.store, pins=pins, offline=place.offline,
            digests=place.digests,
        ).files  # fmt: skip
    except TuluDataError as error:
        said = str(error).removeprefix(f"sources.{name}.uri: ").splitlines()[0]
        asks = asks_server(source.attach) if is_query else is_pinned(source.uri)
        return Looked(files=None, why=said, is_elsewhere=place.offline and asks)
    pin = place.pins.get(name)
    if is_query and pin is not None and pin.files[0].sha256 != files[0].sha256:
        moved = f"{pin.files[0].sha256[:_SHORT]} -> {files[0].sha256[:_SHORT]}"
        seen = ", ".join(what.partition(":")[2] or what for _, what in sorted(source.attach.items()))
        return Looked(files=files, why=f"the lock pins another result of its query ({moved}), of {seen}")
    return Looked(files=files)


def input_changes(
    mixture: Mixture,
    manifest: Manifest,
    place: Place,
    looked: Mapping[str, Looked],
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> list[InputChange]:
    """Compare what the spec reads now with what a version was made of; sources that both have.

    `renamed` gives sources that have another name now.
    """
    found = list(source_changes(manifest, place, looked, renamed))
    return found + list(_other_changes(mixture, manifest, place))


def source_changes(
    manifest: Manifest,
    place: Place,
    looked: Mapping[str, Looked],
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[InputChange]:
    """Compare the files of sources with those that a version was made of."""
    for entry in manifest.sources:
        name = renamed.get(entry.name, entry.name)
        if name in looked:
            yield from _source_changes(name, entry, looked[name], place)


def _source_changes(name: str, before: SourceEntry, looked: Looked, place: Place) -> Iterator[InputChange]:
    """Compare the files of one source with what they were; one elsewhere that is not here is as pinned."""
    role, was = f"source {name}", files_of(before)
    pin = place.pins.get(name)
    if looked.files is not None:
        now = {_file_name(file.origin): file.sha256 for file in looked.files}
    elif looked.is_elsewhere and pin is not None:
        now = {_origin(pin, file.path, was): file.sha256 for file in pin.files}
    else:
        now = _still_there(was, place.base)
    yield from changed(role, was, now, looked.why)


def files_of(source: SourceEntry) -> dict[str, str]:
    """Return the sha256 of the files of a source, by what tells them from each other."""
    return {_file_name(file.origin): file.sha256 for file in source.files}


def _file_name(origin: str) -> str:
    """Return what tells a file from others of its source: that of a query is one file, whatever it holds."""
    return RESULT if origin.startswith(SQL) else origin


def _origin(pin: SourcePin, path: str, was: Files) -> str:
    """Return how records name a pinned file: on the hub by the commit, in a bucket as they did before."""
    if pin.uri.startswith(HUB):
        owner = next((origin.partition("@")[0] for origin in was), without_revision(pin.uri))
        return f"{owner}@{pin.revision}/{path}"
    if pin.uri.startswith(SQL):
        return RESULT
    return next((origin for origin in was if origin.endswith(f"/{path}")), path)


def changed(role: str, was: Files, now: Files, why: str | None = None) -> Iterator[InputChange]:
    """Yield the files that are not what they were, by origin."""
    for origin in sorted({*was, *now}):
        before, after = was.get(origin), now.get(origin)
        if before != after:
            yield InputChange(role=role, origin=origin, was=before, now=after, why=why)


def _still_there(was: Files, base: Path) -> dict[str, str]:
    """Hash the files of a source that as a whole cannot be had, as far as they lie on the disk."""
    return {origin: sha256_of(base / origin) for origin in was if (base / origin).is_file()}


def _other_changes(mixture: Mixture, manifest: Manifest, place: Place) -> Iterator[InputChange]:
    """Compare suites, decisions, tokenizer and models; a version of an early build does not name them."""
    if not manifest.step_versions:
        return
    for role, find in _OTHERS.items():
        was = {one.origin: one.sha256 for one in manifest.inputs if one.role == role}
        try:
            yield from changed(role, was, find(mixture, place))
        except TuluDataError as error:
            yield from changed(role, was, {}, str(error).splitlines()[0])


def _suites(mixture: Mixture, place: Place) -> Files:
    """Hash the eval suites of every step, with how they are read."""
    return {
        origin: key
        for step in mixture.steps
        if isinstance(step, DecontaminateStep)
        for path in step.against
        for origin, key in find_suites([path], place.base, offline=place.offline).inputs()
    }


def _decisions(mixture: Mixture, place: Place) -> Files:
    """Hash the files of decisions."""
    paths = [step.decisions for step in mixture.steps if isinstance(step, DecontaminateStep)]
    return {path: sha256_of(place.base / path) for path in paths if path and (place.base / path).is_file()}


def _tokenizer(mixture: Mixture, place: Place) -> Files:
    """Hash the tokenizer: that of a folder, or what the hub's cache holds of one."""
    if mixture.tokenizer is None:
        return {}
    path = place.base / mixture.tokenizer / "tokenizer.json"
    if not path.parent.is_dir():
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(mixture.tokenizer, "tokenizer.json")
        path = Path(cached) if isinstance(cached, str) else path
    return {"tokenizer.json": sha256_of(path)} if path.is_file() else {}


def _models(mixture: Mixture, _: Place) -> Files:
    """Return what the models that filters ask depend on."""
    return models_asked(mixture.steps)


_OTHERS = {"suite": _suites, "decisions": _decisions, "tokenizer": _tokenizer, "model": _models}
"""What is read besides sources, and what finds it."""


def other_inputs(mixture: Mixture, place: Place) -> Iterator[tuple[str, str, str]]:
    """Yield (role, origin, sha256) of what is read besides sources; raise what finding it raises."""
    for role, find in _OTHERS.items():
        for origin, digest in find(mixture, place).items():
            yield role, origin, digest
