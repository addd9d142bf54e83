"""Duplicates among datasets: what a search in files and versions found, and what it says of their rows.

The one idea: records are put aside as they are read, each with its place, and settled at the end; the rows of
every dataset then add up to kept and dropped by reason. It writes nothing but the table and the counts.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.dedup.against import Against, Met
from tulu_data.dedup.clusters import PLACES, clusters_of, counts_of
from tulu_data.dedup.examples import Shown, shown_of, tenths
from tulu_data.dedup.finder import Finder, Outcome
from tulu_data.dedup.preference import source_ranks
from tulu_data.dedup.reasons import REASONS
from tulu_data.dedup.standing import open_each, settle, told_by
from tulu_data.errors import SourceError, nearest
from tulu_data.kernels.words import Ints
from tulu_data.schema import TEXT
from tulu_data.sources.datasets import PLACE, QUALITY, Dataset, Reading, data_files
from tulu_data.sources.fates import DROPPED, Fates
from tulu_data.sources.ledger import Course, Ledger, read_datasets
from tulu_data.sources.quality import Numbers, Quality
from tulu_data.sources.reports import renamed, write_report, writing
from tulu_data.specs.near import Key, Near
from tulu_data.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked for."""

    key: Key
    near: Near | None
    prefer: tuple[str, ...] = ()
    """Sources whose record stays, best first."""
    quality: str | None = None
    """SQL that says how good each record is, by the columns of its dataset; the best stays."""
    against: tuple[str, ...] = ()
    """Stored versions whose records stay before all others."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        near = self.near.model_dump() if self.near else None
        return {"key": self.key, "near": near, "prefer": list(self.prefer), "quality": self.quality}


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """What was found in some datasets."""

    asked: Asked
    ledger: Ledger
    outcome: Outcome
    clusters: pa.Table
    """Schema CLUSTERS."""
    shown: Shown
    met: tuple[tuple[Against, Met], ...]
    """What each stored version said of the records that were left to it."""

    @property
    def dropped(self) -> pa.Table:
        """The rows of clusters that do not stay."""
        return self.clusters.filter(pc.invert(self.clusters["kept"]))

    @property
    def fates(self) -> Fates:
        """What a copy leaves out."""
        rows, asked = self.dropped, REASONS[1:]
        parts = ["cluster", "stands", "jaccard", "containment"]
        told = [json.dumps(row, ensure_ascii=False) for row in rows.select(parts).to_pylist()]
        columns = [rows[name] for name in ("dataset", "origin", "id", "reason")]
        return Fates(dropped=pa.table([*columns, pa.array(told, TEXT)], schema=DROPPED), reasons=asked)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        by_source = Counter(
            zip(*(self.dropped[name].to_pylist() for name in ("dataset", "reason")), strict=True)
        )
        return {
            "command": "dedup", **self.asked.to_dict(),
            "datasets": [
                {
                    "dataset": account.dataset, "kind": account.kind, "read": account.read,
                    "quarantined": dict(account.quarantined), "records": account.records,
                    "dropped": {reason: by_source[account.dataset, reason] for reason in REASONS[1:]},
                    "files": dict(account.files),
                }
                for account in self.ledger.accounts
            ],
            "against": [told_by(one, met) for one, met in self.met],
            **self.ledger.to_dict(),
            "records": self.ledger.records, "kept": self.ledger.records - len(self.dropped),
            **counts_of(self.outcome, self.clusters), "jaccard": tenths(self.outcome),
            "crowded": [{"origin": one.origin, "compared": one.compared} for one in self.shown.crowded],
        }  # fmt: skip


def find_duplicates(
    names: Sequence[str], asked: Asked, *, base: Path, store: Store, reading: Reading, course: Course
) -> Duplicates:
    """Read datasets, or the data files of a workspace, and find their duplicates.

    Versions are read where they are named alone: their records are those of files, which lie there still.
    Raises SourceError or StoreError where one cannot be read.
    """
    if asked.quality is not None:
        reading = replace(reading, quality=Quality(asked.quality))
    cache, told, places = store.root / "cache", course.progress.end, [PLACES.empty_table()]
    qualities: list[Numbers] = []
    versions = map(store.resolve, asked.against)
    against = open_each(versions, asked.key, asked.near, cache=cache, workers=course.workers, told=told)
    with Finder(key=asked.key, near=asked.near, folder=cache / "dedup", workers=course.workers) as finder:

        def consume(dataset: Dataset, batches: Iterator[pa.RecordBatch]) -> None:
            _refuse_itself(dataset, against)
            mine: list[pa.Table] = []
            numbers: list[Numbers] = []
            finder.read(_noting(dataset.name, batches, mine, numbers), dataset.kind)
            places.extend(mine)
            qualities.extend(numbers)

        ledger = read_datasets(
            names, data_files, consume, base=base, store=store, reading=reading, course=course
        )
        placed = pa.concat_tables(places)
        priority, source = _ranks(placed["source"], asked.prefer)
        quality = np.concatenate(qualities) if qualities else None
        settled = settle(finder, against, priority, quality, source, told)
        outcome, placed = settled.outcome, pa.concat_tables([placed, settled.standing.places])
        shown = shown_of(
            outcome, settled.ids, _said_origins(placed),
            lambda row: finder.text(row) if row < len(finder) else settled.text(row),
        )  # fmt: skip
    clusters = clusters_of(outcome, settled.ids, placed.take)
    return Duplicates(
        asked=asked, ledger=ledger, outcome=outcome, clusters=clusters, shown=shown, met=settled.met
    )


def _said_origins(placed: pa.Table) -> pa.ChunkedArray:
    """Return the origins of records for a person to read: of a stored version's, whose they are too."""
    origin, dataset, between = placed["origin"], placed["dataset"], pa.scalar(" in ", TEXT)
    # The source of a file is the dataset itself; those of a version are named behind its name.
    is_file = pc.equal(placed["source"], dataset)
    return pc.if_else(is_file, origin, pc.binary_join_element_wise(origin, dataset, between))


