"""Printing, shared by the verbs: results to stdout, progress and warnings to stderr."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.options import workspace_root

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 160
"""Width of texts where the output is no terminal; tables are as wide as they are there."""


def results() -> "Console":
    """Return the console for results; without a terminal it is plain and wide."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def stage(text: str) -> None:
    """Report progress on stderr."""
    click.echo(text, err=True)


def warn(text: str) -> None:
    """Report something that is allowed but rarely meant, on stderr."""
    click.echo(f"warning: {text}", err=True)


def shown(path: Path) -> str:
    """Write a path as one would type it here: relative, unless it lies somewhere else altogether."""
    if not path.is_absolute() or path.is_relative_to(Path.cwd()):
        return os.path.relpath(path)
    return os.path.relpath(path) if path.is_relative_to(workspace_root(Path.cwd())) else str(path)


def print_json(value: object) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def print_table(console: "Console", made: "Table", *, without_zeros: bool = False) -> None:
    """Print a table with all its numbers, without the spaces that fill up its last column.

    In a pipe nothing of it is wrapped. At a terminal that is too narrow it goes on below, and of an account
    columns of zeros are left out.
    """
    from rich.markup import escape

    from tulu_data.report.fitting import fit, least_width, natural_width

    width, terminal = console.width, console.is_terminal
    fitted = fit(made, width if terminal else natural_width(made), without_zeros=without_zeros)
    for number, part in enumerate(fitted.parts):
        console.width = max(width, least_width(part) if terminal else natural_width(part))
        with console.capture() as captured:
            console.print(part)
        click.echo("\n" * (number > 0) + "\n".join(map(str.rstrip, captured.get().splitlines())))
    console.width = width
    if fitted.zeros:
        console.print(f"0 in every row: {escape(', '.join(fitted.zeros))}")


def counted(count: int, noun: str) -> str:
    """Say how many there are: `1 cluster`, `2,000 clusters`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
