"""What verbs that read datasets share at the terminal: how to read them, what became of their rows.

The one idea: reading and copying are values that are made already; here their warnings and tables are
worded once. Nothing is computed that a report lacks.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import print_table, results, shown, stage, warn
from tulu_data.report.tables import table
from tulu_data.schema import Kind
from tulu_data.specs.source import Adapter

if TYPE_CHECKING:
    from tulu_data.sources.copies import Copied
    from tulu_data.sources.datasets import Reading
    from tulu_data.sources.ledger import Account, Course, Ledger


def reading_of(
    datasets: Sequence[str],
    kind: Kind | None,
    adapter: Adapter,
    columns: dict[str, str],
    skip: Sequence[Path],
) -> "Reading":
    """Return how the datasets are read; the options that say it are about datasets that are named."""
    from tulu_data.sources.datasets import Reading

    if not datasets and (kind or columns or adapter != "auto"):
        raise click.UsageError("--kind, --adapter and --columns say how DATASET is read; name one")
    return Reading(kind=kind, adapter=adapter, columns=columns, skip=tuple(skip))


def say(text: str) -> None:
    """Report progress at a terminal, where the bar of datasets is drawn too, and nowhere else."""
    if sys.stderr.isatty():
        stage(text)


@contextmanager
def open_course(folder: Path, workers: int | None) -> "Iterator[Course]":
    """Yield a course whose quarantine goes to a report's folder, and whose progress is a bar."""
    from tulu_data.cli.progress import DatasetBar
    from tulu_data.sources.ledger import Course
    from tulu_data.sources.quarantine import Quarantine

    with Quarantine(folder) as quarantine, DatasetBar() as bar:
        yield Course(workers=workers, quarantine=quarantine, progress=bar)


def print_accounts(ledger: "Ledger", done: str) -> None:
    """Print what became of every row that was read; `done` is the word for what was done with records."""
    made = table("dataset", "kind", ">read", f">{done}", ">quarantined", "reasons")
    for account in ledger.accounts:
        counts = (f"{account.read:,}", f"{account.records:,}", f"{account.bad:,}")
        made.add_row(account.dataset, account.kind, *counts, account.reasons)
    console = results()
    console.print("\n[bold]datasets[/bold]")
    print_table(console, made)
    for text in ledger.unreadable:
        console.print(f"not {done}: {text.split(';')[0]}", markup=False, soft_wrap=True)


def warn_of(ledger: "Ledger") -> None:
    """Warn of files that are torn, of data named twice, and of datasets of which nothing was seen."""
    for text in (text for account in ledger.accounts for text in account.torn):
        warn(text)
    for name, first in ledger.repeated.items():
        warn(f"{name}: the same data as {first}; read once")
    for account in ledger.empty:
        warn(f"{account.dataset}: {_why_empty(account)}; nothing was looked at")


def _why_empty(account: "Account") -> str:
    """Say why a dataset gave not one record."""
    if not account.read:
        return "it has no rows"
    one, many = "its only row is no record", f"none of its {account.read:,} rows could be read as records"
    return f"{one if account.read == 1 else many} ({account.reasons})"


def print_copies(copied: "Sequence[Copied]", folder: Path) -> None:
    """Print where every row went."""
    reasons = list(dict.fromkeys(reason for one in copied for reason in one.dropped))
    made = table("dataset", *(f">{name}" for name in ("read", "quarantined", *reasons, "kept")))
    for one in copied:
        dropped = (one.dropped.get(reason, 0) for reason in reasons)
        counts = (one.read, one.quarantined, *dropped, one.kept)
        made.add_row(one.dataset, *(f"{count:,}" for count in counts))
    click.echo()
    print_table(results(), made)
    click.echo(f"wrote {shown(folder)}")


def warn_of_uncopied(copied: "Sequence[Copied]", ledger: "Ledger") -> None:
    """Warn of what was read or found but not copied: versions, and files that hold no records."""
    names = {one.dataset for one in copied}
    for name in [a.dataset for a in ledger.accounts if a.dataset not in names] + list(ledger.unreadable):
        warn(f"{name.split(';')[0]}: not copied")
