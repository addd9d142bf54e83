"""The step `filter`: drop records by what they say and by how long they are.

The one idea: every filter looks at all records that are still in, batch by batch, and a record that several
would drop goes for the first of them. It does not judge: the filters do, and the tokenizer counts.
"""

import json

import numpy as np

from tulu_data.engine.local import ordered_map
from tulu_data.filters import FILTERS, PATTERNS, excerpts
from tulu_data.mix.context import StepContext
from tulu_data.mix.pool import NONE, Index, Part, Pool
from tulu_data.mix.tokens import TokenCounter
from tulu_data.schema import Kind
from tulu_data.specs.steps import FilterStep


def run_filter(pool: Pool, step: FilterStep, kind: Kind, context: StepContext) -> None:
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


def count_tokens(pool: Pool, entries: Index, counter: TokenCounter, kind: Kind) -> None:
    """Count the tokens of entries that are not counted yet."""
    for part in pool.parts(entries[pool.tokens[entries] == NONE]):
        pool.tokens[part.entries] = counter.count(part.records(), kind)[part.at]
