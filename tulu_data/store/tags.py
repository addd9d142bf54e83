"""Tags: names that people give to versions, as in `sft_v3@best`.

The one idea: a tag is a line beside the log of its name, rewritten whole and renamed, so a reader sees all of
the old lines or all of the new ones. A tag never looks like a content id or `latest`, so `name@word` has one
meaning. A tag whose version is gone is no tag. The caller holds the writer lock.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tulu_data.errors import StoreError
from tulu_data.store.manifest import MANIFEST

LATEST = "latest"
"""Stands for the newest version of a name, always."""
TAGS = ".tags"
"""Folder below refs/; the names of datasets begin with a letter or digit."""
_TAG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_DIGITS = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One line: what a version of a name is called, since when."""

    tag: str
    content_id: str
    time: str


def read_tags(root: Path, name: str) -> dict[str, Tag]:
    """Return the tags of a name whose versions exist, by tag, sorted."""
    return {
        one.tag: one
        for one in sorted(_lines(root, name), key=lambda one: one.tag)
        if (root / name / one.content_id / MANIFEST).is_file()
    }


def tagged(root: Path, name: str) -> dict[str, list[str]]:
    """Return the tags of every content id of a name that has any."""
    found: dict[str, list[str]] = {}
    for one in read_tags(root, name).values():
        found.setdefault(one.content_id, []).append(one.tag)
    return found


def check_tag(tag: str) -> None:
    """Raise StoreError where a word cannot be a tag."""
    if tag == LATEST:
        raise StoreError(f"tag {tag!r}: always means the newest version of a name; choose another word")
    if _DIGITS.fullmatch(tag):
        raise StoreError(
            f"tag {tag!r}: could be the beginning of a content id (0-9, a-f alone); "
            f"choose another word, for example {f'v-{tag}'!r}"
        )
    if _TAG.fullmatch(tag) is None:
        fitting = re.sub(r"[^a-z0-9_.-]+", "-", tag.lower()).strip("_.-")[:100]
        near = f"; {fitting!r} would do" if fitting and not _DIGITS.fullmatch(fitting) else ""
        raise StoreError(
            f"tag {tag!r}: a tag is small letters, digits, '_', '.' and '-' (at most 100), "
            f"beginning with a letter or digit{near}"
        )


def write_tags(root: Path, name: str, tags: dict[str, Tag]) -> None:
    """Write the tags of a name."""
    path = root / "refs" / TAGS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(f"{one.tag} {one.content_id} {one.time}\n" for one in tags.values())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _lines(root: Path, name: str) -> list[Tag]:
    path = root / "refs" / TAGS / name
    if not path.is_file():
        return []
    # A line that somebody damaged is no tag, and hides none of the others.
    lines = [line.split() for line in path.read_text("utf-8", "replace").splitlines()]
    return [Tag(tag=f[0], content_id=f[1], time=f[2]) for f in lines if len(f) == 3]
