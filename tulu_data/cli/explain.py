"""`tulu-data explain`: why a record is in a version, or not."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tulu_data.cli.console import counted, print_json
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root
from tulu_data.errors import SourceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tulu_data.account.explain import Explained
    from tulu_data.account.fates import Fate
    from tulu_data.store import Store, Version

SHOWN_FILES = 5
"""Files or rows that are named in a line."""
SHOWN_HITS = 3
"""Hits of a record that are shown."""


@click.command(short_help="Say why a record is in a version, or not.")
@click.argument("record", required=False)
@click.argument("version", required=False)
@click.option("--text", help="Words of the record instead of RECORD, in one of its messages; - reads them.")
@click.option(
    "--row", metavar="FILE", help="A row as a source has it, as JSON, instead of RECORD; - reads it."
)
@click.option(
    "--spec", type=click.Path(dir_okay=False, path_type=Path), help="Ask the newest version of this spec."
)
@store_option
@json_option
def command(
    record: str | None, version: str | None, text: str | None, row: str | None, spec: Path | None,
    store: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Say why a record is in a version, or not.

    RECORD is the id of a record or its first digits, or file:row. VERSION is name@id, or a name for
    its newest; default: the version built last. A record is in the version; dropped by a step, with its
    evidence; quarantined; not drawn, with its rank; left out by where; or in no source. The last three are
    told apart by the files that the store's cache keeps. Exit 1 where nothing is known of it.
    """
    from tulu_data.account.explain import explain
    from tulu_data.account.fates import Made
    from tulu_data.account.sought import Sought, ids_of_row, ids_saying, sought

    if text is not None or row is not None:
        record, version = None, version or record
    if sum(one is not None for one in (record, text, row)) != 1:
        raise click.UsageError("give one of RECORD, --text and --row")
    root = workspace_root(Path.cwd())
    opened = open_store(store, root)
    made = Made(_version(opened, version, spec), opened)
    refused: dict[str, str] = {}
    if record is not None:
        wanted = sought(record)
    elif text is not None:
        wanted = Sought(ids=ids_saying(_given(text, "--text"), made.version.kind, made.batches()))
    else:
        ids, refused = ids_of_row(_read(str(row)), made.mixture)
        wanted = Sought(ids=ids)
    found = explain(made, wanted, root, opened, refused)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found, record)
    if not found.fates:
        raise SystemExit(1)


def _version(store: "Store", ref: str | None, spec: Path | None) -> "Version":
    """Open the version that is asked."""
    from tulu_data.specs.mixture import read_mixture

    if spec is not None:
        if ref is not None:
            raise click.UsageError("give VERSION or --spec")
        return store.resolve(read_mixture(spec).mixture.name)
    latest = store.resolve(ref) if ref is not None else store.latest()
    if latest is None:
        raise StoreError(f"{store.root}: no versions yet; build one with: tulu-data mix SPEC")
    return latest


def _given(text: str, option: str) -> str:
    """Return a text, read from standard input where it is `-`."""
    given = sys.stdin.read().strip() if text == "-" else text
    if not given:
        raise click.UsageError(f"{option}: it is empty")
    return given


def _read(path: str) -> str:
    """Return what a file says, or standard input."""
    if path == "-":
        return _given(path, "--row")
    try:
        return Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise SourceError(f"--row {path}: cannot be read ({error})") from None


def _print(found: "Explained", asked: str | None) -> None:
    """Print every fate, with what tells why; `asked` is the id or place that was asked for."""
    if found.around.answers:
        rows = ", ".join(str(row) for row in found.around.answers[:SHOWN_FILES])
        more = ", ..." if len(found.around.answers) > SHOWN_FILES else ""
        threads = counted(len(found.around.answers), "thread")
        click.echo(f"{asked}: no record by itself; a message of {threads}, which end at rows {rows}{more}")
    from tulu_data.report.evidence import one_line

    for fate in found.fates:
        click.echo(f"{fate.id or 'no record'}  {fate.source}  {fate.origin}")
        if fate.id is not None and fate.id in found.texts:
            click.echo(f"  says: {one_line(found.texts[fate.id])}")
        for line in _why(fate, found):
            click.echo(f"  {line}")
    if not found.fates:
        click.echo(f"{found.version.ref}: not in it, and not among what its steps left out")
        for line in _unfound(found, asked):
            click.echo(f"  {line}")
    for one in found.around.changed:
        click.echo(f"note: {one} since {found.version.ref} was built; what is told is of that time")


