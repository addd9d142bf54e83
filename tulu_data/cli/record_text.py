"""A record at the terminal: its place, why it was left out, and who says what.

The one idea: prose is wrapped and what stands in a block of code is left as it is; of a long text the
beginning is shown and how much follows. It chooses no records.
"""

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from tulu_data.versions.browse import Found, Said

Spans = list[tuple[int, int]]
COLOURS = {"system": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow"}
CONTEXT = 600
"""Half of the characters of a text that are shown, unless it is to be shown whole."""
INDENT = "  "
FENCE = ("```", "~~~")


def print_record(console: "Console", found: "Found", total: int, search: str | None, *, full: bool) -> None:
    """Print one record, of so many."""
    from rich.markup import escape

    from tulu_data.report.spans import safe_text

    place = f"{found.row:,}/{total:,}" if found.reason is None else f"{found.row:,}"
    id_ = f"  {found.id}" if found.id else ""
    copy = f"  copy {found.copy}" if found.copy else ""
    console.print(
        f"[bold]{place}[/bold]{id_}  [bold]{escape(found.source)}[/bold]  "
        f"{escape(safe_text(found.origin))}{copy}",
        soft_wrap=True,
    )
    for line in _why(found):
        console.print(f"{INDENT}{line}", soft_wrap=True)
    if found.missing:
        console.print(f"{INDENT}not shown: {found.missing}", markup=False, soft_wrap=True)
    marks = _marks(found, search)
    for one, spans in zip(found.said, marks, strict=True):
        _print_said(console, one, spans, full=full)
    for name, text in found.parts.items():
        shown = _tools(text) if name == "tools" and not full else text
        console.print(f"{INDENT}[bold]{name.replace('_', ' ')}[/bold]")
        _print_text(console, shown, _sought(shown, search), full=full)


def _why(found: "Found") -> "Iterator[str]":
    """Yield why a record or row was left out, as marked up lines."""
    from rich.markup import escape

    from tulu_data.report.evidence import dropped_by, evidence_lines

    if found.reason is None:
        return
    what = dropped_by(found.step, found.reason) if found.step else f"quarantined: {found.reason}"
    yield f"[bold red]{escape(what)}[/bold red]"
    yield from map(escape, evidence_lines(found.evidence or {}, [one.column for one in found.said]))


def _marks(found: "Found", search: str | None) -> list[Spans]:
    """Return what is marked in each message: what was searched or matched, or where two answers differ."""
    sought = search or (found.evidence or {}).get("matched")
    if sought:
        return [_sought(one.content, sought) for one in found.said]
    marks: list[Spans] = [[] for _ in found.said]
    sides = {
        name: [k for k, one in enumerate(found.said) if one.column == name] for name in ("chosen", "rejected")
    }
    if all(sides.values()):
        from tulu_data.dedup.differing import differing

        texts = [[found.said[k].content for k in side] for side in sides.values()]
        for side, spans in zip(sides.values(), differing(*texts), strict=True):
            for k, each in zip(side, spans, strict=True):
                # Where nothing is shared, marks would say nothing.
                is_all = sum(end - start for start, end in each) > len(found.said[k].content) * 0.9
                marks[k] = [] if is_all else each
    return marks


def _sought(text: str, search: str | None) -> Spans:
    """Return where a text holds another, in any case of letters."""
    return [one.span() for one in re.finditer(re.escape(search), text, re.IGNORECASE)] if search else []


def _print_said(console: "Console", said: "Said", spans: Spans, *, full: bool) -> None:
    """Print one message."""
    colour = COLOURS.get(said.role, "")
    column = "" if said.column == "messages" else f" ({said.column})"
    console.print(f"{INDENT}[bold {colour}]{said.role}{column}[/bold {colour}]")
    if said.content:
        _print_text(console, said.content, spans, full=full)
    if said.tool_calls:
        for line in _calls(said.tool_calls):
            console.print(f"{INDENT * 2}-> {line}", markup=False, soft_wrap=True)
    elif not said.content:
        console.print(f"{INDENT * 2}[dim](empty)[/dim]")


def _print_text(console: "Console", text: str, spans: "Sequence[tuple[int, int]]", *, full: bool) -> None:
    """Print a text: prose wrapped, code as it is."""
    from rich.text import Text

    from tulu_data.report.spans import marked_text

    colour = console.color_system is not None
    context = len(text) if full else CONTEXT if not spans else CONTEXT // 3
    is_code = False
    for line in marked_text(text, spans, colour=colour, context=context).split("\n", allow_blank=True):
        fence = line.plain.lstrip().startswith(FENCE)
        parts: list[Text] = [line]
        if not is_code and not fence:
            parts = list(line.wrap(console, max(20, console.width - 2 * len(INDENT)))) or [line]
        for part in parts:
            console.print(Text(INDENT * 2) + part, soft_wrap=True)
        is_code ^= fence


def _calls(text: str) -> list[str]:
    """Return tool calls as one would write them."""
    from tulu_data.report.spans import safe_text

    try:
        calls = json.loads(text)
        named = [call.get("function", call) for call in calls]
        lines = [f"{one['name']}({_arguments(one.get('arguments'))})" for one in named]
    except (ValueError, TypeError, KeyError, AttributeError):
        lines = [text]
    return [safe_text(line) for line in lines]


def _arguments(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def _tools(text: str) -> str:
    """Return the names of tools with those of their parameters."""
    try:
        tools = [tool.get("function", tool) for tool in json.loads(text)]
        return "\n".join(f"{tool['name']}({', '.join(_parameters(tool))})" for tool in tools)
    except (ValueError, TypeError, KeyError, AttributeError):
        return text


def _parameters(tool: dict[str, Any]) -> list[str]:
    return list((tool.get("parameters") or {}).get("properties", {}))
