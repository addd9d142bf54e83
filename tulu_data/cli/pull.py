"""`tulu-data pull`: bring a version into the store from elsewhere, and hold it against itself."""

from pathlib import Path

import click

from tulu_data.cli.console import counted, print_json, shown, stage
from tulu_data.cli.hints import typed
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root


@click.command(short_help="Bring a version into the store from the hub, a bucket or a folder.")
@click.argument("uri")
@store_option
@json_option
def command(uri: str, store: Path | None, as_json: bool) -> None:
    """Bring a version that was pushed into the store.

    URI is hf://owner/name or hf://owner/name@revision, s3://bucket/prefix, gs://bucket/prefix or file:///folder.
    Bytes, record ids and the content id are computed anew from what arrives; a version that is not what its
    manifest says is not taken. A download that broke off goes on where it was.
    """
    from tulu_data.exchange.pulling import pull
    from tulu_data.exchange.remotes import open_remote

    opened = open_store(store, workspace_root(Path.cwd()))
    version, existed = pull(open_remote(uri), opened, stage)
    if as_json:
        print_json(
            {
                "version": version.ref, "content_id": version.content_id, "existed": existed,
                "path": str(version.path), "rows": version.num_rows,
            }
        )  # fmt: skip
        return
    word = "already there" if existed else "pulled"
    click.echo(f"{word}  {version.ref}  {counted(version.num_rows, 'row')}  {version.kind}")
    click.echo(f"  {shown(version.path)}")
    click.echo(f"next: {typed('show', version.ref, store=opened)}")
