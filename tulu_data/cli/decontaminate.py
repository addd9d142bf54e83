"""`tulu-data decontaminate`: find eval instances inside training data."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import print_json, results, stage
from tulu_data.cli.options import json_option, open_store, store_option, workers_option, workspace_root
from tulu_data.report.tables import table

if TYPE_CHECKING:
    from rich.console import Console

    from tulu_data.decontaminate import Index
    from tulu_data.decontaminate.audit import Audit

SHOWN = 5
"""Hits printed as examples; all are in hits.parquet."""


@click.command(short_help="Find eval instances inside training data, with evidence.")
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "--against", multiple=True, required=True, help="File, folder or glob of eval suites; may repeat."
)
@click.option("--rule", default="tulu3", show_default=True, help="Rule that says what is a hit.")
@store_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("reports/decontamination"),
    show_default=True, help="Folder for hits.parquet and report.json.",
)  # fmt: skip
@workers_option
@json_option
@click.option("--fail-on-hit", is_flag=True, help="Exit with 1 when there is a hit (for CI).")
def command(
    datasets: tuple[str, ...], against: tuple[str, ...], rule: str, store: Path | None, out: Path,
    workers: int | None, as_json: bool, fail_on_hit: bool,
) -> None:  # fmt: skip
    """Find eval instances inside training data, with evidence.

    DATASET is a file, a glob, hf://owner/name or name@version. Without one: the latest version of
    every dataset in the store, and every data file below data/.
    """
    from tulu_data.decontaminate import build_index, load_suites, rule_named
    from tulu_data.decontaminate.audit import audit, write_audit
    from tulu_data.decontaminate.scan import is_ready

    base = Path.cwd()
    root = workspace_root(base)
    say = stage if sys.stderr.isatty() else _silent
    chosen = rule_named(rule)
    if not is_ready():
        stage("compiling kernels (first run on this machine, some seconds)")
    index = build_index(load_suites(against, base), chosen)
    say(f"{len(index.suites)} suites, {sum(s.instances.num_rows for s in index.suites):,} eval instances")
    found = audit(datasets, index, base=base, store=open_store(store, root), workers=workers, say=say)
    say(f"{found.speed:,.0f} MB/s")
    report = write_audit(found, out)
    if as_json:
        print_json(report)
    else:
        _print(found, index, out)
    if fail_on_hit and found.hits.num_rows:
        sys.exit(1)


def _silent(text: str) -> None:
    """Report nothing: stderr is no terminal."""


def _print(found: "Audit", index: "Index", out: Path) -> None:
    """Print the report for people."""
    console = results()
    _print_suites(console, found)
    _print_hits(console, found)
    _print_examples(console, found, index)
    _print_accounts(console, found)
    console.print(f"\nwrote {out / 'hits.parquet'} and {out / 'report.json'}", soft_wrap=True)
    console.print(_advice(found), soft_wrap=True)


def _print_suites(console: "Console", found: "Audit") -> None:
    """Print the suites that were looked for."""
    made = table("suite", "path", ">instances", ">unmatchable", ">bad rows", "sha256")
    for suite in found.report.suites:
        bad = sum(suite.bad_rows.values())
        made.add_row(
            suite.name,
            suite.path,
            f"{suite.instances:,}",
            f"{suite.unmatchable:,}",
            f"{bad:,}",
            suite.sha256[:8],
        )
    console.print(made)


def _print_hits(console: "Console", found: "Audit") -> None:
    """Print one line per source and suite that share an instance."""
    rule = found.report.rule
    rows = sorted(
        (r for r in found.report.rows if r.instances_hit), key=lambda r: (-r.share, r.source, r.suite)
    )
    if not rows:
        console.print(f"\n[bold]no hits[/bold] by rule {rule.name}")
        return
    made = table("source", "suite", "split", ">instances", ">hit", ">share", ">records hit", "verdict")
    for row in rows:
        verdict = "contaminated" if row.contaminated else f"at most {rule.source_threshold:.0%}"
        counts = (f"{row.instances:,}", f"{row.instances_hit:,}", f"{row.share:.2%}", f"{row.records_hit:,}")
        made.add_row(row.source, row.suite, row.split, *counts, verdict)
    console.print(made)


def _print_examples(console: "Console", found: "Audit", index: "Index") -> None:
    """Print a few hits with the first line of what matched."""
    from rich.markup import escape

    from tulu_data.decontaminate.audit import matched_text

    if not found.hits.num_rows:
        return
    console.print("\n[bold]examples[/bold]")
    for hit in found.hits.slice(0, SHOWN).to_pylist():
        line = matched_text(index, hit).strip().split("\n", 1)[0]
        where = f"{hit['origin']} = {hit['suite']}/{hit['split']}/{hit['instance']} {hit['field']}"
        console.print(f"  {escape(where)}, overlap {hit['overlap']:.2f}", soft_wrap=True)
        console.print(f"    [dim]{escape(line[:100])}[/dim]", soft_wrap=True)


def _print_accounts(console: "Console", found: "Audit") -> None:
    """Print what became of every row that was read."""
    made = table("dataset", "kind", ">read", ">scanned", ">quarantined", "reasons")
    for account in found.accounts:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(account.quarantined.items()))
        bad = sum(account.quarantined.values())
        made.add_row(
            account.dataset, account.kind, f"{account.read:,}", f"{account.scanned:,}", f"{bad:,}", reasons
        )
    console.print(made)
    for text in found.unreadable:
        console.print(f"not scanned: {text.split(';')[0]}", markup=False, soft_wrap=True)


def _advice(found: "Audit") -> str:
    """Say what to do next."""
    step = "step decontaminate in a mixture spec"
    if not found.hits.num_rows:
        return f"next: nothing to remove; {step} keeps it so"
    bad = sorted({row.source for row in found.report.contaminated})
    if bad:
        return f"next: leave out {', '.join(bad)}, or drop the matching records by {step}"
    return f"next: drop the matching records by {step}; no source is above the threshold"
