"""`tulu-data push`: send a version to the hub, into a bucket or a folder, when a person says so."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import counted, print_json, stage
from tulu_data.cli.hints import typed
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tulu_data.exchange.remotes import Remote
    from tulu_data.exchange.sending import Parcel


@click.command(short_help="Send a version to the hub, a bucket or a folder, after asking.")
@click.argument("ref")
@click.option(
    "--to", required=True, metavar="URI",
    help="hf://owner/name, s3://bucket/prefix, gs://bucket/prefix or file:///folder.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.option(
    "--private/--public", default=True, show_default=True,
    help="Who sees a dataset that is made on the hub; one that is there stays as it is.",
)  # fmt: skip
@store_option
@json_option
def command(ref: str, to: str, yes: bool, private: bool, store: Path | None, as_json: bool) -> None:
    """Send a version as it lies in the store, and say what would bring it back; a damaged one is not sent.

    First it says what would be sent and where; without --yes it asks. The hub takes the version as one
    commit, whose card shows the records to the viewer; a bucket or folder as NAME/CONTENT-ID below URI.
    What is sent holds the records, the account of them and the ids of what was left out, not its texts: rows
    that were no records are sent without the row, drops without the words that a filter met. What is there
    already is not sent again.
    """
    from tulu_data.exchange.remotes import open_remote
    from tulu_data.exchange.sending import missing, pack, send

    opened = open_store(store, workspace_root(Path.cwd()))
    version = opened.resolve(ref)
    remote = open_remote(to, private=private)
    with TemporaryDirectory(prefix="tulu-data-") as scratch:
        parcel = pack(version, Path(scratch))
        new = missing(parcel, remote)
        if new:
            _ask(parcel, new, remote, yes=yes, private=private)
        at, size = send(parcel, remote, new), _size(new)
    if as_json:
        print_json(
            {
                "version": version.ref, "content_id": version.content_id, "uri": at, "bytes": size,
                "sent": list(new),
            }
        )  # fmt: skip
        return
    click.echo(f"sent {version.ref} to {at}" if new else f"already there  {version.ref} at {at}")
    click.echo(f"next: {typed('pull', at, store=opened)}")


def _ask(parcel: "Parcel", new: "Mapping[str, Path]", remote: "Remote", *, yes: bool, private: bool) -> None:
    """Say what would be sent and where, and ask."""
    version = parcel.version
    files = counted(len(new), "file")
    stage(f"push: {version.ref}, {counted(version.num_rows, 'row')}, {files}, {_size(new):,} bytes")
    for name, path in new.items():
        stage(f"  {name}  {path.stat().st_size:,}")
    if len(new) < len(parcel.files):
        stage(f"  {counted(len(parcel.files) - len(new), 'file')} more are there already")
    stage("  records, their account, ids and reasons of what was left out; none of its texts")
    seen = (
        f" ({'private' if private else 'PUBLIC'} where it is new)" if remote.uri.startswith("hf://") else ""
    )
    if not yes:
        click.confirm(f"send this to {remote.uri}{seen}?", abort=True, err=True)
    else:
        stage(f"to: {remote.uri}{seen}")


def _size(files: "Mapping[str, Path]") -> int:
    return sum(path.stat().st_size for path in files.values())
