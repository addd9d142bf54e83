"""Plain tables for people, and the one that accounts for every row of every source."""

from collections.abc import Sequence

from rich.table import Table

from tulu_data.store import SourceEntry


def table(*columns: str) -> Table:
    """Make a table; a column that begins with `>` holds numbers and stands to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        if column.startswith(">"):
            made.add_column(column[1:], justify="right", no_wrap=True)
        else:
            made.add_column(column, overflow="fold")
    return made


def percent(share: float) -> str:
    """Write a share with two decimals, one more where it is below 0.1%."""
    return f"{share:.3%}" if 0 < share < 0.001 else f"{share:.2%}"


def byte_size(count: int) -> str:
    """Write a number of bytes in the unit that fits: `2.9 GB`, `312 kB`, `17 B`."""
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if size >= 99.5 or units[0] == "B" else f"{size:.1f} {units[0]}"


def source_table(entries: Sequence[SourceEntry]) -> Table:
    """Make the table of sources: read = quarantined + dropped by reason + not drawn + kept."""
    reasons = _in_step_order(entries)
    numbers = ["read", "quarantined", *reasons, "not drawn", "kept", "rows"]
    made = table("source", *(f">{name}" for name in numbers))
    for entry in entries:
        made.add_row(entry.name, *_counts([entry], reasons))
    if len(entries) > 1:
        made.add_row("total", *_counts(entries, reasons), style="bold")
    return made


def _in_step_order(entries: Sequence[SourceEntry]) -> list[str]:
    """Return the reasons of all sources: `where`, which selects first, then steps in their order."""
    longest_first = sorted(entries, key=lambda entry: -len(entry.dropped))
    found = dict.fromkeys(reason for entry in longest_first for reason in entry.dropped)
    return sorted(found, key=lambda reason: reason != "where")


def _counts(entries: Sequence[SourceEntry], reasons: Sequence[str]) -> list[str]:
    """Return the cells of one row, summed over entries."""
    counts = [sum(e.read for e in entries), sum(sum(e.quarantined.values()) for e in entries)]
    counts += [sum(e.dropped.get(reason, 0) for e in entries) for reason in reasons]
    counts += [sum(e.not_drawn for e in entries), sum(e.kept for e in entries), sum(e.rows for e in entries)]
    return [f"{count:,}" for count in counts]
