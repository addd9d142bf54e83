"""Why a record is in a version or not, in full: its fate at every place, with the texts that tell why.

The one idea: a fate names other records and eval instances, and here their texts are put beside it, as far as
they can be read back. What cannot be read is left out, and takes nothing from the answer.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.account.around import Around, look_around
from tulu_data.account.fates import Fate, Fates, Made
from tulu_data.account.inputs import Place, own_pins
from tulu_data.account.sought import MOST, Sought, placed, places_of
from tulu_data.account.tables import side_table
from tulu_data.decontaminate.findings import open_findings
from tulu_data.errors import SourceError, TuluDataError
from tulu_data.schema import TEXT
from tulu_data.sources.shelves import Content, Missing, Shelves, opens_sources
from tulu_data.sources.turns import columns_of
from tulu_data.store import Store, Version

_HIT = ("suite", "split", "instance", "field", "rule", "overlap", "match", "decision")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What became of what was asked for."""

    version: Version
    fates: tuple[Fate, ...]
    texts: Mapping[str, str]
    """How records begin, by id, those that stand for others among them."""
    hits: Mapping[str, tuple[dict[str, Any], ...]]
    """Hits on records, by id, each with the text of its instance where it can be had."""
    duplicates: Mapping[str, int]
    """Records that went because of one, by its id."""
    states: Mapping[str, str]
    """What became of records that stand for others, by id."""
    unkept: tuple[str, ...]
    refused: Mapping[str, str]
    """Why sources would make no record of the row that was given."""
    columns: Mapping[str, tuple[str, ...]]
    """Column of each message of records, by id."""
    around: Around

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "version": self.version.ref,
            "records": [
                {
                    **asdict(fate), "text": self.texts.get(fate.id or ""),
                    "hits": list(self.hits.get(fate.id or "", ())),
                    "duplicates": self.duplicates.get(fate.id or "", 0), "stands": self._stands(fate),
                }
                for fate in self.fates
            ],
            "unkept": list(self.unkept), "refused": dict(self.refused),
            "changed": [asdict(one) for one in self.around.changed], "answers": list(self.around.answers),
        }  # fmt: skip

    def _stands(self, fate: Fate) -> dict[str, Any] | None:
        """Return the record that stands for a duplicate, with its text and fate."""
        stands = standing_for(fate)
        if stands is None:
            return None
        return {**stands, "text": self.texts.get(stands["id"]), "state": self.states.get(stands["id"])}


def explain(
    made: Made, wanted: Sought, base: Path, store: Store, refused: Mapping[str, str] | None = None
) -> Explained:
    """Explain what became of what is asked for; raise SourceError where it means many records."""
    wanted = placed(wanted, (f.origin for s in made.version.manifest.sources for f in s.files), base)
    found = made.fates(wanted)
    _refuse_many(found, wanted)
    place = Place(base=base, store=store, pins=own_pins(made.version, made.mixture), offline=True)
    around = look_around(made, wanted, place, is_found=bool(found.fates))
    if around.answers:
        found = made.fates(replace(wanted, rows=around.answers[:MOST]))
    keys = frozenset(fate.id for fate in found.fates if fate.id)
    standing = [stands for fate in found.fates if (stands := standing_for(fate))]
    others = made.fates(Sought(ids=frozenset(one["id"] for one in standing))) if standing else None
    places = [{"source": f.source, "origin": f.origin, "id": f.id} for f in found.fates if f.id]
    texts, columns = _texts(made, [*places, *standing], base, store)
    return Explained(
        version=made.version, fates=found.fates, texts=texts, columns=columns, around=around,
        hits=_hits(made.version, keys, base, store), duplicates=_duplicates(made.version, keys),
        states={fate.id: fate.state for fate in reversed(others.fates if others else ()) if fate.id},
        unkept=found.unkept, refused=refused or {},
    )  # fmt: skip


