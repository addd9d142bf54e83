"""Where a version can lie besides the store: a dataset of the hub, a bucket, a folder.

The one idea: a remote lists its files, each with its size and what tells its state, brings one to the disk,
and takes a whole version. The hub takes it as one commit; a bucket or folder as `NAME/CONTENT ID/...` below
its prefix, the manifest last, so what has a manifest there is whole. It does not look inside the files.
"""

import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tulu_data.errors import SourceError, StoreError
from tulu_data.sources.buckets import SCHEMES, Facts, Place, is_same, keys_below, look_at, write_object
from tulu_data.sources.digests import sha256_of
from tulu_data.sources.hub_cache import commit_files, commit_of, remote_file
from tulu_data.sources.hub_sending import send_commit
from tulu_data.sources.objects import download_to
from tulu_data.store.manifest import MANIFEST

FORMS = "hf://owner/name, s3://bucket/prefix, gs://bucket/prefix or file:///folder"
_HUB = re.compile(r"hf://(?:datasets/)?([^/@\s]+/[^/@\s]+)(?:@([^/\s]+))?")


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a remote."""

    size: int
    state: str
    """Changes with the bytes of the file."""


class Remote(ABC):
    """A place for versions."""

    uri: str

    @abstractmethod
    def files(self) -> dict[str, Listed]:
        """List what is there, by path."""

    @abstractmethod
    def bring(self, path: str, listed: Listed, target: Path) -> None:
        """Bring a file to the disk, resumed where an earlier try broke off."""

    def missing(self, name: str, content_id: str, files: Mapping[str, Path]) -> set[str]:
        """Return which files of a version are not there as they are here; all, where the place sees to it."""
        return set(files)

    @abstractmethod
    def send(
        self, name: str, content_id: str, files: Mapping[str, Path], missing: Collection[str], message: str
    ) -> str:
        """Take what is missing of a version; return the uri that brings it back."""


def open_remote(uri: str, *, private: bool = True) -> Remote:
    """Return the remote of a uri; raise SourceError where it is of no form that is known."""
    if found := _HUB.fullmatch(uri):
        return _Hub(found[1], found[2], private=private)
    if uri.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        return _Bucket(Place.parse(uri.rstrip("/")))
    if uri.startswith("file:///"):
        return _Folder(Path(uri.removeprefix("file://")))
    raise SourceError(f"{uri!r}: expected {FORMS}")


class _Hub(Remote):
    def __init__(self, repo: str, revision: str | None, *, private: bool) -> None:
        self.repo, self.revision, self.private = repo, revision, private
        self.uri = f"hf://{repo}" + (f"@{revision}" if revision else "")
        self._commit = ""

    def files(self) -> dict[str, Listed]:
        self._commit = commit_of(self.repo, self.revision or "main")
        found = commit_files(self.repo, self._commit)
        return {path: Listed(size, f"{self._commit} {path}") for path, size in found.items()}

    def bring(self, path: str, listed: Listed, target: Path) -> None:
        remote_file(self.uri, self.repo, path, self._commit).bring(target)

    def send(
        self, name: str, content_id: str, files: Mapping[str, Path], missing: Collection[str], message: str
    ) -> str:
        if self.revision:
            raise SourceError(f"{self.uri}: a version is sent to hf://{self.repo}, without a revision")
        commit = send_commit(self.repo, files, message, private=self.private)
        return f"hf://{self.repo}@{commit}"


class _Bucket(Remote):
    def __init__(self, place: Place) -> None:
        self.place, self.uri = place, place.uri

    def _at(self, path: str) -> Place:
        return self.place.at(f"{self.place.key}/{path}".lstrip("/"))

    def files(self) -> dict[str, Listed]:
        found: dict[str, Listed] = {}
        for key in keys_below(self.place):
            facts = look_at(self.place.at(key))
            if facts is not None:
                path = key.removeprefix(self.place.key).lstrip("/")
                found[path] = Listed(facts.size, facts.etag)
        return found

    def bring(self, path: str, listed: Listed, target: Path) -> None:
        download_to(self._at(path), Facts(size=listed.size, etag=listed.state), target)

    def missing(self, name: str, content_id: str, files: Mapping[str, Path]) -> set[str]:
        return {
            path for path, here in files.items() if not is_same(self._at(f"{name}/{content_id}/{path}"), here)
        }

    def send(
        self, name: str, content_id: str, files: Mapping[str, Path], missing: Collection[str], message: str
    ) -> str:
        for path in _manifest_last(missing):
            write_object(self._at(f"{name}/{content_id}/{path}"), files[path])
        return self._at(f"{name}/{content_id}").uri


class _Folder(Remote):
    def __init__(self, folder: Path) -> None:
        self.folder, self.uri = folder, f"file://{folder}"

    def files(self) -> dict[str, Listed]:
        if not self.folder.is_dir():
            raise SourceError(f"{self.uri}: no such folder")
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        names = [path.relative_to(self.folder).as_posix() for path in found]
        return {
            name: Listed(path.stat().st_size, sha256_of(path))
            for name, path in zip(names, found, strict=True)
        }

    def bring(self, path: str, listed: Listed, target: Path) -> None:
        _copied(self.folder / path, target)

    def missing(self, name: str, content_id: str, files: Mapping[str, Path]) -> set[str]:
        there = self.folder / name / content_id
        return {path for path, here in files.items() if not _same(there / path, here)}

    def send(
        self, name: str, content_id: str, files: Mapping[str, Path], missing: Collection[str], message: str
    ) -> str:
        target = self.folder / name / content_id
        for path in _manifest_last(missing):
            _copied(files[path], target / path)
        return f"file://{target}"


def _manifest_last(paths: Collection[str]) -> list[str]:
    return sorted(paths, key=lambda path: (path == MANIFEST, path))


def _same(there: Path, here: Path) -> bool:
    """Tell whether two files hold the same bytes."""
    is_like = there.is_file() and there.stat().st_size == here.stat().st_size
    return is_like and sha256_of(there) == sha256_of(here)


def _copied(path: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    new = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, new)
        new.replace(target)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise StoreError(
            f"{target}: cannot be written ({error.strerror or error}); make room or the folder writable"
        ) from None


def checked_path(path: str) -> str:
    """Return the path of a file inside a version; raise SourceError where it leads out of it."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise SourceError(f"{path!r}: no path of a file inside a version")
    return path
