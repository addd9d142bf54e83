"""`tulu-data status`: which specs are built, and why others are stale."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import print_json
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root
from tulu_data.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tulu_data.account.status import Status

SHOWN = 10
"""Lines of one kind that are shown of a spec."""


@click.command(short_help="Say which specs are built, and why others are stale.")
@click.argument("specs", nargs=-1, type=click.Path(path_type=Path))
@store_option
@json_option
def command(specs: tuple[Path, ...], store: Path | None, as_json: bool) -> None:
    """Say which specs are built, and why others are stale: offline, and without reading records.

    SPECS are mixture specs or folders of them; default: mixtures/ of the workspace. A spec is compared
    with the newest version of its name: keys, files, pins, stored versions, eval suites, code of the steps.
    Files are hashed, and queries of files on this machine run; servers are not asked.
    """
    from tulu_data.account.status import status
    from tulu_data.cli.console import shown

    found = []
    for path in specs or (Path(shown(workspace_root(Path.cwd()) / "mixtures")),):
        for file in _mixtures(path):
            root = workspace_root(file.parent)
            found.append(status(file, root, open_store(store, root)))
    if as_json:
        print_json([one.to_dict() for one in found])
    else:
        for one in found:
            _print(one)
    if any(one.state == "broken" for one in found):
        raise SystemExit(1)


def _mixtures(path: Path) -> "Iterator[Path]":
    """Yield the mixture specs that a path stands for."""
    if not path.is_dir():
        if not path.exists():
            raise SpecError([f"{path}: no such file or folder; give a mixture spec or a folder of them"])
        yield path
        return
    files = sorted(p for p in path.rglob("*.yaml") if not p.name.endswith(".lock.yaml"))
    found = [path for path in files if _may_be_mixture(path)]
    if not found:
        raise SpecError([f"{path}: no mixture spec in this folder; give a spec or a folder of them"])
    yield from found


def _may_be_mixture(path: Path) -> bool:
    """Tell whether a file is meant as a mixture, or may be: one that is no YAML hides no other."""
    from tulu_data.specs.decisions import is_decisions
    from tulu_data.specs.suite import is_suite_spec

    try:
        return not is_decisions(path) and not is_suite_spec(path)
    except SpecError:
        return True


def _print(one: "Status") -> None:
    """Print the state of a spec, and below it why."""
    from tulu_data.cli.console import shown

    name = f"{one.file.mixture.name}@{one.built[:8]}" if one.file and one.built else None
    ref = name or (one.version.ref if one.version else one.file.mixture.name if one.file else "")
    note = f" (the newest is {one.version.ref})" if one.built and one.version else ""
    click.echo(f"{shown(one.path)}  {ref}  {one.state}{note}")
    lines = [*one.problems] if one.built is None else []
    if one.state == "stale":
        lines += _cut([f"spec: {change}" for change in one.keys])
        # What stops a build is told above.
        lines += _cut([str(change) for change in one.inputs if change.why is None])
        lines += [f"moved: {text}" for text in one.moved] + [f"code: {text}" for text in one.code]
    lines += [f"no pin yet: {name}; mix or lock writes it" for name in one.unpinned]
    lines += [f"not asked: {name}, whose query reads a server; mix asks it" for name in one.unasked]
    if one.state == "stale" and one.anew and one.file:
        lines.append(f"changes: {one.anew.words(one.file.mixture)}")
    kept, files = one.kept
    if one.state in ("stale", "never built") and files:
        lines.append(f"cache: {kept:,} of {files:,} files are kept as they are read")
    for line in lines:
        click.echo(f"  {line}")


def _cut(lines: list[str]) -> list[str]:
    """Leave out the rest of many lines."""
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"and {len(lines) - SHOWN:,} more"]
