"""What a walk does at a terminal: keys one at a time, and texts with their marks.

The one idea: a key is read as it is typed, where input is a terminal, and from a pipe just the same; the
terminal is given back as it was. It knows nothing of what is walked through.
"""

import os
import sys
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

INTERRUPT = b"\x03"
"""What Ctrl-C types."""
QUIT = ("q", INTERRUPT.decode())
"""Keys that end a walk."""
INDENT = " " * 4
"""What stands before a line of a text that is shown."""


@contextmanager
def keyboard(*, lines: bool) -> "Iterator[None]":
    """Let a terminal give whole lines, or each key at once and unseen; what was typed ahead stays.

    Ctrl-C is a key then, so that it is not lost, or halfway through an answer, whatever is being shown.
    """
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    wanted = termios.tcgetattr(sys.stdin)
    flags = termios.ICANON | termios.ECHO
    wanted[3] = wanted[3] | flags if lines else wanted[3] & ~flags
    nothing = os.fpathconf(sys.stdin.fileno(), "PC_VDISABLE").to_bytes()
    wanted[6][termios.VINTR] = INTERRUPT if lines else nothing
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, wanted)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def read_key() -> str:
    """Read one key; `q` at the end of input and by Ctrl-D."""
    key = sys.stdin.read(1)
    return read_key() if key in ("\n", "\r") else "q" if key in ("", "\x04") else key


def read_line(prompt: str) -> str | None:
    """Read a line of text."""
    with keyboard(lines=True):
        click.echo(f"  {prompt}: ", nl=False)
        return sys.stdin.readline().strip() or None


def show_text(
    console: "Console", title: str, text: str, spans: "Sequence[tuple[int, int]]", *, whole: bool = True
) -> None:
    """Print one text below its title; spans that need not be shown whole are cut in their middle."""
    from rich.text import Text

    from tulu_data.report.spans import marked_text, safe_text

    console.print(f"  [bold]{safe_text(title)}[/bold]")
    colour = console.color_system is not None
    marked = marked_text(text if spans else text.strip(), spans, colour=colour, whole=whole)
    for line in marked.wrap(console, console.width - len(INDENT)):
        line.rstrip()
        console.print(Text(INDENT) + line, soft_wrap=True)
