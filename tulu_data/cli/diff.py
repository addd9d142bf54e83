"""`tulu-data diff`: what changed between two versions."""

from dataclasses import asdict
from difflib import unified_diff
from pathlib import Path

import click

from tulu_data.cli.console import counted, print_json, results
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root


@click.command(short_help="Compare two versions: rows added and removed per source.")
@click.argument("old")
@click.argument("new")
@store_option
@json_option
def command(old: str, new: str, store: Path | None, as_json: bool) -> None:
    """Compare two versions: their specs, and the rows added, removed, kept and moved per source.

    OLD and NEW are versions (name@id, or a name for its newest). A record that left one source and
    came in through another has moved.
    """
    from tulu_data.report.tables import table
    from tulu_data.store.diff import diff_versions

    opened = open_store(store, workspace_root(Path.cwd()))
    first, second = opened.resolve(old), opened.resolve(new)
    changes = diff_versions(first, second)
    before, after = ((v.path / "spec.yaml").read_text("utf-8").splitlines() for v in (first, second))
    spec = list(unified_diff(before, after, first.ref, second.ref, lineterm="", n=1))
    if as_json:
        rows = [asdict(change) for change in changes]
        print_json({"old": first.ref, "new": second.ref, "spec": spec, "sources": rows})
        return
    click.echo("\n".join(spec) if spec else "spec: no change")
    made = table("source", ">kept", ">added", ">removed", ">moved in", ">moved out")
    for c in changes:
        made.add_row(c.source, *(f"{n:,}" for n in (c.kept, c.added, c.removed, c.moved_in, c.moved_out)))
    console = results()
    console.print()
    console.print(made)
    old, new = (f"{one.ref} {counted(one.num_rows, 'row')}" for one in (first, second))
    console.print(f"\n{old} -> {new}", soft_wrap=True)
