"""The manifest of a version: what it holds, where that came from, what was left out.

It is written last, so a folder with a manifest is a whole version. Everything a later reader
needs stands here; nothing here enters the content id.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tulu_data.errors import StoreError
from tulu_data.schema import Kind

MANIFEST = "manifest.json"
FORMAT = 1


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ShardEntry(_Entry):
    """One Arrow stream file of the version."""

    file: str
    rows: int
    bytes: int
    sha256: str
    split: str | None = None
    """Split that it is a part of; None where the version is not split."""


class FileEntry(_Entry):
    """One input file: its origin as records show it, and its content."""

    origin: str
    sha256: str
    rows: int


class InputEntry(_Entry):
    """Something that was read besides sources: a file of an eval suite, decisions, the tokenizer."""

    role: str
    """`suite`, `decisions` or `tokenizer`."""
    origin: str
    sha256: str
    """Of its bytes; of a suite's file, of these and of how it is read."""


class SourceEntry(_Entry):
    """What became of one source. `read = quarantined + sum(dropped) + not_drawn + kept`."""

    name: str
    uri: str
    revision: str | None = None
    licences: tuple[str, ...] = ()
    """Licences of its records; `unknown` stands for records of which none is known."""
    licence_rows: dict[str, int] = {}
    """Rows in the version by licence, where the source is a stored version of several; else empty."""
    files: tuple[FileEntry, ...] = ()
    read: int
    quarantined: dict[str, int] = {}
    dropped: dict[str, int] = {}
    """Rows left out by `where` and by steps, by reason."""
    not_drawn: int
    kept: int
    """Rows of the source that are in the version, each counted once; rows that say the same are several."""
    rows: int
    """Rows in the version, copies counted."""
    tokens: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _reads_one_licence(cls, data: Any) -> Any:
        """Take on the one text that manifests held before they could name several."""
        if isinstance(data, dict) and "licences" not in data and "licence" in data:
            texts = str(data["licence"] or "").split(",")
            return data | {"licences": [text.strip().lower() for text in texts if text.strip()]}
        return data


class Manifest(_Entry):
    """Everything about a version but its records."""

    format: int = FORMAT
    name: str
    kind: Kind
    content_id: str
    recipe_id: str
    rows: int
    created: str
    """UTC time in ISO form; it enters no id."""
    shards: tuple[ShardEntry, ...]
    splits: dict[str, int] = {}
    """Rows of each split, in the order in which they lie; empty where the version is not split."""
    sources: tuple[SourceEntry, ...]
    inputs: tuple[InputEntry, ...] = ()
    """What was read besides sources."""
    step_versions: dict[str, int] = {}
    """Versions of the code of the steps, which are raised when one gives other results."""
    duplicates: tuple[dict[str, Any], ...] = ()
    """Of each dedup step: settings, what stored versions hold already, records, dropped by reason, clusters,
    the largest of them, the search."""
    decontamination: dict[str, Any] | None = None
    """The report of the decontamination step: suites with sha256, rule, table of hits; None if none ran."""
    card: dict[str, Any] = {}
    """What the spec says for people alone; it enters no id."""
    warnings: tuple[str, ...] = ()
    software: dict[str, str] = {}


def read_manifest(folder: Path) -> Manifest:
    """Read a version's manifest; raise StoreError when it is missing or damaged."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise StoreError(f"{folder}: no {MANIFEST}, so no whole version; build it again") from None
    except (ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{path}: not readable as a manifest ({reason}); build the version again") from None
