"""`tulu-data decontaminate`: find eval instances inside training data."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

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
from tulu_data.cli.scan_report import print_report, shown
from tulu_data.report.tables import table
from tulu_data.schema import KINDS, Kind
from tulu_data.specs.mixture import ACTIONS, Action
from tulu_data.specs.rules import COMBINATIONS, RULES, SCOPES, Scope
from tulu_data.specs.source import ADAPTERS, Adapter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tulu_data.decontaminate import Index
    from tulu_data.decontaminate.audit import Audit
    from tulu_data.decontaminate.clean import Copied, Target

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
    from tulu_data.decontaminate.scan import is_ready
    from tulu_data.sources.datasets import Reading
    from tulu_data.sources.quarantine import Quarantine

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
        print_report(found, index, folder)
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
        click.echo(f"wrote {shown(folder)}")
    names = {one.dataset for one in copied}
    for name in [a.dataset for a in found.accounts if a.dataset not in names] + list(found.unreadable):
        warn(f"{name.split(';')[0]}: not copied")