def _refuse_itself(dataset: Dataset, against: Sequence[Against]) -> None:
    """Raise SourceError where a version is compared with itself."""
    for one in against:
        if dataset.content == {one.version.ref}:
            raise SourceError(
                f"{dataset.name}: is compared with itself, and every record would be a duplicate; leave it "
                "out of what is read, or of --against"
            )


def write_duplicates(found: Duplicates, folder: Path) -> dict[str, Any]:
    """Write clusters.parquet and then report.json, each at once; return the report as JSON values.

    It tells, from its folder, the folder that the origins of records start at.
    """
    report = found.to_dict()
    report["bases"] = {"datasets": os.path.relpath(found.ledger.base, folder)}
    with writing(folder):
        with renamed(folder / "clusters.parquet") as path:
            pq.write_table(found.clusters, path, compression="zstd")
        write_report(report, folder)
    return report


def _noting(
    dataset: str, batches: Iterator[pa.RecordBatch], places: list[pa.Table], qualities: list[Numbers]
) -> Iterator[pa.RecordBatch]:
    """Pass batches on, and note where their records stand and how good they are."""
    for batch in batches:
        name = pa.repeat(pa.scalar(dataset, TEXT), batch.num_rows)
        places.append(pa.table([name, *(batch.column(each) for each in PLACE)], schema=PLACES))
        if QUALITY in batch.schema.names:
            qualities.append(batch.column(QUALITY).to_numpy(zero_copy_only=False))
        yield batch


def _ranks(sources: pa.ChunkedArray, prefer: Sequence[str]) -> tuple[Ints, Ints]:
    """Return of each record how much its source is preferred, 0 most, and where the source stands by name."""
    column = sources.combine_chunks().dictionary_encode()
    names, number = column.dictionary.to_pylist(), column.indices.to_numpy(zero_copy_only=False)
    for name in prefer:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise SourceError(f"prefer: no source {name!r}{nearest(name, names)} (sources: {known})")
    wanted, named = source_ranks(names, prefer)
    return wanted[number], named[number]
