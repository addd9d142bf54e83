"""`tulu-data stats`: the figures of one version."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from tulu_data.cli.console import counted, print_json, print_table, results, stage
from tulu_data.cli.options import json_option, open_store, store_option, workers_option, workspace_root

if TYPE_CHECKING:
    from rich.console import Console

    from tulu_data.versions.stats import Figures, Stats

TOLD = {
    "system": "with a system prompt", "several_answers": "several answers", "tool_calls": "tool calls",
    "tools": "tools defined", "empty_answer": "an empty answer", "chosen_longer": "chosen is longer",
    "rejected_longer": "rejected is longer", "same_answers": "chosen is rejected",
    "empty_chosen": "an empty chosen answer", "ground_truth": "with ground truth",
}  # fmt: skip
"""What marks are called in the table."""

TAGS = ". A source may have several tags"


@click.command(short_help="Count one version: rows, lengths, turns, tokens, per source and tag.")
@click.argument("version")
@click.option("--split", metavar="NAME", help="Count this split alone.")
@click.option("--tokenizer", metavar="NAME", help="Count tokens with this folder or hub id (takes a while).")
@store_option
@workers_option
@json_option
def command(
    version: str, split: str | None, tokenizer: str | None, store: Path | None, workers: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Count one version: rows, different records and prompts, turns, lengths, tokens, per source and tag.

    VERSION is a name (its newest version), name@id or name@tag. Lengths are characters of a record: `prompt`
    is what system, user and tool say, `answer` what assistants say; p50 is the median. Tokens are
    those of the spec's tokenizer, counted when the version was built, or those of --tokenizer; how they are
    spread, and those of a split, the store's cache knows of versions that were built here.
    """
    from tulu_data.account.counted import counted_tokens
    from tulu_data.versions.stats import stats

    root = workspace_root(Path.cwd())
    stored = open_store(store, root)
    opened = stored.resolve(version)
    count = counted_tokens(opened, stored) if tokenizer is None else None
    if tokenizer is not None:
        from tulu_data.mix.tokens import TokenCounter

        count = TokenCounter(tokenizer, root).count
    found = stats(opened, split=split, tokenizer=tokenizer, count=count, workers=workers)
    if as_json:
        print_json(found.to_dict())
        return
    console = results()
    rows = counted(found.total.rows, "row")
    by = f"; tokens by {found.tokenizer}" if found.tokenizer else ""
    of = f" of split {found.split}" if found.split else ""
    console.print(f"[bold]{found.version}[/bold]  {rows}{of}  {found.kind}{escape(by)}", soft_wrap=True)
    if found.split and opened.manifest.sources[0].tokens is not None and found.total.tokens is None:
        stage("tokens of this split: the cache does not know them any more; --tokenizer NAME counts them")
    if found.splits and not found.split:
        click.echo(f"splits: {', '.join(f'{name} {count:,}' for name, count in found.splits.items())}")
    click.echo()
    _print_sources(console, found)
    _print_lengths(console, found)
    _print_marks(console, found)
    _print_verifiers(console, found)


def _parts(found: "Stats") -> "list[tuple[str, Figures]]":
    from tulu_data.versions.stats import parts_of

    return list(parts_of(found))


def _print_sources(console: "Console", found: "Stats") -> None:
    """Print how much every source and tag brings."""
    from tulu_data.report.tables import table
    from tulu_data.store.percent import Parts

    parted = Parts({name: one.rows for name, one in found.sources.items()})
    roles = [role for role, count in found.total.roles.items() if count]
    has_tokens = found.total.tokens is not None
    names = ("rows", "share", "records", "prompts", *roles, "characters", *(["tokens"] if has_tokens else []))
    for title, parts in (("source", _parts(found)), ("tag", list(found.tags.items()))):
        made = table(title, *(f">{name}" for name in names))
        for name, one in parts:
            counts = [one.records, one.prompts, *(one.roles[role] for role in roles), one.characters]
            counts += [one.tokens or 0] if has_tokens else []
            of = found.tagged[name] if title == "tag" else [name] if name in found.sources else found.sources
            cells = (f"{one.rows:,}", parted.text(*of), *(f"{count:,}" for count in counts))
            made.add_row(escape(name), *cells, style="bold" if title == "source" and name == "total" else "")
        if parts:
            print_table(console, made, without_zeros=True)
            click.echo()
    click.echo(f"records and prompts: different ones; roles: messages{TAGS if found.tags else ''}\n")


def _print_lengths(console: "Console", found: "Stats") -> None:
    """Print how lengths are spread over the records of every source."""
    from tulu_data.report.tables import table

    for what in found.total.lengths:
        unit = {"turns": "messages a record", "tokens": "a record"}.get(what, "characters a record")
        values = ("min", "p5", "p50", "p90", "p99", "max")
        made = table(f"{what.replace('_', ' ')} ({unit})", ">mean", *(f">{name}" for name in values))
        for name, one in _parts(found):
            spread = one.lengths[what]
            if spread is not None:
                cells = (f"{spread.mean:,.1f}", *(f"{getattr(spread, value):,}" for value in values))
                made.add_row(escape(name), *cells, style="bold" if name == "total" else "")
        print_table(console, made)
        click.echo()


def _print_marks(console: "Console", found: "Stats") -> None:
    """Print the share of records that something holds of."""
    from tulu_data.report.tables import percent, table

    names = [name for name, count in found.total.marks.items() if count]
    made = table("records", *(f">{TOLD[name]}" for name in names))
    for source, one in _parts(found):
        cells = (percent(one.marks[name] / one.rows) if one.rows else "" for name in names)
        made.add_row(escape(source), *cells, style="bold" if source == "total" else "")
    if names:
        print_table(console, made)


def _print_verifiers(console: "Console", found: "Stats") -> None:
    """Print how many records each verifier checks."""
    from tulu_data.report.tables import table

    if not found.total.verifiers:
        return
    made = table("verifier", ">rows", "sources")
    for verifier, rows in found.total.verifiers.items():
        sources = ", ".join(name for name, one in found.sources.items() if verifier in one.verifiers)
        made.add_row(escape(verifier or "(none)"), f"{rows:,}", escape(sources))
    click.echo()
    print_table(console, made)
