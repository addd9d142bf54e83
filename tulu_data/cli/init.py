"""`tulu-data init`: write a workspace."""

from importlib.resources import as_file, files
from pathlib import Path
from shutil import copyfile

import click

from tulu_data.cli.hints import in_folder
from tulu_data.errors import TuluDataError


@click.command(short_help="Write a workspace with small data, eval suites, specs and a tiny model.")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Write a workspace with small data, eval suites, specs and a tiny model.

    FOLDER (default: the current one) is made when it does not exist. A file that is there already
    is never written over.
    """
    written = write_workspace(folder)
    click.echo(f"workspace in {folder}: {len(written)} files")
    for name, about in _TOUR:
        click.echo(f"  {name:<12} {about}")
    click.echo(f"next: {in_folder(folder, 'decontaminate', '--against', 'evals/')}")


_TOUR = (
    ("data/", "training files in several layouts, with planted mistakes and leaks"),
    ("evals/", "eval suites to keep out of the training data"),
    ("mixtures/", "what goes into a version, how much of it, and the steps on the way"),
    ("recipes/", "settings of the trainers"),
    ("models/tiny", "a two-layer model without weights, and its tokenizer"),
    ("README.md", "what each file is, and the commands"),
)


def write_workspace(folder: Path) -> list[Path]:
    """Copy the packaged workspace; raise TuluDataError when a file of it exists already."""
    with as_file(files("tulu_data.workspace") / "files") as source:
        names = sorted(p.relative_to(source) for p in source.rglob("*") if p.is_file())
        there = [name for name in names if (folder / name).exists()]
        if there:
            raise TuluDataError(
                f"{folder}: {there[0]} is there already ({len(there)} of {len(names)} files); "
                "choose an empty folder: tulu-data init FOLDER"
            )
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copyfile(source / name, folder / name)
    return [folder / name for name in names]
