"""Where a source is: the hub, a bucket, a query, a disk or the store, resolved to files with their hashes.

The one idea: whatever the uri says, what comes out is a tuple of local files whose bytes are
known; everything after this module is the same for all kinds of source.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tulu_data.errors import SourceError, StoreError, nearest
from tulu_data.sources.digests import FRESH, Digests
from tulu_data.sources.files import SourceFile, find_files
from tulu_data.specs.licences import UNKNOWN, licence_ids
from tulu_data.specs.source import Source
from tulu_data.specs.uris import BUCKETS, SQL
from tulu_data.store import Store, Version
from tulu_data.store.version import TRAIN

if TYPE_CHECKING:
    from tulu_data.specs.lock import SourcePin

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")
_VERSION = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+")
_SCHEMES = ("hf", "s3", "gs", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedSource:
    """A source whose every byte is pinned."""

    name: str
    uri: str
    revision: str | None
    """Commit of a hub dataset, content id of a stored version, None for what has no versions of its own."""
    files: tuple[SourceFile, ...]
    licences: tuple[str, ...]
    """Licences that the records are under, `unknown` among them where some are under none that is known."""
    version_ref: str | None = None
    """`name@shortid` when the source is a stored version."""
    pin: "SourcePin | None" = None
    """What the lock should hold; none for files on a disk and stored versions."""


def resolve_source(
    name: str,
    source: Source,
    *,
    base: Path,
    store: Store,
    pins: "Mapping[str, SourcePin] | None" = None,
    offline: bool = False,
    digests: Digests | None = None,
) -> ResolvedSource:
    """Resolve a source to local files; a pinned source is read as its pin says.

    `name` is the source's in its spec, empty for a dataset that a command line names. Files have the
    `digests` that the store keeps, where none are given.
    Raises SourceError (HubError for the hub), StoreError or LockError.
    """
    try:
        found = _resolved(
            name, source, base, store, (pins or {}).get(name), digests or digests_of(store), offline=offline
        )
    except SourceError as error:
        if not name:
            raise
        raise type(error)(f"sources.{name}.uri: {error}") from None
    return named(found, name, source)


def digests_of(store: Store) -> Digests:
    """Return the digests that a store keeps of the files that were hashed for it."""
    return Digests(store.root / "cache" / "digests")


def _resolved(
    name: str,
    source: Source,
    base: Path,
    store: Store,
    pin: "SourcePin | None",
    digests: Digests,
    *,
    offline: bool,
) -> ResolvedSource:
    """Resolve by the form of the uri: hub, other schemes (refused), stored version, path."""
    uri = source.uri
    if uri.startswith("hf://"):
        from tulu_data.sources.hub import HubPlace, resolve_hub

        place = HubPlace.parse(uri, revision=source.revision, config=source.config, split=source.split)
        pin, files, licence = resolve_hub(place, pin=pin, offline=offline, digests=digests)
        return ResolvedSource(
            name=name, uri=uri, revision=pin.revision, files=files,
            licences=licence_ids(licence) or (UNKNOWN,), pin=pin,
        )  # fmt: skip
    if uri.startswith(BUCKETS):
        from tulu_data.sources.hub_client import is_offline
        from tulu_data.sources.objects import resolve_objects

        cache = store.root / "cache" / "objects"
        pin, files = resolve_objects(uri, cache, pin=pin, offline=offline or is_offline(), digests=digests)
        return ResolvedSource(name=name, uri=uri, revision=None, files=files, licences=(UNKNOWN,), pin=pin)
    if uri.startswith(SQL):
        from tulu_data.sources.query import resolve_query

        pin, files = resolve_query(source, base, store.root / "cache" / "queries", pin=pin, offline=offline)
        return ResolvedSource(name=name, uri=uri, revision=None, files=files, licences=(UNKNOWN,), pin=pin)
    scheme = _SCHEME.match(uri)
    if scheme and scheme[1].lower() not in _SCHEMES and (scheme[2] or len(scheme[1]) > 1):
        raise _unknown_scheme(uri, scheme[1])
    if names_version(uri, base):
        version = store.resolve(uri)
        return ResolvedSource(
            name=name, uri=uri, revision=version.content_id,
            files=version_files(version, source.split if name else None, digests),
            licences=_carried(version), version_ref=version.ref,
        )  # fmt: skip
    try:
        files = find_files(uri, base, digests)
    except SourceError as error:
        raise SourceError(f"{error}{_stored_hint(uri, store)}") from None
    return ResolvedSource(name=name, uri=uri, revision=None, files=files, licences=(UNKNOWN,))


def named(found: ResolvedSource, name: str, source: Source) -> ResolvedSource:
    """Return what was found of a source's uri as this source: read its way, under the licences it states.

    What it states of files goes before what a dataset's card names. Of a stored version it says whose the
    records are that nobody had stated, and takes no licence away.
    """
    stated = licence_ids(source.licence)
    if source.licence is not None and not stated and not found.version_ref:
        # Whoever writes that it is unknown does not mean what a card says of the whole.
        stated = (UNKNOWN,)
    carried = set(found.licences) - {UNKNOWN} if found.version_ref else set()
    licences = tuple(sorted(carried | set(stated))) if carried and stated else stated or found.licences
    files = tuple(replace(file, threads=source.adapter == "threads") for file in found.files)
    return replace(found, name=name, licences=licences, files=files)


def _carried(version: Version) -> tuple[str, ...]:
    """Return the licences of all that a stored version was built of."""
    found = {one for entry in version.manifest.sources if entry.rows for one in entry.licences or (UNKNOWN,)}
    return tuple(sorted(found))


def names_version(uri: str, base: Path) -> bool:
    """Tell whether a uri is a stored version; a file of this name goes first."""
    return _VERSION.fullmatch(uri) is not None and not (base / uri).exists()


def version_files(
    version: Version, split: str | None = None, digests: Digests = FRESH
) -> tuple[SourceFile, ...]:
    """Return the shards of a stored version, or of a split of it, where it has any.

    Raises StoreError when one is not what was written, or there is no such split.
    """
    found = []
    for shard in version.shards(split if version.splits or split != TRAIN else None):
        path = version.path / shard.file
        digest = digests.of(path)
        if digest != shard.sha256:
            raise StoreError(
                f"{path}: its sha256 is {digest[:12]}, the manifest says {shard.sha256[:12]}; "
                "the version is damaged, build it again"
            )
        found.append(
            SourceFile(origin=f"{version.ref}/{shard.file}", path=path, sha256=digest, format="arrow")
        )
    return tuple(found)


def _unknown_scheme(uri: str, scheme: str) -> SourceError:
    text = f"{uri!r}: {scheme}: is not supported yet{nearest(scheme, _SCHEMES)}"
    return SourceError(
        f"{text}; copy the files to a disk and give their path, or use hf://owner/name, s3://bucket/key, "
        "gs://bucket/key or name@version"
    )


def _stored_hint(uri: str, store: Store) -> str:
    """Say that a bare name is a stored dataset, where it is one."""
    return f"; the store has a dataset of this name, write {uri}@latest" if uri in store.names() else ""
