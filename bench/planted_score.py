"""Scores of the planted benchmark: what a system found against what was planted.

The one idea: whatever a system writes becomes rows (document, instance, match, matched texts); a leak is
found when any of the instance's equal names is among its document's rows, and every row of a document in
which nothing is planted is a flag for a reader. It runs nothing.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from planted_corpus import FORMS, JOINT
from planted_forms import same_words

from tulu_data.decontaminate import load_suites

Name = tuple[str, str, str]
"""Suite, split, instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that a system says of a document."""

    document: str
    instance: Name | None
    """None where the system flags without a name."""
    match: str = "item"
    overlap: float | None = None
    theirs: str = ""
    """Matched text of the document, its longest part."""
    ours: str = ""
    """Matched text of the instance."""
    at: int | None = None
    """Where `theirs` begins in the document's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What is known of a corpus."""

    folder: Path
    about: dict[str, float]
    ids: dict[str, list[str]]
    """Document ids by file, in order."""
    labels: dict[str, dict]
    parts: dict[str, list[tuple[str, int]]]
    """Hosts and lengths that a bulk document joins."""
    same: dict[Name, str]
    """Words of each instance's question: equal for instances that are the same question."""
    texts: dict[Name, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a system found of one form."""

    planted: int
    right: int
    """Documents in which the right item is named, as an item."""
    named: int
    """Documents in which the right item is named, whatever the match is called."""
    flagged: int
    """Documents of which anything is said to be an item."""
    expected: int
    """Documents in which the right item is named as the form's expected match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """An instance said to be in a text in which nothing was planted."""

    host: str
    instance: Name
    """The first of its equal names."""
    own: bool
    """Whether the host is a document of its own, not only a part of bulk documents."""
    bulk: int
    """Bulk documents with it."""
    overlap: float | None
    theirs: str
    ours: str


def rows(path: Path) -> Iterator[dict]:
    """Read json lines."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def open_corpus(folder: Path) -> Corpus:
    """Read ids, labels and names."""
    same: dict[Name, str] = {}
    texts: dict[Name, dict[str, str]] = {}
    for suite in load_suites(["evals"], folder):
        for row in suite.instances.select(["split", "id", "question", "passage"]).to_pylist():
            name = suite.name, row["split"], row["id"]
            same[name], texts[name] = same_words(row["question"]), row
    return Corpus(
        folder=folder, about=json.loads((folder / "about.json").read_text("utf-8")),
        ids={path.name: [row["id"] for row in rows(path)] for path in sorted((folder / "peer").iterdir())},
        labels={row["id"]: row for row in rows(folder / "labels.jsonl")},
        parts={row["id"]: [(p[0], p[1]) for p in row["parts"]] for row in rows(folder / "bulk.jsonl")},
        same=same, texts=texts,
    )  # fmt: skip


def own_findings(corpus: Corpus, hits: Path) -> list[Found]:
    """Read hits.parquet of tulu-data; matched texts only of documents in which nothing is planted."""
    columns = [
        "origin",
        "suite",
        "split",
        "instance",
        "match",
        "field",
        "overlap",
        "record_spans",
        "instance_spans",
    ]
    found, texts = [], _texts(corpus)
    for hit in pq.read_table(hits, columns=columns).to_pylist():
        file, _, row = hit["origin"].rpartition(":")
        document = corpus.ids[Path(file).name][int(row) - 1]
        name = hit["suite"], hit["split"], hit["instance"]
        more: dict = {}
        if not document.startswith("leak"):
            more = _evidence(hit, texts[document], corpus.texts[name][hit["field"]])
        found.append(
            Found(document=document, instance=name, match=hit["match"], overlap=hit["overlap"], **more)
        )
    return found


def _texts(corpus: Corpus) -> dict[str, list[str]]:
    """Return the turns of every unplanted document."""
    texts = {}
    for name in corpus.ids:
        for row in rows(corpus.folder / "train" / name):
            if not row["id"].startswith("leak"):
                turns = row.get("messages") or [{"content": row["prompt"]}]
                texts[row["id"]] = [turn["content"] for turn in turns]
    return texts


def _evidence(hit: dict, turns: list[str], text: str) -> dict:
    """Cut the longest matched part out of both texts."""
    theirs = max(hit["record_spans"], key=lambda s: s["end"] - s["start"])
    ours = max(hit["instance_spans"], key=lambda s: s["end"] - s["start"])
    return {
        "theirs": turns[theirs["turn"]][theirs["start"] : theirs["end"]], "at": theirs["start"],
        "ours": text[ours["start"] : ours["end"]],
    }  # fmt: skip


def placed(corpus: Corpus, said: Iterable[tuple[str, Name, str, str]]) -> list[Found]:
    """Read (document, instance, both matched texts) of a peer; find places in joined documents by words."""
    texts, found = _texts(corpus), []
    for document, name, theirs, ours in said:
        at = _place(corpus.parts[document], texts[document][0], theirs) if document in corpus.parts else None
        found.append(Found(document=document, instance=name, theirs=theirs, ours=ours, at=at))
    return found


def _place(parts: list[tuple[str, int]], text: str, matched: str) -> int:
    """Return where the part begins that has most of the words."""
    words, start, best = set(same_words(matched).split()), 0, (-1, 0)
    for _, length in parts:
        shared = len(words & set(same_words(text[start : start + length]).split()))
        best = max(best, (shared, -start))
        start += length + len(JOINT)
    return -best[1]


def scores(corpus: Corpus, found: Iterable[Found]) -> dict[str, Score]:
    """Score every form."""
    by_document: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_document[one.document].append(one)
    counts: dict[str, list[int]] = {form: [0] * 5 for form in FORMS}
    for document, label in corpus.labels.items():
        right = {(e["suite"], e["split"], e["instance"]) for e in label["equivalents"]}
        said = by_document.get(document, [])
        matches = {one.match for one in said if one.instance in right}
        of_form = (
            True, "item" in matches, bool(matches), any(one.match == "item" for one in said),
            label["expected"] in matches,
        )  # fmt: skip
        counts[label["form"]] = [n + is_so for n, is_so in zip(counts[label["form"]], of_form, strict=True)]
    return {
        form: Score(planted=n[0], right=n[1], named=n[2], flagged=n[3], expected=n[4])
        for form, n in counts.items()
    }


def misses(corpus: Corpus, found: Iterable[Found]) -> list[dict]:
    """List the labels of leaks that are not named as what they are, with what was said of the right item."""
    said: dict[str, dict[Name | None, str]] = defaultdict(dict)
    for one in found:
        if said[one.document].get(one.instance) != "item":
            said[one.document][one.instance] = one.match
    missed = []
    for document, label in corpus.labels.items():
        names = [(e["suite"], e["split"], e["instance"]) for e in label["equivalents"]]
        matches = {said[document][name] for name in names if name in said[document]}
        if label["expected"] not in matches:
            others = sum(match == "item" for match in said[document].values())
            missed.append({**label, "said": sorted(matches), "items": others})
    return missed


def unplanted(found: Iterable[Found]) -> dict[str, int]:
    """Count the documents of each kind in which nothing is planted and an item is said to be."""
    said = {one.document for one in found if one.match == "item"}
    return {kind: sum(document.startswith(kind) for document in said) for kind in ("host", "bulk")}


def flags(corpus: Corpus, found: Iterable[Found]) -> list[Flag]:
    """List every flag on an unplanted text once, whatever equal names and joined documents repeat it."""
    first: dict[tuple[str, str], Found] = {}
    names: dict[tuple[str, str], Name] = {}
    documents: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in found:
        if one.match == "item" and one.instance and not one.document.startswith("leak"):
            key = _host(corpus, one), corpus.same[one.instance]
            first.setdefault(key, one)
            names[key] = min(names.get(key, one.instance), one.instance)
            documents[key].add(one.document)
    return [
        Flag(
            host=key[0], instance=names[key], own=key[0] in documents[key],
            bulk=sum(d.startswith("bulk") for d in documents[key]),
            overlap=one.overlap, theirs=one.theirs, ours=one.ours,
        )
        for key, one in sorted(first.items())
    ]  # fmt: skip


def _host(corpus: Corpus, one: Found) -> str:
    """Name the host that a flag lies in: the document, or the part of a bulk document."""
    parts, start = corpus.parts.get(one.document), 0
    if not parts or one.at is None:
        return one.document
    for host, length in parts:
        start += length + len(JOINT)
        if one.at < start:
            return host
    return parts[-1][0]
