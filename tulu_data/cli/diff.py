"""`tulu-data diff`: what changed between two versions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from tulu_data.cli.console import counted, print_json, print_table, results
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tulu_data.account.difference import Difference
    from tulu_data.account.rows import Reason

CUT = 90
"""Characters of a text that are shown."""


@click.command(short_help="Compare two versions: specs, inputs, rows added and removed with reasons.")
@click.argument("old")
@click.argument("new")
@click.option(
    "--records", default=0, type=click.IntRange(min=0),
    help="Records to show of those removed and added, for each reason; default: none.",
)  # fmt: skip
@store_option
@json_option
def command(old: str, new: str, records: int, store: Path | None, as_json: bool) -> None:
    """Compare two versions: their specs, what they were made of, and their rows.

    OLD and NEW are versions (name@id, or a name for its newest), of one name or of two. Rows are told by
    record, source and copy. Of a row that one version does not have it says what became of the record there:
    dropped by which step and why, not drawn, not in the source. A record that left one source and came in
    through another has moved.
    """
    from tulu_data.account.difference import compare

    opened = open_store(store, workspace_root(Path.cwd()))
    found = compare(opened.resolve(old), opened.resolve(new), opened, examples=records)
    if as_json:
        print_json(found.to_dict())
        return
    _print_causes(found)
    _print_sources(found)
    _print_reasons(found, "removed", "in the new version", found.rows.removed)
    _print_reasons(found, "added", "in the old version", found.rows.added)
    sides = (f"{one.ref} {counted(one.num_rows, 'row')}" for one in (found.old, found.new))
    click.echo(f"\n{' -> '.join(sides)}")


def _print_causes(found: "Difference") -> None:
    """Print what may have changed rows: keys of the spec, files, code."""
    for change in found.spec:
        click.echo(f"spec: {change}")
    for one in (*found.inputs, *(f"code: {step}" for step in found.code)):
        click.echo(str(one))
    if not found.spec and not found.inputs and not found.code:
        click.echo("spec, inputs and code: no change")


def _print_sources(found: "Difference") -> None:
    """Print what became of every source."""
    from tulu_data.report.tables import table
    from tulu_data.store.percent import Parts

    *sources, _ = found.shares
    parts = [Parts({one.source: one.rows[side] or 0 for one in sources}) for side in (0, 1)]
    has_tokens = any(count is not None for one in found.shares for count in one.tokens)
    more = ("tokens before", "tokens after") if has_tokens else ()
    names = ("rows before", "rows after", "share before", "share after", "kept", "added", "removed")
    made = table("source", *(f">{name}" for name in (*names, "moved in", "moved out", *more)))
    changes = {change.source: change for change in found.rows.sources}
    for one in found.shares:
        change = changes.get(one.source)
        counts = [
            getattr(change, name) if change else sum(getattr(other, name) for other in found.rows.sources)
            for name in ("kept", "added", "removed", "moved_in", "moved_out")
        ]
        cells = [_count(n) for n in one.rows] + [
            "-" if one.share[side] is None else parts[side].text(*([one.source] if change else changes))
            for side in (0, 1)
        ]
        cells += [f"{n:,}" for n in counts] + [_count(n) for n in (one.tokens if has_tokens else ())]
        made.add_row(escape(one.source), *cells, style=None if change else "bold")
    click.echo()
    print_table(results(), made, without_zeros=True)


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _print_reasons(found: "Difference", side: str, where: str, reasons: "Sequence[Reason]") -> None:
    """Print why rows are in one version alone."""
    from tulu_data.report.tables import table

    if not reasons:
        return
    made = table(side, ">rows", where)
    for reason in reasons:
        made.add_row(escape(reason.source), f"{reason.rows:,}", _why(reason))
    click.echo()
    print_table(results(), made)
    for reason in reasons:
        for place in reason.examples:
            record = found.records[side, place]
            click.echo(f"  {side} {record['id']} {record['origin']} ({_why(reason)}): {_first(record)}")


def _why(reason: "Reason") -> str:
    return f"dropped by {reason.step}: {reason.why}" if reason.step else reason.why


def _first(record: dict[str, Any]) -> str:
    """Return how a record begins."""
    from tulu_data.report.spans import safe_text

    turns = record.get("messages") or record.get("prompt") or []
    text = safe_text(" ".join(str(turns[0]["content"]).split())) if turns else ""
    return text if len(text) <= CUT else f"{text[:CUT]}..."
