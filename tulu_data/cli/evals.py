"""`tulu-data evals`: name eval suites in a spec, list them, look at them, fetch them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tulu_data.cli.console import counted, print_json, results, stage, warn
from tulu_data.cli.hints import typed
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root
from tulu_data.errors import SuiteError, nearest
from tulu_data.specs.suite import ROLES

if TYPE_CHECKING:
    from tulu_data.decontaminate.suites import MissingSuite, Suite

EVALS = Path("evals")
"""Folder of a workspace for eval suites."""
SPEC = EVALS / "suites.yaml"
"""Spec that suites are added to when none is named."""
CUT = 300
"""Characters of a field that `add` shows; `show` shows all of them."""

F = TypeVar("F", bound=Callable[..., Any])


@click.group(short_help="Name eval suites in a spec, list them, look at them, fetch them.")
def command() -> None:
    """Name eval suites in a spec, list them, look at them, fetch them.

    A spec says where the instances of a suite are and which columns hold them; --against takes specs,
    and folders with specs and suite files in them.
    """


def _field(name: str, about: str) -> Callable[[F], F]:
    """Add the option of one field."""
    return click.option(f"--{name}", metavar="COLUMN", help=about)


@command.command(short_help="Add a suite to a spec, and show its first instances.")
@click.argument("name")
@click.argument("uri")
@click.option("--layout", help="Known layout of the rows (default: told by the columns).")
@_field("question", "What holds the question: a column, a path (turns[0]) or a template ({p}\\n{q}).")
@_field("passage", "What holds the text that the question is about.")
@_field("answer", "What holds the expected answer.")
@_field("answer-index", "What marks the answer among the choices: number from 0, letter, or marks.")
@click.option(
    "--choices", metavar="COLUMN", multiple=True, help="What holds the choices; repeat for each one."
)
@_field("id", "What names an instance, such as {file}/{row} (default: the row).")
@click.option("--each", metavar="COLUMN", help="Column with a list of which every element is an instance.")
@click.option(
    "--columns", metavar="A,B,...", help="Names of the columns of csv and tsv files without a header."
)
@click.option("--where", metavar="SQL", help="Condition over the columns; other rows are left out.")
@click.option("--split", help="Split of a hub dataset, and of the instances (default: test).")
@click.option("--config", help="Configuration of a hub dataset.")
@click.option("--revision", help="Branch, tag or commit of a hub dataset.")
@click.option("--role", type=click.Choice(ROLES), help="What the suite is for.")
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path),
    help=f"Spec to add to, made if it is not there (default: {SPEC.as_posix()} of the workspace).",
)  # fmt: skip
@store_option
@json_option
def add(name: str, uri: str, to: Path | None, store: Path | None, as_json: bool, **options: Any) -> None:
    """Add suite NAME to a spec, and show its first instances.

    URI is a file, folder, glob or hf://owner/name. Where the columns fit a known layout (MMLU, GSM8K,
    MATH, HumanEval, BBH, DROP and others; evals/README.md lists them) nothing else is needed. A map
    that gives no instance is refused, and nothing is written.
    """
    from tulu_data.decontaminate.audit import torn_suites
    from tulu_data.decontaminate.suites import add_suite

    here, root = Path.cwd(), workspace_root(Path.cwd())
    path = here / to if to is not None else root / SPEC
    added = add_suite(path, name, _entry(uri, path, here, options), here, _cache(store, root))
    if as_json:
        print_json({**_facts(added.suite), "layout": added.layout, "spec": str(path)})
        return
    _print_instances(added.suite, 3, None, cut=CUT)
    for field in added.empty:
        warn(f"no instance of {name} has {'an' if field[0] in 'aeiou' else 'a'} {field}; look at its column")
    for text in torn_suites([added.suite]):
        warn(text)
    shown = _relative(path, here)
    click.echo(f"\nadded {name} to {shown}" + (f" (layout {added.layout})" if added.layout else ""))
    again = typed("decontaminate", "--against", path, store=open_store(store, root))
    click.echo(f"next: {again}")


def _entry(uri: str, spec: Path, here: Path, given: dict[str, Any]) -> dict[str, object]:
    """Return a suite's keys as YAML has them, its path as seen from the spec."""
    local = not uri.startswith("hf://") and "://" not in uri
    path = Path(uri).expanduser()
    place = os.path.relpath(here / path, spec.parent) if local and not path.is_absolute() else str(path)
    marked = {"choices": given["answer_index"]} if given["answer_index"] else None
    choices = list(given["choices"])
    fields = {
        "id": given["id"], "question": given["question"], "passage": given["passage"],
        "answer": given["answer"] or marked, "choices": choices[0] if len(choices) == 1 else choices,
    }  # fmt: skip
    columns = given["columns"].split(",") if given["columns"] else None
    keys = {
        "uri": Path(place).as_posix() if local else uri, "revision": given["revision"],
        "config": given["config"], "split": given["split"], "role": given["role"], "layout": given["layout"],
        "fields": {key: value.replace("\\n", "\n") if isinstance(value, str) else value
                   for key, value in fields.items() if value},
        "each": given["each"], "columns": columns, "where": given["where"],
    }  # fmt: skip
    return {key: value for key, value in keys.items() if value}


