"""`tulu-data list`: the versions in the store."""

from pathlib import Path

import click

from tulu_data.cli.console import print_json, results, warn
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root
from tulu_data.errors import StoreError


@click.command(short_help="List the dataset versions in the store.")
@click.argument("names", nargs=-1)
@store_option
@json_option
def command(names: tuple[str, ...], store: Path | None, as_json: bool) -> None:
    """List the dataset versions in the store, oldest first; NAMES choose datasets."""
    from tulu_data.report.tables import table
    from tulu_data.store import Version

    opened = open_store(store, workspace_root(Path.cwd()))
    for name in names:
        opened.known_ids(name)
    versions = []
    for name in names or opened.names():
        for content_id in opened.ids(name):
            try:
                versions.append(Version.open(opened.root / name / content_id))
            except StoreError as error:
                warn(str(error))
    if as_json:
        keys = ("name", "kind", "content_id", "rows", "created")
        print_json([{"version": v.ref, **{k: getattr(v.manifest, k) for k in keys}} for v in versions])
        return
    if not versions:
        click.echo(f"{opened.root}: no versions yet; build one with: tulu-data mix SPEC")
        return
    made = table("version", "kind", ">rows", ">sources", "built (UTC)", "decontaminated")
    for version in versions:
        m = version.manifest
        clean = "by " + str(m.decontamination["rule"]) if m.decontamination else "no"
        made.add_row(
            version.ref, m.kind, f"{m.rows:,}", str(len(m.sources)), m.created[:19].replace("T", " "), clean
        )
    results().print(made)
