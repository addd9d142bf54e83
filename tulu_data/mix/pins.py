"""What the sources elsewhere and the stored versions of a mixture are, by the lock beside its spec.

The one idea: what is on the hub, in a bucket or a database is what the lock says until somebody moves it; a
stored version is what the store says, and the lock notes it, so that a `name@latest` that has moved shows and
`--frozen` refuses it. It reads no records.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tulu_data.errors import LockError, SourceError, SpecError, StoreError
from tulu_data.sources.digests import Digests
from tulu_data.sources.location import ResolvedSource, named, names_version, resolve_source
from tulu_data.specs.document import KeyPath
from tulu_data.specs.lock import Lock, SourcePin, check_frozen, fitting_pin, read_lock, write_lock
from tulu_data.specs.mixture import MixtureFile, read_mixture
from tulu_data.specs.source import Source
from tulu_data.specs.steps import DedupStep
from tulu_data.specs.uris import is_pinned
from tulu_data.store import Store, Version

Question = tuple[str, str | None, str | None, str]
"""What a source asks for: uri, revision, configuration, split."""


class Resolved(NamedTuple):
    """What a spec names, found."""

    sources: tuple[ResolvedSource, ...]
    versions: dict[str, Version]
    """Stored versions, by how the spec names them."""


def resolve_all(
    file: MixtureFile,
    base: Path,
    store: Store,
    *,
    frozen: bool = False,
    moving: Collection[str] = (),
    only_pinned: bool = False,
    digests: Digests | None = None,
) -> Resolved:
    """Resolve what a spec names by the lock, and write down what is new.

    Sources with the same uri, revision, configuration and split are resolved once. A question that
    the lock has no answer to is answered by the locks of the specs that this one builds on, the nearest
    first. The pins of the sources in `moving` are not obeyed but replaced. `only_pinned` leaves out sources
    that no lock pins. Files have the `digests` that the store keeps, where none are given.
    """
    lock, versions = read_lock(file.path), _open_versions(file, base, store)
    noted = {ref: version.content_id for ref, version in versions.items()}
    pinned = {name: s for name, s in file.mixture.sources.items() if is_pinned(s.uri)}
    pins = {name: _fitting(lock, name, source) for name, source in pinned.items()}
    if frozen:
        check_frozen(file.path, pins, noted, may_spare=bool(file.settings))
    moved = {_question(pinned[name]) for name in moving if name in pinned}
    known = _known(file, pinned, pins)
    known = {question: pin for question, pin in known.items() if question not in moved}
    answers: dict[Question, ResolvedSource] = {}
    resolved = []
    for name, source in (pinned if only_pinned else file.mixture.sources).items():
        question = _question(source)
        if question not in answers:
            unstated = source.model_copy(update={"licence": None})
            pin = {name: known[question]} if question in known else {}
            try:
                answers[question] = resolve_source(
                    name, unstated, base=base, store=store, pins=pin, digests=digests
                )
            except SourceError as error:
                where = file.document.where(("sources", name, "uri"))
                raise type(error)(f"{where} {error}") from None
        resolved.append(named(answers[question], name, source))
    fresh = Lock(sources={one.name: one.pin for one in resolved if one.pin}, versions=noted)
    if file.settings:
        # What is set for once must not move or lose what the spec itself is pinned to.
        kept = {name: pin for name, pin in lock.sources.items() if name not in moving}
        fresh = Lock(sources=fresh.sources | kept, versions=noted | lock.versions)
        if not only_pinned:
            fresh = _without_settings(file, fresh, lock)
    if fresh != lock:
        _write_down(file.path, fresh, pins_are_new=fresh.sources != lock.sources)
    return Resolved(tuple(resolved), versions)


def _without_settings(file: MixtureFile, fresh: Lock, lock: Lock) -> Lock:
    """Return what of a new lock the spec asks for as it stands, which must not be refused for a try."""
    try:
        own = read_mixture(file.path).mixture.sources
    except SpecError:
        return lock
    asked = {name: _question(source) for name, source in own.items()}
    meant = {name: _question(source) for name, source in file.mixture.sources.items()}
    pins = {
        name: pin
        for name, pin in fresh.sources.items()
        if name in lock.sources or (name in asked and asked[name] == meant[name])
    }
    return Lock(sources=pins, versions=lock.versions)


def _write_down(spec: Path, lock: Lock, *, pins_are_new: bool) -> None:
    """Write a lock; where its folder is read-only, what it would only note does without."""
    try:
        write_lock(spec, lock)
    except LockError:
        # Stored versions are what the store says, and what is built of them names them itself.
        if pins_are_new:
            raise


def pins_of(file: MixtureFile) -> dict[str, SourcePin]:
    """Return the pins that there are for sources elsewhere, by name; nobody is asked for others."""
    lock = read_lock(file.path)
    pinned = {name: s for name, s in file.mixture.sources.items() if is_pinned(s.uri)}
    known = _known(file, pinned, {name: _fitting(lock, name, source) for name, source in pinned.items()})
    return {name: known[_question(s)] for name, s in pinned.items() if _question(s) in known}


def version_names(file: MixtureFile, base: Path) -> list[str]:
    """Return the stored versions that a spec names, as it names them."""
    return list(dict.fromkeys(ref for _, ref in (*_read(file, base), *_compared(file))))


def _known(
    file: MixtureFile, pinned: Mapping[str, Source], pins: Mapping[str, SourcePin | None]
) -> dict[Question, SourcePin]:
    """Return what the lock of a spec answers, and for the rest the locks of those that it builds on."""
    known = _inherited(file) if any(pin is None for pin in pins.values()) else {}
    return known | {_question(pinned[name]): pin for name, pin in pins.items() if pin is not None}


def _question(source: Source) -> Question:
    """Return what a source asks for; a question is answered, and its files are hashed, once a build."""
    return source.asked, source.revision, source.config, source.split


def _inherited(file: MixtureFile) -> dict[Question, SourcePin]:
    """Return what the locks of the specs that a spec builds on have pinned, the nearest first."""
    found: dict[Question, SourcePin] = {}
    for base in file.bases:
        for pin in read_lock(base).sources.values():
            # A spec may leave out the revision that is meant by default.
            for wanted in (pin.wanted, None) if pin.wanted == "main" else (pin.wanted,):
                found.setdefault((pin.uri, wanted, pin.config, pin.split), pin)
    return found


def _fitting(lock: Lock, name: str, source: Source) -> SourcePin | None:
    uri, revision, config, split = _question(source)
    return fitting_pin(lock, name, uri=uri, revision=revision, config=config, split=split)


def _open_versions(file: MixtureFile, base: Path, store: Store) -> dict[str, Version]:
    """Open the stored versions that a spec names; raise StoreError or SpecError at their places."""
    found: dict[str, Version] = {}
    read, compared = list(_read(file, base)), list(_compared(file))
    for path, ref in [*read, *compared]:
        try:
            found[ref] = store.resolve(ref)
        except StoreError as error:
            raise StoreError(file.document.problem(path, str(error))) from None
    sources = {found[ref].ref: str(path[1]) for path, ref in read}
    problems = []
    for path, ref in compared:
        text = _unfitting(found[ref], file, sources)
        problems += [file.document.problem(path, text)] if text else []
    if problems:
        raise SpecError(problems)
    return found


def _read(file: MixtureFile, base: Path) -> Iterator[tuple[KeyPath, str]]:
    """Yield the place and name of every stored version that is a source."""
    for name, source in file.mixture.sources.items():
        if names_version(source.uri, base):
            yield ("sources", name, "uri"), source.uri


def _compared(file: MixtureFile) -> Iterator[tuple[KeyPath, str]]:
    """Yield the place and name of every stored version that records are compared with."""
    for i, step in enumerate(file.mixture.steps):
        for j, ref in enumerate(step.against if isinstance(step, DedupStep) else ()):
            yield ("steps", i, "against", j), ref


def _unfitting(version: Version, file: MixtureFile, sources: dict[str, str]) -> str | None:
    """Say why records cannot be compared with a version, where that is so; `sources` are those by version."""
    kind = file.mixture.kind
    if version.kind != kind:
        return (
            f"{version.ref} holds {version.kind} records and the mixture is of kind {kind!r}; records are "
            "compared with those of their own kind alone, so remove it"
        )
    if version.ref in sources:
        return (
            f"{version.ref} is source {sources[version.ref]!r} too, so every record of it would be a "
            "duplicate; remove one of the two"
        )
    return None
