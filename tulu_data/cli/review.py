"""`tulu-data review`: walk through hits and decide which are contamination."""

import fnmatch
import os
import sys
import termios
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tulu_data.cli.console import print_json, results, warn
from tulu_data.cli.options import decisions_option, json_option, open_store, store_option, workspace_root
from tulu_data.specs.decisions import DECISIONS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from rich.console import Console

    from tulu_data.decontaminate.findings import Findings
    from tulu_data.decontaminate.walk import Case, Walk

REPORT = "reports/decontamination"
"""Folder of a workspace that is looked at when none is named."""
INTERRUPT = b"\x03"
"""What Ctrl-C types."""
ANSWERS: dict[str, tuple[str, str]] = {
    "k": ("keep", "record"), "d": ("drop", "record"), "K": ("keep", "rest"), "D": ("drop", "rest"),
    "i": ("keep", "instance"),
}  # fmt: skip
"""Keys that decide: the decision, and how far it reaches."""
KEYS = (
    "k keep, d drop, K D for all of the instance, i it never counts, s skip, b back, n note, q quit, ? help"
)
INDENT = " " * 4
"""What stands before a line of a text that is shown."""
HELP = """\
  k  keep: no contamination; nothing is dropped for it, and it counts for nothing
  d  drop: contamination; the record goes, whatever the rule says of the match
  K  keep this and every other record that is listed with this instance; D drop them
  i  the instance never counts, in no record (a question too general to be leaked)
  s  skip, to be asked another time
  b  back to the one before; another answer replaces the one given
  n  note: a line of text that is kept with the next answer
  q  quit; every answer is written already"""


