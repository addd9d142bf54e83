"""Sources in buckets: what s3:// and gs:// uris stand for, kept on the disk and pinned like hub files.

The one idea: an object is pinned by its bytes. Its size and ETag only say whether it must be read again:
while they are the pinned ones, what lies in the cache is used, and hashed on every run; another ETag, or
other bytes, are refused until the pin is moved. Files of the cache are named by uri, ETag and size, so no
state of an object takes the place of another.
"""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from tulu_data.errors import LockError, SourceError, nearest
from tulu_data.sources.buckets import (
    Facts,
    OtherObjectError,
    Place,
    explained,
    keys_below,
    look_at,
    lost,
    read_from,
)
from tulu_data.sources.digests import FRESH, Digests
from tulu_data.sources.fetching import ChangedMeanwhileError, Remote, fetch
from tulu_data.sources.files import SourceFile, file_format
from tulu_data.sources.hub_layout import fits
from tulu_data.specs.lock import FilePin, SourcePin

_AT_ONCE = 8
"""Objects that are looked at side by side."""


def resolve_objects(
    uri: str, cache: Path, *, pin: SourcePin | None = None, offline: bool = False, digests: Digests = FRESH
) -> tuple[SourcePin, tuple[SourceFile, ...]]:
    """Return the pin and the files of a source in a bucket; obey the pin where one is given.

    Raises SourceError where the store refuses, LockError where an object is not the pinned one.
    """
    place = Place.parse(uri)
    if pin is not None and pin.uri == uri:
        return pin, _pinned(place, pin, cache, digests, offline=offline)
    if offline:
        raise SourceError(f"{uri}: not pinned yet, and no store may be asked (offline)")
    places = [place.at(key) for key in _chosen(place)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        facts = list(pool.map(look_at, places))
    files, pins = [], []
    for one, now in zip(places, facts, strict=True):
        if now is None:
            raise SourceError(f"{one.uri}: was listed and is gone; run the command again")
        file = _file(one, download(one, now, cache), digests)
        files.append(file)
        pins.append(FilePin(path=one.key, sha256=file.sha256, size=now.size, etag=now.etag))
    return SourcePin.of_files(uri, pins), tuple(files)


def _chosen(place: Place) -> list[str]:
    """Return the keys of the data files that a place stands for: an object, a folder or a glob."""
    fixed = re.split(r"[*?\[]", place.key, maxsplit=1)[0]
    if fixed == place.key:
        keys = list(keys_below(place))
        if keys == [place.key]:
            return keys
        below = place.key.rstrip("/")
    else:
        below = fixed.rpartition("/")[0]
        keys = [key for key in keys_below(place.at(below)) if fits(key, place.key)]
    found = [key for key in keys if file_format(PurePosixPath(key).name) and not _is_hidden(key, below)]
    if not found:
        have = [key for key in keys_below(place.at(below.rpartition("/")[0])) if not _is_hidden(key, "")]
        raise SourceError(f"{place.uri}: no data file fits{nearest(place.key, have)}; check bucket and key")
    return found


def _is_hidden(key: str, below: str) -> bool:
    return any(part.startswith(".") for part in key.removeprefix(below).split("/"))


def _pinned(
    place: Place, pin: SourcePin, cache: Path, digests: Digests, *, offline: bool
) -> tuple[SourceFile, ...]:
    """Return the files of a pin; raise LockError where an object is another one now."""
    places = [place.at(file.path) for file in pin.files]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        now = [None] * len(places) if offline else list(pool.map(look_at, places))
    files = []
    for one, pinned, found in zip(places, pin.files, now, strict=True):
        facts = Facts(size=pinned.size, etag=pinned.etag or "")
        if not offline and found != facts:
            was = "is gone" if found is None else f"has ETag {found.etag} and {found.size:,} bytes"
            raise LockError(
                f"{one.uri}: {was}, the lock says {facts.etag} and {facts.size:,}: the object changed; "
                "bring it back, or move the pin with lock --update"
            )
        path = cached_path(one, facts, cache)
        if offline and not path.is_file():
            raise SourceError(f"{one.uri}: is not in {cache}, and no store may be asked (offline)")
        file = _file(one, download(one, facts, cache), digests)
        if file.sha256 != pinned.sha256:
            raise LockError(
                f"{one.uri}: sha256 is {file.sha256[:12]}, the lock says {pinned.sha256[:12]}: the object "
                f"changed under its ETag, or {path} is damaged; delete the copy, or move the pin with "
                "lock --update"
            )
        files.append(file)
    return tuple(files)


def cached_path(place: Place, facts: Facts, cache: Path) -> Path:
    """Return where an object in one state lies, once it is there."""
    key = hashlib.sha256(f"{place.uri}\0{facts.etag}\0{facts.size}".encode()).hexdigest()
    return cache / key[:40]


def download(place: Place, facts: Facts, cache: Path) -> Path:
    """Bring an object into the cache, unless it is there; raise SourceError where it changes meanwhile."""
    target = cached_path(place, facts, cache)
    return target if target.is_file() else download_to(place, facts, target)


def download_to(place: Place, facts: Facts, target: Path) -> Path:
    """Bring an object to the disk; raise SourceError where it changes meanwhile."""
    remote = Remote(
        name=place.uri, size=facts.size, read=lambda start: read_from(place, facts, start), trouble=lost,
        is_right=lambda _path: look_at(place) == facts,
    )  # fmt: skip
    try:
        return fetch(remote, target)
    except (OtherObjectError, ChangedMeanwhileError):
        raise SourceError(f"{place.uri}: changed while it was read; run the command again") from None
    except OSError as error:
        raise explained(place, error) from None


def _file(place: Place, path: Path, digests: Digests) -> SourceFile:
    """Describe a downloaded object, by its name and its bytes."""
    found = file_format(PurePosixPath(place.key).name)
    if found is None:
        raise SourceError(f"{place.uri}: not a data file by its name")
    return SourceFile(
        origin=place.uri, path=path, sha256=digests.of(path), format=found[0], compression=found[1]
    )
