"""`tulu-data dedup`: find records that are there more than once, word for word or nearly."""

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tulu_data.cli.console import print_json, warn
from tulu_data.cli.dedup_report import print_report
from tulu_data.cli.options import (
    json_option,
    open_store,
    reading_options,
    store_option,
    workers_option,
    workspace_root,
)
from tulu_data.cli.reading import (
    open_course,
    print_copies,
    reading_of,
    warn_of,
    warn_of_uncopied,
)
from tulu_data.schema import Kind
from tulu_data.specs.near import Key
from tulu_data.specs.source import Adapter

if TYPE_CHECKING:
    from tulu_data.dedup.duplicates import Duplicates
    from tulu_data.sources.copies import Copied, Target
    from tulu_data.specs.near import Near

REPORTS = Path("reports", "dedup")
"""Folder of a workspace for the report."""
SHARE = click.FloatRange(0, 1, min_open=True)


@click.command(short_help="Find records that are there more than once, word for word or nearly.")
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "--key", type=click.Choice(("record", "conversation", "prompt", "answer")), default="conversation",
    show_default=True, help="What is compared: one of these texts, or only the record as it is.",
)  # fmt: skip
@click.option("--exact", is_flag=True, help="Only the same record or the same text, no near-duplicates.")
@click.option(
    "--shingles", type=click.Choice(("words", "characters")), help="What texts are sets of (default: words)."
)
@click.option("--n", type=click.IntRange(1, 50), help="Words or characters in a shingle (default: 2).")
@click.option(
    "--jaccard-threshold", type=SHARE,
    help="Near-duplicates share at least this much of all shingles of either (default: 0.4).",
)  # fmt: skip
@click.option(
    "--words-threshold", type=click.FloatRange(0, 1),
    help="And at least this much of the single words of either (default: 0.75).",
)  # fmt: skip
@click.option(
    "--containment-threshold", type=SHARE,
    help="So is a record that shares at least this much of its own with a kept one (default: 0.95).",
)  # fmt: skip
@click.option(
    "--swapped-numbers",
    is_flag=True,
    help="Also drop what differs in little but its numbers, or in what its answer comes to.",
)
@click.option(
    "--frames", type=click.FloatRange(0, 1),
    help="Share of the records above which what they have in common counts less (default: 0.005; 0: never).",
)  # fmt: skip
@click.option(
    "--scheme", type=click.Choice(("fast", "datasketch")),
    help="How records are signed (default: fast); datasketch weighs nothing.",
)  # fmt: skip
@click.option("--num-perm", type=click.IntRange(16, 1024), help="Numbers of a signature (default: 128).")
@click.option(
    "--recall", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the pairs just at the threshold that are to be found (default: 0.9).",
)  # fmt: skip
@click.option(
    "--prefer", multiple=True, metavar="SOURCE",
    help="Source whose record stays, best first; may repeat. Of the others none is preferred.",
)  # fmt: skip
@click.option(
    "--quality", metavar="EXPRESSION",
    help="SQL over the columns of every DATASET that gives a number; the record of the highest stays.",
)  # fmt: skip
@click.option(
    "--against", multiple=True, metavar="NAME@VERSION",
    help="Stored version whose records stay: DATASET first loses what is there already; may repeat.",
)  # fmt: skip
@reading_options
@store_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help=f"Folder for clusters, report, quarantined rows (default: {REPORTS.as_posix()} in the workspace).",
)  # fmt: skip
@click.option(
    "--write", type=click.Path(file_okay=False, path_type=Path),
    help="Folder for copies of all files that were read, without the duplicates.",
)  # fmt: skip
@workers_option
@json_option
@click.option("--fail-on-duplicate", is_flag=True, help="Exit with 1 where there is one (for CI).")
def command(  # noqa: PLR0913, PLR0917 - one for each option
    datasets: tuple[str, ...], key: Key, exact: bool, shingles: str | None, n: int | None,
    jaccard_threshold: float | None, words_threshold: float | None, containment_threshold: float | None,
    swapped_numbers: bool, frames: float | None, scheme: str | None, num_perm: int | None,
    recall: float | None, prefer: tuple[str, ...], quality: str | None, against: tuple[str, ...],
    kind: Kind | None, adapter: Adapter, columns: dict[str, str], store: Path | None, out: Path | None,
    write: Path | None, workers: int | None, as_json: bool, fail_on_duplicate: bool,
) -> None:  # fmt: skip
    """Find records that are there more than once, word for word or nearly.

    DATASET is a file, a glob, hf://owner/name or name@version. Without one: every data file below
    data/ of the workspace, and no stored version, which holds records of such files again;
    --against says which of them a version has.

    One record of every cluster stays: of preferred sources first, then of the highest quality, then
    the longest, then by id. Each of the others is like a record that `stands` names, word by word
    counted: nearly always the one that stays. Records are compared with those of their own kind.
    """
    from tulu_data.dedup.duplicates import Asked, find_duplicates, write_duplicates
    from tulu_data.sources.copies import Target, check_target, forget_copies
    from tulu_data.sources.reports import make_folder

    given = {
        "shingles": shingles, "n": n, "jaccard_threshold": jaccard_threshold,
        "words_threshold": words_threshold, "containment_threshold": containment_threshold,
        "swapped_numbers": swapped_numbers or None, "frames": frames, "scheme": scheme,
        "num_perm": num_perm, "recall": recall,
    }  # fmt: skip
    named = {name: value for name, value in given.items() if value is not None}
    why = "--exact" if exact else "--key record" if key == "record" else None
    _check(why, named)
    near = None if why else _near(named)
    asked = Asked(key=key, near=near, prefer=prefer, quality=quality, against=against)
    here = Path.cwd()
    root = workspace_root(here)
    opened, folder = open_store(store, root), out or root / REPORTS
    reading = reading_of(datasets, kind, adapter, columns, (folder, opened.root, *([write] if write else [])))
    make_folder(folder)
    target = write and Target(command="dedup", folder=write, report=folder)
    if target:
        check_target(target)
    with open_course(folder, workers) as course:
        found = find_duplicates(
            datasets, asked, base=here if datasets else root, store=opened, reading=reading, course=course
        )
    forget_copies(folder)
    report = write_duplicates(found, folder)
    copied = _copy(found, target, report) if target else []
    if as_json:
        print_json(report)
    else:
        print_report(found, report, folder, opened)
        if copied and target:
            print_copies(copied, target.folder)
    warn_of(found.ledger)
    _warn_of_kinds(found)
    if target:
        warn_of_uncopied(copied, found.ledger)
    if not found.ledger.records or (fail_on_duplicate and len(found.dropped)):
        sys.exit(1)


