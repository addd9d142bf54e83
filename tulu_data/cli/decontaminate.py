"""`tulu-data decontaminate`: find eval instances inside training data."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tulu_data.cli.console import print_json, print_table, results, stage, warn
from tulu_data.cli.options import (
    decisions_option,
    json_option,
    open_decisions,
    open_store,
    store_option,
    workers_option,
    workspace_root,
)
from tulu_data.report.tables import percent, table
from tulu_data.schema import KINDS, Kind
from tulu_data.specs.mixture import ACTIONS, Action
from tulu_data.specs.rules import COMBINATIONS, RULES, SCOPES, Scope
from tulu_data.specs.source import ADAPTERS, Adapter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from tulu_data.decontaminate import Index
    from tulu_data.decontaminate.audit import Audit
    from tulu_data.decontaminate.clean import Copied, Target
    from tulu_data.decontaminate.report import SuiteSummary

OTHERS = {"template": "templates", "partial": "partials", "common": "common", "keep": "kept"}
"""Columns of the table of hits for what is no hit, by what it counts as."""
SHOWN = 5
"""Hits printed as examples; all are in hits.parquet."""
MANY_SUITES = 20
"""Above this number of suites only those with hits are listed."""
LOOKED_AT = {"user": "user turns", "all": "all turns", "conversation": "whole conversations"}
"""Words for scopes."""
REPORTS = Path("reports", "decontamination")
"""Folder of a workspace for the report."""


def _parts(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Read part=column pairs."""
    columns: dict[str, str] = {}
    for text in given:
        part, is_pair, column = text.partition("=")
        if not (is_pair and part and column):
            raise click.BadParameter(f"{text!r}: expected part=column, for example prompt=question")
        if part in columns:
            raise click.BadParameter(f"{text!r}: part {part!r} is given twice")
        columns[part] = column
    return columns


