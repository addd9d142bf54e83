"""`tulu-data lineage`: where a version comes from, and what was made of it."""

from pathlib import Path

import click

from tulu_data.cli.console import print_json
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root


@click.command(short_help="Show where a version comes from, and what was made of it.")
@click.argument("version")
@click.option(
    "--format", "form", type=click.Choice(["text", "mermaid", "json"]), default="text", show_default=True,
    help="Lines of text, a mermaid flowchart, or JSON.",
)  # fmt: skip
@click.option(
    "--runs", type=click.Path(file_okay=False, path_type=Path),
    help="Folder of training runs (default: runs/ of the workspace).",
)  # fmt: skip
@store_option
@json_option
def command(version: str, form: str, runs: Path | None, store: Path | None, as_json: bool) -> None:
    """Show where a version comes from, and what was made of it.

    VERSION is a name (its newest version) or name@id. Up: sources with revisions, files and hashes, steps
    with what they dropped, eval suites, and stored versions with all of theirs. Down: versions of the store
    that were made of it or compared with it, and models that were trained on it.
    """
    from tulu_data.account.drawn import as_data, as_lines, as_mermaid
    from tulu_data.account.lineage import lineage

    root = workspace_root(Path.cwd())
    opened = open_store(store, root)
    found = lineage(opened.resolve(version), opened, runs or root / "runs")
    if as_json or form == "json":
        print_json(as_data(found))
        return
    click.echo("\n".join(as_mermaid(found) if form == "mermaid" else as_lines(found)))
