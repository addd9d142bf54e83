"""Records against stored versions: those that are there already, and which record of a version they are like.

The one idea: a record and a version decide it, under the version's own frames, so nothing depends on what
else is looked at; what is exact is told by ids and keys, what is near by the version's signatures, and each
pair that these name is counted on the texts themselves. Of a version that was signed before only those texts
are read that a signature names (`_Rows`), and the source and origin of records that stand for others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tulu_data.dedup.exact import first_equal
from tulu_data.dedup.finder import LARGEST, Aside
from tulu_data.dedup.heard import heard
from tulu_data.dedup.likeness import Likeness, Search
from tulu_data.dedup.pile import Piled
from tulu_data.dedup.reasons import CONTAINED, KEPT, NEAR, RECORD, TEXT_EQUAL
from tulu_data.dedup.signatures import Signed, signed
from tulu_data.engine.local import default_workers, ordered_map
from tulu_data.kernels.bands import band_keys
from tulu_data.kernels.gather import Batches
from tulu_data.kernels.kept import chain, find, marks_of, new_kept
from tulu_data.kernels.words import Ints, fixed
from tulu_data.schema import CONTENT, KINDS, TEXT
from tulu_data.sources.datasets import PLACE
from tulu_data.specs.near import Key, Near
from tulu_data.store import Version

_RUN, _GATHERED, _ADDED = 1 << 17, 1 << 26, 1 << 14
"""Units of records looked up at a time; of texts of a version held for it; texts indexed at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What a version says of some records."""

    rows: Ints
    """Row of the version that each record is like, or -1."""
    reason: NDArray[np.uint8]
    """Place in REASONS."""
    jaccard: NDArray[np.float64]
    containment: NDArray[np.float64]
    """Of each that is like one, with that one, under the version's frames."""
    compared: int
    templates: int
    """Pairs that were counted, and those among them that are alike but for their numbers or results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A version that records are compared with."""

    version: Version
    signed: Signed
    key: Key
    search: Search | None
    """None: only exact duplicates are looked for."""
    workers: int

    @classmethod
    def open(
        cls, version: Version, key: Key, near: Near | None, *, cache: Path, workers: int | None,
        told: Callable[[str], None],
    ) -> "Against":  # fmt: skip
        """Open the signatures of a version, or make them."""
        kept = signed(version, key, near, cache=cache, workers=workers, told=told)
        return cls(
            version=version, signed=kept, key=key, search=Search(near) if near else None,
            workers=workers or default_workers(),
        )  # fmt: skip

    def meet(self, records: Aside) -> Met:
        """Compare records with those of the version."""
        ids, keys, sizes, texts, kinds = records
        rows, reason = np.full(len(ids), -1, np.int64), np.full(len(ids), KEPT, np.uint8)
        by_id, by_key = first_equal(self.signed.ids, ids), first_equal(self.signed.keys, keys)
        comparable = keys.any(axis=1) & (kinds == KINDS.index(self.version.kind))
        by_key[~comparable] = -1
        for stands, why in ((by_key, TEXT_EQUAL), (by_id, RECORD)):
            rows[stands >= 0], reason[stands >= 0] = stands[stands >= 0], why
        shares = np.where(rows < 0, 0.0, 1.0)
        met = Met(
            rows=rows, reason=reason, jaccard=shares, containment=shares.copy(), compared=0, templates=0
        )
        if self.search is None or texts is None or not len(self.signed.rows):
            return met
        left = (rows < 0) & comparable & (sizes <= LARGEST)
        return self._meet_near(met, np.flatnonzero(left), texts, self.search)

    def _meet_near(self, met: Met, left: Ints, texts: Piled, search: Search) -> Met:
        """Add what is near to what is exact."""
        lookup, compared, templates = _Lookup(self, search, texts), 0, 0
        parts = (left[begin:end] for begin, end in texts.runs(left, _RUN))
        for part in ordered_map(lookup.meet, parts, self.workers):
            compared, templates = compared + part.compared, templates + part.templates
            met.rows[part.records], met.jaccard[part.records] = part.rows, part.jaccard
            met.containment[part.records] = part.containment
            met.reason[part.records] = np.where(part.inside, CONTAINED, NEAR)
        return Met(
            rows=met.rows, reason=met.reason, jaccard=met.jaccard, containment=met.containment,
            compared=compared, templates=templates,
        )  # fmt: skip

    def text(self, row: int) -> str:
        """Return what is compared of a row of the version."""
        found = _Rows(self.version).texts(np.array([row]), self.key, "words")
        return bytes(found.text).decode()

    def places(self, rows: Ints) -> pa.RecordBatch:
        """Return source and origin of rows of the version, which are in order, named as where it is read."""
        read = _Rows(self.version).gathered(rows, pa.schema([(name, TEXT) for name in PLACE]))
        prefix = pa.scalar(self.version.ref, TEXT)
        source = pc.binary_join_element_wise(prefix, read.column("source"), pa.scalar(" ", TEXT))
        return pa.record_batch([source, read.column("origin")], list(PLACE))