@click.command(short_help="Walk through hits and decide which are contamination.")
@click.argument("findings", metavar="[REPORT]", required=False)
@click.option(
    "--suite", "suites", multiple=True, help="Only hits on this eval suite; may repeat, * fits all."
)
@click.option("--source", "sources", multiple=True, help="Only hits in this source; may repeat, * fits all.")
@click.option(
    "--match", "matches", multiple=True, type=click.Choice(("item", "template", "partial", "common", "any")),
    default=("item",), show_default=True, help="Only hits of this match; may repeat.",
)  # fmt: skip
@click.option("--rule", "rules", multiple=True, help="Only hits found by this rule; may repeat.")
@click.option(
    "--min-overlap", type=click.FloatRange(0, 1), default=0.0, help="Only hits of at least this overlap."
)
@click.option(
    "--undecided/--all", default=True, help="Only what is not decided yet (default), or everything."
)
@click.option("--list", "listing", is_flag=True, help="Print the hits and ask nothing (for pipes).")
@decisions_option
@store_option
@json_option
def command(  # noqa: PLR0913, PLR0917 - one for each option
    findings: str | None, suites: tuple[str, ...], sources: tuple[str, ...], matches: tuple[str, ...],
    rules: tuple[str, ...], min_overlap: float, undecided: bool, listing: bool, decisions: Path | None,
    store: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Walk through hits and decide which are contamination.

    REPORT is the folder of a report, its hits.parquet, or name@version; default: the workspace's
    report. Each hit is shown with both original texts and the overlap marked, those of one eval
    instance together. Every answer is written at once to the decisions file, which the next
    `decontaminate` and mixtures with `decisions:` obey; a stopped walk goes on where it was.
    """
    from tulu_data.decontaminate.decisions import decide, summed
    from tulu_data.decontaminate.findings import open_findings
    from tulu_data.decontaminate.walk import Book, Walk, cases

    here = Path.cwd()
    base = here if findings and (here / findings).exists() else workspace_root(here)
    root = workspace_root(base / findings) if findings else base
    found = open_findings(findings or REPORT, base, open_store(store, root))
    book = Book(decisions or root / DECISIONS_FILE)
    decided = decide(found.hits, book.decisions, found.suites)
    wide = {"suite": suites, "source": sources, "rule": rules, "match": () if "any" in matches else matches}
    chosen = _chosen(decided.hits, wide, min_overlap)
    listed = [case for case in cases(chosen) if not (undecided and case.decision)]
    walk = Walk(listed, found.narrowed(chosen), book)
    if decided.unmet:
        warn(f"decisions that met no hit: {summed(decided.unmet)}")
    if as_json:
        print_json([_as_json(case, walk.findings) for case in walk.cases])
    elif listing:
        for number, case in enumerate(walk.cases):
            _show(results(), case, walk.findings, f"{number + 1:,}/{len(walk.cases):,}")
    else:
        # Ctrl-C quits as `q` does: every answer is written.
        with suppress(KeyboardInterrupt), _terminal(lines=False):
            _ask(results(), walk)
    if not as_json:
        _finish(walk, decided.hits, chosen)


def _chosen(hits: "pa.Table", wanted: dict[str, tuple[str, ...]], min_overlap: float) -> "pa.Table":
    """Return the hits that fit all filters."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = pc.greater_equal(hits["overlap"], min_overlap)
    for column, patterns in wanted.items():
        if patterns:
            values = hits[column].unique().to_pylist()
            fitting = [v for v in values if any(fnmatch.fnmatchcase(v, pattern) for pattern in patterns)]
            keep = pc.and_(keep, pc.is_in(hits[column], pa.array(fitting, hits[column].type)))
    return hits.filter(keep)


def _as_json(case: "Case", found: "Findings") -> dict[str, Any]:
    """Return a case with both texts, as JSON values."""
    instance, record = found.instance(case.first), found.record(case.first)
    return {
        "hits": list(case.hits),
        "instance": instance if isinstance(instance, dict) else {"missing": instance.why},
        "record": record if isinstance(record, list) else {"missing": record.why},
    }


def _ask(console: "Console", walk: "Walk") -> None:
    """Show case after case and take answers, until the end or somebody quits."""
    note, shown = None, -1
    while (case := walk.case) is not None:
        if shown != walk.at:
            note = None
            _show(console, case, walk.findings, f"{walk.at + 1:,}/{len(walk.cases):,}")
            _show_state(console, walk)
            shown = walk.at
        key = _key()
        if key in ("q", INTERRUPT.decode()):
            return
        if key in ANSWERS:
            decision, reach = ANSWERS[key]
            count = walk.answer(decision, reach, note)  # type: ignore[arg-type]
            about = "the instance in every record" if reach == "instance" else f"{count:,} records"
            click.echo(f"  {decision}{'' if reach == 'record' else ' ' + about}")
        elif key == "s":
            walk.skip()
        elif key == "b":
            shown = -1 if walk.back() else shown
            if shown != -1:
                click.echo("  this is the first")
        elif key == "n":
            note = _note()
        else:
            click.echo(HELP if key == "?" else f"  no key {key!r}; ? for help")


@contextmanager
def _terminal(*, lines: bool) -> "Iterator[None]":
    """Let a terminal give whole lines, or each key at once and unseen; what was typed ahead stays.

    Ctrl-C is a key then, so that it is not lost, or halfway through an answer, whatever is being shown.
    """
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    wanted = termios.tcgetattr(sys.stdin)
    flags = termios.ICANON | termios.ECHO
    wanted[3] = wanted[3] | flags if lines else wanted[3] & ~flags
    nothing = os.fpathconf(sys.stdin.fileno(), "PC_VDISABLE").to_bytes()
    wanted[6][termios.VINTR] = INTERRUPT if lines else nothing
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, wanted)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _key() -> str:
    """Read one key; `q` at the end of input and by Ctrl-D."""
    key = sys.stdin.read(1)
    return _key() if key in ("\n", "\r") else "q" if key in ("", "\x04") else key


def _note() -> str | None:
    """Read a line of text."""
    with _terminal(lines=True):
        click.echo("  note: ", nl=False)
        return sys.stdin.readline().strip() or None


def _show(console: "Console", case: "Case", found: "Findings", progress: str) -> None:
    """Print a case: what it is, and both texts with the overlap marked."""
    from rich.markup import escape

    hit = case.first
    click.echo()
    about, rules = escape("/".join(case.instance)), ", ".join(dict.fromkeys(h["rule"] for h in case.hits))
    console.print(f"[bold]{progress}  {about}[/bold]  {rules}, overlap {hit['overlap']:.2f}, {hit['match']}")
    more = f" and {len(case.places) - 1:,} more places" if len(case.places) > 1 else ""
    source = "" if hit["origin"].startswith(hit["source"]) else f", {escape(hit['source'])}"
    console.print(f"{escape(hit['origin'])}{more}{source}, record {hit['id']}", soft_wrap=True)
    _show_instance(console, case, found)
    _show_record(console, case, found)


