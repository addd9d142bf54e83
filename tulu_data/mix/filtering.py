"""The step `filter`: drop records by what they say, by when they were made and by how long they are.

The one idea: filters look at the records that are still in, one after another, and what one finds is a fact
about a record that is kept beside its file, so a build with other takes, or with the steps in another order,
reads no text for it. It does not judge: the filters do, and the tokenizer counts.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.filters import FILTERS
from tulu_data.filters.date import outside, without
from tulu_data.filters.evidence import dropped, evidence
from tulu_data.filters.lengths import (
    LENGTHS,
    LENGTHS_VERSION,
    TURNS,
    Sizes,
    characters,
    lengths,
    turn_counts,
)
from tulu_data.filters.turns import marks
from tulu_data.mix.context import StepContext
from tulu_data.mix.pool import NONE, Index, Pool
from tulu_data.mix.tokens import TokenCounter, counter_key
from tulu_data.schema import TEXT, Kind
from tulu_data.sources.cache import NormalisedFile
from tulu_data.sources.dates import Dates, record_dates
from tulu_data.sources.facts import Fact, facts_of, known_facts
from tulu_data.specs.filters import Dated, Dropped
from tulu_data.specs.steps import FilterStep

_EVIDENCE = pa.schema([("evidence", TEXT)])
_TOKENS = "tokens"
Told = Callable[[NormalisedFile, Index], pa.Table]
"""What is known of the records of a file, by their places in it, ascending."""


def run_filter(pool: Pool, step: FilterStep, kind: Kind, context: StepContext) -> None:
    """Drop records by every named filter, then by length."""
    for entry in step.drop:
        if not len(pool.alive):
            return
        if isinstance(entry.settings, Dated):
            _drop_by_date(pool, entry.settings)
        else:
            fact = _finding(entry, kind)
            found = _told(pool, pool.alive, partial(facts_of, fact=fact, workers=context.workers))
            _drop(pool, pool.alive, entry.name, found.column("evidence").combine_chunks())
    for name, bound in step.bounds.items():
        if len(pool.alive):
            _drop_by_length(pool, name, bound, kind, context)


def count_tokens(pool: Pool, entries: Index, counter: TokenCounter, kind: Kind) -> None:
    """Count the tokens of entries that are not counted yet."""
    new = entries[pool.tokens[entries] == NONE]
    if len(new):
        fact = _lengths_in_tokens(counter, kind)
        pool.tokens[new] = _told(pool, new, partial(facts_of, fact=fact, workers=1)).column("all").to_numpy()


def _finding(entry: Dropped, kind: Kind) -> Fact:
    """Return the fact of what a filter finds in a record."""
    of, settings = FILTERS[entry.name], entry.settings

    def look(records: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([of.find(records, kind, settings)], schema=_EVIDENCE)

    key = json.dumps([of.key, settings.model_dump(mode="json")], sort_keys=True)
    return Fact(name=entry.name, key=key, schema=_EVIDENCE, look=look)


def _drop(pool: Pool, entries: Index, reason: str, found: pa.Array) -> None:
    """Drop the entries on which there is evidence, and keep it."""
    gone = dropped(found)
    pool.drop(entries[gone], "filter", reason)
    texts = found.filter(pa.array(gone)).to_pylist()
    pool.evidence.update(zip(entries[gone].tolist(), texts, strict=True))


def _drop_by_date(pool: Pool, settings: Dated) -> None:
    """Drop records by the dates that their sources give them."""
    alive = pool.alive_by_source()
    for name, sql in _expressions(pool, settings).items():
        if not len(alive[name]):
            continue
        dates = Dates(sql, name=name)
        told = _told(pool, alive[name], partial(_dates_of, dates=dates))
        _drop(pool, alive[name], "date", outside(told, settings))
        if settings.undated == "drop":
            _drop(pool, alive[name], "no_date", without(told))


def _expressions(pool: Pool, settings: Dated) -> Mapping[str, str]:
    """Return the expression of every source that is looked at."""
    if isinstance(settings.of, str):
        return dict.fromkeys((source.name for source in pool.sources), settings.of)
    return settings.of


def _dates_of(kept: NormalisedFile, rows: Index, dates: Dates) -> pa.Table:
    return record_dates(kept, dates).take(pa.array(rows))


def _drop_by_length(pool: Pool, name: str, bound: int, kind: Kind, context: StepContext) -> None:
    """Drop the records that a bound, such as `max_answer_tokens`, leaves out."""
    alive, (side, *place, unit) = pool.alive, name.split("_")
    is_least = side == "min"
    if unit == "tokens" and context.counter is not None:
        # They are wanted of what is left anyway.
        count_tokens(pool, alive, context.counter, kind)
    sizes = _told(pool, alive, _measure(unit, kind, context))
    extreme = "shortest" if is_least else "longest"
    column = extreme if unit == "turns" or place == ["answer"] else "".join(place) or "all"
    found = sizes.column(column).combine_chunks()
    gone = np.flatnonzero(marks(pc.less(found, bound) if is_least else pc.greater(found, bound)))
    values = found.take(pa.array(gone)).to_pylist()
    rows = zip(gone.tolist(), values, strict=True)
    _drop(pool, alive, name, evidence(len(alive), ((r, {"value": v, "limit": bound}) for r, v in rows)))


def _measure(unit: str, kind: Kind, context: StepContext) -> Told:
    """Return what tells how long records are in a unit."""
    if unit == "turns":
        return partial(_turns_of, kind=kind)
    if unit == "characters":
        fact = _lengths("characters", "", characters, kind)
        return partial(facts_of, fact=fact, workers=context.workers)
    assert context.counter is not None, "the spec has a bound in tokens and no tokenizer"
    return partial(facts_of, fact=_lengths_in_tokens(context.counter, kind), workers=1)


def known_tokens(kept: NormalisedFile, sha256: str) -> pa.Table | None:
    """Return what a build has kept of the tokens of a file's records, by a tokenizer of this hash."""
    return known_facts(kept, _TOKENS, _key_of_lengths(counter_key(sha256)))


