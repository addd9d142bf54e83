"""Prepare a version: read the sources, run the steps, plan.

The one idea: `plan` and `mix` do the same up to here, and nothing here writes but the cache. A plan of
what was read before should come in a moment, so what only reading, steps or writing need is loaded there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tulu_data.engine.local import default_workers
from tulu_data.mix.findings import Findings
from tulu_data.mix.inputs import Inputs, read_inputs
from tulu_data.mix.plan import Plan, make_plan
from tulu_data.mix.pool import Pool, make_pool
from tulu_data.mix.suites import StepSuites, load_step_suites
from tulu_data.specs.mixture import MixtureFile
from tulu_data.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to build, as opposed to what: nothing here can change the result."""

    base: Path
    store: Store
    workers: int = 0
    """Threads; 0 means one per core."""
    frozen: bool = False
    """Refuse a spec whose lock is missing or stale."""
    say: Callable[[str], None] = print
    """Receives one line per stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A mixture ready to be written: its inputs, its pool after the steps, and its plan."""

    inputs: Inputs
    pool: Pool
    plan: Plan
    findings: Findings


def prepare(file: MixtureFile, inputs: Inputs, settings: Settings) -> Prepared:
    """Read the sources, run the steps and plan; write nothing but the cache."""
    mixture, workers = file.mixture, settings.workers or default_workers()
    suites = load_step_suites(file, settings.base, settings.store.root / "cache" / "suites")
    sources = read_inputs(file, inputs, settings.store, workers, settings.say)
    # Reading took memory that nothing after it needs.
    pa.default_memory_pool().release_unused()
    pool = make_pool(sources)
    findings = _run_steps(file, pool, inputs, suites, settings) if mixture.steps else Findings()
    if inputs.counter is not None:
        from tulu_data.mix.filtering import count_tokens

        count_tokens(pool, pool.alive, inputs.counter, mixture.kind)
    plan = make_plan(file, pool, None if inputs.counter is None else pool.tokens)
    return Prepared(inputs=inputs, pool=pool, plan=plan, findings=findings)


def _run_steps(
    file: MixtureFile, pool: Pool, inputs: Inputs, suites: StepSuites, settings: Settings
) -> Findings:
    """Run the steps over a pool, as far as what they did is not kept."""
    from tulu_data.mix.context import StepContext
    from tulu_data.mix.outcomes import Outcomes, step_keys
    from tulu_data.mix.places import told_at_dates
    from tulu_data.mix.steps import run_steps

    cache = settings.store.root / "cache"
    context = StepContext(
        base=settings.base, cache=cache, versions=inputs.versions, suites=suites,
        workers=settings.workers or default_workers(), counter=inputs.counter, say=settings.say,
    )  # fmt: skip
    outcomes = Outcomes(cache / "steps", step_keys(file.mixture, inputs, pool.sources))
    with told_at_dates(file):
        return run_steps(pool, file.mixture, context, outcomes)
