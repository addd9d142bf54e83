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
"""Width of tables where the output is no terminal: wide enough not to cut names."""


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


def print_table(console: "Console", made: "Table") -> None:
    """Print a table without the spaces that fill up its last column."""
    with console.capture() as captured:
        console.print(made)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def counted(count: int, noun: str) -> str:
    """Say how many there are: `1 cluster`, `2,000 clusters`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
