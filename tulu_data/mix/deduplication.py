"""The step `dedup`: of records that are the same or nearly, keep one.

The one idea: the records that are still in are read once, batch by batch, and what stays of them follows from
the spec and the records alone, so neither the order of sources nor threads matter. How records are
compared it does not know.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tulu_data.dedup.clusters import clusters_of, clusters_schema, counts_of
from tulu_data.dedup.finder import (
    CONTAINED,
    KEPT,
    NEAR,
    REASONS,
    RECORD,
    TEXT_EQUAL,
    Finder,
    Outcome,
)
from tulu_data.dedup.preference import source_ranks
from tulu_data.mix.context import StepContext
from tulu_data.mix.pool import Index, Lookalikes, Pool
from tulu_data.schema import TEXT, Kind
from tulu_data.specs.mixture import DedupStep

CLUSTERS = clusters_schema(pa.schema([("source", TEXT), ("origin", TEXT)]))
"""Of a mixture, but for the number of the step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduplication:
    """What one step found."""

    number: int
    """Place of the step in the spec, from 0."""
    step: DedupStep
    records: int
    """Records that it looked at."""
    outcome: Outcome
    clusters: pa.Table
    """Of schema CLUSTERS."""

    def to_dict(self) -> dict[str, Any]:
        """Return what was looked for and found, as JSON values."""
        counts = np.bincount(self.outcome.reason, minlength=len(REASONS)).tolist()
        return {
            "step": self.number, **self.step.model_dump(mode="json", exclude={"step"}),
            "records": self.records, "kept": counts[KEPT],
            "dropped": {REASONS[k]: counts[k] for k in reasons_of(self.step)},
            **counts_of(self.outcome, self.clusters),
        }  # fmt: skip


def clusters_table(found: Sequence[Deduplication]) -> pa.Table:
    """Return the clusters of all steps, each with the number of its step."""
    numbers = [pa.repeat(pa.scalar(one.number, pa.int64()), len(one.clusters)) for one in found]
    return pa.concat_tables(
        one.clusters.add_column(0, "step", number) for one, number in zip(found, numbers, strict=True)
    )


def reasons_of(step: DedupStep) -> tuple[int, ...]:
    """Return the reasons for which a step may drop, as places in REASONS."""
    if step.key == "record":
        return (RECORD,)
    return (RECORD, TEXT_EQUAL) if step.near is None else (RECORD, TEXT_EQUAL, NEAR, CONTAINED)


def run_dedup(pool: Pool, step: DedupStep, number: int, kind: Kind, context: StepContext) -> Deduplication:
    """Find the duplicates among the records that are still in, and drop all but one of each cluster."""
    wanted, named = source_ranks([source.name for source in pool.sources], step.prefer)
    with Finder(
        key=step.key, near=step.near, folder=context.cache / "dedup", workers=context.workers
    ) as finder:
        read: list[Index] = [np.zeros(0, np.int64)]
        finder.read(_records(pool, read), kind)
        entries = np.concatenate(read)
        source = pool.source[entries]
        quality = None if pool.quality is None else pool.quality[entries]
        outcome = finder.settle(wanted[source], quality, named[source], context.say)
    _drop(pool, entries, outcome)

    def places(rows: Index) -> pa.Table:
        columns = [pool.source_of(entries[rows]), pool.origin_of(entries[rows])]
        return pa.table(columns, names=["source", "origin"])

    return Deduplication(
        number=number, step=step, records=len(entries), outcome=outcome,
        clusters=clusters_of(outcome, pool.ids[entries], places),
    )  # fmt: skip


def _records(pool: Pool, read: list[Index]) -> Iterator[pa.RecordBatch]:
    """Yield the records that are still in, and note the entry of each."""
    for part in pool.parts(pool.alive):
        read.append(part.entries)
        yield part.records_by_entry()


def _drop(pool: Pool, entries: Index, outcome: Outcome) -> None:
    """Drop all that does not stay."""
    for number in np.unique(outcome.reason).tolist():
        if number != KEPT:
            pool.drop(entries[outcome.reason == number], "dedup", REASONS[number])
    gone = np.flatnonzero(outcome.reason != KEPT)
    alike, stays = entries[outcome.alike[gone]], entries[outcome.stays[gone]]
    shares = outcome.jaccard[gone], outcome.containment[gone]
    pool.lookalikes.append(Lookalikes(entries[gone], alike, stays, *shares))
