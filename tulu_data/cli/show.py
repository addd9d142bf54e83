"""`tulu-data show`: one version, its accounts, drops and some records."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from tulu_data.cli.console import counted, print_json, results
from tulu_data.cli.dedup_report import searched
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root

if TYPE_CHECKING:
    from rich.console import Console

    from tulu_data.store import Version

DONE = {
    "drop": "dropped", "drop_source": "dropped, and contaminated sources whole", "flag": "kept and flagged",
}  # fmt: skip
"""What became of records with a hit, by the action of the step."""
CUT = 300
"""Characters of a turn that are shown."""


@click.command(short_help="Show one version: sources, counts, drops and records.")
@click.argument("version")
@click.option("--records", default=2, show_default=True, type=click.IntRange(min=0), help="Records to print.")
@click.option(
    "--dropped", is_flag=True, help="List the records that steps left out, with reason and evidence."
)
@click.option("--quarantined", is_flag=True, help="List the rows that were no records, with reason.")
@store_option
@json_option
def command(
    version: str, records: int, dropped: bool, quarantined: bool, store: Path | None, as_json: bool
) -> None:
    """Show one version: where its records come from, what was left out and why, and some records.

    VERSION is a name (its newest version) or name@id.
    """
    opened = open_store(store, workspace_root(Path.cwd())).resolve(version)
    shown: dict[str, Any] = {"version": opened.ref, "path": str(opened.path), **opened.manifest.model_dump()}
    shown["records"] = _first(opened, records)
    for name, wanted in (("dropped", dropped), ("quarantined", quarantined)):
        if wanted:
            shown[name] = _side_table(opened, name)
    if as_json:
        print_json(shown)
        return
    console = results()
    _print_accounts(console, opened)
    for name in ("dropped", "quarantined"):
        _print_rows(console, name, shown.get(name))
    for record in shown["records"]:
        _print_record(console, record)


def _first(version: "Version", count: int) -> list[dict[str, Any]]:
    """Return the first records of a version."""
    rows = (row for batch in version.batches() for row in batch.to_pylist())
    return list(islice(rows, count))


def _side_table(version: "Version", name: str) -> list[dict[str, Any]]:
    """Read one of the tables that lie beside the records."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(version.path / f"{name}.parquet").to_pylist()
    return rows


def _print_accounts(console: "Console", version: "Version") -> None:
    """Print what the version is and where every row of its sources went."""
    from tulu_data.report.tables import percent, source_table, table

    m = version.manifest
    console.print(
        f"[bold]{version.ref}[/bold]  {counted(m.rows, 'row')}  {m.kind}  built {m.created[:19]} UTC"
    )
    console.print(f"  {escape(str(version.path))}\n  content id {m.content_id}\n", soft_wrap=True)
    console.print(source_table(m.sources))
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
            console.print(made)
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


def _print_rows(console: "Console", name: str, rows: list[dict[str, Any]] | None) -> None:
    """List what was left out."""
    if rows is None:
        return
    console.print(f"\n[bold]{name}[/bold] ({len(rows)})")
    for row in rows:
        more = row.get("evidence") or row.get("detail") or ""
        console.print(f"  {escape(row['origin'])}  {row['reason']}  {escape(more)}", soft_wrap=True)


def _print_record(console: "Console", record: dict[str, Any]) -> None:
    """Print one record: its place, and every part by name."""
    console.print(
        f"\n[bold]{record['id']}[/bold]  {escape(record['source'])}  {escape(record['origin'])}",
        soft_wrap=True,
    )
    for name, value in record.items():
        for turn in value if isinstance(value, list) else ():
            text = _cut(turn["content"] + (turn["tool_calls"] or ""))
            console.print(f"  [bold]{name} {turn['role']}[/bold] {escape(text)}", soft_wrap=True)
    for name in ("tools", "ground_truth", "verifier"):
        if record.get(name):
            console.print(f"  [bold]{name}[/bold] {escape(_cut(record[name]))}", soft_wrap=True)


def _cut(text: str) -> str:
    """Shorten a long text, saying how long it is."""
    return text if len(text) <= CUT else f"{text[:CUT]}... ({len(text):,} characters)"
