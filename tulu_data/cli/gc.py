"""`tulu-data gc`: remove what of the store nothing needs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from tulu_data.cli.console import counted, print_json, print_table, results
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root

if TYPE_CHECKING:
    from tulu_data.versions.garbage import Garbage, Piece


@click.command(short_help="Remove versions and caches that nothing needs; without --yes only list them.")
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
@click.option(
    "--keep", default=1, show_default=True, type=click.IntRange(min=1),
    help="Newest versions of each name to keep.",
)  # fmt: skip
@click.option(
    "--cache-days", default=7.0, show_default=True, type=click.FloatRange(min=0),
    help="Keep what of the cache was used within so many days.",
)  # fmt: skip
@store_option
@json_option
def command(yes: bool, keep: int, cache_days: float, store: Path | None, as_json: bool) -> None:
    """Remove what of the store nothing needs, and say how much room that makes.

    What stays: the newest version of each name, versions with a tag, and every stored version that one of
    these was made of or compared with. Of the cache, what versions that stay were read from, and what was
    used lately; all of it can be made again. No build may write meanwhile, and none that reads a version
    which is to go should run.
    """
    from tulu_data.versions.garbage import collected, remove

    opened = open_store(store, workspace_root(Path.cwd()))
    with collected(opened, keep=keep, cache_days=cache_days) as found:
        if yes:
            for piece in found.gone:
                remove(piece)
    if as_json:
        print_json(
            {
                "removed": yes, "bytes": found.bytes,
                "gone": [_told(one) for one in found.gone], "kept": [_told(one) for one in found.kept],
                "making": [_told(one) for one in found.making],
            }
        )  # fmt: skip
        return
    _print(found, removed=yes)


def _told(piece: "Piece") -> dict[str, object]:
    return {name: getattr(piece, name) for name in ("what", "name", "bytes", "why")}


def _print(found: "Garbage", *, removed: bool) -> None:
    """Print what stays and what goes."""
    from tulu_data.report.tables import byte_size, table

    for title, pieces in (("stays", found.kept), ("removed" if removed else "can go", found.gone)):
        made = table(title, ">size", "why")
        for piece in pieces:
            made.add_row(escape(piece.name), byte_size(piece.bytes), escape(piece.why))
        if pieces:
            print_table(results(), made)
            click.echo()
    if found.making:
        # The kernel knows of a folder whose maker is at work, or it was made a moment ago.
        named = ", ".join(piece.name for piece in found.making)
        click.echo(f"left alone, as a process may be at it: {named}; run gc again in a minute")
    if not found.gone:
        click.echo("nothing to remove")
        return
    versions = counted(sum(piece.what == "version" for piece in found.gone), "version")
    others = counted(sum(piece.what != "version" for piece in found.gone), "other piece")
    word = "freed" if removed else "would free"
    hint = "" if removed else "; nothing was removed: add --yes to do it"
    click.echo(f"{versions} and {others}: {word} {byte_size(found.bytes)}{hint}")
