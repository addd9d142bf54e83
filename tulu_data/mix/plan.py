"""The plan of a mixture: what becomes of every row of every source, and the version it will be.

A plan is a pure function of the pool; it reads no text and writes nothing. It already knows the
content id, because that depends on ids alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tulu_data.errors import PlanError
from tulu_data.mix.amounts import amounts
from tulu_data.mix.draw import draw, draw_order, final_order, occurrences
from tulu_data.mix.inputs import SourceInput
from tulu_data.mix.pool import Index, Pool
from tulu_data.specs.mixture import Mixture, MixtureFile
from tulu_data.store.content_id import content_id
from tulu_data.store.manifest import FileEntry, SourceEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a build will write."""

    mixture: Mixture
    sources: tuple[SourceEntry, ...]
    entry: Index
    """Entry of the pool behind every row of the version, in its order."""
    copy: Index
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
    fitting = _fitting(mixture, pool, alive, tokens)
    taken = amounts(file, {name: len(entries) for name, entries in alive.items()}, fitting)
    drawn: dict[str, tuple[Index, Index]] = {}
    for name, entries in alive.items():
        rows, copies = draw(mixture.seed, name, pool.ids[entries], taken[name])
        drawn[name] = entries[rows], copies
    entry = np.concatenate([drawn[name][0] for name in names])
    copy = np.concatenate([drawn[name][1] for name in names])
    if not len(entry):
        raise PlanError(
            f"{file.path}: no rows are left for the version; see the counts by reason with --dry-run"
        )
    source = pool.source[entry].astype(np.int64)
    order = final_order(mixture.seed, names, source, pool.ids[entry], copy)
    entry, copy, source = entry[order], copy[order], source[order]
    sources = tuple(_source_entry(pool, i, drawn[name][0], tokens) for i, name in enumerate(names))
    return Plan(
        mixture=mixture, sources=sources, entry=entry, copy=copy,
        content_id=content_id(mixture.kind, pool.ids[entry], names, source, copy),
        warnings=tuple(_warnings(pool, sources)),
    )  # fmt: skip


def _fitting(mixture: Mixture, pool: Pool, alive: dict[str, Index], tokens: Index | None) -> dict[str, int]:
    """Count, for every source with a token budget, the records in draw order that fit into it."""
    found = {}
    for name, entries in alive.items():
        budget = mixture.sources[name].take.tokens
        if budget is not None and tokens is not None:
            number, _ = occurrences(pool.ids[entries])
            order = draw_order(mixture.seed, name, pool.ids[entries], number)
            found[name] = int(np.searchsorted(np.cumsum(tokens[entries][order]), budget, side="right"))
    return found


def _source_entry(pool: Pool, number: int, drawn: Index, tokens: Index | None) -> SourceEntry:
    """Account for every row of a source: read = quarantined + dropped + not drawn + kept."""
    source = pool.sources[number]
    quarantined = source.quarantined()
    offered = int((pool.source == number).sum())
    where = source.read - sum(quarantined.values()) - offered
    dropped = ({"where": where} if source.where is not None else {}) | pool.dropped_by_reason(number)
    kept = len(np.unique(drawn))
    not_drawn = source.read - sum(quarantined.values()) - sum(dropped.values()) - kept
    assert not_drawn >= 0
    assert source.where is not None or where == 0, f"{source.name}: {where} rows are unaccounted for"
    return SourceEntry(
        name=source.name, uri=source.spec.uri, revision=source.resolved.revision, licence=source.spec.licence,
        files=tuple(
            FileEntry(origin=f.file.origin, sha256=f.file.sha256, rows=f.read) for f in source.files
        ),
        read=source.read, quarantined=quarantined, dropped=dropped, not_drawn=not_drawn, kept=kept,
        rows=len(drawn), tokens=None if tokens is None else int(tokens[drawn].sum()),
    )  # fmt: skip


def _warnings(pool: Pool, entries: Sequence[SourceEntry]) -> list[str]:
    """Report what is allowed but rarely meant."""
    found = [
        f"source {entry.name!r} brings no rows ({entry.read} read)" for entry in entries if entry.rows == 0
    ]
    readers = Counter(_signature(source) for source in pool.sources)
    for signature, count in readers.items():
        if count > 1:
            names = [source.name for source in pool.sources if _signature(source) == signature]
            found.append(
                f"sources {', '.join(map(repr, names))} read the same records under {count} names; "
                "each is drawn from on its own, so records may come twice"
            )
    return found


def _signature(source: SourceInput) -> tuple[object, ...]:
    return (tuple(file.file.sha256 for file in source.files), source.spec.where)
