"""A text with its matched spans marked, cut to what a person has to read.

The one idea: a text becomes pieces that are marked, plain or a gap, and joining them all gives the text
again; so what is shown can be checked. Characters that would steer a terminal are shown, not sent.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

CONTEXT = 200
"""Characters shown on either side of a span."""
_LEAST_GAP = 80
"""Fewer characters than this are not worth a gap."""
_UNSAFE = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    **dict.fromkeys(
        (*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F), 0xFFFD
    ),
}
"""Control and direction characters, by what stands for them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text."""

    kind: Literal["marked", "plain", "gap"]
    text: str


def pieces(
    text: str, spans: Iterable[tuple[int, int]], context: int = CONTEXT, *, whole: bool = True
) -> Iterator[Piece]:
    """Cut a text into marked spans, what is near to them, and gaps; without spans its beginning is near.

    Where spans need not be shown `whole`, long ones have a gap in their middle.
    """
    last = 0
    merged = list(_merged(spans))
    for number, (start, end) in enumerate(merged):
        yield from _between(text, last, start, context, after=number > 0)
        gap = end - start - 2 * context
        if whole or gap < _LEAST_GAP:
            yield Piece("marked", text[start:end])
        else:
            yield Piece("marked", text[start : start + context])
            yield Piece("gap", text[start + context : end - context])
            yield Piece("marked", text[end - context : end])
        last = end
    yield from _tail(text, last, context if merged else 2 * context)


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join spans that overlap or touch."""
    begin = stop = -1
    for start, end in sorted(spans):
        if start > stop:
            if stop > begin:
                yield begin, stop
            begin = start
        stop = max(stop, end) if start <= stop else end
    if stop > begin:
        yield begin, stop


def _between(text: str, start: int, end: int, context: int, *, after: bool) -> Iterator[Piece]:
    """Cut what lies before a span, and after another one where there is one."""
    head = start + context if after else start
    tail = end - context
    if tail - head < _LEAST_GAP:
        head = tail = end
    for kind, low, high in (("plain", start, head), ("gap", head, tail), ("plain", tail, end)):
        if low < high:
            yield Piece(kind, text[low:high])  # type: ignore[arg-type]


def _tail(text: str, start: int, context: int) -> Iterator[Piece]:
    """Cut what lies after the last span."""
    end = start + context if len(text) - start - context >= _LEAST_GAP else len(text)
    for kind, low, high in (("plain", start, end), ("gap", end, len(text))):
        if low < high:
            yield Piece(kind, text[low:high])  # type: ignore[arg-type]


def marked_text(
    text: str, spans: Iterable[tuple[int, int]], *, colour: bool, context: int = CONTEXT, whole: bool = True
) -> Text:
    """Return a text for the terminal: spans in colour, or in [[brackets]] where there is none."""
    shown = Text()
    for piece in pieces(text, spans, context, whole=whole):
        if piece.kind == "gap":
            shown.append(f" \u2026 {len(piece.text):,} characters \u2026 ", style="dim italic")
        elif piece.kind == "marked":
            safe = piece.text.translate(_UNSAFE)
            shown.append(safe if colour else f"[[{safe}]]", style="bold black on yellow" if colour else "")
        else:
            shown.append(piece.text.translate(_UNSAFE))
    return shown


def safe_text(text: str) -> str:
    """Return a text without the characters that would steer a terminal."""
    return text.translate(_UNSAFE)