def _unfound(found: "Explained", asked: str | None) -> "Iterator[str]":
    """Yield why nothing was found, as far as that is known."""
    for name, why in found.refused.items():
        yield f"source {name} would make no record of it: {why}"
    if found.unkept:
        yield (
            f"not known of {', '.join(found.unkept)}, whose files are not kept as they were read; "
            "tulu-data mix SPEC --dry-run reads them again"
        )
    elif found.around.files:
        yield from (f"{one.origin} gave {counted(one.rows, 'row')}" for one in found.around.files)
    elif asked is not None and ":" in asked:
        files = [file.origin for one in found.version.manifest.sources for file in one.files]
        more = f", and {len(files) - SHOWN_FILES:,} more" if len(files) > SHOWN_FILES else ""
        yield f"no source reads {asked.rpartition(':')[0]}; they read {', '.join(files[:SHOWN_FILES])}{more}"
    else:
        yield "no source has it"


def _why(fate: "Fate", found: "Explained") -> "Iterator[str]":
    """Yield why a row of a source is in the version, or not."""
    from tulu_data.report.evidence import dropped_by, evidence_lines, one_line

    ref, facts = found.version.ref, fate.facts
    if fate.state == "in":
        rows = facts["rows"]
        copies = "once" if len(rows) == 1 else f"{len(rows):,} times"
        places = ", ".join(f"row {one['row']:,} ({one['shard']})" for one in rows)
        yield f"in {ref}: {copies}, {places}"
        if found.duplicates.get(fate.id or ""):
            yield f"stands for {counted(found.duplicates[fate.id or ''], 'duplicate')} of it"
    elif fate.state == "dropped":
        yield f"not in {ref}: {dropped_by(facts['step'], facts['reason'])}"
        evidence = facts.get("evidence") or {}
        if not ("instance" in evidence and fate.id in found.hits):
            yield from evidence_lines(evidence, found.columns.get(fate.id or "", ()))
        yield from _standing(fate, found)
    elif fate.state == "quarantined":
        detail = f" ({facts['detail']})" if facts["detail"] else ""
        yield f"not in {ref}: quarantined: {facts['reason']}{detail}"
        yield f"row: {one_line(facts['raw'])}" if facts["raw"] else "row: its text is not in this version"
    elif fate.state == "left out by where":
        yield f"not in {ref}: where does not hold: {facts['where']}"
    else:
        rank = (
            f": rank {facts['rank']:,} of {facts['of']:,}, the take ended at {facts['taken']:,}"
            if facts
            else ""
        )
        yield f"not in {ref}: not drawn{rank}"
    yield from _hit_lines(found.hits.get(fate.id or "", ()))


def _standing(fate: "Fate", found: "Explained") -> "Iterator[str]":
    """Yield what the record says that stands for one, and what became of it."""
    from tulu_data.account.explain import standing_for
    from tulu_data.report.evidence import one_line

    stands = standing_for(fate)
    if stands is None:
        return
    if stands["id"] in found.texts:
        yield f"  says: {one_line(found.texts[stands['id']])}"
    state = found.states.get(stands["id"])
    if state:
        yield f"  which is {'in the version' if state == 'in' else state}"


def _hit_lines(hits: "tuple[dict[str, Any], ...]") -> "Iterator[str]":
    """Yield the strongest hits on a record."""
    from tulu_data.report.evidence import hit_line, one_line

    for hit in hits[:SHOWN_HITS]:
        yield hit_line(hit)
        if hit["question"]:
            yield f"  asks: {one_line(hit['question'])}"
    if len(hits) > SHOWN_HITS:
        yield f"and {len(hits) - SHOWN_HITS:,} more hits"
