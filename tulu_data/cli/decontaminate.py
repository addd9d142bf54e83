"""`tulu-data decontaminate`: find eval instances inside training data."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import counted, print_json, stage, warn
from tulu_data.cli.options import (
    decisions_option,
    json_option,
    open_decisions,
    open_store,
    reading_options,
    store_option,
    workers_option,
    workspace_root,
)
from tulu_data.cli.reading import open_course, print_copies, reading_of, say, warn_of, warn_of_uncopied
from tulu_data.cli.scan_report import REPORTS, print_report
from tulu_data.schema import Kind
from tulu_data.specs.rules import COMBINATIONS, RULES, SCOPES, Scope
from tulu_data.specs.source import Adapter
from tulu_data.specs.steps import ACTIONS, Action

if TYPE_CHECKING:
    from tulu_data.decontaminate import Index
    from tulu_data.decontaminate.audit import Audit
    from tulu_data.sources.copies import Copied, Target
    from tulu_data.store import Store


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
@reading_options
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
    from tulu_data.decontaminate import load_suites, open_index, rules_named
    from tulu_data.decontaminate.audit import audit, write_audit
    from tulu_data.decontaminate.scan import is_ready
    from tulu_data.sources.copies import Target, check_target, forget_copies
    from tulu_data.sources.reports import make_folder

    here = Path.cwd()
    root = workspace_root(here)
    opened, folder = open_store(store, root), out or root / REPORTS
    skip = (folder, opened.root, *([write] if write else []))
    reading = reading_of(datasets, kind, adapter, columns, skip)
    if action and not write:
        raise click.UsageError("--action says what --write leaves out; give --write FOLDER too")
    decided = open_decisions(decisions, root)
    make_folder(folder)
    options = {"action": action or "drop"}
    target = write and Target(command="decontaminate", options=options, folder=write, report=folder)
    if target:
        check_target(target)
    chosen = rules_named(rule)
    if not is_ready():
        stage("compiling kernels (first run on this machine, some seconds)")
    cache = opened.root / "cache" / "suites"
    index = open_index(load_suites(against, here, cache=cache), chosen, cache=cache)
    instances = counted(sum(suite.instances.num_rows for suite in index.suites), "eval instance")
    say(f"{counted(len(index.suites), 'suite')}, {instances}")
    base = here if datasets else root
    with open_course(folder, workers) as course:
        found = audit(
            datasets, index, base=base, store=opened, reading=reading, decisions=decided, scope=scope,
            course=course,
        )  # fmt: skip
    say(f"{found.speed:,.0f} MB/s")
    forget_copies(folder)
    report = write_audit(found, folder, suites_base=here, against=against)
    copied = _copy(found, action or "drop", target, report) if target else []
    _finish(found, index, report, folder, opened, as_json=as_json)
    if target:
        if copied and not as_json:
            print_copies(copied, target.folder)
        warn_of_uncopied(copied, found.ledger)
    if not found.ledger.records or (fail_on_hit and found.report.hits):
        sys.exit(1)


def _finish(
    found: "Audit", index: "Index", report: dict[str, object], folder: Path, store: "Store", *, as_json: bool
) -> None:
    """Print the report, and warn of what was not seen."""
    from tulu_data.decontaminate.audit import torn_suites
    from tulu_data.decontaminate.decisions import summed

    if as_json:
        print_json(report)
    else:
        print_report(found, index, folder, store)
    for text in torn_suites(index.suites):
        warn(text)
    warn_of(found.ledger)
    if found.decided.unmet:
        warn(f"decisions that met no hit: {summed(found.decided.unmet)}; report.json names them")


def _copy(found: "Audit", action: Action, target: "Target", report: dict[str, object]) -> "list[Copied]":
    """Write cleaned copies, and into the report what became of the rows."""
    from tulu_data.decontaminate.clean import fates_of
    from tulu_data.sources.copies import to_report, write_copies
    from tulu_data.sources.reports import write_report

    copied = write_copies(found.ledger, fates_of(found, action), target) if found.ledger.records else []
    report["written"] = to_report(target, copied)
    write_report(report, target.report)
    return copied