def _cache(store: Path | None, root: Path) -> Path:
    """Return the folder for suites that cannot be kept beside their files."""
    return open_store(store, root).root / "cache" / "suites"


def _relative(path: Path, here: Path) -> str:
    """Name a path as seen from the current folder."""
    return Path(os.path.relpath(path, here)).as_posix()


def _paths(given: Sequence[str], root: Path, here: Path) -> tuple[str, ...]:
    """Return the paths that were named, else the workspace's folder of suites."""
    return tuple(given) or (_relative(root / EVALS, here),)


@command.command("list", short_help="List the suites of files, folders and specs.")
@click.argument("paths", nargs=-1)
@store_option
@json_option
def list_(paths: tuple[str, ...], store: Path | None, as_json: bool) -> None:
    """List the suites of files, folders and specs; default: evals/ of the workspace.

    Asks no hub: a suite that is not fetched is listed as such.
    """
    from tulu_data.decontaminate.suites import survey_suites
    from tulu_data.report.tables import table

    here, root = Path.cwd(), workspace_root(Path.cwd())
    suites, missing = survey_suites(_paths(paths, root, here), here, cache=_cache(store, root))
    if as_json:
        print_json([*map(_facts, suites), *map(_missing_facts, missing)])
        return
    made = table("suite", "role", "splits", ">instances", ">bad rows", "sha256", "from", "where")
    rows = {suite.name: _row(suite) for suite in suites} | {one.name: _missing_row(one) for one in missing}
    for name in sorted(rows):
        made.add_row(*rows[name])
    results().print(made)
    if missing:
        specs = sorted({one.spec.document.name for one in missing})
        fetch = typed("evals", "fetch", here / specs[0], store=open_store(store, root))
        click.echo(f"next: {fetch}")


def _row(suite: "Suite") -> tuple[str, ...]:
    """Return the cells of a suite."""
    counts = (f"{suite.instances.num_rows:,}", f"{len(suite.bad):,}")
    hub = (suite.uri or "").startswith("hf://")
    place = suite.uri if hub else suite.path
    where = f"fetched, {suite.files[0][0].partition('@')[2][:8]}" if hub else "local"
    return (
        suite.name,
        suite.role or "",
        ", ".join(suite.splits),
        *counts,
        suite.sha256[:8],
        place or "",
        where,
    )


def _missing_row(missing: "MissingSuite") -> tuple[str, ...]:
    one = missing.suite
    return (missing.name, one.role or "", one.split, "", "", "", one.uri, "not fetched")


def _facts(suite: "Suite") -> dict[str, Any]:
    """Return a suite without its instances as JSON values."""
    from tulu_data.decontaminate.suites import bad_counts

    return {
        "suite": suite.name, "role": suite.role, "splits": suite.splits,
        "instances": suite.instances.num_rows, "bad_rows": dict(bad_counts(suite)), "sha256": suite.sha256,
        "key": suite.key, "uri": suite.uri, "fetched": True,
        "files": [{"path": path, "sha256": digest} for path, digest in suite.files],
    }  # fmt: skip


def _missing_facts(missing: "MissingSuite") -> dict[str, Any]:
    one = missing.suite
    return {
        "suite": missing.name, "role": one.role, "splits": [one.split], "uri": one.uri, "fetched": False,
        "reason": missing.reason,
    }  # fmt: skip