def _copy(found: "Duplicates", target: "Target", report: dict[str, Any]) -> "list[Copied]":
    """Write cleaned copies, and into the report what became of the rows."""
    from tulu_data.sources.copies import to_report, write_copies
    from tulu_data.sources.reports import write_report

    copied = write_copies(found.ledger, found.fates, target) if found.ledger.records else []
    report["written"] = to_report(target, copied)
    write_report(report, target.report)
    return copied


def _warn_of_kinds(found: "Duplicates") -> None:
    """Tell of versions that hold no record of a kind that was read."""
    read = {account.kind for account in found.ledger.accounts if account.records}
    for one, _ in found.met:
        if read and one.version.kind not in read:
            what = f"holds {one.version.kind} records, and {' and '.join(sorted(read))} records were read"
            warn(f"{one.version.ref}: {what}; records are compared with those of their own kind alone")


def _near(named: dict[str, Any]) -> "Near":
    """Return how near-duplicates are looked for; refuse what is no number or cannot be had."""
    from tulu_data.dedup.likeness import Search
    from tulu_data.specs.near import Near

    for name, value in named.items():
        # A range of click's lets it pass.
        if isinstance(value, float) and math.isnan(value):
            raise click.UsageError(f"--{name.replace('_', '-')}: expected a number, found nan")
    near = Near.model_validate(named)
    try:
        Search(near).bands  # noqa: B018 - it is what may not exist
    except ValueError as error:
        raise click.UsageError(f"{error}; lower --recall, or give more with --num-perm") from None
    return near


def _check(why: str | None, near: Iterable[str]) -> None:
    """Refuse settings of a search beside an option that says why there is none."""
    options = ", ".join(f"--{name.replace('_', '-')}" for name in near)
    if why and options:
        raise click.UsageError(f"{why} looks for no near-duplicates; remove it or {options}")
