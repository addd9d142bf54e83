r"""The near-duplicate benchmark: copies with 5 to 20% of words edited in real text, ours and its peers.

Usage: python bench/near_duplicates.py DATA [--seed 7] [--work DIR] [--peer-python PATH] [--runs 3], DATA a
folder with `train/`. Makes the corpus (near_corpus.py) where DIR has none, and runs each system as a fresh
process on it, in turns: `tulu-data dedup` with its defaults and two workers, cold when no machine code is on
disk and warm else, and the peers of near_peers.py on word 5-grams at 0.7. Peers are run on single words once,
for quality alone. PATH is a Python that has the peers: near_peers.py says how to make one.

Then ours, and rensa as the fastest of the peers, run at other thresholds: docs/near_duplicates.svg shows
recall against what else is dropped. DIR/runs*/reading.md holds pairs that were not planted, by verdict, for a
person to read.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import near_corpus
from near_curve import Series, chart
from near_oracle import KINDS, Oracle
from near_pages import examples
from near_score import LENGTHS, SHARES, Corpus, Score, open_corpus, score
from near_systems import OURS, System, at_threshold, ours, peer
from planted_measure import ROOT, Cost, median
from results import markdown, write_section

PEERS = ("gaoya", "rensa", "datasketch", "datasketch-legacy")
GRID = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)
"""Thresholds of our curve: of weighed pairs of words; all else is by default."""
PEER_GRID = {1: (0.7, 0.8, 0.9), 5: (0.5, 0.6, 0.7, 0.8, 0.9)}
"""By words of a shingle; at lower ones a peer compares nearly all documents with nearly all, for minutes."""
CURVED = "rensa"


def speed_table(systems: Sequence[System], megabytes: float) -> str:
    """Lay out what every system costs, and how many times that of ours it is."""
    costs = {one.name: median(one.costs) for one in systems if one.costs}
    mine = costs[OURS]
    table = []
    for name, cost in costs.items():
        line = (
            f"{cost.wall:.1f}",
            f"{cost.processor:.1f}",
            f"{megabytes / cost.wall:.0f}",
            f"{cost.memory:.0f}",
        )
        times = (f"{cost.wall / mine.wall:.1f}x", f"{cost.processor / mine.processor:.1f}x")
        table.append((name, *line, *times))
    head = (
        "whole process", ">seconds", ">processor s", ">MB/s", ">peak MiB", ">times ours, by time",
        ">by processor",
    )  # fmt: skip
    return markdown(head, table)


def recall_table(scores: dict[str, Score]) -> str:
    """Lay out the share of planted pairs that each system found."""
    shares = [f">{a:.0%}-{b:.0%} edited" for a, b in SHARES]
    lengths = [f">{a}-{b} words" if b < 10**6 else f">{a}+ words" for a, b in LENGTHS]
    table = [
        (
            name, f"{one.parted:.3f}", f"{one.together:.3f}", f"{one.recall:.3f}",
            *(f"{a / max(1, b):.3f}" for a, b in (*one.by_share, *one.by_length)),
        )
        for name, one in scores.items()
    ]  # fmt: skip
    return markdown(
        ("of the planted", ">not both stay", ">one stands for both", ">listed or joined", *shares, *lengths),
        table,
    )


def drop_table(scores: dict[str, Score]) -> str:
    """Lay out what each system drops."""
    table = [
        (
            name, f"{one.dropped:,}", f"{one.planted:,}", *(f"{one.kinds[kind]:,}" for kind in KINDS),
            f"{one.precision:.3f}", f"{one.strict:.3f}",
        )
        for name, one in scores.items()
    ]  # fmt: skip
    head = ("dropped", ">all", ">planted", *(f">{kind}" for kind in KINDS), ">precision", ">without patterns")
    return markdown(head, table)


def curve_table(curves: dict[str, list[tuple[float, Score]]]) -> str:
    """Lay out recall and drops by threshold."""
    table = [
        (
            name, f"{threshold}", f"{one.parted:.3f}", f"{one.together:.3f}",
            f"{one.dropped - one.planted:,}", f"{one.kinds['false']:,}", f"{one.precision:.3f}",
        )
        for name, line in curves.items()
        for threshold, one in line
    ]  # fmt: skip
    return markdown(
        (
            "system",
            ">threshold",
            ">not both stay",
            ">one stands for both",
            ">other drops",
            ">false",
            ">precision",
        ),
        table,
    )


def drawing(curves: dict[str, list[tuple[float, Score]]]) -> str:
    """Draw recall against other drops."""
    series = [
        Series(name=name, points=[(one.dropped - one.planted, one.parted, str(at)) for at, one in line])
        for name, line in curves.items()
    ]
    return chart(
        series, "documents dropped that were not planted", "planted pairs that do not both stay", 1.0
    )


def choose(given: argparse.Namespace, corpus: Corpus, work: Path) -> tuple[list[System], list[System]]:
    """Return the systems that are timed, and those that are run once for their quality."""
    timed = ours(corpus, work) if given.ours else []
    if not given.peer_python:
        print("peers are left out: give --peer-python")
        return timed, []
    python = given.peer_python
    timed += [peer(corpus, python, work, name, 5, once=name.endswith("legacy")) for name in given.peers]
    others = [peer(corpus, python, work, name, 1) for name in given.peers if not name.endswith("legacy")]
    return timed, others


def curved(given: argparse.Namespace, corpus: Corpus, work: Path) -> Iterator[tuple[float, System]]:
    """Yield systems at every threshold of the curve."""
    for threshold in given.grid if given.ours else ():
        yield threshold, at_threshold(corpus, work, threshold)
    for words, grid in PEER_GRID.items() if given.peer_python else ():
        for threshold in grid:
            yield threshold, peer(corpus, given.peer_python, work, CURVED, words, threshold)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--seed", type=int, default=7, help="thresholds are tuned on 1, 2 and 3 and reported on 7"
    )
    parser.add_argument("--megabytes", type=float, default=205)
    parser.add_argument("--runs", type=int, default=3, help="0: only read what is in --work")
    parser.add_argument(
        "--work", type=Path, help="folder that keeps corpus and findings (default: a temporary one)"
    )
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--no-ours", dest="ours", action="store_false", help="peers alone")
    parser.add_argument("--grid", type=float, nargs="*", default=GRID, help="thresholds of our curve")
    parser.add_argument(
        "--no-write", dest="write", action="store_false", help="leave RESULTS.md and the curve alone"
    )
    given = parser.parse_args()
    # Not resolved: a virtual environment is known by the path of its Python.
    given.peer_python = given.peer_python and given.peer_python.absolute()
    if given.peer_python and not given.peer_python.exists():
        sys.exit(f"{given.peer_python}: no such Python; make the environment as near_peers.py says")
    return given


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as name:
        work = (given.work or Path(name)).resolve()
        folder = work / f"seed{given.seed}"
        if not (folder / "about.json").is_file():
            near_corpus.make(given.data, folder, given.seed, given.megabytes)
        corpus, runs = open_corpus(folder), work / f"runs{given.seed}"
        timed, others = choose(given, corpus, runs)
        for turn in range(given.runs):
            for one in timed:
                if not turn or not one.once:
                    run(one)
        if given.runs:
            run_once(given, corpus, others, runs)
            save_costs(timed, runs / "costs.json")
        else:
            load_costs(timed, runs / "costs.json")
        report(given, corpus, timed, others, runs)


def versions(python: Path | None) -> str:
    """Say which releases of the peers were run."""
    if not python:
        return "none"
    names = [name for name in PEERS if "-" not in name]
    said = (
        f"from importlib.metadata import version as v; print(*(f'{{n}} {{v(n)}}' for n in {names}), sep=', ')"
    )
    return subprocess.run([python, "-c", said], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def run(one: System) -> None:
    """Run a system once more."""
    one.costs.append(one.run())
    print(f"{one.name}: {one.costs[-1].wall:.1f} s", file=sys.stderr)


def run_once(given: argparse.Namespace, corpus: Corpus, others: list[System], work: Path) -> None:
    """Run what is not timed."""
    for one in (*others, *(one for _, one in curved(given, corpus, work))):
        run(one)


def save_costs(systems: list[System], path: Path) -> None:
    """Keep what systems cost."""
    path.write_text(json.dumps({one.name: [asdict(cost) for cost in one.costs] for one in systems}), "utf-8")


def load_costs(systems: list[System], path: Path) -> None:
    """Read what systems cost when they were run."""
    kept = json.loads(path.read_text("utf-8"))
    for one in systems:
        one.costs.extend(Cost(**cost) for cost in kept[one.name])


def report(
    given: argparse.Namespace, corpus: Corpus, timed: list[System], others: list[System], work: Path
) -> None:
    """Score, print and write."""
    texts = corpus.texts()
    oracle = Oracle(text for name, text in texts.items() if name.startswith("host"))
    scores = {one.name: score(corpus, one.read(), oracle, texts) for one in (*timed, *others) if one.read}
    curves: dict[str, list[tuple[float, Score]]] = {}
    for threshold, one in curved(given, corpus, work):
        if one.read:
            curves.setdefault(one.name, []).append((threshold, score(corpus, one.read(), oracle, texts)))
    (work / "reading.md").write_text(examples(scores, texts), "utf-8")
    text = page(given, corpus, timed, scores, curves)
    print(text)
    if given.write:
        write_section("near_duplicates", text)
        (ROOT / "docs/near_duplicates.svg").write_text(drawing(curves), "utf-8")


def page(
    given: argparse.Namespace, corpus: Corpus, timed: list[System], scores: dict[str, Score],
    curves: dict[str, list[tuple[float, Score]]],
) -> str:  # fmt: skip
    """Lay out the section."""
    about, runs = corpus.about, max(len(one.costs) for one in timed)
    head = (
        f"Seed {given.seed}: {about['megabytes']:.0f} MB, {about['documents']:,} documents, "
        f"{about['copy']:,} of them copies with 5 to 20% of the words edited. Medians of {runs} (cold "
        f"and datasketch-legacy: 1). Peers, with 128 permutations at 0.7: {versions(given.peer_python)}."
    )
    parts = [head]
    if given.ours:
        parts.append(speed_table(timed, about["megabytes"]))
    parts += [recall_table(scores), EXPLAINED, drop_table(scores)]
    if curves:
        parts += ["![Recall against flags](../docs/near_duplicates.svg)", curve_table(curves)]
    return "\n\n".join(parts)


EXPLAINED = """\
Every dropped document that does not stand for its own copy or original is judged by near_oracle.py: the same,
edited, or contained; or alike in a pattern only: a `template` differs in numbers alone, a `frame` shares what
a hundred other documents hold too, a `stretch` differs in one place. Precision counts patterns as true, the
last column as false.

What counts for the data is that a copy and its original do not both stay, whatever stands for the one that
goes; who drops much gets some of that for nothing, so read it beside precision. Listed pairs, and documents
joined by a chain of them, are what a list of candidates is worth; by share of edits and by length it is these
that are counted."""


if __name__ == "__main__":
    main()
