r"""The planted benchmark: leaks of ten forms in real training text, ours and its peers on the same input.

Usage: python bench/planted.py DATA [--seed 7] [--rule tulu3 --rule auto] [--decon-python PATH]
[--datatrove-python PATH], DATA a folder with `train/` and `evals/`. Makes the corpus (planted_corpus.py) and
runs each system as a fresh process on it, in turns: `tulu-data decontaminate` with each rule and two workers,
decon with two threads, a plain Python set of 8-grams, and datatrove's filter on a slice (every planted
document and every 20th of the others; it is too slow for the rest). Peers are environments of their own,
made by `python3.12 -m venv V && V/bin/pip install decontaminate`, and `datatrove spacy 'xxhash<3.6'`.

Ours is cold when nothing is on disk, and warm, as everywhere else, when its machine code and what it keeps
of the suites are. Scores go to RESULTS.md, flags on unplanted texts to planted_flags.md; the labels of leaks
that a rule missed go to misses.jsonl beside its hits, which stay when --work names a folder.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import planted_corpus
from planted_flags import verdicts, write_flags
from planted_measure import median
from planted_score import Corpus, Flag, Found, Score, flags, misses, open_corpus, scores, unplanted
from planted_systems import PLAIN, System, datatrove, decon, folder_of, ours, plain
from results import markdown, write_section

AIMS = {
    "question and answer": 200, "inside a 12x longer document": 200, "question only": 200,
    "lower-cased, no punctuation": 198, "5% of words edited": 199, "10% of words edited": 196,
    "20% of words edited": 180, "re-wrapped": 195, "split over two turns": 195, "other Unicode": 195,
}  # fmt: skip
"""Leaks of 200 that are to be found, the right item named."""


def speed_table(systems: Sequence[System]) -> str:
    """Lay out what every system costs, beside decon and the plain set."""
    costs = {one.name: median(one.costs) for one in systems}

    def ratio(one: System, peer: str, of: str) -> str:
        if peer not in costs or one.name == peer:
            return ""
        base = next(p.megabytes for p in systems if p.name == peer) / getattr(costs[peer], of)
        return f"{one.megabytes / getattr(costs[one.name], of) / base:.1f}x"

    table = []
    for one in systems:
        cost = costs[one.name]
        line = (
            f"{cost.wall:.1f}",
            f"{cost.processor:.1f}",
            f"{one.megabytes / cost.wall:.1f}",
            f"{cost.memory:.0f}",
        )
        peers = [ratio(one, p, of) for p in ("decon", PLAIN) for of in ("wall", "processor")]
        table.append((one.name, *line, *peers))
    head = (
        "whole process", ">seconds", ">processor s", ">MB/s", ">peak MiB", ">decon, by time", ">by processor",
        ">plain set, by time", ">by processor",
    )  # fmt: skip
    return markdown(head, table)


def form_table(read: dict[str, dict[str, Score]], naming: dict[str, bool]) -> str:
    """Lay out how many leaks of each form every system found."""

    def cell(score: Score, *, named: bool, expected: str) -> str:
        if not named:
            return f"({score.flagged})"
        if expected != "item":
            return f"{score.expected}; item {score.right}"
        other = f", otherwise {score.named - score.right}" if score.named > score.right else ""
        return f"{score.right}{other}"

    table = []
    for name, form in planted_corpus.FORMS.items():
        said = f"{name} (as {form.expected})" if form.expected != "item" else name
        cells = [cell(read[s][name], named=naming[s], expected=form.expected) for s in read]
        planted = next(iter(read.values()))[name].planted
        table.append((said, str(planted), str(AIMS.get(name, "")), *cells))
    return markdown(("form", ">planted", ">aim", *(f">{s}" for s in read)), table)


def flag_table(corpus: Corpus, found: dict[str, list[Found]], raised: dict[str, list[Flag]]) -> str:
    """Lay out the flags on unplanted documents."""
    table = []
    for name, rows_found in found.items():
        counts = unplanted(rows_found)
        read = verdicts(raised.get(name, []))
        told = [
            str(read[word]) if raised.get(name) is not None else ""
            for word in ("true", "template", "false", "unread")
        ]
        table.append((name, f"{counts['host']:,}", *told, f"{counts['bulk']:,}"))
    hosts, joined = (f"{corpus.about[kind]:,}" for kind in ("host", "bulk"))
    return markdown(
        (
            "system",
            f">flagged of {hosts} texts",
            ">true",
            ">template",
            ">false",
            ">unread",
            f">flagged of {joined} bulk documents",
        ),
        table,
    )


def check_account(corpus: Corpus, report: Path) -> None:
    """Check that every row that was written was read, and scanned or set aside."""
    for row in json.loads(report.read_text("utf-8"))["datasets"]:
        accounted = row["scanned"] + sum(row["quarantined"].values())
        if not row["read"] == accounted == corpus.about["documents"]:
            written = corpus.about["documents"]
            sys.exit(f"{report}: {row['read']} rows read, {accounted} accounted for, {written} written")


def choose(given: argparse.Namespace, corpus: Corpus, work: Path) -> list[System]:
    """Return the systems that can run here; say which cannot."""
    chosen = [one for rule in given.rule for one in ours(corpus, rule, work)]
    if given.peers:
        chosen.append(plain(corpus, work))
    for name, python, make in (
        ("decon", given.decon_python, decon), ("datatrove", given.datatrove_python, datatrove),
    ):  # fmt: skip
        if given.peers and python and not python.exists():
            sys.exit(f"{python}: no such Python; make the environment as the script's first lines say")
        if given.peers and python:
            chosen.append(make(corpus, python, work))
        else:
            print(f"{name} is left out" + ("" if python else f": give --{name}-python"))
    return chosen


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--seed", type=int, default=7, help="rules are tuned on 1 and reported on 7")
    parser.add_argument("--megabytes", type=float, default=205)
    parser.add_argument("--rule", action="append", help="rule, or rules joined by commas; may repeat (tulu3)")
    parser.add_argument("--runs", type=int, default=3, help="0: only read what is in --work")
    parser.add_argument(
        "--work", type=Path, help="folder that keeps corpus and findings (default: a temporary one)"
    )
    parser.add_argument("--decon-python", type=Path)
    parser.add_argument("--datatrove-python", type=Path)
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="ours alone, for tuning")
    parser.add_argument(
        "--no-write", dest="write", action="store_false", help="leave RESULTS.md and the flags alone"
    )
    given = parser.parse_args()
    given.rule = given.rule or ["tulu3"]
    given.decon_python, given.datatrove_python = (
        python and python.absolute() for python in (given.decon_python, given.datatrove_python)
    )
    return given


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as name:
        work = (given.work or Path(name)).resolve()
        folder = work / f"seed{given.seed}"
        planted_corpus.make(given.data, folder, given.seed, given.megabytes)
        corpus, runs = open_corpus(folder), work / f"runs{given.seed}"
        systems = choose(given, corpus, runs)
        for turn in range(given.runs):
            for one in systems:
                if not turn or not one.once:
                    one.costs.append(one.run())
                    print(f"{one.name}: {one.costs[-1].wall:.1f} s", file=sys.stderr)
        report(given, corpus, systems, runs)


def report(given: argparse.Namespace, corpus: Corpus, systems: Sequence[System], work: Path) -> None:
    """Score, print and write."""
    found = {one.name: one.read() for one in systems if one.read}
    naming = {one.name: one.names_items for one in systems}
    raised = {one.name: flags(corpus, found[one.name]) for one in systems if one.read and one.listed}
    if given.write:
        write_flags(raised)
    for rule in given.rule:
        check_account(corpus, folder_of(rule, work) / "out/report.json")
        missed = "".join(f"{json.dumps(row)}\n" for row in misses(corpus, found[rule]))
        (folder_of(rule, work) / "misses.jsonl").write_text(missed, "utf-8")
    about = corpus.about
    scored = {name: scores(corpus, said) for name, said in found.items()}
    head = (
        f"Seed {given.seed}: {about['megabytes']:.0f} MB, {about['documents']:,} documents, "
        f"{about['leak']:,} of them planted, against {about['instances']:,} eval instances. "
        f"Medians of {given.runs} (cold and datatrove: 1)."
    )
    text = "\n\n".join(
        (
            head,
            speed_table(systems) if given.runs else "Nothing was run anew.",
            *filter(None, (one.note() for one in systems)),
            "Right item named; in brackets: flagged by a system that names none.",
            form_table(scored, naming),
            "Flags where nothing was planted, each read in planted_flags.md.",
            flag_table(corpus, found, raised),
        )
    )
    print(text)
    if given.write and given.runs:
        write_section("planted", text)


if __name__ == "__main__":
    main()
