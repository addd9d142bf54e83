"""What to type next: commands that work as they stand, where one stands.

The one idea: a command that is printed finds what the one that prints it has found. So it names the store
where the same verb, typed here, would open another; it is typed in a workspace where it needs one that is
not found from here; and its words are quoted as a shell reads them. What to advise, the verbs know.
"""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from tulu_data.cli.console import shown
from tulu_data.cli.options import workspace_root
from tulu_data.specs.workspace import read_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tulu_data.store import Store

_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def typed(
    verb: str, *words: str | Path, store: "Store | None" = None, root: Path | None = None,
    start: Path | None = None,
) -> str:  # fmt: skip
    """Return a command as it is typed in the current folder.

    `store` is the one that it must open, `root` the workspace that it must find, where it needs either;
    `start` is the folder above which the verb looks for its workspace, where that is not the current one.
    """
    here = Path.cwd()
    away = root is not None and root.resolve() not in (here, workspace_root(here))
    at = root.resolve() if root is not None and away else here
    options = [] if store is None else _store_option(store, at, start or at)
    move = f"cd {shlex.quote(_path(at))} && " if away else ""
    return f"{move}tulu-data {shlex.join([verb, *map(_word, words), *options])}"


def in_folder(folder: Path, *words: str) -> str:
    """Return a command as it is typed here for another folder."""
    move = "" if folder == Path() else f"cd {shlex.quote(_path(folder))} && "
    return f"{move}tulu-data {shlex.join(words)}"


def again(**changed: object) -> str:
    """Return the running command with the words that it was given, but for some parameters."""
    context = click.get_current_context()
    arguments: list[str] = []
    options: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in changed or context.get_parameter_source(name) in _GIVEN:
            given = _words(parameter, changed.get(name, context.params[name]))
            (options if isinstance(parameter, click.Option) else arguments).extend(given)
    # An argument that begins like an option is one, unless it is said that no more of these come.
    is_odd = any(word.startswith("-") for word in arguments)
    words = [*options, "--", *arguments] if is_odd else [*arguments, *options]
    return f"tulu-data {shlex.join([*context.command_path.split()[1:], *words])}"


def _words(parameter: click.Parameter, value: object) -> "Iterator[str]":
    """Yield the words that give a parameter its value."""
    values = value if isinstance(value, tuple | list) else [value]
    if isinstance(parameter, click.Option) and parameter.is_flag:
        yield (parameter.opts if value else parameter.secondary_opts)[0]
        return
    for one in values:
        word = _word(one if isinstance(one, Path) else str(one))
        if isinstance(parameter, click.Option):
            option = max(parameter.opts, key=len)
            # A word that begins like an option is one, unless it stands right behind its own.
            yield from [f"{option}={word}"] if word.startswith("-") else [option, word]
        else:
            yield word


def _word(value: str | Path) -> str:
    return _path(value) if isinstance(value, Path) else value


def _path(path: Path) -> str:
    """Write a path so that it is none of a verb's options."""
    name = shown(path)
    return f"./{name}" if name.startswith("-") else name


def _store_option(store: "Store", at: Path, start: Path) -> list[str]:
    """Return --store where a verb that is typed in a folder would open another one."""
    from tulu_data.store.store import STORE_ENV

    own = workspace_root(start)
    found = own / read_workspace(own).store
    if not os.environ.get(STORE_ENV) and found.resolve() == store.root.resolve():
        return []
    return ["--store", _path(store.root) if at == Path.cwd() else str(store.root.resolve())]
