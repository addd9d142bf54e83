"""The hub's own cache on the disk: files by commit, each a link to its bytes.

The one idea: files lie where every client of the hub looks for them (`blobs/ETAG`, and below
`snapshots/COMMIT` a link), so a file is fetched once for all programs; but they are brought there by
`fetching`, which goes on where a killed process or a lost connection left off, as the hub's client does not.
It decides nothing about which files are wanted.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tulu_data.errors import HubError
from tulu_data.sources.digests import sha256_of
from tulu_data.sources.fetching import CHUNK, ChangedMeanwhileError, Remote, fetch
from tulu_data.sources.hub_client import api, asked, endpoint, is_offline, lost, token, told

TIMEOUT = 15.0
"""Seconds without a byte after which a connection counts as lost."""


def cached_file(repo: str, path: str, commit: str) -> Path | None:
    """Return where a file of a dataset lies in the cache, or None where it does not."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, path, revision=commit, repo_type="dataset")
    return Path(found) if isinstance(found, str) else None


def bring(uri: str, repo: str, path: str, commit: str, *, offline: bool) -> Path:
    """Bring a file of a dataset into the cache and return where it lies; raise HubError."""
    if offline:
        # The client would ask the hub about itself first, even for a file that it is to find on the disk.
        raise HubError(
            f"{uri}: {path!r} at {commit[:12]} is not in the hub's cache, and the hub may not be asked "
            "(offline); fetch it once with a network"
        )
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    file = remote_file(uri, repo, path, commit)
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="dataset")
    return _linked(file.bring(folder / "blobs" / file.etag), folder / "snapshots" / commit / path)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file of a dataset at a commit, as the hub announces it."""

    uri: str
    commit: str
    etag: str
    remote: Remote

    def bring(self, target: Path) -> Path:
        """Bring it to the disk; raise HubError."""
        try:
            with told(self.uri, self.commit):
                return fetch(self.remote, target)
        except ChangedMeanwhileError:
            raise HubError(
                f"{self.remote.name}: the bytes that {endpoint()} sends are not those that it announces "
                f"({self.etag[:12]}), in two downloads; try again later"
            ) from None


def remote_file(uri: str, repo: str, path: str, commit: str) -> HubFile:
    """Ask the hub what a file of a dataset is; raise HubError."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(repo, path, repo_type="dataset", revision=commit, endpoint=endpoint())
    facts = asked(uri, commit, lambda: get_hf_file_metadata(url, token=token() or False, timeout=TIMEOUT))
    if facts.etag is None or facts.size is None or "/" in facts.etag:
        raise HubError(f"{uri}: {endpoint()} does not say what {path!r} is; it does not answer as a hub does")
    remote = Remote(
        name=f"hf://{repo}@{commit[:12]}/{path}", size=facts.size, read=_reader(url), trouble=lost,
        is_right=_check_of(facts.etag),
    )  # fmt: skip
    return HubFile(uri=uri, commit=commit, etag=facts.etag, remote=remote)


def commit_of(repo: str, revision: str) -> str:
    """Return the commit that a revision of a dataset stands for; raise HubError."""
    uri = f"hf://{repo}"
    info = asked(uri, revision, lambda: api().dataset_info(repo, revision=revision, timeout=TIMEOUT))
    if not info.sha:
        raise HubError(f"{uri}: {endpoint()} gave no commit for {revision!r}")
    return info.sha


def commit_files(repo: str, commit: str) -> dict[str, int]:
    """Return the size of every file of a dataset at a commit, by path; raise HubError."""
    from huggingface_hub.hf_api import RepoFile

    def ask() -> dict[str, int]:
        entries = api().list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset")
        return {entry.path: entry.size for entry in entries if isinstance(entry, RepoFile)}

    return asked(f"hf://{repo}", commit, ask)


def fetch_file(repo: str, path: str, *, revision: str | None = None, repo_type: str = "model") -> Path:
    """Fetch one small file of a repository (a tokenizer, say) and return where it lies in the cache."""
    from huggingface_hub import hf_hub_download

    def ask() -> str:
        return hf_hub_download(
            repo, path, revision=revision or "main", repo_type=repo_type, endpoint=endpoint(),
            local_files_only=is_offline(), token=token(),
        )  # fmt: skip

    return Path(asked(f"hf://{repo}", revision or "main", ask))


def _reader(url: str) -> Callable[[int], Iterator[bytes]]:
    """Return what reads a file from an offset on."""
    from huggingface_hub import get_session

    # The hub is asked at every try: it sends one on to a storage host at an address that does not live long.
    # The token is for the hub alone; the client leaves it out where it is sent on.
    headers = {"Authorization": f"Bearer {token()}"} if token() else {}

    def read(start: int) -> Iterator[bytes]:
        asked_for = {**headers, "Accept-Encoding": "identity", "Range": f"bytes={start}-"}
        stream = get_session().stream("GET", url, headers=asked_for, timeout=TIMEOUT, follow_redirects=True)
        with stream as answer:
            answer.raise_for_status()
            spare = start if answer.status_code == 200 else 0
            for chunk in answer.iter_bytes():
                yield chunk[spare:]
                spare = max(0, spare - len(chunk))

    return read


def _check_of(etag: str) -> Callable[[Path], bool]:
    """Return what tells whether a file is the one of an etag, which is the hash of its bytes on the hub."""
    if re.fullmatch("[0-9a-f]{64}", etag):
        return lambda path: sha256_of(path) == etag
    if re.fullmatch("[0-9a-f]{40}", etag):
        return lambda path: _git_hash(path) == etag
    return lambda _path: True


def _git_hash(path: Path) -> str:
    """Hash a file as git does."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _linked(blob: Path, pointer: Path) -> Path:
    """Let the name of a file at a commit stand for its bytes."""
    try:
        pointer.parent.mkdir(parents=True, exist_ok=True)
        new = pointer.with_name(f".{pointer.name}.{os.getpid()}")
        try:
            new.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:
            # A disk without links takes a copy.
            shutil.copyfile(blob, new)
        new.replace(pointer)
    except OSError as error:
        raise HubError(
            f"{pointer.parent}: cannot be written ({error.strerror}); make room, or set HF_HOME to a folder "
            "that can be written"
        ) from None
    return pointer
