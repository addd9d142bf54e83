"""The step `decontaminate`: find eval instances in the records, and drop or flag the records.

The one idea: a scan says which records of which batch hold what, and here that is joined with the sources
that offer them. It judges no hit: the scan, the decisions and the action of the step do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from tulu_data.decontaminate import Report, make_report, open_index
from tulu_data.decontaminate.decisions import NO_DECISIONS, Decided, decide
from tulu_data.decontaminate.report import strongest, to_drop
from tulu_data.decontaminate.scan import scan
from tulu_data.mix.context import StepContext
from tulu_data.mix.pool import Index, Part, Pool
from tulu_data.schema import Kind
from tulu_data.specs.decisions import read_decisions
from tulu_data.specs.rules import Scope
from tulu_data.specs.steps import Action, DecontaminateStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Decontamination:
    """What a decontamination step found: the report and the hits, joined with sources."""

    action: Action
    scope: Scope
    report: Report
    decided: Decided
    """The hits, with the decisions on them."""

    def to_dict(self) -> dict[str, Any]:
        """Return action, scope, the report and the counts of decisions, as JSON values."""
        asked = {"action": self.action, "scope": self.scope}
        return {**asked, **self.report.to_dict(), "decisions": self.decided.to_dict()}


def run_decontaminate(
    pool: Pool, step: DecontaminateStep, kind: Kind, context: StepContext
) -> Decontamination:
    """Scan the records that are still in, report hits per suite and source, and drop or flag them."""
    cache = context.cache / "suites"
    index = open_index(context.suites[step.against], step.rule, cache=cache)
    parts = list(pool.parts(pool.alive))
    batches = (part.records() for part in parts)
    found = scan(batches, kind, index, scope=step.scope, workers=context.workers).table
    line, entries = _entries_of(parts, found.column("record").to_numpy())
    scanned = {name: len(alive) for name, alive in pool.alive_by_source().items()}
    hits = found.take(pa.array(line)).set_column(0, "record", pa.array(entries))
    hits = hits.add_column(0, "source", pool.source_of(entries))
    hits = hits.add_column(1, "origin", pool.origin_of(entries))
    decisions = read_decisions(context.base / step.decisions) if step.decisions else NO_DECISIONS
    decided = decide(hits, decisions, index.suites)
    report = make_report(index, decided.hits, scanned)
    _drop_hits(pool, entries, decided.hits, step.action)
    if step.action == "drop_source":
        _drop_sources(pool, report)
    hits = decided.hits.drop_columns(["record"])
    decided = replace(decided, hits=hits)
    return Decontamination(action=step.action, scope=step.scope, report=report, decided=decided)


def _entries_of(parts: Sequence[Part], records: Index) -> tuple[Index, Index]:
    """Return (line, entry) of every entry behind the records of a scan; sources may share a record."""
    starts = np.cumsum([0, *(len(part.rows) for part in parts)])
    places = [start + part.at for start, part in zip(starts, parts, strict=False)]
    place = np.concatenate([np.zeros(0, np.int64), *places])
    entry = np.concatenate([np.zeros(0, np.int64), *(part.entries for part in parts)])
    order = np.argsort(place, kind="stable")
    low, high = (np.searchsorted(place[order], records, side=side) for side in ("left", "right"))
    line = np.repeat(np.arange(len(records)), high - low)
    within = np.arange(len(line)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
    return line, entry[order[low[line] + within]]


def _drop_hits(pool: Pool, entries: Index, hits: pa.Table, action: Action) -> None:
    """Drop the records of hits that an action drops; the evidence is the strongest of them."""
    gone = to_drop(hits, action)
    entries, hits = entries[gone.to_numpy()], hits.filter(gone)
    pool.drop(entries, "decontaminate", "contaminated")
    pool.evidence |= strongest(hits, entries.tolist())


def _drop_sources(pool: Pool, report: Report) -> None:
    """Drop all that is left of sources; the evidence is the suite with the largest share."""
    alive = pool.alive_by_source()
    for row in report.sources_to_drop:
        entries = alive[row.source]
        pool.drop(entries, "decontaminate", "source_contaminated")
        pool.evidence |= dict.fromkeys(entries.tolist(), row.evidence)
        pool.dropped_whole[row.source] = (
            f"step decontaminate dropped the whole source, which holds {row.instances_hit:,} of "
            f"{row.instances:,} instances ({row.share:.1%}) of suite {row.suite}/{row.split}"
        )
