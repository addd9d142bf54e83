"""Run a mixture's steps over the pool: filter, dedup, decontaminate.

Every step runs before the draw, over all records that a source offers, so that `rows: 5000` means
5000 rows in the version, and so that a keep mask does not depend on the takes. Each record that is
left out gets a reason and, where there is some, evidence.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.decontaminate import Report, build_index, load_suites, make_report, scan
from tulu_data.dedup.exact import first_of_each, prompt_keys
from tulu_data.engine.local import ordered_map
from tulu_data.filters import FILTERS
from tulu_data.mix.pool import Index, Pool
from tulu_data.mix.tokens import TokenCounter
from tulu_data.schema import TEXT, Kind
from tulu_data.specs.mixture import DecontaminateStep, DedupStep, FilterStep, Mixture


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What steps need besides the pool."""

    base: Path
    workers: int
    counter: TokenCounter | None
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decontamination:
    """What a decontamination step found: the report and the hits, joined with sources."""

    action: Literal["drop", "flag"]
    report: Report
    hits: pa.Table


def run_steps(pool: Pool, mixture: Mixture, context: StepContext) -> list[Decontamination]:
    """Run the steps in order; return what each decontamination step found."""
    found = []
    for step in mixture.steps:
        context.say(f"{step.step}: {len(pool.alive):,} records")
        if isinstance(step, FilterStep):
            _filter(pool, step, mixture.kind, context)
        elif isinstance(step, DedupStep):
            _dedup(pool, step, mixture.kind)
        else:
            found.append(_decontaminate(pool, step, mixture.kind, context))
    return found


def _filter(pool: Pool, step: FilterStep, kind: Kind, context: StepContext) -> None:
    """Drop records by every named filter, then by length in tokens."""

    def judge(work: tuple[pa.RecordBatch, Index, list[Index]]) -> list[tuple[str, Index]]:
        batch, rows, groups = work
        part = batch.take(pa.array(rows))
        found: list[tuple[str, Index]] = []
        for name in step.drop:
            hit = np.flatnonzero(FILTERS[name](part, kind))
            found.append((name, _entries(groups, hit)))
        return found

    for judged in ordered_map(judge, pool.batches_of(pool.alive), context.workers):
        for name, entries in judged:
            pool.drop(entries, "filter", name)
    if context.counter and (step.min_tokens or step.max_tokens):
        alive = pool.alive
        tokens = count_entries(pool, alive, context.counter, kind)
        pool.drop(alive[tokens < (step.min_tokens or 0)], "filter", "min_tokens")
        if step.max_tokens:
            pool.drop(alive[tokens > step.max_tokens], "filter", "max_tokens")


def _dedup(pool: Pool, step: DedupStep, kind: Kind) -> None:
    """Keep one of equal records: preferred sources first, then by source name, then by id."""
    alive = pool.alive
    keys = pool.ids[alive]
    if step.key == "prompt":
        every = np.zeros((len(pool.row), 2), np.uint64)
        for batch, rows, groups in pool.batches_of(alive):
            for key, group in zip(prompt_keys(batch.take(pa.array(rows)), kind), groups, strict=True):
                every[group] = key
        keys = every[alive]
    names = [source.name for source in pool.sources]
    ranked = [*step.prefer, *sorted(set(names) - set(step.prefer))]
    priority = np.array([ranked.index(name) for name in names])[pool.source[alive]]
    kept, stands = first_of_each(keys, priority, pool.ids[alive])
    pool.drop(alive[~kept], "dedup", f"duplicate_{step.key}")
    for i in np.flatnonzero(~kept).tolist():
        pool.evidence[int(alive[i])] = json.dumps({"kept": describe(pool, int(alive[stands[i]]))})


def _decontaminate(pool: Pool, step: DecontaminateStep, kind: Kind, context: StepContext) -> Decontamination:
    """Scan the records that are still in, report hits per suite and source, and drop or flag them."""
    suites = load_suites([Path(p) for p in step.against], context.base)
    index = build_index(suites, step.rule)
    groups: list[Index] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for batch, rows, here in pool.batches_of(pool.alive):
            groups.extend(here)
            yield batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))

    found = scan(batches(), kind, index, workers=context.workers)
    hit = found.table.column("record").to_numpy()
    entries = np.concatenate([groups[i] for i in hit.tolist()]) if len(hit) else np.zeros(0, np.int64)
    line = np.repeat(np.arange(len(hit)), [len(groups[i]) for i in hit.tolist()])
    hits = _with_places(found.table.take(pa.array(line)), pool, entries)
    alive = Counter(pool.sources[i].name for i in pool.source[pool.alive].tolist())
    if step.action == "drop":
        _drop_hits(pool, entries, hits)
    report = make_report(index, hits, {source.name: alive[source.name] for source in pool.sources})
    return Decontamination(action=step.action, report=report, hits=hits.drop_columns(["record"]))


def _with_places(hits: pa.Table, pool: Pool, entries: Index) -> pa.Table:
    """Put entry, source and origin of its record beside every hit, in place of its number in the scan."""
    places = [describe(pool, entry) for entry in entries.tolist()]
    table = hits.set_column(0, "record", pa.array(entries))
    for at, name in enumerate(("source", "origin")):
        table = table.add_column(at, name, pa.array([place[name] for place in places], TEXT))
    return table


def _drop_hits(pool: Pool, entries: Index, hits: pa.Table) -> None:
    """Drop the records that have a hit; the evidence is their strongest hit."""
    pool.drop(entries, "decontaminate", "contaminated")
    rows = hits.select(["suite", "split", "instance", "field", "overlap"]).to_pylist()
    for entry, row in sorted(zip(entries.tolist(), rows, strict=True), key=lambda p: p[1]["overlap"]):
        pool.evidence[entry] = json.dumps(row, ensure_ascii=False)


def describe(pool: Pool, entry: int) -> dict[str, str]:
    """Name an entry for people: id, source, origin."""
    table = pool.tables[pool.table[entry]]
    row = int(pool.row[entry])
    batch = int(np.searchsorted(table.starts, row, side="right") - 1)
    local = row - int(table.starts[batch])
    number = table.batches[batch].column("row")[local].as_py()
    return {
        "id": table.batches[batch].column("id")[local].as_py(),
        "source": pool.sources[pool.source[entry]].name,
        "origin": f"{table.origin}:{number}",
    }


def _entries(groups: list[Index], rows: Index) -> Index:
    """Return the entries of the given rows of a batch."""
    return np.concatenate([groups[i] for i in rows.tolist()]) if len(rows) else np.zeros(0, np.int64)


def count_entries(pool: Pool, entries: Index, counter: TokenCounter, kind: Kind) -> npt.NDArray[np.int64]:
    """Return the tokens of the given entries of a pool, in their order."""
    counts = np.zeros(len(pool.row), np.int64)
    for batch, rows, groups in pool.batches_of(entries):
        found = counter.count(batch.take(pa.array(rows)), kind)
        for tokens, group in zip(found.tolist(), groups, strict=True):
            counts[group] = tokens
    return counts[entries]
