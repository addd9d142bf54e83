"""`tulu-data export`: a version as files for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import counted, print_json, shown
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root

if TYPE_CHECKING:
    from tulu_data.versions.export import Format

FORMATS = ("jsonl", "parquet", "hf", "trl")


@click.command(short_help="Write a version as jsonl, parquet, a datasets folder, or for TRL.")
@click.argument("version")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="What to write."
)
@click.option(
    "--out", type=click.Path(path_type=Path),
    help="File or folder (default: one named by the version, in the current folder).",
)  # fmt: skip
@click.option("--provenance", is_flag=True, help="Also write id, source, origin and copy of each record.")
@click.option("--force", is_flag=True, help="Replace a file, or a folder that was exported.")
@store_option
@json_option
def command(
    version: str, form: "Format", out: Path | None, provenance: bool, force: bool, store: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Write a version as files for other programs, record by record in its order.

    VERSION is a name (its newest version), name@id or name@tag. `jsonl` (.jsonl, .jsonl.gz or .jsonl.zst by
    --out) has the version's columns, tools and tool calls as JSON; `parquet` is a folder of files, `hf` a
    folder that `datasets.load_from_disk` opens; `trl` is JSON lines as TRL's trainers take them: `messages`
    for SFTTrainer, `prompt`, `chosen`, `rejected` for DPOTrainer, `prompt` with ground_truth and verifier for
    GRPOTrainer. The same version gives the same bytes. Lines of a version in splits go to a file for each.
    """
    from tulu_data.versions.export import default_path, export

    opened = open_store(store, workspace_root(Path.cwd())).resolve(version)
    target = out or default_path(opened, form)
    done = export(opened, form, target, provenance=provenance, force=force)
    if as_json:
        files = [str(path) for path in done.files]
        print_json({"version": opened.ref, "format": form, "path": str(done.path), "files": files,
                    "rows": done.rows, "bytes": done.bytes})  # fmt: skip
        return
    from tulu_data.report.tables import byte_size

    places = [done.path] if done.path.exists() else done.files
    records = f"{counted(done.rows, 'record')} of {opened.ref}"
    click.echo(f"wrote {', '.join(map(shown, places))}: {records}, {byte_size(done.bytes)}")
