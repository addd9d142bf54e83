"""`tulu-data tag`: names for versions."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import print_json, print_table, results
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root

if TYPE_CHECKING:
    from tulu_data.store import Store


@click.command(short_help="Name a version, as in sft_v3@best, or list and delete such names.")
@click.argument("version", required=False)
@click.argument("tag", required=False)
@click.option("--list", "listing", is_flag=True, help="List the tags, of the dataset VERSION or of all.")
@click.option("--delete", is_flag=True, help="Delete the tag that VERSION names, as in sft_v3@best.")
@click.option("--move", is_flag=True, help="Move TAG where it stands for another version already.")
@store_option
@json_option
def command(
    version: str | None, tag: str | None, listing: bool, delete: bool, move: bool, store: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Name a version: `tulu-data tag sft_v3 best`, and sft_v3@best is that version wherever one is named.

    VERSION is a name (its newest version), name@id or name@tag. A tag is small letters, digits, `_`, `.` and
    `-`; it is no `latest`, and not made of 0-9 and a-f alone, as ids are. A tagged version is never
    removed by gc. Without VERSION the tags are listed.
    """
    opened = open_store(store, workspace_root(Path.cwd()))
    if sum((listing, delete, move)) > 1 or (tag is not None and (listing or delete)):
        raise click.UsageError("give VERSION and TAG (and --move), or --list [NAME], or --delete NAME@TAG")
    if delete:
        _delete(opened, version, as_json=as_json)
    elif listing or version is None:
        _list(opened, version, as_json=as_json)
    elif tag is None:
        raise click.UsageError(f"give the tag too: tulu-data tag {version} TAG; or --list {version}")
    else:
        _tag(opened, version, tag, move=move, as_json=as_json)


def _tag(store: "Store", ref: str, tag: str, *, move: bool, as_json: bool) -> None:
    """Give a version a tag and say so."""
    found = store.resolve(ref)
    before = store.tag(found, tag, move=move)
    was = f"{found.name}@{before.content_id[:8]}" if before else None
    if as_json:
        print_json({"tag": f"{found.name}@{tag}", "version": found.ref, "before": was})
        return
    more = f" (was {was})" if was and was != found.ref else " already" if was else ""
    click.echo(f"{found.name}@{tag} is {found.ref}{more}")


def _delete(store: "Store", ref: str | None, *, as_json: bool) -> None:
    """Delete a tag and say what it stood for."""
    name, _, tag = (ref or "").partition("@")
    if not tag:
        raise click.UsageError("--delete: give the tag with its name, as in sft_v3@best")
    gone = store.untag(name, tag)
    if as_json:
        print_json({"deleted": f"{name}@{tag}", "version": f"{name}@{gone.content_id[:8]}"})
    else:
        click.echo(f"deleted {name}@{tag}, which was {name}@{gone.content_id[:8]}; the version stays")


def _list(store: "Store", name: str | None, *, as_json: bool) -> None:
    """List tags with their versions."""
    from tulu_data.report.tables import table
    from tulu_data.store.tags import read_tags

    if name is not None:
        store.known_ids(name)
    found = [
        (each, one) for each in ([name] if name else store.names())
        for one in read_tags(store.root, each).values()
    ]  # fmt: skip
    if as_json:
        print_json(
            [
                {"tag": f"{each}@{one.tag}", "version": f"{each}@{one.content_id[:8]}", "time": one.time}
                for each, one in found
            ]
        )
        return
    if not found:
        click.echo("no tags; give one with: tulu-data tag VERSION TAG")
        return
    made = table("tag", "version", "since (UTC)")
    for each, one in found:
        when = one.time[:19].replace("T", " ")
        made.add_row(f"{each}@{one.tag}", f"{each}@{one.content_id[:8]}", when)
    print_table(results(), made)
