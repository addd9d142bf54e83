"""`tulu-data list`: the versions in the store."""

from pathlib import Path

import click

from tulu_data.cli.console import print_json, print_table, results, warn
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root
from tulu_data.errors import StoreError


@click.command(short_help="List the dataset versions in the store.")
@click.argument("names", nargs=-1)
@store_option
@json_option
def command(names: tuple[str, ...], store: Path | None, as_json: bool) -> None:
    """List the dataset versions in the store, of each name the newest last; NAMES choose datasets.

    A version is as new as its last build: one that is there already when it is built again, or pulled,
    becomes the newest of its name. `size` is that of the records on disk.
    """
    from tulu_data.report.tables import byte_size, table
    from tulu_data.store import Version

    opened = open_store(store, workspace_root(Path.cwd()))
    for name in names:
        opened.known_ids(name)
    versions: list[Version] = []
    tags: dict[str, list[str]] = {}
    built: dict[tuple[str, str], str] = {}
    for name in names or opened.names():
        tags |= opened.tagged(name)
        built |= {(name, content_id): time for content_id, time in opened.built(name).items()}
        for content_id in opened.ids(name):
            try:
                versions.append(Version.open(opened.root / name / content_id))
            except StoreError as error:
                warn(str(error))
    if as_json:
        keys = ("name", "kind", "content_id", "rows", "created")
        print_json(
            [
                {
                    "version": v.ref, **{k: getattr(v.manifest, k) for k in keys},
                    "built": built[v.name, v.content_id], "bytes": v.bytes,
                    "tags": tags.get(v.content_id, []),
                }
                for v in versions
            ]
        )  # fmt: skip
        return
    if not versions:
        click.echo(f"{opened.root}: no versions yet; build one with: tulu-data mix SPEC")
        return
    made = table(
        "version", "tags", "kind", ">rows", ">size", ">sources", "last built (UTC)", "decontaminated"
    )
    for version in versions:
        m = version.manifest
        clean = "by " + str(m.decontamination["rule"]) if m.decontamination else "no"
        made.add_row(
            version.ref, ", ".join(tags.get(version.content_id, [])), m.kind, f"{m.rows:,}",
            byte_size(version.bytes), str(len(m.sources)),
            built[version.name, version.content_id][:19].replace("T", " "), clean,
        )  # fmt: skip
    print_table(results(), made)
