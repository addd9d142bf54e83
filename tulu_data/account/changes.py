"""What changed between two specs: keys with the value before and after.

The one idea: mappings are compared key by key; steps, which are a list, are first laid beside each other by
their names, so that a step put in front changes none of the others. It knows no key of a mixture but `steps`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from tulu_data.specs.document import KeyPath, dotted


class Absent:
    """Stands for a key that is not there."""


ABSENT = Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """One key that has another value, or is in one spec alone."""

    path: KeyPath
    """In the new spec; where a step is gone, in the old one."""
    before: Any
    """ABSENT where the key was not there."""
    after: Any

    def to_dict(self) -> dict[str, Any]:
        """Return path and values as JSON values; a side without the key is left out."""
        told = {"path": dotted(self.path)}
        sides = {"before": self.before, "after": self.after}
        return told | {name: value for name, value in sides.items() if value is not ABSENT}


def key_changes(before: Any, after: Any, path: KeyPath = ()) -> Iterator[KeyChange]:
    """Yield every key that differs, keys of the old spec first."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from key_changes(before.get(key, ABSENT), after.get(key, ABSENT), (*path, key))
    elif path == ("steps",) and isinstance(before, list) and isinstance(after, list):
        yield from _step_changes(before, after)
    elif before != after or type(before) is not type(after):
        yield KeyChange(path=path, before=before, after=after)


def _step_changes(before: Sequence[Any], after: Sequence[Any]) -> Iterator[KeyChange]:
    """Yield what changed in steps that both have in the same order, then the others whole."""
    old_names, new_names = ([str(step.get("step")) for step in steps] for steps in (before, after))
    blocks = SequenceMatcher(None, old_names, new_names, autojunk=False).get_matching_blocks()
    matched: set[int] = set()
    kept: set[int] = set()
    for old, new, size in blocks:
        for i in range(size):
            yield from key_changes(before[old + i], after[new + i], ("steps", new + i))
        kept |= {*range(old, old + size)}
        matched |= {*range(new, new + size)}
    for i, step in enumerate(before):
        if i not in kept:
            yield KeyChange(path=("steps", i), before=step, after=ABSENT)
    for i, step in enumerate(after):
        if i not in matched:
            yield KeyChange(path=("steps", i), before=ABSENT, after=step)
