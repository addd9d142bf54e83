"""A draft as the text of a mixture spec, with comments.

The one idea: the text reads like a spec that a person wrote, and says at its top what was not carried over.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from tulu_data.imports.draft import Draft, DraftSource

_PLAIN = re.compile(r"[A-Za-z_./][\w./@*+-]*(?:://?[\w./@*+-]+)?")
_WORDS = {"true", "false", "null", "~", ".inf", ".nan"}
_WIDTH = 110


def spec_text(draft: Draft, *, name: str, origin: str) -> str:
    """Return a mixture spec; `origin` says what it was made of."""
    lines = [*_comment(f"Imported from {origin}."), *_left(draft)]
    lines += ["version: 1", f"name: {_scalar(name)}", f"kind: {draft.kind}"]
    lines.append(f"seed: {42 if draft.seed is None else draft.seed}")
    if draft.size is not None:
        lines.append(f"size: {draft.size}")
    if not draft.steps:
        lines += _comment(
            "Nothing was decontaminated there; a step instead: {step: decontaminate, against: [evals/]}"
        )
        lines.append("decontaminate: none")
    else:
        lines += ["decontaminate: none", "steps:", *(f"  - {step}" for step in draft.steps)]
    if draft.validation is not None:
        lines.append(f"splits: {{validation: {{fraction: {_scalar(draft.validation)}}}}}")
    lines.append("sources:")
    for source in draft.sources:
        lines += _source(source)
    return "\n".join(lines) + "\n"


def _left(draft: Draft) -> Iterator[str]:
    """Yield what was not carried over, as comments."""
    if draft.left:
        yield "#"
        yield "# Not carried over:"
        for text in draft.left:
            yield from _comment(f"- {text}", "  ")


def _comment(text: str, indent: str = "") -> list[str]:
    """Return text as lines of comment."""
    shown = " ".join(text.split())
    found = textwrap.wrap(
        shown, _WIDTH - 2, break_long_words=False, break_on_hyphens=False, subsequent_indent=indent
    )
    return [f"# {line}" for line in found]


def _source(source: DraftSource) -> Iterator[str]:
    """Yield the lines of a source."""
    yield f"  {_scalar(source.name)}:"
    for note in source.notes:
        yield from (f"    {line}" for line in _comment(note))
    for key, value in source.keys.items():
        yield f"    {key}: {_flow(value)}"


def _flow(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    """Write a scalar; text in quotes unless it is plainly text without them."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
