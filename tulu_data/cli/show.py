"""`tulu-data show`: one version and its accounts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from tulu_data.cli.console import counted, print_json, print_table, results, shown
from tulu_data.cli.dedup_report import searched
from tulu_data.cli.hints import typed
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tulu_data.store import Version

DONE = {
    "drop": "dropped", "drop_source": "dropped, and contaminated sources whole", "flag": "kept and flagged",
}  # fmt: skip
"""What became of records with a hit, by the action of the step."""


@click.command(short_help="Show one version: sources, counts, drops by reason, contamination.")
@click.argument("version")
@store_option
@json_option
def command(version: str, store: Path | None, as_json: bool) -> None:
    """Show one version: where its records come from, what was left out by reason, what was found in it.

    VERSION is a name (its newest version), name@id or name@tag. `tulu-data view` shows the records
    themselves, and those that were left out; `tulu-data stats` counts them.
    """
    store_of = open_store(store, workspace_root(Path.cwd()))
    opened = store_of.resolve(version)
    tags = store_of.tagged(opened.name).get(opened.content_id, [])
    if as_json:
        print_json(
            {"version": opened.ref, "path": str(opened.path), "tags": tags, **opened.manifest.model_dump()}
        )
        return
    console = results()
    _print_accounts(console, opened, tags)
    view, stats = (typed(verb, opened.ref, store=store_of) for verb in ("view", "stats"))
    console.print(f"next: {escape(view)}, or {escape(stats)}", soft_wrap=True)


def _print_accounts(console: "Console", version: "Version", tags: "Sequence[str]") -> None:
    """Print what the version is and where every row of its sources went."""
    from tulu_data.report.tables import percent, source_table, table

    m = version.manifest
    console.print(
        f"[bold]{version.ref}[/bold]  {counted(m.rows, 'row')}  {m.kind}  built {m.created[:19]} UTC"
        f"{'  tagged ' if tags else ''}{', '.join(tags)}",
        soft_wrap=True,
    )
    console.print(f"  {escape(shown(version.path))}\n  content id {m.content_id}\n", soft_wrap=True)
    print_table(console, source_table(m.sources), without_zeros=True)
    if m.splits:
        told = ", ".join(f"{split} {counted(rows, 'row')}" for split, rows in m.splits.items())
        console.print(f"\nsplits: {told}", soft_wrap=True)
    _print_duplicates(console, version)
    if m.decontamination:
        d = m.decontamination
        made = table("suite", "split", ">instances", ">hit", ">share", "source", "verdict")
        for row in d["table"]:
            if row["instances_hit"]:
                # Versions of an early build name no verdict.
                verdict = row.get("verdict") or ("contaminated" if row["contaminated"] else "at most 2%")
                made.add_row(
                    row["suite"], row["split"], f"{row['instances']:,}", f"{row['instances_hit']:,}",
                    percent(row["share"]), row["source"], verdict,
                )  # fmt: skip
        told = f"{counted(sum(d['records_hit'].values()), 'record')} with a hit, {DONE[d['action']]}"
        console.print(f"\nrule {d['rule']} against {counted(len(d['suites']), 'suite')}: {told}")
        answers = d.get("decisions", {})
        if answers.get("keep") or answers.get("drop"):
            console.print(f"decisions: {counted(answers['keep'], 'hit')} kept, {answers['drop']:,} dropped")
        if made.row_count:
            print_table(console, made)
    for text in m.warnings:
        console.print(f"warning: {escape(text)}", soft_wrap=True)


def _print_duplicates(console: "Console", version: "Version") -> None:
    """Print what each dedup step found."""
    for found in version.manifest.duplicates:
        what = "near ones too" if found["near"] else "exact ones"
        gone = found["records"] - found["kept"]
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in found["dropped"].items())
        console.print(
            f"\nduplicates (step {found['step']}, key {found['key']}, {what}): "
            f"{counted(found['records'], 'record')}, {gone:,} dropped ({reasons})",
            soft_wrap=True,
        )
        for one in found.get("against", ()):
            there = sum(one["dropped"].values())
            console.print(f"{one['dataset']} ({counted(one['records'], 'record')}) holds {there:,} of them")
        told = counted(found["clusters"], "cluster")
        if found["clusters"]:
            told += f", the largest of {counted(found['largest'], 'record')}"
            told += "; listed in clusters.parquet, which tulu-data sql reads"
        console.print(told, soft_wrap=True)
        if found["search"]:
            console.print(searched(found))