@click.command(short_help="Find eval instances inside training data, with evidence.")
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "--against", multiple=True, required=True, help="File, folder or glob of eval suites; may repeat."
)
@click.option(
    "--rule", default="tulu3", show_default=True,
    help=f"Rule that says what is a hit, or several with commas: {', '.join([*COMBINATIONS, *RULES])}.",
)  # fmt: skip
@click.option(
    "--scope", type=click.Choice(SCOPES), default="user", show_default=True,
    help="Turns to look at: those of users, all, or all as one conversation, across their borders.",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice(KINDS), help="Kind of every DATASET (default: told by its columns)."
)
@click.option(
    "--adapter", type=click.Choice(ADAPTERS), default="auto", show_default=True,
    help="Layout of every DATASET.",
)  # fmt: skip
@click.option(
    "--columns", multiple=True, callback=_parts, metavar="PART=COLUMN",
    help="Column that plays a part in every DATASET, as in prompt=question; may repeat.",
)  # fmt: skip
@store_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help=f"Folder for hits, quarantined rows and report (default: {REPORTS.as_posix()} in the workspace).",
)  # fmt: skip
@decisions_option
@click.option(
    "--write", type=click.Path(file_okay=False, path_type=Path),
    help="Folder for copies of all scanned files without what --action drops.",
)  # fmt: skip
@click.option(
    "--action", type=click.Choice(ACTIONS),
    help="What --write leaves out: records with a hit (drop, the default), whole sources too (drop_source) "
    "that are contaminated by suites whose role is not development, or only what was decided so (flag).",
)  # fmt: skip
@workers_option
@json_option
@click.option("--fail-on-hit", is_flag=True, help="Exit with 1 when a hit is left after decisions (for CI).")
def command(  # noqa: PLR0913, PLR0917 - one for each option
    datasets: tuple[str, ...], against: tuple[str, ...], rule: str, scope: Scope, kind: Kind | None,
    adapter: Adapter, columns: dict[str, str], store: Path | None, out: Path | None, decisions: Path | None,
    write: Path | None, action: Action | None, workers: int | None, as_json: bool, fail_on_hit: bool,
) -> None:  # fmt: skip
    """Find eval instances inside training data, with evidence.

    DATASET is a file, a glob, hf://owner/name or name@version. Without one: the latest version of
    every dataset in the store, and every data file below data/ of the workspace, which are named
    from the workspace's folder; the report and the store are never read as data.

    An instance without a single word is unmatchable: no rule can find it. One of fewer than four
    words is found only where it is a whole turn. Exits with 1 when not one record could be scanned.

    --write copies every scanned file, in its format and under its path, below a folder; rows that stay
    are the same to the byte. Rows that are dropped or no records lie beside the report, and add up.
    """
    from tulu_data.cli.progress import ScanBar
    from tulu_data.decontaminate import load_suites, open_index, rules_named
    from tulu_data.decontaminate.audit import Course, audit, make_folder, write_audit
    from tulu_data.decontaminate.clean import Target, check_target, forget_clean
    from tulu_data.decontaminate.datasets import Reading
    from tulu_data.decontaminate.quarantine import Quarantine
    from tulu_data.decontaminate.scan import is_ready

    if not datasets and (kind or columns or adapter != "auto"):
        raise click.UsageError("--kind, --adapter and --columns say how DATASET is read; name one")
    if action and not write:
        raise click.UsageError("--action says what --write leaves out; give --write FOLDER too")
    here = Path.cwd()
    root = workspace_root(here)
    opened, folder = open_store(store, root), out or root / REPORTS
    decided = open_decisions(decisions, root)
    make_folder(folder)
    if write:
        check_target(write)
    say = stage if sys.stderr.isatty() else _silent
    chosen = rules_named(rule)
    if not is_ready():
        stage("compiling kernels (first run on this machine, some seconds)")
    cache = opened.root / "cache" / "suites"
    index = open_index(load_suites(against, here, cache=cache), chosen, cache=cache)
    say(f"{len(index.suites)} suites, {sum(s.instances.num_rows for s in index.suites):,} eval instances")
    reading = Reading(
        kind=kind, adapter=adapter, columns=columns, skip=(folder, opened.root, *([write] if write else []))
    )
    base = here if datasets else root
    with Quarantine(folder) as quarantine, ScanBar() as bar:
        found = audit(
            datasets, index, base=base, store=opened, reading=reading, decisions=decided, scope=scope,
            course=Course(workers=workers, quarantine=quarantine, progress=bar),
        )  # fmt: skip
    say(f"{found.speed:,.0f} MB/s")
    forget_clean(folder)
    report = write_audit(found, folder, base=base, suites_base=here, against=against)
    target = (
        Target(action=action or "drop", folder=write, report=folder, base=base, store=opened)
        if write
        else None
    )
    copied = _copy(found, target, report) if target else []
    _finish(found, index, report, folder, as_json=as_json)
    if target:
        _finish_copies(copied, found, target.folder, as_json=as_json)
    if not found.scanned or (fail_on_hit and found.report.hits):
        sys.exit(1)


def _silent(text: str) -> None:
    """Report nothing: stderr is no terminal."""


def _finish(
    found: "Audit", index: "Index", report: dict[str, object], folder: Path, *, as_json: bool
) -> None:
    """Print the report, and warn of datasets of which nothing was seen."""
    from tulu_data.decontaminate.audit import torn_suites
    from tulu_data.decontaminate.decisions import summed

    if as_json:
        print_json(report)
    else:
        _print(found, index, folder)
    for text in (*(text for account in found.accounts for text in account.torn), *torn_suites(index.suites)):
        warn(text)
    for name, first in found.repeated.items():
        warn(f"{name}: the same data as {first}; scanned once")
    for account in found.unscanned:
        what = (
            f"none of its {account.read:,} rows could be read as records ({account.reasons})"
            if account.read
            else "it has no rows"
        )
        warn(f"{account.dataset}: {what}; nothing was looked at")
    if found.decided.unmet:
        warn(f"decisions that met no hit: {summed(found.decided.unmet)}; report.json names them")


def _print(found: "Audit", index: "Index", folder: Path) -> None:
    """Print the report for people."""
    console = results()
    _print_suites(console, found)
    _print_hits(console, found)
    _print_examples(console, found, index)
    _print_accounts(console, found)
    bad = any(account.quarantined for account in found.accounts)
    names = ("hits.parquet", *(["quarantined.parquet"] if bad else []), "report.json")
    *first, last = (_shown(folder / name) for name in names)
    written = f"{', '.join(first)} and {last}"
    console.print(f"\nwrote {written}", markup=False, soft_wrap=True)
    console.print(_advice(found), markup=False, soft_wrap=True)


