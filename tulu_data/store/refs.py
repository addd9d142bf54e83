"""The log of a name: which version was built when, from which recipe and inputs, newest last.

One line a build: content id, UTC time, recipe id, inputs id. The log is rewritten whole and
renamed, so a reader never sees half a line.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from tulu_data.store.manifest import MANIFEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """One line of a log."""

    content_id: str
    time: str
    recipe_id: str
    inputs_id: str


def read_refs(root: Path, name: str) -> list[Ref]:
    """Return the builds of a name whose versions exist, oldest first, each version at its newest line."""
    log = root / "refs" / name
    if not log.is_file():
        return []
    # A line that somebody damaged is no build, and hides none of the others.
    lines = [line.split() for line in log.read_text("utf-8", "replace").splitlines()]
    refs = [Ref(content_id=f[0], time=f[1], recipe_id=f[2], inputs_id=f[3]) for f in lines if len(f) == 4]
    newest = {ref.content_id: i for i, ref in enumerate(refs)}
    kept = [ref for i, ref in enumerate(refs) if newest[ref.content_id] == i]
    return [ref for ref in kept if (root / name / ref.content_id / MANIFEST).is_file()]


def find_built(root: Path, name: str, recipe_id: str, inputs_id: str) -> str | None:
    """Return the content id that this recipe made of these inputs, if that version exists.

    Where another recipe made the same records since, the version's account is of that one.
    """
    for ref in reversed(read_refs(root, name)):
        if (ref.recipe_id, ref.inputs_id) == (recipe_id, inputs_id):
            return ref.content_id
    return None


def append_ref(root: Path, name: str, ref: Ref) -> None:
    """Add a line to the log of a name; the caller holds the writer lock."""
    log = root / "refs" / name
    log.parent.mkdir(parents=True, exist_ok=True)
    before = log.read_text("utf-8", "replace") if log.is_file() else ""
    line = f"{ref.content_id} {ref.time} {ref.recipe_id} {ref.inputs_id}\n"
    temporary = log.with_name(f".{name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(before + line)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(log)
    finally:
        temporary.unlink(missing_ok=True)
