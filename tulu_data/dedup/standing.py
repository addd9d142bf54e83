"""Duplicates of records and of stored versions: first those that a version has, then those among the rest.

The one idea: the records of versions that stand for others are kept records like any, with rows behind those
of the records that were read; so all that tells of clusters tells of them too. Versions are asked in the
order of their names, each about what is left, whatever the order in which they are given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.dedup.against import Against, Met
from tulu_data.dedup.clusters import PLACES
from tulu_data.dedup.exact import first_of_each
from tulu_data.dedup.finder import Finder, Outcome
from tulu_data.dedup.reasons import KEPT, REASONS
from tulu_data.dedup.search import Said
from tulu_data.kernels.words import Hashes, Ints
from tulu_data.schema import TEXT
from tulu_data.specs.near import Key, Near
from tulu_data.store import Version


def open_each(
    versions: Iterable[Version], key: Key, near: Near | None, *, cache: Path, workers: int | None, told: Said
) -> list[Against]:
    """Open the signatures of versions, or make them; a version that is named twice is asked once."""
    once = {version.ref: version for version in versions}.values()
    return [Against.open(version, key, near, cache=cache, workers=workers, told=told) for version in once]


class Standing(NamedTuple):
    """Records of versions that stand for others."""

    ids: Hashes
    places: pa.Table
    """Schema PLACES; the dataset is the version."""
    version: Ints
    row: Ints
    """Number of the version that each is of, and its row there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What becomes of records, and of those of versions that stand for them."""

    outcome: Outcome
    """First the records that were read, then those that stand for them."""
    ids: Hashes
    standing: Standing
    met: tuple[tuple[Against, Met], ...]
    """What each version said of the records that were left to it."""

    def text(self, row: int) -> str:
        """Return what was compared of a record that stands for others."""
        at = row - (len(self.ids) - len(self.standing.ids))
        one, _ = self.met[int(self.standing.version[at])]
        return one.text(int(self.standing.row[at]))


def settle(
    finder: Finder, against: Sequence[Against], priority: Ints, quality: NDArray[np.float64] | None,
    source: Ints, told: Said,
) -> Settled:  # fmt: skip
    """Find the duplicates of the records that are put aside, as `Finder.settle`, after those in versions."""
    left, gone, met = np.arange(len(finder)), list[Ints](), list[tuple[Against, Met]]()
    for one in sorted(against, key=lambda each: (each.version.name, each.version.content_id)):
        told(f"comparing {len(left):,} records with {one.version.ref}")
        said = one.meet(finder.aside(left))
        met.append((one, said))
        gone.append(left[said.rows >= 0])
        left = left[said.rows < 0]
    worth = None if quality is None else quality[left]
    among = finder.settle(priority[left], worth, source[left], told, left)
    ids, keys, *_ = finder.aside()
    standing, stands = _standing(met)
    outcome = _joined(len(ids), len(standing.ids), among, left)
    for (_, said), rows, there in zip(met, gone, stands, strict=True):
        like = said.rows >= 0
        outcome.alike[rows] = outcome.stays[rows] = len(ids) + there
        for name in ("reason", "jaccard", "containment"):
            getattr(outcome, name)[rows] = getattr(said, name)[like]
    wordless = int((~keys.any(axis=1)).sum())
    return Settled(
        outcome=replace(outcome, wordless=wordless), ids=np.concatenate([ids, standing.ids]),
        standing=standing, met=tuple(met),
    )  # fmt: skip


def told_by(one: Against, met: Met) -> dict[str, Any]:
    """Return what a version said, as JSON values."""
    counts = np.bincount(met.reason, minlength=len(REASONS)).tolist()
    return {
        "dataset": one.version.ref, "content_id": one.version.content_id, "records": one.version.num_rows,
        "dropped": dict(zip(REASONS[1:], counts[1:], strict=True)),
        "compared": met.compared, "templates": met.templates,
    }  # fmt: skip


def _joined(count: int, more: int, among: Outcome, left: Ints) -> Outcome:
    """Return an outcome with a row for every record, of which those that are `left` are settled."""
    alike, stays = np.full(count + more, -1, np.int64), np.arange(count + more)
    alike[left] = np.where(among.alike < 0, -1, left[among.alike])
    stays[left] = left[among.stays]
    reason, (jaccard, containment) = np.full(len(stays), KEPT, np.uint8), np.zeros((2, len(stays)))
    reason[left], jaccard[left], containment[left] = among.reason, among.jaccard, among.containment
    crowds = np.zeros(len(stays), np.int64)
    crowds[left] = among.crowds
    return replace(
        among,
        alike=alike,
        stays=stays,
        reason=reason,
        jaccard=jaccard,
        containment=containment,
        crowds=crowds,
    )


def _standing(met: Sequence[tuple[Against, Met]]) -> tuple[Standing, list[Ints]]:
    """Return the records that stand, and by version which of them stands for each that is dropped.

    A record that several versions hold stands once, as that of the first of them.
    """
    ids, places = [np.empty((0, 2), np.uint64)], [PLACES.empty_table()]
    rows, stands, total = [np.zeros(0, np.int64)], list[Ints](), 0
    for one, said in met:
        here, at = np.unique(said.rows[said.rows >= 0], return_inverse=True)
        ids.append(one.signed.ids[here])
        name = pa.repeat(pa.scalar(one.version.ref, TEXT), len(here))
        places.append(pa.table([name, *one.places(here).columns], schema=PLACES))
        rows.append(here)
        stands.append(at + total)
        total += len(here)
    known, version = np.concatenate(ids), np.repeat(np.arange(len(met)), list(map(len, rows[1:])))
    first, like = first_of_each(known, np.arange(total))
    number = (np.cumsum(first) - 1)[like]
    placed = pa.concat_tables(places).filter(pa.array(first))
    standing = Standing(known[first], placed, version[first], np.concatenate(rows)[first])
    return standing, [number[at] for at in stands]
