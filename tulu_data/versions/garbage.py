"""What of a store nothing needs: old versions, folders of builds that were killed, caches nobody used.

The one idea: what is needed is followed from what must stay (the newest of each name, what has a tag) through
the stored versions that it was made of, and only the rest can go. Every writer's lock is held meanwhile, so
no build is in the middle of writing. A folder is renamed first and then deleted, so a kill in the middle
leaves a whole store, and the next run deletes the rest. Records of what stays are never touched.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from tulu_data.errors import StoreError, TuluDataError
from tulu_data.sources.cache import cache_key
from tulu_data.sources.files import SourceFile, file_format
from tulu_data.sources.reading import Reading
from tulu_data.specs.base import read_spec
from tulu_data.specs.mixture import Mixture
from tulu_data.store import Store, Version
from tulu_data.store.locks import LOCK, is_making, locked
from tulu_data.store.manifest import MANIFEST
from tulu_data.store.version import SHORT
from tulu_data.store.writer import TEMPORARY, open_whole

LEFT = "left by a process that was killed"
What = Literal["version", "unfinished", "cache"]
REMOVING = ".removing-"
"""Beginning of the names that folders have while they are deleted."""
NEW = ".new-"
"""Beginning of the names of what is being made in the cache."""
VERIFY = ".verify-"
"""Beginning of the names of folders in which versions are built again to compare."""
IDLE = 3600.0
"""Seconds without a write or a read after which what is in the making is nobody's."""
UNLOCKED = 60.0
"""Such seconds of a folder that no process has locked; its maker locks it just after it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A folder or file of the store."""

    what: What
    name: str
    """As people know it: a version's ref, or the path below the store."""
    path: Path
    bytes: int
    why: str
    """Why it stays, or why it can go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """What of a store stays, and what can go."""

    kept: tuple[Piece, ...]
    """Versions alone."""
    gone: tuple[Piece, ...]
    making: tuple[Piece, ...] = ()
    """What of the cache may be in the making."""

    @property
    def bytes(self) -> int:
        """Bytes that removing it frees."""
        return sum(piece.bytes for piece in self.gone)


@contextmanager
def collected(store: Store, *, keep: int, cache_days: float) -> Iterator[Garbage]:
    """Find what can go while no build writes; raise StoreError where one does.

    The `keep` newest versions of every name stay, and caches that were used within `cache_days`.
    """
    with _all_locked(store) as names:
        kept = _kept(store, names, keep)
        pieces = tuple(_version(store, ref, why) for ref, why in kept.items())
        gone = [*_versions(store, names, kept), *_unfinished(store, names)]
        gone += _caches(store, _used(store, kept), cache_days * 86_400)
        begun = [(_is_left(path), _piece("unfinished", store, path, LEFT)) for path in _begun(store)]
        gone += [piece for is_left, piece in begun if is_left]
        making = tuple(piece for is_left, piece in begun if not is_left)
        yield Garbage(kept=pieces, gone=tuple(gone), making=making)


def remove(piece: Piece) -> None:
    """Delete a piece: it is gone at once for everybody, and its room is freed then; raise StoreError."""
    aside = piece.path.with_name(f"{REMOVING}{os.getpid()}-{piece.path.name.lstrip('.')}")
    try:
        piece.path.rename(aside)
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(
            f"{error.filename or piece.path}: cannot be removed ({error.strerror or error}); the rest of the "
            "store is whole; make it writable and run gc again"
        ) from error


@contextmanager
def _all_locked(store: Store) -> Iterator[list[str]]:
    """Hold the writer locks of all names, in their order."""
    names = sorted({*store.names(), *(path.parent.name for path in store.root.glob(f"*/{LOCK}"))})
    with ExitStack() as stack:
        try:
            for name in names:
                stack.enter_context(locked(store.root, name))
        except OSError as error:
            raise StoreError(
                f"{error.filename or store.root}: cannot be locked ({error.strerror or error}); "
                "make the store writable"
            ) from error
        yield names


def _last_built(time: str) -> str:
    return f"last built {time[:16].replace('T', ' ')}"


Ref = tuple[str, str]
"""Name and content id."""


def _kept(store: Store, names: Sequence[str], keep: int) -> dict[Ref, str]:
    """Return the versions that stay, each with why."""
    found: dict[Ref, str] = {}
    for name in names:
        built = store.built(name)
        newest = list(built)[-1:]
        for content_id in list(built)[-keep:]:
            word = "the newest" if content_id in newest else f"one of the newest {keep}"
            found[name, content_id] = f"{word}, {_last_built(built[content_id])}"
        for content_id, tags in store.tagged(name).items():
            found.setdefault((name, content_id), f"tagged {', '.join(tags)}")
    waiting = list(found)
    while waiting:
        ref = waiting.pop()
        for needed in _made_of(store, ref):
            if needed not in found and _folder(store, needed).is_dir():
                found[needed] = f"{ref[0]}@{ref[1][:SHORT]} was made with it"
                waiting.append(needed)
    return dict(sorted(found.items()))


def _made_of(store: Store, ref: Ref) -> set[Ref]:
    """Return the stored versions that a version was made of or compared with."""
    version = open_whole(_folder(store, ref))
    if version is None:
        return set()
    found = {
        (source.uri.partition("@")[0], source.revision)
        for source in version.manifest.sources
        if source.revision and "@" in source.uri and "://" not in source.uri
    }
    with suppress(OSError, yaml.YAMLError, AttributeError):
        lock = yaml.safe_load((version.path / "lock.yaml").read_text("utf-8"))
        found |= {
            (one.partition("@")[0], content_id) for one, content_id in (lock.get("versions") or {}).items()
        }
    return found


def _folder(store: Store, ref: Ref) -> Path:
    return store.root / ref[0] / ref[1]


def _version(store: Store, ref: Ref, why: str) -> Piece:
    path = _folder(store, ref)
    return Piece(what="version", name=f"{ref[0]}@{ref[1][:SHORT]}", path=path, bytes=size_of(path), why=why)


def _versions(store: Store, names: Sequence[str], kept: dict[Ref, str]) -> Iterator[Piece]:
    """Yield the versions that can go: older ones, and folders that no log names."""
    for name in names:
        built = store.built(name)
        for path in sorted((store.root / name).iterdir()):
            ref = (name, path.name)
            if path.is_dir() and not path.name.startswith(".") and ref not in kept:
                is_whole = (path / MANIFEST).is_file()
                older = (
                    f"older, {_last_built(built[path.name])}, without a tag" if path.name in built else None
                )
                why = older or ("in no log" if is_whole else "not whole")
                yield _version(store, ref, why)


def _unfinished(store: Store, names: Sequence[str]) -> Iterator[Piece]:
    """Yield what killed builds and killed runs of gc left; who holds the locks knows that they are dead."""
    for name in names:
        for begin in (TEMPORARY, REMOVING):
            for path in sorted((store.root / name).glob(f"{begin}*")):
                yield _piece("unfinished", store, path, LEFT)


def _begun(store: Store) -> Iterator[Path]:
    """Yield what of the cache is in the making, or was."""
    cache = store.root / "cache"
    yield from sorted(cache.glob(f"{VERIFY}*"))
    for below in ("*/", "*/*/"):
        for begin in (NEW, REMOVING):
            yield from sorted(path for path in cache.glob(f"{below}{begin}*") if path.parent.name[0] != ".")


def _is_left(path: Path) -> bool:
    """Tell whether nobody is making something any more: its maker would have locked it, or written lately.

    What was being removed is left for sure, since who removes holds the locks that are held now.
    """
    if path.name.startswith(REMOVING):
        return True
    is_locked = is_making(path) if path.is_dir() else None
    idle = time.time() - last_use(path)
    return not is_locked and idle > (IDLE if is_locked is None else UNLOCKED)


def _caches(store: Store, used: set[str], seconds: float) -> Iterator[Piece]:
    """Yield what of the cache nobody used for a while."""
    now = time.time()
    for path in sorted((store.root / "cache").glob("*/*")):
        if path.name.startswith(".") or path.parent.name.startswith("."):
            continue
        idle = now - last_use(path)
        if path.name not in used and idle >= seconds:
            days = f"{idle / 86_400:.0f} days" if idle >= 172_800 else f"{idle / 3600:.0f} hours"
            whose = "of no version that stays, " if path.parent.name == "normalised" else ""
            yield _piece("cache", store, path, f"{whose}unused for {days}")


def _piece(what: What, store: Store, path: Path, why: str) -> Piece:
    name = path.relative_to(store.root).as_posix()
    return Piece(what=what, name=name, path=path, bytes=size_of(path), why=why)


def _used(store: Store, kept: dict[Ref, str]) -> set[str]:
    """Return the names of the normalised files that the versions that stay were made of."""
    versions = (open_whole(_folder(store, ref)) for ref in kept)
    return {key for version in versions if version is not None for key in _cache_keys(version)}


def _cache_keys(version: Version) -> Iterator[str]:
    """Yield the names of the normalised files of a version; none where this release cannot read its spec."""
    try:
        sources = read_spec(Mixture, version.path / "spec.yaml").sources
    except TuluDataError:
        return
    for entry in version.manifest.sources:
        reading = Reading.of(version.kind, sources[entry.name]) if entry.name in sources else None
        for file in entry.files if reading is not None else ():
            known = file_format(file.origin.rsplit("/", 1)[-1])
            if known is not None and reading is not None:
                like = SourceFile(
                    origin=file.origin, path=Path(), sha256=file.sha256, format=known[0], compression=known[1]
                )
                yield cache_key(like, reading)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(part.stat().st_size for part in _files(path))


def last_use(path: Path) -> float:
    """Return when a file, or any file in a folder, was last read or written, as far as the disk tells."""
    times = [max(part.stat().st_mtime, part.stat().st_atime) for part in _files(path)]
    return max(times, default=path.stat().st_mtime)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    yield from (part for part in path.rglob("*") if part.is_file())
