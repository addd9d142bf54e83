"""Text of a version's account written anew: its card, and what the manifest says for people.

The one idea: each file is written beside its place, synced and renamed, the manifest last, under the writer
lock; a reader finds the old text or the new one. Records, ids and tables are never touched.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from tulu_data.errors import StoreError
from tulu_data.store.locks import locked
from tulu_data.store.manifest import MANIFEST, Manifest
from tulu_data.store.store import Store
from tulu_data.store.version import Version


def renew(store: Store, version: Version, manifest: Manifest, files: Mapping[str, str]) -> Version:
    """Replace texts of a version and its manifest; raise StoreError where the disk refuses."""
    assert manifest.model_copy(update={"card": version.manifest.card}) == version.manifest
    try:
        with locked(store.root, version.name) as parent:
            for name, text in {**files, MANIFEST: manifest.model_dump_json(indent=1)}.items():
                _replace(version.path / name, parent / f".card-{os.getpid()}", text)
    except OSError as error:
        raise StoreError(
            f"{error.filename or version.path}: cannot write the card ({error.strerror or error}); "
            "make room or the folder writable"
        ) from error
    return Version.open(version.path)


def _replace(path: Path, temporary: Path, text: str) -> None:
    """Write a file whole or not at all."""
    try:
        with temporary.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
