"""`tulu-data import`: a mixture spec out of another tool's list of datasets."""

import re
from pathlib import Path

import click

from tulu_data.cli.console import counted, print_json, shown, warn
from tulu_data.cli.hints import typed
from tulu_data.cli.options import json_option, workspace_root
from tulu_data.errors import SpecError
from tulu_data.imports import FORMATS, read_draft, spec_text
from tulu_data.schema import KINDS, Kind
from tulu_data.specs.base import validate
from tulu_data.specs.document import parse_document
from tulu_data.specs.mixture import Mixture


@click.command(name="import", short_help="Write a mixture spec from another tool's list of datasets.")
@click.argument("format_name", metavar="FORMAT", type=click.Choice([*FORMATS]))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Spec to write (default: stdout)."
)
@click.option("--name", help="Name of the mixture (default: that of --out, else of FILE).")
@click.option("--kind", type=click.Choice(KINDS), help="Kind of the records (default: what FILE says).")
@json_option
def command(
    format_name: str, file: Path, out: Path | None, name: str | None, kind: Kind | None, as_json: bool
) -> None:
    """Write a mixture spec from another tool's list of datasets.

    FORMAT is open-instruct (a YAML config, or a script with --dataset_mixer_list), axolotl (a YAML config) or
    llama-factory (a train YAML, or dataset_info.json). What has no equivalent is named in the spec and on
    stderr. Nothing is fetched; rows of local files are counted where a number needs it.
    """
    base = workspace_root(out.parent if out is not None else Path())
    draft = read_draft(format_name, file, base, kind)
    text = spec_text(draft, name=name or _name((out or file).stem), origin=f"{shown(file)} ({format_name})")
    validate(Mixture, parse_document(text, str(out or f"spec of {file}")))
    if out is not None:
        _write(out, text)
    for left in draft.left:
        warn(left)
    if as_json:
        sources = [source.name for source in draft.sources]
        print_json(
            {"spec": None if out is None else str(out), "text": text, "sources": sources, "left": draft.left}
        )
    elif out is None:
        click.echo(text, nl=False)
    else:
        left = f"; {counted(len(draft.left), 'thing')} not carried over, named in it" if draft.left else ""
        click.echo(f"{shown(out)}: {draft.kind}, {counted(len(draft.sources), 'source')}{left}")
        click.echo(f"next: {typed('check', out)}")


def _name(stem: str) -> str:
    """Return a name that a mixture may have."""
    return re.sub(r"[^a-z0-9_.-]+", "_", stem.lower()).strip("_.-")[:100] or "imported"


def _write(out: Path, text: str) -> None:
    """Write a spec where none is; raise SpecError otherwise."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise SpecError([f"{out}: is there already; remove it, or choose another --out"]) from None
    except OSError as error:
        raise SpecError([f"{out}: cannot be written ({error.strerror or error})"]) from None