@command.command(short_help="Show instances of a suite in full.")
@click.argument("suite")
@click.argument("paths", nargs=-1)
@click.option(
    "-n", "number", type=click.IntRange(min=1), default=3, show_default=True, help="Instances to show."
)
@click.option("--id", "key", help="Show the instance of this id.")
@store_option
@json_option
def show(
    suite: str, paths: tuple[str, ...], number: int, key: str | None, store: Path | None, as_json: bool
) -> None:
    """Show instances of SUITE in full, with all fields.

    PATHS are files, folders and specs to search; default: evals/ of the workspace.
    """
    from tulu_data.decontaminate.suites import survey_suites

    here, root = Path.cwd(), workspace_root(Path.cwd())
    searched = _paths(paths, root, here)
    suites, missing = survey_suites(searched, here, cache=_cache(store, root))
    for one in missing:
        if one.name == suite:
            spec = here / one.spec.document.name
            run = typed("evals", "fetch", spec, suite, store=open_store(store, root))
            raise SuiteError(f"{suite}: not fetched; run: {run}")
    names = [one.name for one in suites] + [one.name for one in missing]
    found = next((one for one in suites if one.name == suite), None)
    if found is None:
        raise SuiteError(f"{suite}: no such suite in {', '.join(searched)}{nearest(suite, names)}")
    _print_instances(found, number, key, as_json=as_json)


def _print_instances(
    suite: "Suite", number: int, key: str | None, *, cut: int | None = None, as_json: bool = False
) -> None:
    """Print the first instances, or those of one id."""
    import pyarrow.compute as pc

    rows = suite.instances
    if key is not None:
        rows = rows.filter(pc.equal(rows["id"], key))
        if not rows.num_rows:
            near = nearest(key, suite.instances["id"].to_pylist())
            raise SuiteError(f"{suite.name}: no instance {key!r}{near}")
    chosen = rows.slice(0, number).to_pylist()
    if as_json:
        print_json(chosen)
        return
    bad = f", {len(suite.bad):,} bad rows" if suite.bad else ""
    count = suite.instances.num_rows
    click.echo(f"{suite.name}: {count:,} instance{'s' * (count != 1)} in {', '.join(suite.splits)}{bad}")
    for row in chosen:
        click.echo(f"\n{row['split']}/{row['id']}")
        for field in ("passage", "question", "choices", "answer"):
            if row[field] is not None:
                _print_field(field, row[field], cut)


def _print_field(name: str, value: str | list[str], cut: int | None) -> None:
    """Print one field, its further lines indented."""
    text = value if isinstance(value, str) else "\n".join(f"- {choice}" for choice in value)
    if cut is not None and len(text) > cut:
        text = f"{text[:cut]}... ({len(text):,} characters)"
    click.echo(f"  {name:<9} " + text.replace("\n", f"\n{' ' * 12}"))


@command.command(short_help="Fetch the hub suites of a spec, and pin them.")
@click.argument("spec", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("suites", nargs=-1)
@click.option("--update", is_flag=True, help="Resolve the suites anew, and move their pins.")
@store_option
@json_option
def fetch(spec: Path, suites: tuple[str, ...], update: bool, store: Path | None, as_json: bool) -> None:
    """Fetch the hub suites of SPEC, or only SUITES, and pin them in the lock beside it.

    What is pinned and in the hub's cache is not asked for again. Suites that can be had are fetched
    even where others cannot; then the command exits with 1.
    """
    from tulu_data.decontaminate.suites import fetch_spec
    from tulu_data.report.tables import table

    here, root = Path.cwd(), workspace_root(Path.cwd())
    found, failed = fetch_spec(
        here / spec, here, only=suites, update=update, cache=_cache(store, root),
        say=lambda name: stage(f"fetching {name}"),
    )  # fmt: skip
    if as_json:
        print_json({"suites": [_facts(suite) for suite in found], "failed": failed})
    elif found:
        made = table("suite", "role", ">instances", ">bad rows", "sha256", "commit", "from")
        for suite in found:
            counts = (f"{suite.instances.num_rows:,}", f"{len(suite.bad):,}")
            commit = suite.files[0][0].partition("@")[2][:8]
            made.add_row(suite.name, suite.role or "", *counts, suite.sha256[:8], commit, suite.uri or "")
        results().print(made)
    for name, reason in failed.items():
        warn(f"{name}: {reason}")
    if failed:
        raise SuiteError(
            f"{_relative(here / spec, here)}: {counted(len(failed), 'suite')} could not be fetched"
        )
