"""`tulu-data verify`: check a version, and build it again to compare."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import counted, print_json, stage
from tulu_data.cli.options import json_option, open_store, store_option, workers_option, workspace_root

if TYPE_CHECKING:
    from tulu_data.account.rebuild import Rebuilt
    from tulu_data.account.verify import Verified

SHOWN = 20
"""Faults that are listed of each check."""
WORDS = {
    "same": "the version is whole, and what its spec makes of its inputs",
    "whole": "the version is whole; it was not built again (--fast)",
    "unrepeatable": "the version is whole, but cannot be built again as it was",
    "wrong": "the version is not what it says it is",
}


@click.command(short_help="Check a version, and build it again to compare.")
@click.argument("version")
@click.option("--fast", is_flag=True, help="Check what is stored, and do not build it again.")
@store_option
@workers_option
@json_option
def command(version: str, fast: bool, store: Path | None, workers: int | None, as_json: bool) -> None:
    """Check a version, and build it again to compare.

    VERSION is a name (its newest version) or name@id. First the version is held against itself: files, record
    ids computed from what the records say, the content id, counts and tables. Then it is built again from its
    own spec and pins, without caches, and compared: a version whose inputs are gone or changed is
    told apart from one that is wrong. Exit 1 for both.
    """
    from tulu_data.account.verify import verify

    root = workspace_root(Path.cwd())
    opened = open_store(store, root)
    found = verify(opened.locate(version), root, opened, workers=workers or 0, fast=fast, say=stage)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)
    if found.verdict not in ("same", "whole"):
        raise SystemExit(1)


def _print(found: "Verified") -> None:
    """Print what was found, one line for each check that holds, and every fault of one that does not."""
    m = found.manifest
    click.echo(f"{m.name}@{m.content_id[:8]}  {counted(m.rows, 'row')}  {found.path}")
    size = sum(shard.bytes for shard in m.shards)
    _print_check(
        f"contents: {counted(len(m.shards), 'file')} of {size:,} bytes, {counted(m.rows, 'record id')} "
        "and the content id are what was written", "contents", found.contents,
    )  # fmt: skip
    read = sum(source.read for source in m.sources)
    _print_check(
        f"account: {counted(read, 'row')} read of {counted(len(m.sources), 'source')} add up, and so do the "
        "tables beside them", "account", found.books,
    )  # fmt: skip
    if found.rebuilt:
        _print_rebuilt(found.rebuilt, m.content_id)
    if found.refused:
        click.echo(f"rebuild: {found.refused}")
    click.echo(f"{found.verdict}: {WORDS[found.verdict]}")


def _print_rebuilt(rebuilt: "Rebuilt", content_id: str) -> None:
    """Print what came of building it again."""
    for step in rebuilt.steps:
        click.echo(f"code: {step} since the version was built")
    if rebuilt.inputs:
        _print_check("", "inputs", rebuilt.inputs)
        return
    click.echo("inputs: every file is what it was")
    same = rebuilt.content_id == content_id
    if not same:
        click.echo(f"rebuild: content id {(rebuilt.content_id or '')[:12]}, the version is {content_id[:12]}")
    _print_check("rebuild: the same content id, counts and drops", "rebuild", rebuilt.differences)


def _print_check(held: str, word: str, faults: "tuple[object, ...]") -> None:
    """Print a line for a check that holds, or the faults of one that does not."""
    if not faults:
        click.echo(held)
    for fault in faults[:SHOWN]:
        click.echo(f"{word}: {fault}")
    if len(faults) > SHOWN:
        click.echo(f"{word}: and {len(faults) - SHOWN:,} more")