def _lengths_in_tokens(counter: TokenCounter, kind: Kind) -> Fact:
    return _lengths(_TOKENS, counter.key, counter.sizes, kind)


def _key_of_lengths(key: str) -> str:
    return f"{LENGTHS_VERSION} {key}"


def _lengths(name: str, key: str, sizes: Sizes, kind: Kind) -> Fact:
    """Return the fact of how long records are by the sizes of their turns."""

    def look(records: pa.RecordBatch) -> pa.RecordBatch:
        return lengths(records, kind, sizes)

    return Fact(name=name, key=_key_of_lengths(key), schema=LENGTHS, look=look)


def _turns_of(kept: NormalisedFile, rows: Index, kind: Kind) -> pa.Table:
    """Count turns; that takes no text, so nothing is kept."""
    counts = [turn_counts(batch, kind) for batch in kept.table.to_batches()]
    return pa.Table.from_batches(counts, TURNS).take(pa.array(rows))


def _told(pool: Pool, entries: Index, told: Told) -> pa.Table:
    """Return what is known of entries, at least one, a row for each; every file is asked once."""
    files = pool.files
    first = np.cumsum([0, *(file.table.num_rows for file in files)])
    which = np.searchsorted(first, pool.row[entries], side="right") - 1
    parts: list[pa.Table] = []
    places = [np.zeros(0, np.int64)]
    for number, file in enumerate(files):
        here = np.flatnonzero(which == number)
        if len(here):
            rows, at = np.unique(pool.row[entries[here]] - first[number], return_inverse=True)
            found = told(file, rows)
            parts.append(found if np.array_equal(at, np.arange(len(rows))) else found.take(pa.array(at)))
            places.append(here)
    every, order = pa.concat_tables(parts), np.concatenate(places)
    is_sorted = bool((np.diff(order) > 0).all())
    return every if is_sorted else every.take(pa.array(np.argsort(order, kind="stable")))
