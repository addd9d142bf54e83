"""The lock beside a spec: what its sources elsewhere were when they were first resolved, and stored versions.

The one idea: a spec may say a branch or a bucket; the lock says the commit and the sha256 of every file. It
is written by the client that saw them, obeyed from then on, and moved only when asked to. Of a stored
version it notes the content id that a name stood for last, so that a move shows: the store decides, the
lock does not. Files on a disk are hashed whenever they are read.
"""

import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from tulu_data.errors import LockError, SpecError
from tulu_data.specs.base import Spec, read_spec
from tulu_data.specs.uris import HUB

_HEADER = "# Written by tulu-data; do not edit. `tulu-data lock --update SOURCE` moves a pin.\n"
_SHA256 = r"[0-9a-f]{64}"
_SHORT = 8
"""Digits of a content id that people read."""
ContentId = Annotated[str, Field(pattern=f"^{_SHA256}$")]


class FilePin(Spec):
    """One file of a source."""

    path: Annotated[str, Field(min_length=1)]
    """Path inside the repository or bucket."""
    sha256: Annotated[str, Field(pattern=f"^{_SHA256}$")]
    """Hash of its bytes."""
    size: Annotated[int, Field(ge=0)]
    """Size in bytes."""
    etag: str | None = None
    """ETag of an object in a bucket: while it has this and the size, its bytes need not be read again."""


class SourcePin(Spec):
    """One source, fixed."""

    uri: Annotated[str, Field(min_length=1)]
    """The uri that was resolved."""
    wanted: str = "main"
    """The branch, tag or commit that was asked for; another one in the spec makes the pin stale."""
    config: str | None = None
    """The configuration that was asked for."""
    split: str = "train"
    """The split that was asked for."""
    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    """Commit that the branch or tag stood for; of what is not on the hub, a hash of the files below."""
    licence: str | None = None
    """Licence that the dataset card named."""
    files: tuple[FilePin, ...]
    """Files to read, in order."""

    @classmethod
    def of_files(cls, uri: str, files: Iterable[FilePin]) -> "SourcePin":
        """Pin a source that has no commits by what its files are."""
        pinned = tuple(files)
        text = "".join(f"{file.path}\0{file.sha256}\n" for file in pinned)
        return cls(uri=uri, revision=sha256(text.encode()).hexdigest()[:40], files=pinned)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a lock says it: what only the hub has is said of the hub alone."""
        asked = set() if self.uri.startswith(HUB) else {"wanted", "config", "split"}
        return self.model_dump(mode="json", exclude=asked, exclude_none=True)


class Lock(Spec):
    """The pins of one spec."""

    version: Literal[1] = 1
    """Format of this file."""
    sources: dict[str, SourcePin] = Field(default_factory=dict)
    """Pins by source name."""
    versions: dict[str, ContentId] = Field(default_factory=dict)
    """Content id of each stored version, by how the spec names it: `sft_v3@latest`."""


def lock_path(spec: Path) -> Path:
    """Return where the lock of a spec lies: `mixtures/sft.yaml` has `mixtures/sft.lock.yaml`."""
    return spec.with_name(f"{spec.name.removesuffix('.yaml').removesuffix('.yml')}.lock.yaml")


def read_lock(spec: Path) -> Lock:
    """Read the lock of a spec, empty where there is none; raise LockError when it is damaged."""
    path = lock_path(spec)
    if not path.is_file():
        return Lock()
    try:
        return read_spec(Lock, path)
    except SpecError as error:
        raise LockError(f"{error.problems[0]}; delete the lock to resolve its sources again") from None


def write_lock(spec: Path, lock: Lock) -> bool:
    """Write the lock of a spec when it differs from the one there; tell whether it was written."""
    path, text = lock_path(spec), lock_text(lock)
    if path.is_file() and path.read_text("utf-8") == text:
        return False
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, "utf-8")
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise LockError(
            f"{path}: cannot be written ({error.strerror}); give the spec a writable folder"
        ) from None
    return True


def lock_text(lock: Lock) -> str:
    """Write a lock as text: sources and versions by name, the same text for the same pins."""
    data: dict[str, Any] = {"version": lock.version}
    data["sources"] = {name: lock.sources[name].to_dict() for name in sorted(lock.sources)}
    if lock.versions:
        data["versions"] = {ref: lock.versions[ref] for ref in sorted(lock.versions)}
    return _HEADER + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)


def check_frozen(
    spec: Path,
    wanted: Mapping[str, "SourcePin | None"],
    versions: Mapping[str, str] = MappingProxyType({}),
    *,
    may_spare: bool = False,
) -> None:
    """Raise LockError unless the lock has every hub source and stored version as it is, and nothing else.

    It may hold more where the command line has set another spec than the lock was written for (`may_spare`).

    `wanted` gives for every hub source of the spec the pin that fits it, or None; `versions` the content id
    of every stored version, by how the spec names it.
    """
    path, lock = lock_path(spec), read_lock(spec)
    missing = sorted(name for name, pin in wanted.items() if pin is None)
    missing += sorted(set(versions) - set(lock.versions))
    spare = sorted(set(lock.sources) - set(wanted)) + sorted(set(lock.versions) - set(versions))
    spare = [] if may_spare else spare
    moved = [
        f"{ref} is {versions[ref][:_SHORT]} now, not {lock.versions[ref][:_SHORT]}"
        for ref in sorted(set(versions) & set(lock.versions))
        if versions[ref] != lock.versions[ref]
    ]
    cure = f"run `tulu-data lock {shlex.quote(str(spec))}` and commit it"
    if missing and not path.is_file():
        raise LockError(f"{path}: no lock, and --frozen resolves nothing; {cure}")
    if missing or spare or moved:
        said = [f"no fitting pin for {', '.join(missing)}"] if missing else []
        said += moved
        said += [f"pins for {', '.join(spare)}, which the spec does not have"] if spare else []
        raise LockError(f"{path}: stale: {'; '.join(said)}; {cure}")


def fitting_pin(
    lock: Lock, name: str, *, uri: str, revision: str | None, config: str | None, split: str
) -> SourcePin | None:
    """Return the pin of a source if it answers the very question that the spec asks now."""
    pin = lock.sources.get(name)
    if pin is None:
        return None
    asked = (uri, revision or "main", config, split)
    return pin if (pin.uri, pin.wanted, pin.config, pin.split) == asked else None
