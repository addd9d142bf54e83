"""What `tulu-data dedup` prints for people of what a search found.

The one idea: what was found is a value that is made already; here it is laid out so that a person can judge
the thresholds: how alike near-duplicates are, and what the least alike look like. Nothing is compared.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tulu_data.cli.console import counted, print_table, results, shown
from tulu_data.cli.hints import typed
from tulu_data.cli.reading import print_accounts
from tulu_data.cli.terminal import INDENT
from tulu_data.report.tables import table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from tulu_data.dedup.differing import Spans
    from tulu_data.dedup.duplicates import Duplicates
    from tulu_data.store import Store

COLUMNS = 100
"""Width of a line that shows a text."""
STEP = "step dedup in a mixture spec"
PAIR = 2
"""Records of the smallest cluster."""
_BEFORE = 24
"""Characters shown before the first that differ."""


def print_report(found: "Duplicates", report: dict[str, Any], folder: Path, store: "Store") -> None:
    """Print the report for people; it lies in a folder, and was made with a store."""
    console = results()
    print_accounts(found.ledger, "compared")
    _print_counts(console, report)
    _print_largest(console, found)
    _print_likeness(console, report)
    _print_examples(console, found)
    _print_search(console, report)
    bad = any(account.quarantined for account in found.ledger.accounts)
    names = ("clusters.parquet", *(["quarantined.parquet"] if bad else []), "report.json")
    *first, last = (shown(folder / name) for name in names)
    console.print(f"wrote {', '.join(first)} and {last}", markup=False, soft_wrap=True)
    console.print(_advice(report, folder, store), markup=False, soft_wrap=True)


def _print_counts(console: "Console", report: dict[str, Any]) -> None:
    """Print what becomes of the records of each dataset."""
    reasons = list(report["datasets"][0]["dropped"]) if report["datasets"] else []
    made = table("dataset", ">records", *(f">{name}" for name in reasons), ">kept")
    for row in report["datasets"]:
        counts = [row["records"], *row["dropped"].values(), row["records"] - sum(row["dropped"].values())]
        made.add_row(row["dataset"], *(f"{count:,}" for count in counts))
    console.print("\n[bold]duplicates[/bold]")
    print_table(console, made)
    if report["against"]:
        made = table("there already in", ">records", *(f">{name}" for name in reasons))
        for row in report["against"]:
            made.add_row(row["dataset"], *(f"{n:,}" for n in (row["records"], *row["dropped"].values())))
        console.print()
        print_table(console, made)


def _print_largest(console: "Console", found: "Duplicates") -> None:
    """Print the largest clusters, where some have more than a pair."""
    large = [one for one in found.shown.largest if one.size > PAIR]
    if not large:
        return
    console.print("\n[bold]largest clusters[/bold]")
    for one in large:
        console.print(f"  {one.size:,} records, of which {one.origin} stays", markup=False, soft_wrap=True)
        if one.text:
            _print_line(console, _place(console, one.text, one.spans))


def _print_likeness(console: "Console", report: dict[str, Any]) -> None:
    """Print how many near-duplicates there are by how alike they are."""
    if report["jaccard"]:
        counts = ", ".join(f"{tenth}: {count:,}" for tenth, count in report["jaccard"].items())
        console.print(f"\n[bold]near-duplicates by jaccard[/bold] {counts}", soft_wrap=True)


def _print_examples(console: "Console", found: "Duplicates") -> None:
    """Print the least alike of each tenth, with the first place where they differ."""
    if not found.shown.examples:
        return
    console.print("\n[bold]examples[/bold], the least alike of each tenth")
    for one in found.shown.examples:
        dropped, like = one.origins
        about = f"  {dropped} like {like}, jaccard {one.jaccard:.2f}, containment {one.containment:.2f}"
        console.print(about, markup=False, soft_wrap=True)
        for text, spans in zip(one.texts, one.spans, strict=True):
            if text:
                _print_line(console, _place(console, text, spans))


def _place(console: "Console", text: str, spans: "Spans") -> "Text":
    """Return the place of a text where it differs first, or its beginning, on one line."""
    from rich.text import Text

    from tulu_data.report.spans import marked_text

    first = spans[0][0] if spans else 0
    start = max(0, first - _BEFORE)
    start = text.find(" ", start, first) + 1 or start if start else 0
    here = _flat(text[start : start + COLUMNS])
    near = [(low - start, min(high - start, len(here))) for low, high in spans if low - start < len(here)]
    colour = console.color_system is not None
    return Text("\u2026 " if start else "") + marked_text(here, near, colour=colour, context=COLUMNS)


def _flat(text: str) -> str:
    """Return a text as one line of as many characters."""
    return text.replace("\n", " ").replace("\t", " ")


def _print_line(console: "Console", text: "Text") -> None:
    """Print a text, cut to the width."""
    from rich.text import Text

    line = Text(INDENT) + text
    line.rstrip()
    line.truncate(COLUMNS, overflow="ellipsis")
    console.print(line, soft_wrap=True)


def _print_search(console: "Console", report: dict[str, Any]) -> None:
    """Print how many clusters there are, and what the search did."""
    largest = f", the largest of {counted(report['largest'], 'record')}" if report["clusters"] else ""
    console.print(f"\n{counted(report['clusters'], 'cluster')}{largest}")
    if report["search"]:
        console.print(searched(report, " (--swapped-numbers drops them)"), soft_wrap=True)
    for one in report["crowded"][:1]:
        most = f"compared most: {one['origin']}, with {one['compared']:,} others"
        text = f"{most} (crowded in report.json has more)"
        console.print(text, soft_wrap=True, markup=False, highlight=False)
    if report["wordless"]:
        without = counted(report["wordless"], "record")
        console.print(f"{without} without text: only the same record is a duplicate of one")
    if report["too_large"]:
        large = counted(report["too_large"], "record")
        console.print(f"{large} too large for a search: only the same text is a duplicate of one")


def searched(found: Mapping[str, Any], option: str = "") -> str:
    """Say how many pairs a search compared, with stored versions too, and how many of the alike it left in.

    `option` says what would drop these.
    """
    searches = [found["search"], *found.get("against", ())]
    compared, templates = (sum(one[name] for one in searches) for name in ("compared", "templates"))
    told = f"{counted(compared, 'pair')} compared in {counted(found['search']['rounds'], 'round')}"
    if not templates:
        return told
    return f"{told}, {templates:,} of them alike but for numbers or results, and kept{option}"


def _advice(report: dict[str, Any], folder: Path, store: "Store") -> str:
    """Say what to do next."""
    if not report["records"]:
        return "next: name files that hold records, or say how to read these: --columns, --adapter, --kind"
    if report["kept"] == report["records"]:
        return f"next: nothing to remove; {STEP} keeps it so"
    dropped = [row["dropped"] for row in report["datasets"]]
    has_near = any(one["near_duplicate"] or one["contained"] for one in dropped)
    walk = typed("review", folder, *([] if has_near else ["--reason", "any"]), store=store, start=folder)
    shows = f"next: {walk}, which shows each beside the one that it is like"
    return shows if report.get("written") else f"{shows}; drop them with --write FOLDER or by {STEP}"
