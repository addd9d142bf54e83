"""What changed between two specs: keys with the value before and after.

The one idea: mappings are compared key by key; steps, which are a list, are first laid beside each other by
their names, so that a step put in front changes none of the others, and a source that reads the same under
another name has been renamed. It knows no keys of a mixture but `steps` and `sources`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from json import dumps
from typing import Any

from tulu_data.specs.document import KeyPath, dotted


class Absent:
    """Stands for a key that is not there."""


ABSENT = Absent()
CUT = 90
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """One key that has another value, or is in one spec alone."""

    path: KeyPath
    """In the new spec; where a step is gone, in the old one."""
    before: Any
    """ABSENT where the key was not there."""
    after: Any
    renamed: bool = False
    """A source has another name alone: before and after are names."""

    def to_dict(self) -> dict[str, Any]:
        """Return path and values as JSON values; a side without the key is left out."""
        told: dict[str, Any] = {"path": dotted(self.path)} | ({"renamed": True} if self.renamed else {})
        sides = {"before": self.before, "after": self.after}
        return told | {name: value for name, value in sides.items() if value is not ABSENT}

    def __str__(self) -> str:
        """Say in one line what changed; long values are cut."""
        if self.renamed:
            return (
                f"source {self.before} is called {self.after}; names enter draw and order, so rows may change"
            )
        sides = (_cut(self._shown(one)) for one in (self.before, self.after))
        return f"{dotted(self.path)}: {' -> '.join(sides)}"

    def _shown(self, value: Any) -> str:
        """Write a value; of a whole source what matters first."""
        if value is ABSENT:
            return "-"
        if self.path[:1] == ("sources",) and len(self.path) == 2 and isinstance(value, dict):
            return f"{value.get('uri')}, take {dumps(value.get('take'))}"
        return dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[:CUT]}..."


def key_changes(before: Any, after: Any, path: KeyPath = ()) -> Iterator[KeyChange]:
    """Yield every key that differs, keys of the old spec first."""
    if path == ("sources",) and isinstance(before, dict) and isinstance(after, dict):
        yield from _source_changes(before, after)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from key_changes(before.get(key, ABSENT), after.get(key, ABSENT), (*path, key))
    elif path == ("steps",) and isinstance(before, list) and isinstance(after, list):
        yield from _step_changes(before, after)
    elif not _alike(before, after):
        yield KeyChange(path=path, before=before, after=after)


def _alike(one: Any, other: Any) -> bool:
    """Tell whether two values are written alike; to Python, 0 and false are equal."""
    if ABSENT in (one, other):
        return one is other
    texts = (dumps(value, sort_keys=True, default=str) for value in (one, other))
    return next(texts) == next(texts)


def renamed(changes: Iterable[KeyChange]) -> dict[str, str]:
    """Return the new names of sources by their old ones."""
    return {change.before: change.after for change in changes if change.renamed}


def _source_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[KeyChange]:
    """Yield what changed in sources; one that is gone and one that is new and reads the same are one."""
    names = _same_reading(before, after)
    for name in names:
        yield KeyChange(path=("sources", names[name]), before=name, after=names[name], renamed=True)
    old = {names.get(name, name): source for name, source in before.items()}
    for name in dict.fromkeys([*old, *after]):
        yield from key_changes(old.get(name, ABSENT), after.get(name, ABSENT), ("sources", name))


def _same_reading(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Pair sources that are gone with new ones that read the same; where several do, in their order."""
    gone, new = (
        [name for name in one if name not in other] for one, other in ((before, after), (after, before))
    )
    pairs: dict[str, str] = {}
    for alike in (lambda one, other: one == other, _reads_as):
        for name in gone:
            fitting = (n for n in new if n not in pairs.values() and alike(before[name], after[n]))
            found = None if name in pairs else next(fitting, None)
            pairs |= {} if found is None else {name: found}
    return pairs


def _reads_as(one: Any, other: Any) -> bool:
    """Tell whether two sources read the same rows of the same place."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    return all(one.get(key) == other.get(key) for key in ("uri", "attach", "config", "split", "where"))


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
