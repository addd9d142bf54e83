"""What `tulu-data decontaminate` prints for people of what a scan found.

The one idea: the report is a value that is made already; here it is only laid out, the most telling lines
first, and what is left out of a table is counted below it. Nothing is computed that report.json lacks.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tulu_data.cli.console import print_table, results, shown
from tulu_data.cli.hints import typed
from tulu_data.cli.options import workspace_root
from tulu_data.cli.reading import print_accounts
from tulu_data.report.tables import percent, table
from tulu_data.specs.rules import COMBINATIONS, RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from rich.console import Console
    from rich.table import Table

    from tulu_data.decontaminate import Index
    from tulu_data.decontaminate.audit import Audit
    from tulu_data.decontaminate.report import ReportRow, SuiteSummary
    from tulu_data.store import Store

REPORTS = Path("reports", "decontamination")
"""Folder of a workspace for the report, where `review` looks for it."""
OTHERS = {"template": "templates", "partial": "partials", "common": "common", "keep": "kept"}
"""Columns of the table of hits for what is no hit, by what it counts as."""
SHOWN = 5
"""Hits printed as examples, all of which are in hits.parquet, and lines without a hit in their table."""
MANY_SUITES = 20
"""Above this number of suites only those with hits are listed."""
LOOKED_AT = {"user": "user turns", "all": "all turns", "conversation": "whole conversations"}
"""Words for scopes."""


def print_report(found: "Audit", index: "Index", folder: Path, store: "Store") -> None:
    """Print the report for people; it lies in a folder, and was made with a store."""
    console = results()
    _print_suites(console, found)
    _print_hits(console, found)
    _print_examples(console, found, index)
    print_accounts(found.ledger, "scanned")
    bad = any(account.quarantined for account in found.ledger.accounts)
    names = ("hits.parquet", *(["quarantined.parquet"] if bad else []), "report.json")
    *first, last = (shown(folder / name) for name in names)
    written = f"{', '.join(first)} and {last}"
    console.print(f"\nwrote {written}", markup=False, soft_wrap=True)
    console.print(_advice(found, folder, store), markup=False, soft_wrap=True)


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
            f"[bold]no hits[/bold] {_asked(found)}"
            if found.ledger.records
            else "[bold]nothing was scanned[/bold]"
        )
        console.print(f"\n{text}")
        return
    rows, folded = _folded(rows)
    numbers = [">instances", ">hit", ">share", ">records hit", *(f">{name}" for name in others)]
    roles = any(row.role for row in rows)
    made = table("source", "suite", *_column("role", roles), "split", *numbers, "verdict")
    for row in rows:
        counts = (f"{row.instances:,}", f"{row.instances_hit:,}", percent(row.share), f"{row.records_hit:,}")
        beside = (f"{getattr(row, name):,}" for name in others)
        about = (row.suite, *_column(row.role or "", roles), row.split)
        made.add_row(row.source, *about, *counts, *beside, row.verdict)
    console.print(f"\n[bold]{'hits' if rows else 'no hits'}[/bold] {_asked(found)}")
    if rows:
        print_table(console, made)
    if folded:
        sums = {name: sum(getattr(row, name) for row in folded) for name in others}
        said = ", ".join(f"{count:,} {name}" for name, count in sums.items() if count)
        text = f"{'and ' if rows else ''}{len(folded):,} pairs of source and suite with other matches only"
        console.print(f"{text} ({said}); report.json has them all", soft_wrap=True)


def _folded(rows: "list[ReportRow]") -> "tuple[list[ReportRow], list[ReportRow]]":
    """Return the rows to print, and those without a hit that are too many to be printed."""
    without = [row for row in rows if not row.instances_hit]
    return ([row for row in rows if row.instances_hit], without) if len(without) > SHOWN else (rows, [])


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
    for (origin, suite, split, instance, field), hits in _examples(items):
        line = matched_text(index, hits[0]).strip().split("\n", 1)[0]
        overlaps = ", ".join(f"{hit['overlap']:.2f} by {hit['rule']}" for hit in hits)
        what = f"{hits[0]['match']}, {hits[0]['information']:,.0f} bits"
        where = f"{origin} = {suite}/{split}/{instance} {field}"
        console.print(f"  {escape(where)}, overlap {overlaps}; {what}", soft_wrap=True)
        console.print(f"    [dim]{escape(line[:100].rstrip())}[/dim]", soft_wrap=True)


def _examples(items: "pa.Table") -> list[tuple[tuple[str, ...], list[dict[str, Any]]]]:
    """Choose hits of as many pairs of source and suite as there is room for, the most hit ones first.

    Return for each its origin, suite, split, instance and field, and its rows, one for each rule.
    """
    import pyarrow.compute as pc

    counts = items.group_by(["source", "suite"]).aggregate([("instance", "count_distinct")]).to_pylist()
    counts.sort(key=lambda one: (-one["instance_count_distinct"], one["source"], one["suite"]))
    ranked = []
    for rank, pair in enumerate(counts[:SHOWN]):
        mine = pc.and_(pc.equal(items["source"], pair["source"]), pc.equal(items["suite"], pair["suite"]))
        same: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        # Rows of one record and field stand together, so these hold all that the first few need.
        for hit in items.filter(mine).slice(0, SHOWN * len(RULES)).to_pylist():
            key = tuple(hit[name] for name in ("origin", "suite", "split", "instance", "field"))
            same.setdefault(key, []).append(hit)
        ranked += [(turn, rank, one) for turn, one in enumerate(same.items())]
    chosen = sorted(ranked, key=lambda one: one[:2])[:SHOWN]
    return [one for _, _, one in sorted(chosen, key=lambda one: (one[1], one[0]))]


def _advice(found: "Audit", folder: Path, store: "Store") -> str:
    """Say what to do next."""
    step = "step decontaminate in a mixture spec"
    if not found.ledger.records:
        return (
            "next: name files that hold records, or say with --columns, --adapter or --kind how to read these"
        )
    if not found.report.hits:
        unseen = len(found.ledger.empty) + len(found.ledger.unreadable)
        torn = sum(len(account.torn) for account in found.ledger.accounts)
        lacks = [f"{unseen} of the datasets were not"] if unseen else []
        lacks += [f"{torn} of the files {'is' if torn == 1 else 'are'} torn"] if torn else []
        seen = f" in what was scanned, but {' and '.join(lacks)}" if lacks else ""
        return f"next: nothing to remove{seen}; {step} keeps it so"
    bad = sorted({row.source for row in found.report.sources_to_drop})
    drop = f"drop the matching records with --write FOLDER or by {step}"
    is_found = folder.resolve() == workspace_root(Path.cwd()) / REPORTS
    where = ["review"] if is_found else ["review", folder]
    walk = typed(*where, store=store, start=None if is_found else folder)
    if bad:
        return f"next: {walk}, which shows the hits; leave out {', '.join(bad)}, or {drop}"
    none = "" if found.report.contaminated else "; no source is above the threshold"
    return f"next: {walk}, which shows the hits; {drop}{none}"
