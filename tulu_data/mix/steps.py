"""Run a mixture's steps over the pool, in the order of the spec.

Every step runs before the draw, over all records that a source offers, so that `rows: 5000` means
5000 rows in the version, and so that a keep mask does not depend on the takes. Each record that is
left out gets a reason and, where there is some, evidence.
"""

from dataclasses import dataclass

from tulu_data.dedup.finder import REASONS
from tulu_data.mix.context import StepContext
from tulu_data.mix.decontamination import Decontamination, run_decontaminate
from tulu_data.mix.deduplication import Deduplication, reasons_of, run_dedup
from tulu_data.mix.filtering import run_filter
from tulu_data.mix.pool import Pool
from tulu_data.specs.mixture import Mixture
from tulu_data.specs.steps import DecontaminateStep, DedupStep, FilterStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What steps found, besides the records that they dropped."""

    duplicates: tuple[Deduplication, ...]
    decontamination: Decontamination | None


def run_steps(pool: Pool, mixture: Mixture, context: StepContext) -> Findings:
    """Run the steps in order."""
    duplicates: list[Deduplication] = []
    decontamination = None
    for number, step in enumerate(mixture.steps):
        before = len(pool.alive)
        for reason in _reasons(step):
            pool.number_of(step.step, reason)
        if isinstance(step, FilterStep):
            run_filter(pool, step, mixture.kind, context)
        elif isinstance(step, DedupStep):
            duplicates.append(run_dedup(pool, step, number, mixture.kind, context))
        else:
            decontamination = run_decontaminate(pool, step, mixture.kind, context)
        context.say(f"{step.step}: {before:,} -> {len(pool.alive):,} records")
    return Findings(duplicates=tuple(duplicates), decontamination=decontamination)


def _reasons(step: FilterStep | DedupStep | DecontaminateStep) -> list[str]:
    """Return the reasons for which a step may drop, in the order in which it looks."""
    if isinstance(step, FilterStep):
        bounds = {"min_tokens": step.min_tokens, "max_tokens": step.max_tokens}
        return [*step.drop, *(name for name, bound in bounds.items() if bound is not None)]
    if isinstance(step, DedupStep):
        return [REASONS[number] for number in reasons_of(step)]
    if step.action == "flag":
        return ["contaminated"] if step.decisions else []
    return ["contaminated", *(["source_contaminated"] if step.action == "drop_source" else [])]
