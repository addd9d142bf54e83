"""`tulu-data mix`: build a dataset version from a mixture spec."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from tulu_data.cli.console import counted, print_json, print_table, results, shown, stage, warn
from tulu_data.cli.hints import typed
from tulu_data.cli.options import (
    json_option,
    open_store,
    set_option,
    store_option,
    workers_option,
    workspace_root,
)
from tulu_data.cli.plan import print_plan
from tulu_data.specs.workspace import read_workspace

if TYPE_CHECKING:
    from tulu_data.mix import Settings
    from tulu_data.store import Version


@click.command(short_help="Build a dataset version from a mixture spec.")
@click.argument("spec", type=click.Path(path_type=Path))
@set_option
@store_option
@workers_option
@click.option("--dry-run", is_flag=True, help="Print the plan, as tulu-data plan does.")
@click.option("--frozen", is_flag=True, help="Refuse a spec whose lock is missing or stale (for CI).")
@json_option
def command(
    spec: Path,
    settings: tuple[str, ...],
    store: Path | None,
    workers: int | None,
    dry_run: bool,
    frozen: bool,
    as_json: bool,
) -> None:
    """Build a dataset version from a mixture spec.

    SPEC is a mixture file. Its paths are relative to the workspace: the nearest folder above it
    with a tulu-data.yaml, else the current folder.
    """
    from tulu_data.mix import Settings, build, find_existing, prepare, resolve_inputs, reuse
    from tulu_data.specs.mixture import read_mixture
    from tulu_data.store import building

    file = read_mixture(spec, settings)
    root = workspace_root(spec.parent)
    how = Settings(base=root, store=open_store(store, root), workers=workers or 0, frozen=frozen, say=stage)
    inputs = resolve_inputs(file, root, how.store, frozen=frozen)
    there = how.store.ids(file.mixture.name)
    existing = find_existing(file, inputs, how)
    if existing is not None and not dry_run:
        _print_version(reuse(existing, inputs, how), how, there, as_json, existed=True)
        return
    with nullcontext() if dry_run else building(how.store, file.mixture.name):
        prepared = prepare(file, inputs, how)
        for text in prepared.plan.warnings:
            warn(text)
        if dry_run:
            print_plan(prepared.plan, as_json)
        else:
            _print_version(build(file, prepared, how), how, there, as_json, existed=False)


def _print_version(
    version: "Version", how: "Settings", there: list[str], as_json: bool, *, existed: bool
) -> None:
    """Print the version that a mixture stands for; `there` are those of its name before, newest last."""
    from tulu_data.report.tables import source_table

    manifest = version.manifest
    moved = there[-1] if version.content_id in there[:-1] else None
    if as_json:
        said = {"version": version.ref, "existed": existed, "path": str(version.path)}
        print_json(said | ({"newest_before": moved} if moved else {}) | manifest.model_dump())
        return
    console = results()
    print_table(console, source_table(manifest.sources), without_zeros=True)
    word = "already built" if existed else "built"
    rows = counted(version.num_rows, "row")
    console.print(f"\n[bold]{word}[/bold]  {version.ref}  {rows}  {manifest.kind}", soft_wrap=True)
    console.print(f"  {escape(shown(version.path))}", soft_wrap=True)
    if moved:
        console.print(f"  the newest of {version.name} again; before, that was {version.name}@{moved[:8]}")
    show = typed("show", version.ref, store=how.store)
    console.print(f"next: {escape(show + _train_hint(version, how))}", soft_wrap=True)


def _train_hint(version: "Version", how: "Settings") -> str:
    """Name the training command where there is a trainer for the kind, and a model to begin with."""
    if version.kind != "sft" or read_workspace(how.base).model is None:
        return ""
    return f", or {typed('train', '--data', version.ref, store=how.store, root=how.base)}"
