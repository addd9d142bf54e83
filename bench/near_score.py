"""Scores of the near-duplicate benchmark: what was found of what was planted, and what else is dropped.

The one idea: whatever a system writes becomes the pairs that it lists, the group of each document and, for
each document that it drops, the kept one. Where a system lists pairs only, groups are what its pairs join,
and documents are kept or dropped in the corpus' order, each compared with kept ones. A planted pair is found
when it is listed or lies in one group; every other (dropped, kept) pair is judged by the oracle. It runs
nothing.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from near_oracle import KINDS, Oracle, Verdict
from planted_corpus import REPLY

SHARES = ((0.05, 0.1), (0.1, 0.15), (0.15, 0.2))
"""Of the words of a copy, so many are edited: more than the first, at most the second."""
LENGTHS = ((8, 20), (21, 50), (51, 200), (201, 10**9))
"""Words of an original."""
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What is known of a corpus."""

    folder: Path
    about: dict[str, float]
    ids: dict[str, list[str]]
    """Document ids by file, in order."""
    labels: list[dict]
    planted: frozenset[Pair]
    """Copy and original."""

    @property
    def order(self) -> list[str]:
        """All documents."""
        return [one for name in sorted(self.ids) for one in self.ids[name]]

    def texts(self) -> dict[str, str]:
        """Read every text; the reply that all prompts have says nothing and is left out."""
        found = (row for name in self.ids for row in rows(self.folder / "peer" / name))
        return {row["id"]: row["text"].removesuffix(f"\n{REPLY}") for row in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a system found."""

    pairs: frozenset[Pair]
    groups: dict[str, str]
    """One document of its group, for each document that is in one."""
    stands: dict[str, str]
    """For each dropped document, the kept one."""

    def found(self, one: str, other: str) -> bool:
        """Tell whether the system says that two documents are one."""
        if (one, other) in self.pairs or (other, one) in self.pairs:
            return True
        return one in self.groups and self.groups[one] == self.groups.get(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good an answer is."""

    by_share: list[tuple[int, int]]
    """Found and planted."""
    by_length: list[tuple[int, int]]
    parted: float
    """Of the planted pairs, how many do not both stay."""
    together: float
    """Of the planted pairs, how many have one kept document stand for both."""
    dropped: int
    planted: int
    """Dropped documents that stand for their copy or original."""
    kinds: Counter[str]
    """Verdicts on the others."""
    judged: list[tuple[str, str, Verdict]]

    @property
    def recall(self) -> float:
        """Of the planted pairs, how many are listed or in one group."""
        return sum(found for found, _ in self.by_share) / sum(count for _, count in self.by_share)

    @property
    def precision(self) -> float:
        """Of the dropped, how many are near-duplicates, by their words."""
        return 1 - self.kinds["false"] / max(1, self.dropped)

    @property
    def strict(self) -> float:
        """The same where patterns count as false."""
        return (self.planted + sum(self.kinds[kind] for kind in KINDS[:3])) / max(1, self.dropped)


def rows(path: Path) -> Iterator[dict]:
    """Read json lines."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def open_corpus(folder: Path) -> Corpus:
    """Read ids and labels."""
    labels = list(rows(folder / "labels.jsonl"))
    return Corpus(
        folder=folder, about=json.loads((folder / "about.json").read_text("utf-8")), labels=labels,
        ids={path.name: [row["id"] for row in rows(path)] for path in sorted((folder / "peer").iterdir())},
        planted=frozenset((row["id"], row["original"]) for row in labels),
    )  # fmt: skip


def own_answer(corpus: Corpus, clusters: Path) -> Answer:
    """Read clusters.parquet of tulu-data."""
    table = pq.read_table(clusters, columns=["cluster", "origin", "kept", "stands"]).to_pylist()

    def document(origin: str) -> str:
        path, _, row = origin.rpartition(":")
        return corpus.ids[Path(path).name][int(row) - 1]

    stands = {document(row["origin"]): document(row["stands"]) for row in table if not row["kept"]}
    groups = {document(row["origin"]): row["cluster"] for row in table}
    return Answer(pairs=frozenset(stands.items()), groups=groups, stands=stands)


def peer_answer(corpus: Corpus, path: Path) -> Answer:
    """Read the pairs that a peer wrote."""
    with path.open(encoding="utf-8") as lines:
        pairs = frozenset((one, other) for one, other in (line.split() for line in lines))
    return Answer(pairs=pairs, groups=joined(pairs), stands=keep_first(corpus.order, pairs))


def joined(pairs: Iterable[Pair]) -> dict[str, str]:
    """Name each document of a pair by one document of all that are joined with it."""
    parent: dict[str, str] = {}

    def root(one: str) -> str:
        while parent.setdefault(one, one) != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for one, other in pairs:
        parent[root(one)] = root(other)
    return {one: root(one) for one in list(parent)}


def keep_first(order: Iterable[str], pairs: Iterable[Pair]) -> dict[str, str]:
    """Go through documents in order; drop one that is in a pair with a kept one, the first of them."""
    near: dict[str, list[str]] = {}
    for one, other in pairs:
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    kept: dict[str, int] = {}
    stands: dict[str, str] = {}
    for place, one in enumerate(order):
        before = [other for other in near.get(one, ()) if other in kept]
        if before:
            stands[one] = min(before, key=kept.__getitem__)
        else:
            kept[one] = place
    return stands


def score(corpus: Corpus, answer: Answer, oracle: Oracle, texts: dict[str, str]) -> Score:
    """Count what was found, and judge what else is dropped."""
    found = [(row, answer.found(row["id"], row["original"])) for row in corpus.labels]
    stands, planted = answer.stands, len(corpus.planted)
    parted = sum(copy in stands or original in stands for copy, original in corpus.planted)
    together = sum(stands.get(a, a) == stands.get(b, b) for a, b in corpus.planted)

    def count(bins: Iterable[tuple[float, float]], of: str) -> list[tuple[int, int]]:
        inside = [[hit for row, hit in found if a <= _measure(row, of) <= b] for a, b in bins]
        return [(sum(hits), len(hits)) for hits in inside]

    others = [pair for pair in stands.items() if not {pair, pair[::-1]} & corpus.planted]
    judged = [(one, other, oracle.judged(texts[one], texts[other])) for one, other in others]
    return Score(
        by_share=count(((a + 1e-9 if a > 0.05 else 0, b + 1e-9) for a, b in SHARES), "share"),
        by_length=count(LENGTHS, "words"), dropped=len(answer.stands),
        planted=len(answer.stands) - len(others), judged=judged, parted=parted / planted,
        together=together / planted,
        kinds=Counter(verdict.kind for _, _, verdict in judged),
    )  # fmt: skip


def _measure(row: dict, of: str) -> float:
    return float(row["edits"] / row["words"] if of == "share" else row["words"])
