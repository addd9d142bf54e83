"""Bring a version into the store from elsewhere.

The one idea: nothing that arrives is believed. Files are brought beside the store's versions, resumed where
an earlier try broke off; then bytes, ids and the content id are computed anew from the records, and only a
version that is what its manifest says is renamed into the store. It builds nothing.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tulu_data.account.contents import content_faults
from tulu_data.engine.local import default_workers
from tulu_data.errors import SourceError, StoreError
from tulu_data.exchange.remotes import Listed, Remote, checked_path
from tulu_data.store import Manifest, Store, Version, open_whole
from tulu_data.store.manifest import MANIFEST, read_manifest
from tulu_data.store.version import SIGNATURES
from tulu_data.store.writer import adopt_version

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ID = re.compile("[0-9a-f]{64}")


class Pulled(NamedTuple):
    """A version that is in the store now, and whether it was there before."""

    version: Version
    existed: bool


def pull(remote: Remote, store: Store, say: Callable[[str], None]) -> Pulled:
    """Bring a version into the store; raise SourceError or StoreError where it is none, or not whole."""
    files = _of_one_version(remote, remote.files())
    state = json.dumps([remote.uri, sorted((path, listed.state) for path, listed in files.values())])
    folder = store.root / "cache" / "pulled" / hashlib.sha256(state.encode()).hexdigest()[:40]
    _bring(remote, files, folder, MANIFEST)
    manifest = _manifest(folder, remote)
    there = open_whole(store.root / manifest.name / manifest.content_id)
    if there is not None:
        shutil.rmtree(folder, ignore_errors=True)
        return Pulled(there, existed=True)
    size = sum(listed.size for _, listed in files.values())
    say(f"pull: {manifest.name}@{manifest.content_id[:8]}, {len(files)} files, {size:,} bytes")
    for name in files:
        _bring(remote, files, folder, name)
    say(f"verify: {manifest.rows:,} rows")
    faults = list(content_faults(folder, manifest, default_workers()))
    if faults:
        shutil.rmtree(folder, ignore_errors=True)
        raise StoreError(
            f"{remote.uri}: is not the version that its manifest tells of: {faults[0]}"
            + (f", and {len(faults) - 1} more" if len(faults) > 1 else "")
            + "; nothing was taken into the store; ask whoever sent it to send it again"
        )
    return Pulled(adopt_version(store, manifest, folder), existed=False)


def _of_one_version(remote: Remote, listed: dict[str, Listed]) -> dict[str, tuple[str, Listed]]:
    """Return the files of the one version at a remote: path there and facts, by name in the version."""
    homes = sorted(path.removesuffix(MANIFEST) for path in listed if path.split("/")[-1] == MANIFEST)
    if not homes:
        raise SourceError(f"{remote.uri}: no version there, no file is called {MANIFEST}; check the place")
    if len(homes) > 1:
        named = ", ".join(f"{remote.uri.rstrip('/')}/{home.rstrip('/')}" for home in homes)
        raise SourceError(f"{remote.uri}: {len(homes)} versions there; name one: {named}")
    found = {path.removeprefix(homes[0]): (path, facts) for path, facts in listed.items()}
    return {
        checked_path(name): (path, facts)
        for name, (path, facts) in found.items()
        if path.startswith(homes[0]) and not name.startswith((".", f"{SIGNATURES}/")) and "/." not in name
    }


def _bring(remote: Remote, files: dict[str, tuple[str, Listed]], folder: Path, name: str) -> None:
    """Bring one file, unless an earlier try has."""
    path, listed = files[name]
    target = folder / name
    if not target.is_file() or target.stat().st_size != listed.size:
        target.unlink(missing_ok=True)
        remote.bring(path, listed, target)


def _manifest(folder: Path, remote: Remote) -> Manifest:
    """Read the manifest that arrived; its names become folders, so they are looked at first."""
    try:
        manifest = read_manifest(folder)
    except StoreError:
        raise SourceError(f"{remote.uri}: its {MANIFEST} is not the manifest of a version") from None
    if not _NAME.fullmatch(manifest.name) or not _ID.fullmatch(manifest.content_id):
        raise SourceError(f"{remote.uri}: its {MANIFEST} names no version ({manifest.name!r})")
    for shard in manifest.shards:
        checked_path(shard.file)
    return manifest
