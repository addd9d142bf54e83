"""What an import has found: the sources of a mixture to be, and what could not be carried over.

The one idea: every key of the other tool's file ends in a source, in a step, or in a line of `left`; readers
tick off what they have used, and the rest is named. It knows no format.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tulu_data.errors import SpecError
from tulu_data.schema import Kind
from tulu_data.specs.base import shown
from tulu_data.specs.document import Document, KeyPath
from tulu_data.specs.uris import uri_mistakes

_DATA = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".gz", ".zst")
_SLICE = re.compile(r"(?P<split>[^\[\]]+)\[(?P<slice>[^\]]*)\]")


@dataclass(slots=True, kw_only=True)
class DraftSource:
    """A source as it will be written."""

    name: str
    keys: dict[str, Any]
    """Keys of the source, in order."""
    notes: list[str] = field(default_factory=list)
    """What a person should know of it, written beside it."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """A mixture to be."""

    kind: Kind
    sources: list[DraftSource] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    """Steps, as they are written."""
    seed: int | None = None
    """The seed that shuffles there, None where none is named."""
    size: int | None = None
    """Rows that sources with a weight share."""
    validation: float | None = None
    """Share of the records that is kept apart for validation."""
    left: list[str] = field(default_factory=list)
    """What has no equivalent or was left out, each with its place."""

    def keep_apart(self, top: "Entry", key: str) -> None:
        """Carry over how much is kept apart for validation: a share, or nothing that a mixture can say."""
        size = top.get(key)
        if isinstance(size, int | float) and 0 < size < 1:
            self.validation = float(size)
        elif size:
            text = f"{size} rows for validation; say with splits what share they are"
            self.left.append(top.said(key, text))

    def take_seed(self, top: "Entry") -> None:
        """Carry over the seed, which shuffles there too, if a mixture may have it."""
        seed = top.values.get("seed")
        if isinstance(seed, str) and seed.isdecimal():
            seed = int(seed)
        if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63:
            top.used.add("seed")
            self.seed = seed

    def add(self, name: str, keys: Mapping[str, Any]) -> DraftSource:
        """Add a source under a name of its own."""
        taken = {source.name for source in self.sources}
        last = name.rsplit("/", 1)[-1]
        while last.endswith(_DATA):
            last = last.rpartition(".")[0]
        base = re.sub(r"[^\w.-]+", "_", last).strip("_.-")[:80] or "source"
        free = next(n for n in _numbered(base) if n not in taken)
        source = DraftSource(name=free, keys={key: v for key, v in keys.items() if v is not None})
        self.sources.append(source)
        return source


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, then the same name with 2, 3, ..."""
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A mapping of the file that is read, and which of its keys have been used."""

    document: Document
    path: KeyPath
    values: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    def get(self, key: str) -> Any:
        """Return a value, None where there is none, and note that it is read."""
        self.used.add(key)
        return self.values.get(key)

    def text(self, key: str) -> str | None:
        """Return a value as text, None where there is none; raise SpecError where it is something else."""
        value = self.get(key)
        if isinstance(value, list | dict):
            raise SpecError([self.said(key, f"expected text, found {shown(value)}")])
        return None if value is None or value == "" else str(value)

    def texts(self, key: str) -> list[str]:
        """Return one text or several; raise SpecError where something else is among them."""
        value = self.get(key)
        several = value if isinstance(value, list) else [value]
        if any(isinstance(one, list | dict) for one in several):
            raise SpecError([self.said(key, f"expected texts, found {shown(value)}")])
        return [str(one) for one in several if one is not None and one != ""]

    def mapping(self, key: str) -> dict[str, Any]:
        """Return keys and values, none where there are none; raise SpecError where it is something else."""
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise SpecError([self.said(key, f"expected keys and values, found {shown(value)}")])
        return {str(name): one for name, one in (value or {}).items() if one is not None}

    def count(self, key: str) -> int | None:
        """Return a whole number, None where there is none; raise SpecError where it is something else."""
        value = self.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise SpecError([self.said(key, f"expected a whole number, found {shown(value)}")])
        return value

    def said(self, key: str | None, text: str) -> str:
        """Say something of a key, or of the whole entry, at its place."""
        path = self.path if key is None else (*self.path, key)
        return self.document.problem(path, text, key=key is not None and key in self.values)

    def rest(self, known: Collection[str] = ()) -> list[str]:
        """Return the keys that nobody has asked for and that say something."""
        return [
            key for key, value in self.values.items() if key not in {*self.used, *known} and value is not None
        ]

    def leave_rest(self, draft: Draft) -> None:
        """Name every key that was not used as not carried over."""
        draft.left += [self.said(key, "has no equivalent in a mixture") for key in self.rest()]


def entry_at(document: Document, path: KeyPath, value: object) -> Entry | None:
    """Return an entry where there is a mapping."""
    if not isinstance(value, dict):
        return None
    return Entry(document=document, path=path, values={str(key): one for key, one in value.items()})


def split_of(said: str | None) -> tuple[str | None, str | None]:
    """Return a split without its slice, and the slice (`train[:10%]`), which no draw would repeat."""
    found = _SLICE.fullmatch(said) if said else None
    return (found["split"], found["slice"]) if found else (said, None)


def uri_of(name: str, base: Path, folder: Path) -> str | None:
    """Return the uri of a dataset that a file in `folder` names; None where no uri can name it.

    A path that is there, or that looks like one, is written relative to `base`; `owner/name` is on the hub.
    """
    if "://" in name:
        return None if list(uri_mistakes(name, None, (), "")) else name
    path = Path(name).expanduser()
    there = next((p for p in (Path.cwd() / path, folder / path) if p.exists()), None)
    if there is not None:
        return written(there, base)
    if hub_uri(name) and path.suffix.lower() not in _DATA and name[0] not in "./~":
        return f"hf://{name}"
    return written(folder / path, base) if path.is_absolute() or path.suffix or "/" in name else None


def hub_uri(name: str) -> str | None:
    """Return the uri of a dataset on the hub, None where no dataset can have the name."""
    return f"hf://{name}" if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name, re.ASCII) else None


def written(path: Path, base: Path) -> str:
    """Write a path as a spec has it: relative to the workspace, or absolute where it lies elsewhere.

    A path below the workspace stays one, wherever links on it lead.
    """
    for full, root in ((_absolute(path), _absolute(base)), (path.resolve(), base.resolve())):
        if full.is_relative_to(root):
            return full.relative_to(root).as_posix()
    return _absolute(path).as_posix()


def _absolute(path: Path) -> Path:
    """Return a path from the root, without `..`, its links left as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links