def _shown(path: Path) -> str:
    """Write a path as one would type it here: relative, unless it lies somewhere else altogether."""
    if not path.is_absolute() or path.is_relative_to(Path.cwd()):
        return os.path.relpath(path)
    return os.path.relpath(path) if path.is_relative_to(workspace_root(Path.cwd())) else str(path)


def _print_suites(console: "Console", found: "Audit") -> None:
    """Print the suites that were looked for; of many only those with hits."""
    suites = found.report.suites
    hit = {row.suite for row in found.report.rows if row.instances_hit}
    listed = [suite for suite in suites if len(suites) <= MANY_SUITES or suite.name in hit]
    total, bad = sum(s.instances for s in suites), sum(sum(s.bad_rows.values()) for s in suites)
    console.print("[bold]suites[/bold]")
    if listed:
        print_table(console, _suite_table(listed))
    if len(listed) < len(suites):
        some = f", {len(listed):,} of them with hits" if listed else ""
        console.print(f"{len(suites):,} suites{some}, {total:,} instances, {bad:,} bad rows", soft_wrap=True)
    whole, nothing = sum(s.whole_turn_only for s in suites), sum(s.unmatchable for s in suites)
    if whole:
        text = f"{whole:,} of {total:,} instances have fewer than 4 words and match only a whole turn"
        console.print(text, soft_wrap=True)
    if nothing:
        text = (
            f"{nothing:,} of {total:,} instances are unmatchable: without a single word, no rule finds them"
        )
        console.print(text, soft_wrap=True)


def _suite_table(suites: "Sequence[SuiteSummary]") -> "Table":
    """Make the table of suites."""
    roles = any(suite.role for suite in suites)
    made = table(
        "suite", *_column("role", roles), "path", ">instances", ">unmatchable", ">bad rows", "sha256"
    )
    for suite in suites:
        bad = sum(suite.bad_rows.values())
        counts = (f"{suite.instances:,}", f"{suite.unmatchable:,}", f"{bad:,}")
        made.add_row(suite.name, *_column(suite.role or "", roles), suite.path, *counts, suite.sha256[:8])
    return made


def _column(text: str, there: bool) -> tuple[str, ...]:
    """Return what a column holds, nothing where there is no such column."""
    return (text,) if there else ()


def _print_hits(console: "Console", found: "Audit") -> None:
    """Print one line per source and suite that share an instance; matches that are no hits stand beside."""
    others = [OTHERS[match] for match, count in found.report.other_matches.items() if count]
    found_any = (r for r in found.report.rows if r.instances_hit or any(getattr(r, name) for name in others))
    rows = sorted(found_any, key=lambda r: (-r.share, r.source, r.suite))
    if not rows:
        text = (
            f"[bold]no hits[/bold] {_asked(found)}" if found.scanned else "[bold]nothing was scanned[/bold]"
        )
        console.print(f"\n{text}")
        return
    numbers = [">instances", ">hit", ">share", ">records hit", *(f">{name}" for name in others)]
    roles = any(row.role for row in rows)
    made = table("source", "suite", *_column("role", roles), "split", *numbers, "verdict")
    for row in rows:
        counts = (f"{row.instances:,}", f"{row.instances_hit:,}", percent(row.share), f"{row.records_hit:,}")
        beside = (f"{getattr(row, name):,}" for name in others)
        about = (row.suite, *_column(row.role or "", roles), row.split)
        made.add_row(row.source, *about, *counts, *beside, row.verdict)
    console.print(f"\n[bold]hits[/bold] {_asked(found)}")
    print_table(console, made)


def _asked(found: "Audit") -> str:
    """Say by which rules hits were looked for, and where."""
    rules = found.report.rules
    names = ", ".join(rule.name for rule in rules.rules)
    listed = f"rule{'s' if len(rules.rules) > 1 else ''} {names}"
    by = f"rule {rules.name} ({names})" if rules.name in COMBINATIONS else listed
    return f"by {by} in {LOOKED_AT[found.scope]}"


