"""Run a mixture's steps over the pool, in the order of the spec.

Every step runs before the draw, over all records that a source offers, so that `rows: 5000` means
5000 rows in the version, and so that a keep mask does not depend on the takes. Each record that is
left out gets a reason and, where there is some, evidence. What a step runs is loaded when it runs, since a
build with other takes knows the outcomes of all.
"""

import json
from typing import Any

import pyarrow as pa

from tulu_data.dedup.reasons import reasons_of
from tulu_data.mix.context import StepContext
from tulu_data.mix.findings import Findings
from tulu_data.mix.outcomes import Outcome, Outcomes, dropped_since
from tulu_data.mix.pool import Pool
from tulu_data.schema import Kind
from tulu_data.specs.mixture import Mixture
from tulu_data.specs.steps import DecontaminateStep, DedupStep, FilterStep, Step


def run_steps(pool: Pool, mixture: Mixture, context: StepContext, outcomes: Outcomes) -> Findings:
    """Run the steps in order; one whose outcome is kept is not run again."""
    found: list[tuple[Step, Outcome]] = []
    for number, step in enumerate(mixture.steps):
        before = pool.alive
        for reason in _reasons(step):
            pool.number_of(step.step, reason)
        outcome = outcomes.find(number)
        kept = outcome is not None
        if outcome is None:
            outcome = _run(pool, step, number, mixture.kind, context)
            outcomes.keep(number, outcome)
            pool.release()
        else:
            outcome.put_on(pool, step.step)
        found.append((step, outcome))
        known = " (known from a build before)" if kept else ""
        context.say(f"{step.step}: {len(before):,} -> {len(pool.alive):,} records{known}")
        unmet = (outcome.told or {}).get("decisions", {}).get("unmet")
        if unmet:
            from tulu_data.decontaminate.decisions import summed

            context.say(f"decontaminate: decisions that met no hit: {summed(unmet)}")
    return _findings(found)


def _run(pool: Pool, step: Step, number: int, kind: Kind, context: StepContext) -> Outcome:
    """Run one step, and note what it did."""
    before, whole = pool.alive, set(pool.dropped_whole)
    told: dict[str, Any] | None = None
    table: pa.Table | None = None
    if isinstance(step, FilterStep):
        from tulu_data.mix.filtering import run_filter

        run_filter(pool, step, kind, context)
    elif isinstance(step, DedupStep):
        from tulu_data.mix.deduplication import run_dedup

        duplicates = run_dedup(pool, step, number, kind, context)
        told, table = duplicates.to_dict(), duplicates.clusters
    else:
        from tulu_data.mix.decontamination import run_decontaminate

        scanned = run_decontaminate(pool, step, kind, context)
        told, table = scanned.to_dict(), scanned.decided.hits
    newly = {name: why for name, why in pool.dropped_whole.items() if name not in whole}
    # As it will be read again: JSON knows no tuples.
    return Outcome(
        dropped=dropped_since(pool, before), whole=newly, told=json.loads(json.dumps(told)), table=table
    )


def _findings(found: list[tuple[Step, Outcome]]) -> Findings:
    """Put together what the steps found."""
    duplicates = [(one.told, one.table) for step, one in found if isinstance(step, DedupStep)]
    scanned = next((one for step, one in found if isinstance(step, DecontaminateStep)), None)
    tables = {} if scanned is None or scanned.table is None else {"hits": scanned.table}
    if duplicates:
        tables["clusters"] = pa.concat_tables(
            table.add_column(0, "step", pa.repeat(pa.scalar(told["step"], pa.int64()), len(table)))
            for told, table in duplicates
            if told is not None and table is not None
        )
    return Findings(
        duplicates=tuple(told for told, _ in duplicates if told is not None),
        decontamination=None if scanned is None else scanned.told,
        tables=tables,
    )


def _reasons(step: FilterStep | DedupStep | DecontaminateStep) -> list[str]:
    """Return the reasons for which a step may drop, in the order in which it looks."""
    if isinstance(step, FilterStep):
        return [*step.reasons]
    if isinstance(step, DedupStep):
        return reasons_of(step)
    if step.action == "flag":
        return ["contaminated"] if step.decisions else []
    return ["contaminated", *(["source_contaminated"] if step.action == "drop_source" else [])]
