"""`tulu-data check`: every mistake of spec files, offline."""

from pathlib import Path

import click

from tulu_data.cli.console import print_json
from tulu_data.cli.options import json_option, set_option, workspace_root
from tulu_data.errors import SpecError


@click.command(short_help="Check spec files offline and report every mistake with its place.")
@click.argument("specs", nargs=-1, type=click.Path(path_type=Path))
@set_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of mixture specs, for editors.")
@click.option(
    "--merged", is_flag=True, help="Print a mixture spec as one: bases and settings merged, defaults filled."
)
@json_option
def command(
    specs: tuple[Path, ...], settings: tuple[str, ...], schema: bool, merged: bool, as_json: bool
) -> None:
    """Check spec files offline and report every mistake with its place.

    SPECS are mixture specs, suite specs, files of decisions, or folders of them; default: mixtures/
    in the current folder. --set is laid over every mixture spec.

    Nothing is asked of anybody and no data is read. Checked are keys, words and numbers, what must agree
    across keys, SQL, the tables that a query reads, and that the files, suites and decisions are there that
    a mixture names below its workspace (the nearest folder above it with a tulu-data.yaml, else the current
    one). What only reading shows, columns and whether a hub dataset or a stored version exists, plan says.
    """
    if schema:
        from tulu_data.specs.editor_schema import schema_text

        click.echo(schema_text(), nl=False)
        return
    if merged:
        _print_merged(specs, settings)
        return
    files = [file for path in specs or (Path("mixtures"),) for file in _files(path)]
    problems: dict[str, list[str]] = {str(file): _problems(file, settings) for file in files}
    if as_json:
        print_json(problems)
    else:
        for file, found in problems.items():
            click.echo("\n".join(found) if found else f"{file}: ok")
    if any(problems.values()):
        raise SystemExit(1)


def _print_merged(specs: tuple[Path, ...], settings: tuple[str, ...]) -> None:
    """Print the one mixture that is named, as one spec without bases."""
    from tulu_data.specs.mixture import merged_text, read_mixture

    if len(specs) != 1:
        raise click.UsageError(f"--merged prints one mixture spec, found {len(specs)}")
    click.echo(merged_text(read_mixture(specs[0], settings).mixture), nl=False)


def _files(path: Path) -> list[Path]:
    """Return the spec files that a path stands for; locks are no specs."""
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*.yaml") if not p.name.endswith(".lock.yaml"))
    if not found:
        raise SpecError([f"{path}: no .yaml file in this folder; give a spec file or a folder of them"])
    return found


def _problems(file: Path, settings: tuple[str, ...]) -> list[str]:
    """Return every mistake of one spec, its SQL included, and paths of its workspace that lead nowhere."""
    from tulu_data.sources.compiled import compile_sql, compile_suite_wheres
    from tulu_data.sources.presence import absent_files
    from tulu_data.specs.decisions import is_decisions, read_decisions
    from tulu_data.specs.mixture import read_mixture
    from tulu_data.specs.suite import is_suite_spec, read_suites

    problems: list[str] = []
    try:
        if is_decisions(file):
            read_decisions(file)
        elif is_suite_spec(file):
            compile_suite_wheres(read_suites(file))
        else:
            mixture, root = read_mixture(file, settings), workspace_root(file.parent)
            # A spec that lies outside may be meant for another folder, and be right there.
            problems += absent_files(mixture, root) if file.resolve().is_relative_to(root) else []
            compile_sql(mixture)
    except SpecError as error:
        problems += error.problems
    return problems