def _print_examples(console: "Console", found: "Audit", index: "Index") -> None:
    """Print a few hits, each with the rules that found it and the first line of what matched."""
    import pyarrow.compute as pc
    from rich.markup import escape

    from tulu_data.decontaminate.audit import matched_text
    from tulu_data.decontaminate.report import counted_as

    if not found.report.hits:
        return
    console.print("\n[bold]examples[/bold]")
    items = found.hits.filter(pc.equal(counted_as(found.hits), "item"))
    same: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    # Rows of one record and field stand together, so these hold all that the first few need.
    for hit in items.slice(0, SHOWN * len(RULES)).to_pylist():
        key = tuple(hit[name] for name in ("origin", "suite", "split", "instance", "field"))
        same.setdefault(key, []).append(hit)
    for (origin, suite, split, instance, field), hits in list(same.items())[:SHOWN]:
        line = matched_text(index, hits[0]).strip().split("\n", 1)[0]
        overlaps = ", ".join(f"{hit['overlap']:.2f} by {hit['rule']}" for hit in hits)
        what = f"{hits[0]['match']}, {hits[0]['information']:,.0f} bits"
        where = f"{origin} = {suite}/{split}/{instance} {field}"
        console.print(f"  {escape(where)}, overlap {overlaps}; {what}", soft_wrap=True)
        console.print(f"    [dim]{escape(line[:100].rstrip())}[/dim]", soft_wrap=True)


def _print_accounts(console: "Console", found: "Audit") -> None:
    """Print what became of every row that was read."""
    made = table("dataset", "kind", ">read", ">scanned", ">quarantined", "reasons")
    for account in found.accounts:
        bad = sum(account.quarantined.values())
        counts = (f"{account.read:,}", f"{account.scanned:,}", f"{bad:,}")
        made.add_row(account.dataset, account.kind, *counts, account.reasons)
    console.print("\n[bold]datasets[/bold]")
    print_table(console, made)
    for text in found.unreadable:
        console.print(f"not scanned: {text.split(';')[0]}", markup=False, soft_wrap=True)


def _copy(found: "Audit", target: "Target", report: dict[str, object]) -> "list[Copied]":
    """Write cleaned copies, and into the report what became of the rows."""
    from tulu_data.decontaminate.audit import write_report
    from tulu_data.decontaminate.clean import write_clean

    copied = write_clean(found, target) if found.scanned else []
    report["written"] = {
        "folder": str(target.folder), "action": target.action, "datasets": [one.to_dict() for one in copied]
    }  # fmt: skip
    write_report(report, target.report)
    return copied


def _finish_copies(copied: "Sequence[Copied]", found: "Audit", folder: Path, *, as_json: bool) -> None:
    """Print where every row went, and warn of what was not copied."""
    if copied and not as_json:
        reasons = list(dict.fromkeys(reason for one in copied for reason in one.dropped))
        made = table("dataset", *(f">{name}" for name in ("read", "quarantined", *reasons, "kept")))
        for one in copied:
            counts = [
                one.read,
                one.quarantined,
                *(one.dropped.get(reason, 0) for reason in reasons),
                one.kept,
            ]
            made.add_row(one.dataset, *(f"{count:,}" for count in counts))
        click.echo()
        print_table(results(), made)
        click.echo(f"wrote {_shown(folder)}")
    names = {one.dataset for one in copied}
    for name in [a.dataset for a in found.accounts if a.dataset not in names] + list(found.unreadable):
        warn(f"{name.split(';')[0]}: not copied")


def _advice(found: "Audit") -> str:
    """Say what to do next."""
    step = "step decontaminate in a mixture spec"
    if not found.scanned:
        return (
            "next: name files that hold records, or say with --columns, --adapter or --kind how to read these"
        )
    if not found.report.hits:
        unseen = len(found.unscanned) + len(found.unreadable)
        seen = f" in what was scanned, but {unseen} of the datasets were not" if unseen else ""
        return f"next: nothing to remove{seen}; {step} keeps it so"
    bad = sorted({row.source for row in found.report.sources_to_drop})
    drop = f"drop the matching records with --write FOLDER or by {step}"
    if bad:
        return f"next: tulu-data review shows the hits; leave out {', '.join(bad)}, or {drop}"
    none = "" if found.report.contaminated else "; no source is above the threshold"
    return f"next: tulu-data review shows the hits; {drop}{none}"