def _show_instance(console: "Console", case: "Case", found: "Findings") -> None:
    """Print the texts of the eval instance."""
    from tulu_data.decontaminate.findings import Missing

    instance = found.instance(case.first)
    if isinstance(instance, Missing):
        console.print(f"  [bold]eval[/bold] not shown: {instance.why}", soft_wrap=True)
        return
    for field in ("question", "passage"):
        spans = [
            (s["start"], s["end"]) for h in case.hits if h["field"] == field for s in h["instance_spans"]
        ]
        if instance[field] and (spans or field == "question"):
            _show_text(console, f"eval {field}", instance[field], spans)
    if instance["answer"]:
        _show_text(console, "eval answer", instance["answer"], [])


def _show_record(console: "Console", case: "Case", found: "Findings") -> None:
    """Print the turns of the record that match, and the ones after them."""
    from tulu_data.decontaminate.findings import Missing

    turns = found.record(case.first)
    if isinstance(turns, Missing):
        console.print(f"  [bold]record[/bold] not shown: {turns.why}", soft_wrap=True)
        return
    spans: dict[int, list[tuple[int, int]]] = {}
    for hit in case.hits:
        for span in hit["record_spans"]:
            spans.setdefault(span["turn"], []).append((span["start"], span["end"]))
    near = sorted({turn + k for turn in spans for k in (0, 1) if turn + k < len(turns)})
    for turn in near:
        said, column = turns[turn], turns[turn]["column"]
        where = "" if column == "messages" else f", {column}"
        title = f"turn {turn + 1} {said['role']}{where}"
        _show_text(console, title, said["content"] or "", spans.get(turn, []))
    if len(near) < len(turns):
        console.print(f"  [dim]and {len(turns) - len(near):,} more turns[/dim]")


def _show_text(console: "Console", title: str, text: str, spans: "Sequence[tuple[int, int]]") -> None:
    """Print one text below its title."""
    from rich.text import Text

    from tulu_data.report.spans import marked_text, safe_text

    console.print(f"  [bold]{safe_text(title)}[/bold]")
    marked = marked_text(text if spans else text.strip(), spans, colour=console.color_system is not None)
    for line in marked.wrap(console, console.width - len(INDENT)):
        line.rstrip()
        console.print(Text(INDENT) + line, soft_wrap=True)


def _show_state(console: "Console", walk: "Walk") -> None:
    """Print what is decided already, what else is like this, and the keys."""
    assert walk.case is not None
    rest, before = len(walk.rest()), walk.answered.get(walk.at) or walk.case.decision
    if before:
        console.print(f"  decided: {before}")
    if rest:
        word = "record" if rest == 1 else "records"
        console.print(f"  and {rest:,} more {word} with this instance: K or D decides for all")
    console.print(f"[dim]{KEYS}[/dim]", soft_wrap=True)


def _finish(walk: "Walk", hits: "pa.Table", chosen: "pa.Table") -> None:
    """Say what was decided, what is left, and what to do next."""
    from collections import Counter

    counts = dict(walk.counts())
    others = Counter(hits.column("match").to_pylist())
    others.subtract(Counter(chosen.column("match").to_pylist()))
    beside = ", ".join(f"{count:,} {match}" for match, count in sorted(others.items()) if count)
    if not walk.cases:
        click.echo(f"nothing to decide{f'; hits that were not chosen: {beside}' if beside else ''}")
    elif walk.answered:
        click.echo(
            f"\n{counts['kept']:,} kept, {counts['dropped']:,} dropped, {counts['left']:,} left undecided"
        )
        click.echo(f"wrote {walk.book.path}")
        click.echo(
            f"next: tulu-data decontaminate obeys it; in a mixture spec: decisions: {walk.book.path.name}"
        )
    else:
        click.echo(f"\n{counts['left']:,} undecided")
