"""Run a mixture's steps over the pool: filter, dedup, decontaminate.

Every step runs before the draw, over all records that a source offers, so that `rows: 5000` means
5000 rows in the version, and so that a keep mask does not depend on the takes. Each record that is
left out gets a reason and, where there is some, evidence.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.decontaminate import Report, load_suites, make_report, open_index
from tulu_data.decontaminate.decisions import NO_DECISIONS, Decided, decide, summed
from tulu_data.decontaminate.report import strongest, to_drop
from tulu_data.decontaminate.scan import scan
from tulu_data.dedup.exact import first_of_each, prompt_keys
from tulu_data.engine.local import ordered_map
from tulu_data.filters import FILTERS, PATTERNS, excerpts
from tulu_data.mix.draw import occurrences
from tulu_data.mix.pool import NONE, Index, Part, Pool
from tulu_data.mix.tokens import TokenCounter
from tulu_data.schema import Kind
from tulu_data.specs.decisions import read_decisions
from tulu_data.specs.mixture import Action, DecontaminateStep, DedupStep, FilterStep, Mixture
from tulu_data.specs.rules import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What steps need besides the pool."""

    base: Path
    cache: Path
    """Folder for suites that cannot be kept beside their files."""
    workers: int
    counter: TokenCounter | None
    say: Callable[[str], None]


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


def run_steps(pool: Pool, mixture: Mixture, context: StepContext) -> list[Decontamination]:
    """Run the steps in order; return what each decontamination step found."""
    found = []
    for step in mixture.steps:
        before = len(pool.alive)
        for reason in _reasons(step):
            pool.number_of(step.step, reason)
        if isinstance(step, FilterStep):
            _filter(pool, step, mixture.kind, context)
        elif isinstance(step, DedupStep):
            _dedup(pool, step, mixture.kind, context)
        else:
            found.append(_decontaminate(pool, step, mixture.kind, context))
        context.say(f"{step.step}: {before:,} -> {len(pool.alive):,} records")
    return found


def _reasons(step: FilterStep | DedupStep | DecontaminateStep) -> list[str]:
    """Return the reasons for which a step may drop, in the order in which it looks."""
    if isinstance(step, FilterStep):
        bounds = {"min_tokens": step.min_tokens, "max_tokens": step.max_tokens}
        return [*step.drop, *(name for name, bound in bounds.items() if bound is not None)]
    if isinstance(step, DedupStep):
        return [f"duplicate_{step.key}"]
    if step.action == "flag":
        return ["contaminated"] if step.decisions else []
    return ["contaminated", *(["source_contaminated"] if step.action == "drop_source" else [])]


def _filter(pool: Pool, step: FilterStep, kind: Kind, context: StepContext) -> None:
    """Drop records by every named filter, then by length in tokens."""

    def judge(part: Part) -> list[Index]:
        records = part.records() if step.drop else part.batch
        return [part.entries[FILTERS[name](records, kind)[part.at]] for name in step.drop]

    for judged in ordered_map(judge, pool.parts(pool.alive), context.workers):
        for name, entries in zip(step.drop, judged, strict=True):
            pool.drop(entries, "filter", name)
    _show_matches(pool, step, kind)
    if context.counter and (step.min_tokens or step.max_tokens):
        alive = pool.alive
        count_tokens(pool, alive, context.counter, kind)
        tokens = pool.tokens[alive]
        pool.drop(alive[tokens < (step.min_tokens or 0)], "filter", "min_tokens")
        if step.max_tokens:
            pool.drop(alive[tokens > step.max_tokens], "filter", "max_tokens")


def _show_matches(pool: Pool, step: FilterStep, kind: Kind) -> None:
    """Keep, as evidence, what the filters that look for words have found."""
    for name in step.drop:
        if name in PATTERNS:
            gone = np.flatnonzero(pool.reason == pool.number_of("filter", name))
            for part in pool.parts(gone):
                texts = excerpts(part.records(), kind, PATTERNS[name])
                for entry, at in zip(part.entries.tolist(), part.at.tolist(), strict=True):
                    pool.evidence[entry] = json.dumps({"matched": texts[at]}, ensure_ascii=False)


def _dedup(pool: Pool, step: DedupStep, kind: Kind, context: StepContext) -> None:
    """Keep one of equal records: preferred sources first, then by source name, then by id."""
    alive = pool.alive
    keys = pool.ids[alive] if step.key == "record" else _prompt_keys(pool, alive, kind, context)
    # Only records that are not alone have to be compared.
    several = np.flatnonzero(occurrences(keys)[1] > 1)
    shared = alive[several]
    names = [source.name for source in pool.sources]
    ranked = list(dict.fromkeys([*step.prefer, *sorted(names)]))
    priority = np.array([ranked.index(name) for name in names])[pool.source[shared]]
    kept, stands = first_of_each(keys[several], priority, pool.ids[shared])
    pool.stands[shared[~kept]] = shared[stands[~kept]]
    pool.drop(shared[~kept], "dedup", f"duplicate_{step.key}")


def _prompt_keys(pool: Pool, alive: Index, kind: Kind, context: StepContext) -> npt.NDArray[np.uint64]:
    """Return the prompt key of every entry in `alive`."""
    every = np.zeros((len(pool.row), 2), np.uint64)

    def read(part: Part) -> tuple[Index, npt.NDArray[np.uint64]]:
        return part.entries, prompt_keys(part.records(), kind)[part.at]

    for entries, keys in ordered_map(read, pool.parts(alive), context.workers):
        every[entries] = keys
    return every[alive]


def _decontaminate(pool: Pool, step: DecontaminateStep, kind: Kind, context: StepContext) -> Decontamination:
    """Scan the records that are still in, report hits per suite and source, and drop or flag them."""
    suites = load_suites(step.against, context.base, cache=context.cache)
    index = open_index(suites, step.rule, cache=context.cache)
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
    if decided.unmet:
        context.say(f"decontaminate: decisions that met no hit: {summed(decided.unmet)}")
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


def count_tokens(pool: Pool, entries: Index, counter: TokenCounter, kind: Kind) -> None:
    """Count the tokens of entries that are not counted yet."""
    for part in pool.parts(entries[pool.tokens[entries] == NONE]):
        pool.tokens[part.entries] = counter.count(part.records(), kind)[part.at]
