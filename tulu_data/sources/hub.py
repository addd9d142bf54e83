"""Datasets of the hub, through huggingface_hub, at one commit.

The one idea: a branch is resolved once; from then on there are a commit and the sha256 of every
file, and bytes that differ are refused. Files lie in the hub's own cache. Which files make up a
split is decided in `hub_layout`; what went wrong is put into words in `hub_errors`.
"""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tulu_data.errors import HubError, LockError, SourceError, nearest
from tulu_data.sources.digests import FRESH, Digests
from tulu_data.sources.files import SourceFile, file_format
from tulu_data.sources.hub_cache import bring, cached_file
from tulu_data.sources.hub_client import api, asked, endpoint, is_offline
from tulu_data.sources.hub_layout import fits, split_files
from tulu_data.specs.lock import FilePin, SourcePin

TIMEOUT = 15.0
CONVERTED = "refs/convert/parquet"
"""Branch in which the hub keeps parquet copies of datasets that have no readable files of their own."""

_URI = re.compile(r"hf://(?:datasets/)?(?P<repo>[^/@\s]+/[^/@\s]+)(?:@(?P<rev>[^/\s]+))?(?:/(?P<path>.+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubPlace:
    """What a spec asks of the hub."""

    uri: str
    repo: str
    wanted: str = "main"
    """Branch, tag or commit."""
    config: str | None = None
    split: str = "train"
    path: str | None = None
    """A file, folder or glob inside the repository, where the uri names one."""

    @classmethod
    def parse(
        cls, uri: str, *, revision: str | None = None, config: str | None = None, split: str = "train"
    ) -> "HubPlace":
        """Read `hf://owner/name[@revision][/path]`; raise SourceError when it is not of this form."""
        found = _URI.fullmatch(uri)
        if found is None:
            raise SourceError(
                f"{uri!r}: expected hf://owner/name, hf://owner/name@revision or hf://owner/name/path"
            )
        written = found["rev"].replace("%2F", "/") if found["rev"] else None
        if written and revision and written != revision:
            raise SourceError(
                f"{uri!r}: the uri says revision {written!r}, the key says {revision!r}; keep one"
            )
        return cls(
            uri=uri, repo=found["repo"], wanted=written or revision or "main", config=config, split=split,
            path=found["path"],
        )  # fmt: skip

    def fits(self, pin: SourcePin) -> bool:
        """Tell whether a pin answers this very question."""
        asked = (self.uri, self.wanted, self.config, self.split)
        return (pin.uri, pin.wanted, pin.config, pin.split) == asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """One file as the hub lists it."""

    path: str
    size: int
    sha256: str | None
    """Known before the download for large files only."""


def resolve_hub(
    place: HubPlace, *, pin: SourcePin | None = None, offline: bool = False, digests: Digests = FRESH
) -> tuple[SourcePin, tuple[SourceFile, ...], str | None]:
    """Return the pin, the files and the licence of a hub source; obey the pin where one is given.

    Raises HubError when the hub cannot be reached or refuses, LockError when bytes are not the pinned ones.
    """
    offline = offline or is_offline()
    if pin is not None and place.fits(pin):
        return pin, _pinned_files(place, pin, digests, offline=offline), pin.licence
    if offline:
        raise HubError(
            f"{place.uri}: not pinned yet, and the hub may not be asked (offline); "
            "resolve it once with a network"
        )
    commit, card, listed = _listing(place)
    licence = card.get("license")
    licence = ", ".join(map(str, licence)) if isinstance(licence, list) else licence
    paths = _download(place, commit, [f.path for f in listed], offline=False)
    files = _described(place, commit, [f.path for f in listed], paths, digests)
    for expected, file in zip(listed, files, strict=True):
        if expected.sha256 not in (None, file.sha256):
            raise HubError(
                f"{file.origin}: the download has sha256 {file.sha256[:12]}, "
                f"the hub says {str(expected.sha256)[:12]}; "
                f"delete {file.path} and try again"
            )
    pins = tuple(
        FilePin(path=f.path, sha256=s.sha256, size=s.path.stat().st_size)
        for f, s in zip(listed, files, strict=True)
    )
    pin = SourcePin(
        uri=place.uri, wanted=place.wanted, config=place.config, split=place.split, revision=commit,
        licence=str(licence) if licence else None, files=pins,
    )  # fmt: skip
    return pin, files, pin.licence


def _listing(place: HubPlace) -> tuple[str, dict[str, Any], list[_Listed]]:
    """Resolve the revision to a commit, and list the files of the split at it."""
    commit, card = _info(place, place.wanted)
    tree = _tree(place, commit)
    if place.path is not None:
        return commit, card, _at_path(place, tree)
    chosen = split_files(tree, card, name=place.uri, config=place.config, split=place.split)
    if chosen:
        return commit, card, [tree[p] for p in chosen]
    converted, _ = _info(place, CONVERTED, missing_is_none=True)
    if not converted:
        raise SourceError(f"{place.uri}: no data files, and no converted copy of them at {CONVERTED}")
    tree = _tree(place, converted)
    config = place.config or _only_config(place, tree)
    folder = f"{config}/{place.split}/"
    found = [f for p, f in sorted(tree.items()) if p.startswith(folder) and p.endswith(".parquet")]
    if not found:
        have = sorted({p.rsplit("/", 1)[0] for p in tree if p.endswith(".parquet")})
        raise SourceError(
            f"{place.uri}: no {folder.rstrip('/')!r} in the converted copy"
            f"{nearest(folder.rstrip('/'), have)} (has {', '.join(have)})"
        )
    return converted, card, found


def _only_config(place: HubPlace, tree: Iterable[str]) -> str:
    configs = sorted({p.split("/")[0] for p in tree if p.endswith(".parquet")})
    if "default" in configs or len(configs) == 1:
        return "default" if "default" in configs else configs[0]
    raise SourceError(f"{place.uri}: several configurations; say which, config: one of {', '.join(configs)}")


def _at_path(place: HubPlace, tree: dict[str, _Listed]) -> list[_Listed]:
    """Return the data files that the path of a uri names: a file, a folder or a glob."""
    wanted = str(place.path).rstrip("/")
    if wanted in tree:
        return [tree[wanted]]
    found = [
        f
        for p, f in sorted(tree.items())
        if (p.startswith(f"{wanted}/") or fits(p, wanted)) and file_format(p.rsplit("/", 1)[-1])
    ]
    if not found:
        raise SourceError(f"{place.uri}: no data file at {wanted!r}{nearest(wanted, tree)}")
    return found


def _info(place: HubPlace, revision: str, *, missing_is_none: bool = False) -> tuple[str, dict[str, Any]]:
    """Return the commit that a revision stands for and the dataset card's data; empty where allowed."""
    from huggingface_hub.errors import RevisionNotFoundError

    def ask() -> Any:
        try:
            return api().dataset_info(place.repo, revision=revision, timeout=TIMEOUT)
        except RevisionNotFoundError:
            if missing_is_none:
                return None
            raise

    info = asked(place.uri, place.wanted, ask)
    if info is None:
        return "", {}
    if not info.sha or not _COMMIT.fullmatch(info.sha):
        raise HubError(
            f"{place.uri}: {endpoint()} gave no commit for {revision!r}; it does not answer as a hub does"
        )
    card = info.card_data
    return info.sha, dict(card.to_dict()) if card is not None else {}


def _tree(place: HubPlace, commit: str) -> dict[str, _Listed]:
    """List every file at a commit, with size and, for large files, sha256."""
    from huggingface_hub.hf_api import RepoFile

    def ask() -> dict[str, _Listed]:
        entries = api().list_repo_tree(place.repo, recursive=True, revision=commit, repo_type="dataset")
        return {
            e.path: _Listed(path=e.path, size=e.size, sha256=e.lfs.sha256 if e.lfs else None)
            for e in entries
            if isinstance(e, RepoFile)
        }

    return asked(place.uri, place.wanted, ask)


def _pinned_files(
    place: HubPlace, pin: SourcePin, digests: Digests, *, offline: bool
) -> tuple[SourceFile, ...]:
    """Return the files of a pin; raise LockError when a byte of them differs."""
    wanted = [f.path for f in pin.files]
    paths = _download(place, pin.revision, wanted, offline=offline)
    files = _described(place, pin.revision, wanted, paths, digests)
    for pinned, file in zip(pin.files, files, strict=True):
        if pinned.sha256 != file.sha256:
            raise LockError(
                f"{file.origin}: sha256 is {file.sha256[:12]}, the lock says {pinned.sha256[:12]}: "
                f"the file changed under its commit, or the copy {file.path} is damaged; "
                "delete the copy, or move the pin with lock --update"
            )
    return files


def _download(place: HubPlace, commit: str, wanted: list[str], *, offline: bool) -> list[Path]:
    """Bring files into the hub's cache; ask the hub once, briefly, before a download is begun."""
    cached = [cached_file(place.repo, path, commit) for path in wanted]
    if not offline and not all(cached):
        _info(place, commit)
    return [
        found or bring(place.uri, place.repo, path, commit, offline=offline)
        for path, found in zip(wanted, cached, strict=True)
    ]


def _described(
    place: HubPlace, commit: str, names: list[str], paths: list[Path], digests: Digests
) -> tuple[SourceFile, ...]:
    """Hash downloaded files and name them by repository, commit and path."""
    with ThreadPoolExecutor() as pool:
        hashed = list(pool.map(digests.of, paths))
    found = []
    for name, path, digest in zip(names, paths, hashed, strict=True):
        kind = file_format(name.rsplit("/", 1)[-1])
        if kind is None:
            raise SourceError(f"{place.uri}: {name!r} is not a data file by its name")
        origin = f"hf://{place.repo}@{commit}/{name}"
        found.append(SourceFile(origin=origin, path=path, sha256=digest, format=kind[0], compression=kind[1]))
    return tuple(found)
