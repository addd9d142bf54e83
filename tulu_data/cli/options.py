"""Options and lookups that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tulu_data.kinds import KINDS
from tulu_data.specs.source import ADAPTERS
from tulu_data.specs.workspace import WORKSPACE_FILE, read_workspace

if TYPE_CHECKING:
    from tulu_data.specs.decisions import Decisions
    from tulu_data.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def store_option(function: F) -> F:
    """Add --store to a command."""
    return click.option(
        "--store", type=click.Path(file_okay=False, path_type=Path), envvar="TULU_DATA_STORE",
        help="Folder of the dataset versions (default: the workspace's store).",
    )(function)  # fmt: skip


def workers_option(function: F) -> F:
    """Add --workers to a command."""
    return click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Threads (default: one per core); the result is the same.",
    )(function)


def set_option(function: F) -> F:
    """Add --set to a command that reads mixture specs."""
    return click.option(
        "--set", "settings", multiple=True, metavar="PATH=VALUE",
        help="Lay a value over the spec, as in size=5000 or sources.web.take={rows: 9}; can be repeated.",
    )(function)  # fmt: skip


def reading_options(function: F) -> F:
    """Add --kind, --adapter and --columns to a command that reads every DATASET alike."""
    kind = click.option(
        "--kind", type=click.Choice(KINDS), help="Kind of every DATASET (default: told by its columns)."
    )
    adapter = click.option(
        "--adapter", type=click.Choice(ADAPTERS), default="auto", show_default=True,
        help="Layout of every DATASET.",
    )  # fmt: skip
    columns = click.option(
        "--columns", multiple=True, callback=_parts, metavar="PART=COLUMN",
        help="Column that plays a part in every DATASET, as in prompt=question; may repeat.",
    )  # fmt: skip
    return kind(adapter(columns(function)))


def _parts(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Read part=column pairs."""
    columns: dict[str, str] = {}
    for text in given:
        part, is_pair, column = text.partition("=")
        if not (is_pair and part and column):
            raise click.BadParameter(f"{text!r}: expected part=column, for example prompt=question")
        if part in columns:
            raise click.BadParameter(f"{text!r}: part {part!r} is given twice")
        columns[part] = column
    return columns


def decisions_option(function: F) -> F:
    """Add --decisions to a command."""
    from tulu_data.specs.decisions import DECISIONS_FILE

    return click.option(
        "--decisions", type=click.Path(dir_okay=False, path_type=Path),
        help=f"File of decisions on hits (default: {DECISIONS_FILE} of the workspace, where there is one).",
    )(function)  # fmt: skip


def json_option(function: F) -> F:
    """Add --json to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(function)


def workspace_root(start: Path) -> Path:
    """Return the nearest folder at or above `start` that has a workspace file, else the current folder."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / WORKSPACE_FILE).is_file():
            return folder
    return Path.cwd()


def open_store(given: Path | None, root: Path) -> "Store":
    """Return the store that was asked for, else the workspace's."""
    from tulu_data.store import Store

    return Store(given if given is not None else root / read_workspace(root).store)


def open_decisions(given: Path | None, root: Path) -> "Decisions":
    """Read the decisions that were asked for, else the workspace's; there need not be any."""
    from tulu_data.specs.decisions import DECISIONS_FILE, Decisions, read_decisions

    path = given or root / DECISIONS_FILE
    return Decisions(version=1) if given is None and not path.is_file() else read_decisions(path)