class _Part(NamedTuple):
    """What was found of some records: one row for each that is like one of the version."""

    records: Ints
    rows: Ints
    jaccard: NDArray[np.float64]
    containment: NDArray[np.float64]
    inside: NDArray[np.bool_]
    compared: int
    templates: int


class _Lookup:
    """A search for records in a version; threads may meet side by side."""

    def __init__(self, of: Against, search: Search, texts: Piled) -> None:
        self._signed, self._search, self._texts = of.signed, search, texts
        self._levels, self._key, self._rows = of.signed.levels, of.key, _Rows(of.version)
        made = of.signed.signatures
        self._kept, self._marks = new_kept(len(made), search.bands.number), marks_of(made)
        for start in range(0, len(made), _ADDED):
            keys = band_keys(made[start : start + _ADDED], search.bands)
            chain(self._kept, keys, np.arange(start, start + len(keys)), range(search.bands.number))

    def meet(self, records: Ints) -> _Part:
        """Compare records with the version."""
        pairs = self._pairs(records)
        judged = [self._judge(pairs[begin:end]) for begin, end in self._bounded(pairs)]
        alike = [
            np.concatenate([np.zeros(0), *(getattr(one, name) for one in judged)])
            for name in ("jaccard", "containment")
        ]
        near, inside, template = (
            np.concatenate([np.zeros(0, np.bool_), *(getattr(one, name) for one in judged)])
            for name in ("near", "inside", "template")
        )
        at = np.flatnonzero(near)
        # The most alike stands; of those that are as alike, the first of the version.
        at = at[np.lexsort((pairs[at, 1], -alike[0][at], pairs[at, 0]))]
        best = at[np.flatnonzero(np.diff(pairs[at, 0], prepend=-1))]
        return _Part(
            pairs[best, 0], pairs[best, 1], alike[0][best], alike[1][best], inside[best], len(pairs),
            int(template.sum()),
        )  # fmt: skip

    def _pairs(self, records: Ints) -> Ints:
        """Return (record, row of the version) rows that may be alike, by signatures."""
        search = self._search
        records = records[self._texts.units.sizes[records] > 0]
        made = search.sign(self._texts.chosen(records), self._levels)
        keys = band_keys(made, search.bands)
        found = find(self._kept, keys, marks_of(made), self._marks, search.agreeing)
        return np.stack([records[found[:, 0]], self._signed.rows[found[:, 1]]], axis=1)

    def _bounded(self, pairs: Ints) -> Sequence[tuple[int, int]]:
        """Cut pairs so that the texts of each part fit in memory."""
        total = np.cumsum(self._signed.sizes[pairs[:, 1]])
        cuts = np.unique(np.searchsorted(total, np.arange(0, (total[-1:].sum()) + 1, _GATHERED)))
        at = sorted({0, *cuts.tolist(), len(pairs)})
        return list(pairwise(at))

    def _judge(self, pairs: Ints) -> Likeness:
        """Count pairs on their texts."""
        records, mine = np.unique(pairs[:, 0], return_inverse=True)
        rows, theirs = np.unique(pairs[:, 1], return_inverse=True)
        left = self._texts.chosen(records)
        right = self._rows.texts(rows, self._key, self._search.near.shingles)
        places = fixed(np.stack([mine, theirs], axis=1).astype(np.int64))
        return self._search.judge(left, right, places, self._levels)


class _Rows:
    """Some rows of a version: of its mapped shards only what these hold is read."""

    def __init__(self, version: Version) -> None:
        self._kind, self._batches = version.kind, list(version.batches())
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])

    def gathered(self, rows: Ints, schema: pa.Schema) -> pa.RecordBatch:
        """Return columns of rows, which are in order."""
        first = int(np.searchsorted(self._starts, rows[0], side="right")) - 1 if len(rows) else 0
        last = int(np.searchsorted(self._starts, rows[-1], side="right")) if len(rows) else 0
        numbers = np.searchsorted(self._starts[first:last], rows, side="right") - 1
        lie_in = Batches(self._batches[first:last], schema)
        return lie_in.gather(numbers, rows - self._starts[first:last][numbers])

    def texts(self, rows: Ints, key: Key, unit: str) -> Piled:
        """Return what is compared of rows, which are in order."""
        found = heard(self.gathered(rows, CONTENT[self._kind]), self._kind, key, unit)
        assert found.texts is not None
        return found.texts
