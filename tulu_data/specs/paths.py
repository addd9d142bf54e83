r"""Where a value stands in a row: paths into structs and lists, and templates made of paths.

The one idea: a path is data that is checked when a spec is read, so that a slip is told at its place
and not at the first row. `turns[0]`, `metadata.obj`, `options[*].text`; `{passage}\n{question}` is a
template. This module knows no rows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

EVERY = -1
"""Step that stands for every element of a list; no key and no index is like it."""

_STEP = re.compile(r"\[(\d+|\*)\]|(?:^|\.)([^.\[\]{}]+)")
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One value of a row: a column, and the steps from there."""

    text: str
    """The path as it was written; a column of just this name goes first."""
    column: str
    steps: tuple[str | int, ...] = ()
    """Keys of structs, indices of lists, EVERY."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Text with paths in it."""

    parts: tuple[str | Path, ...]

    @property
    def paths(self) -> Iterator[Path]:
        """Yield the paths."""
        return (part for part in self.parts if isinstance(part, Path))


def parse_path(text: str) -> Path:
    """Read a path; raise ValueError that says what is expected."""
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (at == 0 and (found[2] is None or text[0] == ".")):
            raise ValueError(f"expected a path such as question, turns[0] or options[*].text, found {text!r}")
        steps.append(found[2] if found[1] is None else EVERY if found[1] == "*" else int(found[1]))
        at = found.end()
    if not steps:
        raise ValueError("must not be empty; name a column")
    return Path(text=text, column=str(steps[0]), steps=tuple(steps[1:]))


def parse_text(text: str) -> Path | Template:
    """Read a path, or a template where the text has braces; raise ValueError."""
    if "{" not in text and "}" not in text:
        return parse_path(text)
    parts: list[str | Path] = []
    at = 0
    for found in _PART.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if found[0] in ("{{", "}}"):
            parts.append(found[0][0])
        elif found[1] is None:
            raise ValueError(f"a brace without its other half in {text!r}; write two for a brace itself")
        else:
            parts.append(parse_path(found[1]))
    parts.append(text[at:])
    return Template(parts=tuple(part for part in parts if part != ""))


def paths_of(text: str) -> tuple[Path, ...]:
    """Return the paths of a path or template that was checked before."""
    parsed = parse_text(text)
    return (parsed,) if isinstance(parsed, Path) else tuple(parsed.paths)
