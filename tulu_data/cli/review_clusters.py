"""`tulu-data review` on near-duplicates: each dropped record beside the one that it is like.

The one idea: one dropped record with the one it was found to be like is a pair; both texts are shown with
the words marked that the other lacks, so a person sees what a threshold drops. Nothing is decided here.
"""

import fnmatch
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import counted, print_json, results
from tulu_data.cli.terminal import QUIT, keyboard, read_key, show_text

if TYPE_CHECKING:
    from rich.console import Console

    from tulu_data.dedup.pairs import Pair, Search, Turn
    from tulu_data.sources.shelves import Missing, Row

KEYS = "n next, b back, c next cluster, q quit, ? help"
HELP = """\
  n  next: the next dropped record, of this cluster or of another (so does the space bar)
  b  back to the one before
  c  on to the next cluster
  q  quit"""
SAME = ("duplicate_record", "duplicate_text")
"""Reasons of records that have the words of another."""
WIDER = " (--reason any chooses these too)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which dropped records are walked through."""

    sources: tuple[str, ...]
    """Patterns, one of which the source of either record fits; none: any."""
    reasons: tuple[str, ...]
    low: float
    high: float
    """Jaccard similarities, both included."""

    def holds(self, pair: "Pair") -> bool:
        """Tell whether a pair is one of them."""
        row = pair.dropped
        named = any(
            fnmatch.fnmatchcase(one["source"], pattern)
            for one in (row, pair.like)
            for pattern in self.sources
        )
        asked = "any" in self.reasons or row["reason"] in self.reasons
        return asked and self.low <= row["jaccard"] <= self.high and (named or not self.sources)


def review_clusters(search: "Search", among: Range, *, listing: bool, as_json: bool) -> None:
    """Walk through the pairs of clusters, or print them."""
    from tulu_data.dedup.pairs import as_json as told

    every = list(search.pairs())
    pairs = [pair for pair in every if among.holds(pair)]
    narrowed = search.narrowed(pairs)
    if as_json:
        print_json([told(narrowed, pair) for pair in pairs])
        return
    if listing:
        for number in range(len(pairs)):
            _show(results(), narrowed, pairs, number)
    else:
        with suppress(KeyboardInterrupt), keyboard(lines=False):
            _walk(results(), narrowed, pairs)
    _finish(every, pairs, among)


def _walk(console: "Console", search: "Search", pairs: "Sequence[Pair]") -> None:
    """Show pair after pair, until the end or somebody quits."""
    at, shown = 0, -1
    while at < len(pairs):
        if shown != at:
            _show(console, search, pairs, at)
            console.print(f"[dim]{KEYS}[/dim]", soft_wrap=True)
            shown = at
        key = read_key()
        if key in QUIT:
            return
        if key in {"n", " "}:
            at += 1
        elif key == "c":
            at = _next_cluster(pairs, at)
        elif key == "b" and at:
            at -= 1
        elif key == "b":
            click.echo("  this is the first")
        else:
            click.echo(HELP if key == "?" else f"  no key {key!r}; ? for help")


def _next_cluster(pairs: "Sequence[Pair]", at: int) -> int:
    """Return the first pair of another cluster."""
    here = pairs[at].kept["cluster"]
    return next((k for k in range(at, len(pairs)) if pairs[k].kept["cluster"] != here), len(pairs))


def _show(console: "Console", search: "Search", pairs: "Sequence[Pair]", at: int) -> None:
    """Print a pair: how alike it is, and both texts."""
    from rich.markup import escape

    pair = pairs[at]
    row, size = pair.dropped, pair.kept["size"]
    click.echo()
    console.print(
        f"[bold]{at + 1:,}/{len(pairs):,}  {row['reason']}[/bold]  jaccard {row['jaccard']:.2f}, "
        f"containment {row['containment']:.2f}, in a cluster of {size:,}",
        soft_wrap=True,
    )
    dropped, like = search.turns(pair)
    _show_side(console, "dropped", row, dropped)
    if row["reason"] in SAME:
        what = "the same record" if row["reason"] == SAME[0] else "the same words"
        console.print(f"{what} as {escape(_place(pair.like))}", soft_wrap=True)
        return
    stays = pair.like is pair.kept
    _show_side(console, "stays" if stays else "dropped too", pair.like, like)
    if not stays:
        console.print(f"of this cluster {escape(_place(pair.kept))} stays", soft_wrap=True)


def _show_side(console: "Console", word: str, row: "Row", turns: "Sequence[Turn] | Missing") -> None:
    """Print one record of a pair: the texts that have marked words, or the first one."""
    from rich.markup import escape

    from tulu_data.sources.shelves import Missing

    console.print(f"[bold]{word}[/bold] {escape(_place(row))}", soft_wrap=True)
    if isinstance(turns, Missing):
        console.print(f"  not shown: {turns.why}", markup=False, soft_wrap=True)
        return
    marked = [turn for turn in turns if turn.spans] or list(turns[:1])
    for turn in marked:
        show_text(console, turn.title, turn.text, turn.spans, whole=False)
    if len(marked) < len(turns):
        rest = len(turns) - len(marked)
        console.print(f"  [dim]and {rest:,} more text{'' if rest == 1 else 's'}, all shared[/dim]")


def _place(row: "Row") -> str:
    """Say where a record stands."""
    source = "" if row["origin"].startswith(row["source"]) else f", {row['source']}"
    return f"{row['origin']}{source}, record {row['id']}"


def _finish(every: "Sequence[Pair]", chosen: "Sequence[Pair]", among: Range) -> None:
    """Say how many there were, and what was not chosen."""
    others = Counter(pair.dropped["reason"] for pair in every)
    others.subtract(Counter(pair.dropped["reason"] for pair in chosen))
    beside = ", ".join(f"{count:,} {reason}" for reason, count in sorted(others.items()) if count)
    clusters = counted(len({pair.kept["cluster"] for pair in chosen}), "cluster")
    text = f"\n{counted(len(chosen), 'dropped record')} of {clusters}" if chosen else "nothing to show"
    hint = "" if "any" in among.reasons or not any(others[reason] for reason in SAME) else WIDER
    click.echo(f"{text}{f'; not chosen: {beside}{hint}' if beside else ''}")
