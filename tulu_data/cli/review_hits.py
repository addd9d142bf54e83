"""`tulu-data review` on hits: both texts of each, and the answers that become decisions.

The one idea: one record with one eval instance is a case; every answer is written at once, so a walk may stop
anywhere and go on later. What is asked and shown is here, what an answer means in `decontaminate/walk.py`.
"""

import fnmatch
import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tulu_data.cli.console import counted, print_json, results, shown, warn
from tulu_data.cli.options import workspace_root
from tulu_data.cli.terminal import QUIT, keyboard, read_key, read_line, show_text
from tulu_data.specs.decisions import DECISIONS_FILE

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from tulu_data.decontaminate.findings import Findings
    from tulu_data.decontaminate.walk import Case, Walk

ANSWERS: dict[str, tuple[str, str]] = {
    "k": ("keep", "record"), "d": ("drop", "record"), "K": ("keep", "rest"), "D": ("drop", "rest"),
    "i": ("keep", "instance"),
}  # fmt: skip
"""Keys that decide: the decision, and how far it reaches."""
KEYS = (
    "k keep, d drop, K D for all of the instance, i it never counts, s skip, b back, n note, q quit, ? help"
)
HELP = """\
  k  keep: no contamination; nothing is dropped for it, and it counts for nothing
  d  drop: contamination; the record goes, whatever the rule says of the match
  K  keep this and every other record that is listed with this instance; D drop them
  i  the instance never counts, in no record (a question too general to be leaked)
  s  skip, to be asked another time
  b  back to the one before; another answer replaces the one given
  n  note: a line of text that is kept with the next answer
  q  quit; every answer is written already"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which hits are walked through."""

    suites: tuple[str, ...]
    sources: tuple[str, ...]
    matches: tuple[str, ...]
    rules: tuple[str, ...]
    min_overlap: float
    undecided: bool

    @property
    def patterns(self) -> dict[str, tuple[str, ...]]:
        """What the columns of hits must fit; nothing of a column where any value does."""
        matches = () if "any" in self.matches else self.matches
        return {"suite": self.suites, "source": self.sources, "rule": self.rules, "match": matches}


def review_hits(found: "Findings", path: Path, wanted: Wanted, *, listing: bool, as_json: bool) -> None:
    """Walk through hits, or print them; answers go to the decisions file at `path`."""
    from tulu_data.decontaminate.decisions import decide, summed
    from tulu_data.decontaminate.walk import Book, Walk, cases

    book = Book(path)
    decided = decide(found.hits, book.decisions, found.suites)
    chosen = _chosen(decided.hits, wanted)
    listed = [case for case in cases(chosen) if not (wanted.undecided and case.decision)]
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
        with suppress(KeyboardInterrupt), keyboard(lines=False):
            _ask(results(), walk)
    if not as_json:
        _finish(walk, decided.hits, chosen)


def _chosen(hits: "pa.Table", wanted: Wanted) -> "pa.Table":
    """Return the hits that fit all filters."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = pc.greater_equal(hits["overlap"], wanted.min_overlap)
    for column, patterns in wanted.patterns.items():
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
        key = read_key()
        if key in QUIT:
            return
        if key in ANSWERS:
            decision, reach = ANSWERS[key]
            count = walk.answer(decision, reach, note)  # type: ignore[arg-type]
            about = "the instance in every record" if reach == "instance" else counted(count, "record")
            click.echo(f"  {decision}{'' if reach == 'record' else ' ' + about}")
        elif key == "s":
            walk.skip()
        elif key == "b":
            shown = -1 if walk.back() else shown
            if shown != -1:
                click.echo("  this is the first")
        elif key == "n":
            note = read_line("note")
        else:
            click.echo(HELP if key == "?" else f"  no key {key!r}; ? for help")


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
    from tulu_data.sources.shelves import Missing

    instance = found.instance(case.first)
    if isinstance(instance, Missing):
        console.print(f"  [bold]eval[/bold] not shown: {instance.why}", soft_wrap=True)
        return
    for field in ("question", "passage"):
        spans = [
            (s["start"], s["end"]) for h in case.hits if h["field"] == field for s in h["instance_spans"]
        ]
        if instance[field] and (spans or field == "question"):
            show_text(console, f"eval {field}", instance[field], spans)
    if instance["answer"]:
        show_text(console, "eval answer", instance["answer"], [])


def _show_record(console: "Console", case: "Case", found: "Findings") -> None:
    """Print the turns of the record that match, and the ones after them."""
    from tulu_data.sources.shelves import Missing

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
        show_text(console, title, said["content"] or "", spans.get(turn, []))
    if len(near) < len(turns):
        console.print(f"  [dim]and {len(turns) - len(near):,} more turns[/dim]")


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
        click.echo(f"next: {_obeyed(walk.book.path)}")
    else:
        click.echo(f"\n{counts['left']:,} undecided")


def _obeyed(path: Path) -> str:
    """Say what obeys decisions: the command that found the hits, and a mixture."""
    root = workspace_root(Path.cwd())
    is_found = path.resolve() == root / DECISIONS_FILE
    option = "" if is_found else f" with --decisions {shlex.quote(shown(path))}"
    named = os.path.relpath(path, root) if path.resolve().is_relative_to(root) else str(path.resolve())
    return f"decontaminate as before{option} obeys it; in a mixture spec: decisions: {named}"
