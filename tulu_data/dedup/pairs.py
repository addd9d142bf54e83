"""A finished search opened again: the pairs of its clusters, and both original texts of each.

The one idea: what is looked at is one record that was dropped beside the one it was found to be like; pairs
of a cluster stand together, the largest cluster first. Nothing is compared anew but where the two differ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.dedup.clusters import CLUSTERS
from tulu_data.dedup.differing import Spans, differing
from tulu_data.errors import SourceError, StoreError
from tulu_data.sources.reports import REPORT_FILE, read_report
from tulu_data.sources.shelves import Missing, Row, Shelves, opens_datasets, opens_sources
from tulu_data.sources.views import View, side_views
from tulu_data.store import Store, Version

CLUSTERS_FILE = "clusters.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A record that was dropped, and the one that it was found to be like."""

    dropped: Row
    """A row of clusters.parquet."""
    like: Row
    """Another one, which may itself have been dropped later."""
    kept: Row
    """The one that stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A text of a record, with what of it the other record lacks."""

    title: str
    text: str
    spans: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search's clusters, and how their texts are found."""

    clusters: pa.Table
    """As clusters.parquet has them."""
    shelves: Shelves

    def pairs(self) -> Iterator[Pair]:
        """Yield the pairs, those of a cluster together, in the order of the table."""
        for _, group in groupby(self.clusters.to_pylist(), key=lambda row: (row.get("step"), row["cluster"])):
            kept, *gone = group
            places = {row["origin"]: row for row in (*gone, kept)}
            for row in gone:
                yield Pair(dropped=row, like=places[row["stands"]], kept=kept)

    def narrowed(self, pairs: Sequence[Pair]) -> "Search":
        """Return this search for some of its pairs, so that no other record is read back."""
        rows = [row for pair in pairs for row in (pair.dropped, pair.like)]
        wanted = pa.Table.from_pylist(list(map(dict, rows)), schema=self.clusters.schema)
        return replace(self, shelves=self.shelves.narrowed(wanted))

    def turns(self, pair: Pair) -> tuple[list[Turn] | Missing, list[Turn] | Missing]:
        """Return the texts of both records, the dropped one first, each marked where both are there."""
        one, other = self._texts(pair.dropped), self._texts(pair.like)
        if isinstance(one, Missing) or isinstance(other, Missing):
            return _unmarked(one), _unmarked(other)
        marks = differing([text for _, text in one], [text for _, text in other])
        return _marked(one, marks[0]), _marked(other, marks[1])

    def _texts(self, row: Row) -> list[tuple[str, str]] | Missing:
        """Return the titles and texts of a row's record: its messages, their tool calls, its ground truth."""
        found = self.shelves.content(row)
        if isinstance(found, Missing):
            return found
        texts = []
        for number, said in enumerate(found.turns(), 1):
            where = "" if said["column"] == "messages" else f", {said['column']}"
            title = f"turn {number} {said['role']}{where}"
            texts.append((title, said["content"] or ""))
            if said["tool_calls"]:
                texts.append((f"{title}, tool calls", said["tool_calls"]))
        return [*texts, *([("ground truth", found.ground_truth)] if found.ground_truth else [])]


def _marked(texts: Sequence[tuple[str, str]], marks: Sequence[Spans]) -> list[Turn]:
    return [
        Turn(title=title, text=text, spans=spans) for (title, text), spans in zip(texts, marks, strict=True)
    ]


def _unmarked(texts: Sequence[tuple[str, str]] | Missing) -> list[Turn] | Missing:
    return texts if isinstance(texts, Missing) else _marked(texts, [[] for _ in texts])


def open_search(found: Path | Version, base: Path, store: Store) -> Search:
    """Open what `tulu-data dedup` wrote in a folder, or the steps `dedup` of a version's mixture.

    Raises SourceError or StoreError where there are no clusters.
    """
    if isinstance(found, Path):
        opens = opens_datasets(read_report(found), found, store)
        clusters = _table(found / CLUSTERS_FILE, CLUSTERS)
        return Search(clusters=clusters, shelves=Shelves(rows=clusters, key="dataset", opens=opens))
    path = found.path / CLUSTERS_FILE
    if not path.is_file():
        raise StoreError(f"{found.ref}: has no clusters; its mixture has no step dedup")
    clusters = pq.read_table(path)
    opens = opens_sources(found, base, store)
    return Search(clusters=clusters, shelves=Shelves(rows=clusters, key="source", opens=opens))


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table of a report; raise SourceError where it is none of these columns."""
    found = pq.read_table(path) if path.is_file() else None
    if found is None or not {*schema.names} <= {*found.column_names}:
        what = "is not there" if found is None else "was written by an older tulu-data"
        raise SourceError(f"{path}: {what}, though {REPORT_FILE} is; make the report anew")
    return found


def views(folder: Path, base: Path, store: Store) -> dict[str, View]:
    """Name the views of a report: its tables, and the records behind its clusters."""

    def records() -> pa.Table:
        return open_search(folder, base, store).shelves.records()

    return {"records": records, **side_views(folder)}


def as_json(search: Search, pair: Pair) -> dict[str, Any]:
    """Return a pair with both texts, as JSON values."""
    dropped, like = search.turns(pair)
    about = ("cluster", "size", "reason", "jaccard", "containment")
    return {
        **{name: pair.dropped[name] for name in about}, "kept": pair.kept["origin"],
        "dropped": _side(pair.dropped, dropped), "like": _side(pair.like, like),
    }  # fmt: skip


def _side(row: Row, turns: Sequence[Turn] | Missing) -> dict[str, Any]:
    """Return one record of a pair as JSON values."""
    place = {name: row[name] for name in ("dataset", "source", "origin", "id") if name in row}
    if isinstance(turns, Missing):
        return {**place, "missing": turns.why}
    told = [
        {
            "title": turn.title,
            "text": turn.text,
            "spans": [{"start": low, "end": high} for low, high in turn.spans],
        }
        for turn in turns
    ]
    return {**place, "texts": told}
