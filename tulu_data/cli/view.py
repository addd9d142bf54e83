"""`tulu-data view`: records in the terminal, those of a version and those that were left out."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import print_json, results
from tulu_data.cli.hints import again
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root

if TYPE_CHECKING:
    from rich.console import Console

    from tulu_data.store import Store, Version
    from tulu_data.versions.browse import Found, Wanted


@click.command(short_help="Read records of a version, or those that were left out of it.")
@click.argument("version")
@click.option("--source", metavar="NAME", help="Only records of this source.")
@click.option("--split", metavar="NAME", help="Only records of this split, and their numbers in it.")
@click.option("--id", "id_", metavar="ID", help="Only the record of this id, or whose id begins so.")
@click.option("--search", metavar="TEXT", help="Only records that say this, in capitals or not.")
@click.option("--dropped", is_flag=True, help="The records that steps left out, with reason and evidence.")
@click.option("--quarantined", is_flag=True, help="The rows that were no records, with reason.")
@click.option("--reason", metavar="WORD", help="Only what was left out for this reason.")
@click.option(
    "-n", "count", default=5, show_default=True, type=click.IntRange(min=1), help="Records to show."
)
@click.option(
    "--from", "start", default=1, show_default=True, type=click.IntRange(min=1), help="Row to begin at."
)
@click.option("--full", is_flag=True, help="Show long texts whole.")
@store_option
@json_option
def command(  # noqa: PLR0913, PLR0917 - one for each option
    version: str, source: str | None, split: str | None, id_: str | None, search: str | None, dropped: bool,
    quarantined: bool, reason: str | None, count: int, start: int, full: bool, store: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Read records of a version in its order, or those that were left out of it, and why.

    VERSION is a name (its newest version), name@id or name@tag. The order of a version is shuffled, so
    the first records of a source are a fair draw of it. Of a preference, the words of each answer that have
    no place in the other are marked. At a terminal a pager shows what does not fit.
    """
    from tulu_data.versions.browse import Wanted

    if dropped and quarantined:
        raise click.UsageError("--dropped and --quarantined are two lists; name one")
    if split and (dropped or quarantined or reason):
        raise click.UsageError("--split: what was left out is in no split; leave it out")
    opened = open_store(store, workspace_root(Path.cwd()))
    found = opened.resolve(version)
    what = "quarantined" if quarantined else "dropped" if dropped or reason else "kept"
    wanted = Wanted(
        source=source,
        split=split,
        reason=reason,
        id=None if id_ is None else id_.lower(),
        text=search,
        start=start,
    )
    chosen = list(islice(_rows(found, wanted, what, opened), count + 1))
    if as_json:
        print_json([asdict(one) for one in chosen[:count]])
        return
    console = results()
    total = found.manifest.splits[split] if split else found.num_rows
    texts = _texts(console, chosen[:count], total, search, full=full)
    more = _more(chosen[count:], chosen, _none(found, what))
    if console.is_terminal:
        click.echo_via_pager((*texts, more))
    else:
        for text in texts:
            click.echo(text, nl=False)
        click.echo(more, nl=False)


def _rows(version: "Version", wanted: "Wanted", what: str, store: "Store") -> "Iterator[Found]":
    from tulu_data.versions import browse

    if what == "quarantined":
        return browse.quarantined(version, wanted)
    if what == "dropped":
        return browse.dropped(version, wanted, workspace_root(Path.cwd()), store)
    return browse.kept(version, wanted)


def _texts(
    console: "Console", found: "list[Found]", total: int, search: str | None, *, full: bool
) -> Iterator[str]:
    """Yield what is printed of each record."""
    from tulu_data.cli.record_text import print_record

    for one in found:
        with console.capture() as captured:
            print_record(console, one, total, search, full=full)
        yield "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n\n"


def _more(rest: "list[Found]", chosen: "list[Found]", none: str) -> str:
    """Say that there is more, or nothing."""
    if rest:
        return f"next: {again(start=rest[0].row)}\n"
    return "" if chosen else f"{none}\n"


def _none(version: "Version", what: str) -> str:
    """Say that nothing is there to be seen, or nothing that was asked for."""
    sources = version.manifest.sources
    if what == "quarantined":
        return "no such row" if any(one.quarantined for one in sources) else "no row was quarantined"
    by_steps = any(reason != "where" for one in sources for reason in one.dropped)
    return "no such record" if what == "kept" or by_steps else "no record was dropped by a step"