def standing_for(fate: Fate) -> dict[str, Any] | None:
    """Return id, source and origin of the record that stands for a duplicate."""
    evidence = fate.facts.get("evidence")
    return evidence.get("stands") if isinstance(evidence, dict) else None


def _refuse_many(found: Fates, wanted: Sought) -> None:
    """Raise SourceError where first digits are those of several records."""
    keys = sorted({fate.id for fate in found.fates if fate.id})
    if wanted.prefix is not None and len(keys) > 1:
        told = ", ".join(keys[:MOST]) + (", ..." if len(keys) > MOST else "")
        raise SourceError(
            f"{wanted.prefix}: begins the ids of {len(keys)} records; give more digits of {told}"
        )


Columns = dict[str, tuple[str, ...]]


def _texts(
    made: Made, places: list[dict[str, Any]], base: Path, store: Store
) -> tuple[dict[str, str], Columns]:
    """Return how records begin, and the columns of their messages.

    Out of the version or the cache, else read back from where they came.
    """
    wanted = pa.array(sorted({place["id"] for place in places}), TEXT)
    texts: dict[str, str] = {}
    columns: Columns = {}
    for batch in made.batches() if len(wanted) else ():
        here = batch.take(places_of(pc.is_in(batch.column("id"), wanted)))
        named = [(name, here.column(name).to_pylist()) for name in columns_of(made.version.kind)]
        for row, key in enumerate(here.column("id").to_pylist()):
            turns = [(name, turn) for name, column in named for turn in column[row] or ()]
            texts[key] = str(turns[0][1]["content"]) if turns else ""
            columns[key] = tuple(name for name, _ in turns)
        if len(texts) == len(wanted):
            return texts, columns
    left = [place for place in places if place["id"] not in texts]
    rows = pa.Table.from_pylist(left, pa.schema([("source", TEXT), ("origin", TEXT), ("id", TEXT)]))
    try:
        shelves = Shelves(rows=rows, key="source", opens=opens_sources(made.version, base, store))
        contents = {place["id"]: shelves.content(place) for place in left}
    except TuluDataError:
        return texts, columns
    found = {key: one for key, one in contents.items() if isinstance(one, Content)}
    columns |= {key: one.columns for key, one in found.items()}
    return texts | {key: _first(one) for key, one in found.items()}, columns


def _first(content: Content) -> str:
    turns = content.turns()
    return str(turns[0]["content"]) if turns else ""


def _hits(
    version: Version, keys: frozenset[str], base: Path, store: Store
) -> dict[str, tuple[dict[str, Any], ...]]:
    """Return the hits on records with the questions of their instances."""
    if version.manifest.decontamination is None or not keys:
        return {}
    table = side_table(version, "hits", ["id", *_HIT])
    at = places_of(pc.is_in(table.column("id"), pa.array(sorted(keys), TEXT)))
    if not len(at):
        return {}
    try:
        findings = open_findings(version, version.ref, base, store)
    except TuluDataError:
        findings = None
    found: dict[str, list[dict[str, Any]]] = {}
    for hit in table.take(at).sort_by([("overlap", "descending")]).to_pylist():
        instance = findings.instance(hit) if findings else Missing(why="")
        question = None if isinstance(instance, Missing) else instance["question"]
        found.setdefault(hit.pop("id"), []).append({**hit, "question": question})
    return {key: tuple(hits) for key, hits in found.items()}


def _duplicates(version: Version, keys: frozenset[str]) -> dict[str, int]:
    """Count the records that went because of others."""
    if not version.manifest.duplicates or not keys:
        return {}
    table = side_table(version, "clusters", ["cluster", "kept"])
    mine = pc.and_(pc.is_in(table["cluster"], pa.array(sorted(keys), TEXT)), pc.invert(table["kept"]))
    counts = pc.value_counts(table["cluster"].filter(mine)).to_pylist()
    return {one["values"]: one["counts"] for one in counts}
