"""Values inside raw rows: what a path leads to, what choices are, and which of them is marked.

The one idea: JSON that a file keeps as text is data too; whatever is no text becomes text in one way. A
value that cannot be what it should be is None, and the caller says what that means.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tulu_data.specs.paths import EVERY

_LETTER = re.compile(r"\(?([A-Z])\)?[.:]?")


def written(value: object) -> str | None:
    """Write any value as text; structures as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def walked(value: Any, steps: Sequence[str | int]) -> Any:
    """Follow the steps of a path; JSON inside text is entered too."""
    for i, step in enumerate(steps):
        if isinstance(value, str):
            value = _json(value)
        if step == EVERY:
            return [walked(v, steps[i + 1 :]) for v in value] if isinstance(value, list) else None
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _json(text: str) -> Any:
    """Return what JSON text says, None where it is none."""
    try:
        return json.loads(text) if text.lstrip()[:1] in ("[", "{") else None
    except ValueError:
        return None


def matched(pattern: "re.Pattern[str]", value: object) -> str | None:
    """Return the part of a text that a pattern finds."""
    found = pattern.search(value) if isinstance(value, str) else None
    return None if found is None else found[1] if pattern.groups else found[0]


def choices_in(value: object) -> list[str] | None:
    """Read choices: a list, a list or an object of marks in JSON, or one choice."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        inner = _json(value)
        value = [value] if inner is None else inner
    if value is None or value == "":
        return None
    if isinstance(value, dict):
        return list(_marks(value)) or None
    return [written(v) or "" for v in value] if isinstance(value, list) else [written(value) or ""]


def _marks(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the texts of an object that have a mark; in a struct, those of other rows have none."""
    return {text: mark for text, mark in value.items() if isinstance(mark, int | float | str)}


def marked(mark: Any, choices: list[str] | None) -> str | None:
    """Return the choice that is marked: by its number, its letter, a mark for each, or by its own text."""
    if choices is None or mark is None:
        return None
    if isinstance(mark, str):
        mark = _json(mark) if mark[:1] in ("[", "{") else mark
    if isinstance(mark, dict):
        mark = list(_marks(mark).values())
    if isinstance(mark, list):
        if len(mark) == len(choices) > 1:
            return next((c for c, m in zip(choices, mark, strict=True) if m in (1, True, "1")), None)
        mark = mark[0] if mark else None
    number = _number(mark)
    if number is not None and 0 <= number < len(choices):
        return choices[number]
    return mark if mark in choices else None


def _number(mark: object) -> int | None:
    """Return the number from 0 that a number or letter stands for."""
    if isinstance(mark, int | float) and mark == int(mark):
        return int(mark)
    text = mark.strip() if isinstance(mark, str) else ""
    if text.isdecimal():
        return int(text)
    letter = _LETTER.fullmatch(text)
    return ord(letter[1]) - ord("A") if letter else None
