"""A suite as a value: its instances, the files they came from, and the rows that were none."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tulu_data.specs.suite import Role

BadRows = tuple[tuple[str, int, str], ...]
"""Rows that could not be read: path, row (1-based), reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """An eval suite: its instances, and the files they came from."""

    name: str
    files: tuple[tuple[str, str], ...]
    """Path and sha256 of each file, in order."""
    instances: pa.Table
    """Schema INSTANCES, in file order; (split, id) is unique."""
    bad: BadRows = ()
    role: Role | None = None
    """What a spec says that the suite is for."""
    uri: str | None = None
    """Where a spec says that it is."""
    reading: str = ""
    """Key of how its files are read."""
    beside: Path | None = None
    """Folder in whose `.index` is kept what was made of it."""

    @property
    def path(self) -> str:
        """The suite's file, or the folder that holds all its files."""
        paths = [path for path, _ in self.files]
        return paths[0] if len(paths) == 1 else os.path.commonpath(paths) or "."

    @property
    def sha256(self) -> str:
        """Hash of the suite's file, or of the hashes of its files."""
        hashes = [digest for _, digest in self.files]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    @property
    def key(self) -> str:
        """Content of the suite, 64 hexadecimal digits: its name, its files, and how they are read."""
        return hashlib.sha256(json.dumps([self.name, self.files, self.reading]).encode()).hexdigest()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, sorted."""
        return tuple(sorted(self.instances["split"].unique().to_pylist()))


def bad_counts(suite: Suite) -> Iterator[tuple[str, int]]:
    """Yield the reasons for which rows of a suite could not be read, and how many rows each."""
    yield from sorted(Counter(reason for _, _, reason in suite.bad).items())
