"""The step `dedup`: of records that are the same or nearly, keep one.

The one idea: the records that are still in are read once, batch by batch, and what stays of them follows from
the spec, the records and the stored versions that the spec names, so neither the order of sources nor threads
matter. How records are compared it does not know.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tulu_data.dedup.against import Against, Met
from tulu_data.dedup.clusters import Places, clusters_of, clusters_schema, counts_of, id_texts
from tulu_data.dedup.finder import Finder, Outcome
from tulu_data.dedup.preference import source_ranks
from tulu_data.dedup.reasons import KEPT, REASONS, reasons_of
from tulu_data.dedup.standing import Settled, open_each, settle, told_by
from tulu_data.mix.context import StepContext
from tulu_data.mix.pool import Index, Lookalikes, Pool
from tulu_data.schema import TEXT, Kind
from tulu_data.specs.steps import DedupStep

PLACES = pa.schema([("source", TEXT), ("origin", TEXT)])
"""Where a record stands; the source of one of a stored version is named `name@id source`."""
CLUSTERS = clusters_schema(PLACES)
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
    """First the records, then those of stored versions that stand for some of them."""
    clusters: pa.Table
    """Of schema CLUSTERS."""
    met: tuple[tuple[Against, Met], ...]
    """What each stored version said of the records that were left to it."""

    def to_dict(self) -> dict[str, Any]:
        """Return what was looked for and found, as JSON values."""
        counts = np.bincount(self.outcome.reason[: self.records], minlength=len(REASONS)).tolist()
        return {
            "step": self.number, **self.step.model_dump(mode="json", exclude={"step", "against"}),
            "against": [told_by(one, met) for one, met in self.met],
            "records": self.records, "kept": counts[KEPT],
            "dropped": {reason: counts[REASONS.index(reason)] for reason in reasons_of(self.step)},
            **counts_of(self.outcome, self.clusters),
        }  # fmt: skip


def run_dedup(pool: Pool, step: DedupStep, number: int, kind: Kind, context: StepContext) -> Deduplication:
    """Find the duplicates among the records that are still in, and drop all but one of each cluster.

    What a stored version holds that the step names is dropped first, all of it.
    """
    wanted, named = source_ranks([source.name for source in pool.sources], step.prefer)
    cache, workers, versions = context.cache, context.workers, [context.versions[ref] for ref in step.against]
    against = open_each(versions, step.key, step.near, cache=cache, workers=workers, told=context.say)
    with Finder(key=step.key, near=step.near, folder=cache / "dedup", workers=workers) as finder:
        read: list[Index] = [np.zeros(0, np.int64)]
        finder.read(_records(pool, read), kind)
        entries = np.concatenate(read)
        source = pool.source[entries]
        quality = None if pool.quality is None else pool.quality[entries]
        settled = settle(finder, against, wanted[source], quality, named[source], context.say)
    places = _places_of(pool, entries, settled.standing.places)
    _drop(pool, entries, settled, places)
    return Deduplication(
        number=number, step=step, records=len(entries), outcome=settled.outcome,
        clusters=clusters_of(settled.outcome, settled.ids, places), met=settled.met,
    )  # fmt: skip


def _records(pool: Pool, read: list[Index]) -> Iterator[pa.RecordBatch]:
    """Yield the records that are still in, and note the entry of each."""
    for part in pool.parts(pool.alive):
        read.append(part.entries)
        yield part.records_by_entry()


def _places_of(pool: Pool, entries: Index, standing: pa.Table) -> Places:
    """Return what tells where records stand: those of entries, and behind them those of stored versions."""

    def places(rows: Index) -> pa.Table:
        is_ours = rows < len(entries)
        ours, others = entries[rows[is_ours]], rows[~is_ours] - len(entries)
        mine = pa.table([pool.source_of(ours), pool.origin_of(ours)], schema=PLACES)
        both = pa.concat_tables([mine, standing.select(PLACES.names).take(others)])
        # The row of `both` that each one is: ours come first there, in their order.
        return both.take(np.argsort(np.argsort(~is_ours, kind="stable"), kind="stable"))

    return places


def _drop(pool: Pool, entries: Index, settled: Settled, places: Places) -> None:
    """Drop all that does not stay."""
    outcome, reason = settled.outcome, settled.outcome.reason[: len(entries)]
    for number in np.unique(reason).tolist():
        if number != KEPT:
            pool.drop(entries[reason == number], "dedup", REASONS[number])
    gone = np.flatnonzero(reason != KEPT)
    alike = outcome.alike[gone]
    stands = places(alike).add_column(0, "id", id_texts(settled.ids[alike]))
    cluster = id_texts(settled.ids[outcome.stays[gone]])
    shares = outcome.jaccard[gone], outcome.containment[gone]
    pool.lookalikes.append(Lookalikes(entries[gone], stands, cluster, *shares))
