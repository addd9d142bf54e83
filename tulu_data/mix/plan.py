"""The plan of a mixture: what becomes of every row of every source, and the version it will be.

A plan is a pure function of the pool; it reads no text and writes nothing. It already knows the
content id, because that depends on ids alone.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.errors import PlanError
from tulu_data.mix.amounts import Left, amounts
from tulu_data.mix.assertions import check_assertions
from tulu_data.mix.draw import Drawn, draw, final_order, fitting, occurrences
from tulu_data.mix.inputs import SourceInput
from tulu_data.mix.licences import licence_warnings
from tulu_data.mix.pool import Index, Pool
from tulu_data.mix.splitting import Words, split_names, split_of
from tulu_data.schema import TEXT
from tulu_data.sources.rows import TORN, torn_text
from tulu_data.specs.mixture import Mixture, MixtureFile
from tulu_data.specs.steps import DedupStep
from tulu_data.store.content_id import content_id_of_splits
from tulu_data.store.manifest import FileEntry, SourceEntry
from tulu_data.store.version import TRAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a build will write."""

    mixture: Mixture
    sources: tuple[SourceEntry, ...]
    different: dict[str, int]
    """Different records, by id, that each source has in the version."""
    entry: Index
    """Entry of the pool behind every row of the version, in its order."""
    copy: Index
    splits: dict[str, int]
    """Rows of each split, which lie one after the other; empty where the version is not split."""
    content_id: str
    warnings: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Return the rows of the version."""
        return len(self.entry)


def make_plan(file: MixtureFile, pool: Pool, tokens: Index | None) -> Plan:
    """Draw from what the steps have left; raise PlanError on a shortfall or an empty result.

    `tokens` holds the tokens of every entry where a take needs them.
    """
    mixture, names = file.mixture, [source.name for source in pool.sources]
    alive = pool.alive_by_source()
    left = {name: _left(mixture, name, pool, entries, tokens) for name, entries in alive.items()}
    taken = amounts(file, left)
    drawn: dict[str, tuple[Index, Drawn]] = {}
    for name, entries in alive.items():
        of = draw(mixture.seed, name, pool.ids.take(entries, axis=0), taken.amounts[name])
        drawn[name] = entries[of.rows], of
    entry = np.concatenate([drawn[name][0] for name in names])
    copy = np.concatenate([drawn[name][1].copies for name in names])
    sources = tuple(_source_entry(pool, i, *drawn[name], tokens) for i, name in enumerate(names))
    if not len(entry):
        raise PlanError(f"{file.path}: no rows are left for the version: {_where_rows_went(sources, pool)}")
    source, ids = pool.source[entry].astype(np.int64), pool.ids.take(entry, axis=0)
    check_assertions(file, sources, lambda: _most(names, source, ids))
    order = final_order(mixture.seed, names, source, ids, copy)
    rows_of, order = _split(mixture, ids, order)
    entry, copy, source, ids = entry[order], copy[order], source[order], ids.take(order, axis=0)
    return Plan(
        mixture=mixture, sources=sources, entry=entry, copy=copy,
        different={name: drawn[name][1].different for name in names},
        splits=rows_of,
        content_id=content_id_of_splits(mixture.kind, rows_of, ids, names, source, copy),
        warnings=(*taken.warnings, *_warnings(file, pool, sources), *_empty(rows_of)),
    )  # fmt: skip


def _most(names: Sequence[str], source: Index, ids: Words) -> dict[str, int]:
    """Return for every source how often that record of it is in the version which is there most often."""
    count = occurrences(ids)[1]
    return {name: int(count[source == at].max(initial=0)) for at, name in enumerate(names)}


def _split(mixture: Mixture, ids: Words, order: Index) -> tuple[dict[str, int], Index]:
    """Return the rows of each split, and the order with one split after the other."""
    if not mixture.splits:
        return {}, order
    names = split_names(mixture.splits)
    split = split_of(mixture.splits, ids)[order]
    counts = np.bincount(split, minlength=len(names)).tolist()
    return dict(zip(names, counts, strict=True)), order[np.argsort(split, kind="stable")]


def _left(mixture: Mixture, name: str, pool: Pool, entries: Index, tokens: Index | None) -> Left:
    """Count what the steps have left of a source, in tokens too where it has a budget of them."""
    gone, take = pool.dropped_whole.get(name), mixture.sources[name].take
    shared = take.weight is not None and mixture.size is not None and mixture.size.unit == "tokens"
    if tokens is None or not (shared or take.tokens is not None):
        return Left(rows=len(entries), gone=gone)
    ids, mine = pool.ids[entries], tokens[entries]
    total = int(mine.sum())
    return Left(
        rows=len(entries), tokens=total, gone=gone,
        fitting=lambda budget: fitting(mixture.seed, name, ids, mine, budget),
    )  # fmt: skip


def _source_entry(pool: Pool, number: int, entries: Index, drawn: Drawn, tokens: Index | None) -> SourceEntry:
    """Account for every row of a source: read = quarantined + dropped + not drawn + kept."""
    source = pool.sources[number]
    quarantined = source.quarantined()
    offered = int((pool.source == number).sum())
    where = source.read - sum(quarantined.values()) - offered
    dropped = ({"where": where} if source.where is not None else {}) | pool.dropped_by_reason(number)
    not_drawn = source.read - sum(quarantined.values()) - sum(dropped.values()) - drawn.kept
    assert not_drawn >= 0
    assert source.where is not None or where == 0, f"{source.name}: {where} rows are unaccounted for"
    return SourceEntry(
        name=source.name, uri=source.spec.uri, revision=source.resolved.revision,
        licences=source.resolved.licences,
        files=tuple(
            FileEntry(origin=f.file.origin, sha256=f.file.sha256, rows=f.read) for f in source.files
        ),
        read=source.read, quarantined=quarantined, dropped=dropped, not_drawn=not_drawn, kept=drawn.kept,
        rows=len(entries), tokens=None if tokens is None else int(tokens[entries].sum()),
    )  # fmt: skip


def _where_rows_went(entries: Sequence[SourceEntry], pool: Pool) -> str:
    """Say what became of every row that was read, by reason."""
    counts = Counter[str]()
    for entry in entries:
        counts.update({"quarantined": sum(entry.quarantined.values())})
        counts.update(entry.dropped)
        counts.update({"not drawn": entry.not_drawn})
    parts = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
    read = sum(entry.read for entry in entries)
    whole = "".join(f"; {name}: {why}" for name, why in sorted(pool.dropped_whole.items()))
    went = f"{', of them ' if parts else ''}{parts}{whole}"
    bad = "".join(f"; {text}" for source in pool.sources for text in _first_bad(source))
    return f"{read} read{went}{bad}; check the sources, where, the steps and takes"


def _first_bad(source: SourceInput) -> Iterator[str]:
    """Say why the first row of each file is no record that is none."""
    for file in source.files:
        for row in source.bad(file).slice(0, 1).select(["row", "reason", "detail"]).to_pylist():
            yield f"{file.file.origin}:{row['row']}: {row['reason']} ({row['detail']})"


def _warnings(file: MixtureFile, pool: Pool, entries: Sequence[SourceEntry]) -> list[str]:
    """Report what is allowed but rarely meant."""
    found = list(licence_warnings(file, [source.resolved for source in pool.sources]))
    found += [
        f"source {entry.name!r} brings no rows ({pool.dropped_whole.get(entry.name, f'{entry.read} read')})"
        for entry in entries
        if entry.rows == 0
    ]
    for source in pool.sources:
        found += [f"source {source.name!r}: {text}" for text in (*_torn(source), *_held_out(source))]
    if any(isinstance(step, DedupStep) for step in file.mixture.steps):
        return found
    readers = Counter(_signature(source) for source in pool.sources)
    for signature, count in readers.items():
        if count > 1:
            names = [source.name for source in pool.sources if _signature(source) == signature]
            found.append(
                f"sources {', '.join(map(repr, names))} read the same records under {count} names; "
                "each is drawn from on its own, so without a dedup step records may come twice"
            )
    return found


def _torn(source: SourceInput) -> Iterator[str]:
    """Say which files of a source end before their data does."""
    for file in source.files:
        bad = source.bad(file)
        torn = bad.filter(pc.is_in(bad["reason"], pa.array(TORN, TEXT)))
        for row in torn.select(["row", "detail"]).to_pylist():
            yield torn_text(file.file.origin, row["row"], row["detail"])


def _held_out(source: SourceInput) -> Iterator[str]:
    """Say that a version in splits gives its train split, where the spec does not say which."""
    ref = source.resolved.version_ref
    begins = f"{ref}/{TRAIN}/"
    if "split" not in source.spec.model_fields_set and any(
        file.file.origin.startswith(begins) for file in source.files
    ):
        yield f"{ref} is in splits, and {TRAIN} alone is read; split: names another, or say split: {TRAIN}"


def _empty(splits: dict[str, int]) -> list[str]:
    """Report splits that have no rows."""
    return [
        f"split {name!r} has no rows; so few records may all fall on one side"
        for name, rows in splits.items()
        if not rows
    ]


def _signature(source: SourceInput) -> tuple[object, ...]:
    hashes = tuple(sorted(file.file.sha256 for file in source.files))
    return (hashes, source.spec.where, tuple(sorted(source.spec.columns.items())))
