"""`tulu-data card`: the card of one version."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tulu_data.cli.console import print_json
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root
from tulu_data.errors import SpecError

if TYPE_CHECKING:
    from tulu_data.store import Version


@click.command(short_help="Print the card of a version, or write it anew with --write.")
@click.argument("version")
@click.option(
    "--spec", type=click.Path(dir_okay=False, path_type=Path),
    help="Mixture spec that says anew what it says for people: description and card.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Replace the README.md of the version by this card.")
@store_option
@json_option
def command(version: str, spec: Path | None, write: bool, store: Path | None, as_json: bool) -> None:
    """Print the card of a version: a README.md in the form of the hub, made from its manifest.

    VERSION is a name (its newest version), name@id or name@tag. A build writes the card too; --write renews
    it, for example after the description in the spec was mended, which makes no other version. --json prints
    the metadata of its head alone.
    """
    import yaml

    from tulu_data.mix.card import front_matter, render_card
    from tulu_data.store.renewal import renew

    opened_store = open_store(store, workspace_root(Path.cwd()))
    opened = opened_store.resolve(version)
    said = opened.manifest.card if spec is None else _said(spec, opened)
    manifest = opened.manifest.model_copy(update={"card": said})
    text = render_card(manifest, yaml.safe_load(opened.file("spec.yaml").read_text("utf-8")))
    if write:
        renew(opened_store, opened, manifest, {"README.md": text})
        click.echo(f"wrote {opened.path / 'README.md'}", err=True)
    if as_json:
        print_json({"version": opened.ref, **yaml.safe_load(front_matter(manifest))})
    elif not write:
        click.echo(text, nl=False)


def _said(spec: Path, version: "Version") -> dict[str, Any]:
    """Return what a spec says for people; raise SpecError where it is that of another dataset."""
    from tulu_data.mix.card import prose
    from tulu_data.specs.mixture import read_mixture

    file = read_mixture(spec)
    found = (file.mixture.name, file.mixture.kind)
    if found != (version.name, version.kind):
        text = f"{spec}: is of {found[0]!r} ({found[1]}), not of {version.name!r} ({version.kind})"
        raise SpecError([f"{text}; give the spec of this dataset"])
    return prose(file.mixture)
