"""What became of records: every place of one among what a version was made of, and its fate there.

The one idea: a row of a source is in the version, dropped, quarantined, left out by `where`, or not drawn;
the first three stand in the version's own tables, and the others follow from what the cache keeps of its
files.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from json import loads
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tulu_data.account.offered import kept_files, spec_of
from tulu_data.account.sought import Sought, places_of
from tulu_data.account.tables import side_table
from tulu_data.mix.draw import draw_order, occurrences
from tulu_data.schema import TEXT
from tulu_data.sources.cache import NormalisedFile
from tulu_data.sources.where import Where
from tulu_data.specs.mixture import Mixture
from tulu_data.store import SourceEntry, Store, Version

State = Literal["in", "dropped", "quarantined", "left out by where", "not drawn"]
_DROPPED = ("id", "source", "origin", "step", "reason", "evidence")
_QUARANTINED = ("source", "origin", "reason", "detail", "raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one row of a source."""

    source: str
    origin: str
    id: str | None
    """None of a row that is no record."""
    state: State
    facts: dict[str, Any] = field(default_factory=dict)
    """More about it, by what it is: rows and copies; step, reason and evidence; rank; the condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """All that is known of what was asked for."""

    fates: tuple[Fate, ...]
    unkept: tuple[str, ...]
    """Sources whose files are not kept as they were read; what was not drawn of them is not known."""


class Made:
    """What a version was made of: its tables, and the files that the cache keeps."""

    def __init__(self, version: Version, store: Store) -> None:
        """Open the files that are kept; nothing is read before it is asked for."""
        self.version = version
        self.mixture: Mixture = spec_of(version)
        self.files: dict[str, list[NormalisedFile] | None] = {
            entry.name: kept_files(version, entry, self.mixture.sources[entry.name], store)
            for entry in version.manifest.sources
        }

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the records of the version and of all files that are kept, each file once."""
        yield from self.version.batches()
        files = [file for several in self.files.values() for file in several or ()]
        for file in {file.folder: file for file in files}.values():
            yield from file.table.to_batches()

    def fates(self, wanted: Sought) -> Fates:
        """Return what became of all that is meant, by source and origin."""
        found = {(one.source, one.origin): one for one in self._in_tables(wanted)}
        for entry in self.version.manifest.sources:
            for one in self._offered(entry, wanted):
                found.setdefault((one.source, one.origin), one)
        unkept = tuple(name for name, files in self.files.items() if files is None)
        return Fates(fates=tuple(found[key] for key in sorted(found, key=_place)), unkept=unkept)

    def _in_tables(self, wanted: Sought) -> Iterator[Fate]:
        """Yield what stands in the version and in the tables beside it."""
        yield from self._in_version(wanted)
        for name, columns in (("dropped", _DROPPED), ("quarantined", _QUARANTINED)):
            table = side_table(self.version, name, columns)
            ids = table.column("id") if "id" in columns else pa.nulls(table.num_rows, TEXT)
            for row in table.take(places_of(wanted.among(ids, table.column("origin")))).to_pylist():
                source, origin, key = row.pop("source"), row.pop("origin"), row.pop("id", None)
                if "evidence" in row:
                    row["evidence"] = loads(row["evidence"]) if row["evidence"] else None
                state: State = "dropped" if name == "dropped" else "quarantined"
                yield Fate(source=source, origin=origin, id=key, state=state, facts=row)

    def _in_version(self, wanted: Sought) -> Iterator[Fate]:
        """Yield the records that are in the version, each with its rows."""
        table = self.version.table(["id", "source", "origin", "copy"])
        at = places_of(wanted.among(table.column("id"), table.column("origin")))
        rows: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        for place, row in zip(at.to_pylist(), table.take(at).to_pylist(), strict=True):
            rows.setdefault((row["source"], row["origin"], row["id"]), []).append((place, row["copy"]))
        for (source, origin, key), places in rows.items():
            told = [{"row": at + 1, "copy": copy, "shard": self._shard(at)} for at, copy in places]
            yield Fate(source=source, origin=origin, id=key, state="in", facts={"rows": told})

    def _shard(self, at: int) -> str:
        """Return the file that a row of the version is in."""
        ends = np.cumsum([shard.rows for shard in self.version.manifest.shards])
        return self.version.manifest.shards[int(np.searchsorted(ends, at, side="right"))].file

    def _offered(self, entry: SourceEntry, wanted: Sought) -> Iterator[Fate]:
        """Yield the records of a source that are meant, as `where` and the draw left them out."""
        spec = self.mixture.sources[entry.name]
        for file in self.files[entry.name] or ():
            lines = file.table.column("row")
            if wanted.file is not None:
                if not wanted.means(file.file.origin):
                    continue
                at = np.flatnonzero(np.isin(lines.to_numpy(), wanted.rows)).tolist()
            else:
                ids = file.table.column("id")
                at = places_of(wanted.among(ids, pa.nulls(len(ids), TEXT))).to_pylist()
            held = set(file.rows(spec.where and Where(spec.where).sql).tolist()) if at else set()
            for place in at:
                fate = Fate(
                    source=entry.name, origin=f"{file.file.origin}:{lines[place].as_py()}",
                    id=file.table.column("id")[place].as_py(), state="left out by where",
                    facts={"where": spec.where},
                )  # fmt: skip
                if place in held:
                    yield Fate(
                        source=fate.source, origin=fate.origin, id=fate.id, state="not drawn",
                        facts=self._rank(entry, fate.origin),
                    )  # fmt: skip
                else:
                    yield fate

    def _rank(self, entry: SourceEntry, origin: str) -> dict[str, Any]:
        """Return where a record stands in the draw of its source, and where the take ended.

        Nothing where the files that are kept do not give all that the steps left.
        """
        table = side_table(self.version, "dropped", ["source", "origin"])
        gone = set(
            table.column("origin").filter(pa.compute.equal(table.column("source"), entry.name)).to_pylist()
        )
        spec = self.mixture.sources[entry.name]
        origins: list[str] = []
        parts = [np.zeros((0, 2), np.uint64)]
        for file in self.files[entry.name] or ():
            held = file.rows(spec.where and Where(spec.where).sql).tolist()
            names = [f"{file.file.origin}:{row}" for row in file.table.column("row").to_pylist()]
            left = [at for at in held if names[at] not in gone]
            origins += [names[at] for at in left]
            parts.append(file.ids[left])
        if origin not in origins or len(origins) != entry.kept + entry.not_drawn:
            return {}
        ids = np.concatenate(parts)
        number, _ = occurrences(ids)
        order = draw_order(self.mixture.seed, entry.name, ids, number)
        rank = int(np.flatnonzero(order == origins.index(origin))[0]) + 1
        return {"rank": rank, "of": len(origins), "taken": entry.kept}


def _place(key: tuple[str, str]) -> tuple[str, str, int]:
    """Order rows by source, file and number."""
    source, origin = key
    file, _, row = origin.rpartition(":")
    return source, file, int(row)
