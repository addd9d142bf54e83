"""`tulu-data plan`: what a mixture would take of each source, and the version that a build would be."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from tulu_data.cli.console import counted, print_json, print_table, results, stage, warn
from tulu_data.cli.options import (
    json_option,
    open_store,
    set_option,
    store_option,
    workers_option,
    workspace_root,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tulu_data.mix import Plan
    from tulu_data.mix.summary import Line


@click.command(short_help="Say what a build would take of each source, and write no version.")
@click.argument("spec", type=click.Path(path_type=Path))
@set_option
@store_option
@workers_option
@click.option("--frozen", is_flag=True, help="Refuse a spec whose lock is missing or stale (for CI).")
@json_option
def command(
    spec: Path,
    settings: tuple[str, ...],
    store: Path | None,
    workers: int | None,
    frozen: bool,
    as_json: bool,
) -> None:
    """Say what a build of a mixture would take of each source, and which version it would be.

    For each source: rows read, quarantined, dropped (by where and steps) and left; rows taken, how often a
    record is repeated, its share of the version, tokens where the spec names a tokenizer, licences. A
    shortfall, a licence that is not let in and an assertion that does not hold are errors, as to mix.
    """
    from tulu_data.mix import Settings, prepare, resolve_inputs
    from tulu_data.specs.mixture import read_mixture

    file, root = read_mixture(spec, settings), workspace_root(spec.parent)
    how = Settings(base=root, store=open_store(store, root), workers=workers or 0, frozen=frozen, say=stage)
    inputs = resolve_inputs(file, root, how.store, frozen=frozen)
    plan = prepare(file, inputs, how).plan
    for text in plan.warnings:
        warn(text)
    print_plan(plan, as_json)


def print_plan(plan: "Plan", as_json: bool) -> None:
    """Print what a build would write."""
    from tulu_data.mix.summary import summarise
    from tulu_data.store.percent import Parts

    ref, summary = f"{plan.mixture.name}@{plan.content_id[:8]}", summarise(plan)
    if as_json:
        print_json(
            {"version": ref, "content_id": plan.content_id, "rows": plan.rows, **summary.to_dict()}
            | {"warnings": plan.warnings}
        )
        return
    total = summary.total
    console = results()
    many = len(summary.sources) > 1
    lines = [*summary.sources, *([total] if many else [])]
    sources = plan.mixture.sources
    parts = Parts({line.name: line.rows for line in summary.sources})
    shares = [*(parts.text(line.name) for line in summary.sources), parts.whole]
    print_table(console, _table("source", lines, shares, total=many), without_zeros=True)
    if summary.groups:
        grouped = [[name for name in sources if sources[name].group == line.name] for line in summary.groups]
        click.echo()
        made = _table("group", summary.groups, [parts.text(*names) for names in grouped])
        print_table(console, made, without_zeros=True)
    if summary.splits:
        click.echo()
        print_table(console, _split_table(summary.splits))
    tokens = "" if total.tokens is None else f", {counted(total.tokens, 'token')}"
    console.print(f"\n[bold]plan[/bold]  {ref}  {counted(plan.rows, 'row')}{tokens}; no version was written")


def _split_table(splits: "Mapping[str, int]") -> Table:
    """Make the table of splits."""
    from tulu_data.report.tables import table
    from tulu_data.store.percent import Parts

    made, parts = table("split", ">rows", ">share"), Parts(splits)
    for name, rows in splits.items():
        made.add_row(escape(name), f"{rows:,}", parts.text(name))
    return made


def _table(what: str, lines: "Sequence[Line]", shares: "Sequence[str]", *, total: bool = False) -> Table:
    """Make the table of sources, or of groups; the last line may be the total."""
    from tulu_data.report.tables import table

    with_tokens = lines[0].tokens is not None
    columns = ["read", "quarantined", "dropped", "left", "rows", "repetition", "share"]
    columns += ["tokens"] if with_tokens else []
    made = table(what, *(f">{name}" for name in columns), "licences")
    for i, line in enumerate(lines):
        counts = [line.read, sum(line.quarantined.values()), sum(line.dropped.values()), line.left, line.rows]
        cells = [f"{count:,}" for count in counts]
        cells += ["-" if line.repetition is None else f"{line.repetition:.4g}", shares[i]]
        cells += [f"{line.tokens:,}"] if with_tokens else []
        is_total = total and i == len(lines) - 1
        licences = "" if is_total else ", ".join(line.licences)
        made.add_row(escape(line.name), *cells, escape(licences), style="bold" if is_total else None)
    return made
