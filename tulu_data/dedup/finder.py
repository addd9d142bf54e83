"""Duplicates among records of several datasets: exact ones, then near ones, with the one that stays.

The one idea: of a record that is read, its id, the key of its text, a few numbers and, for the search of
near-duplicates, the text itself are put aside; all else is decided when everything has been read, in an order
of preference that no input order enters: preferred sources, then quality, then the longer text, then the
id. It reads no files.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.dedup.exact import first_of_each
from tulu_data.dedup.heard import heard
from tulu_data.dedup.likeness import Search
from tulu_data.dedup.pile import Pile, Piled
from tulu_data.dedup.reasons import CONTAINED, NEAR, RECORD, TEXT_EQUAL
from tulu_data.dedup.search import Found, Said, find_near
from tulu_data.engine.local import default_workers, ordered_map
from tulu_data.kernels.id_words import digest_words, id_words
from tulu_data.kernels.record_ids import content_digests
from tulu_data.kernels.words import Hashes, Ints
from tulu_data.schema import KINDS, Kind
from tulu_data.specs.near import Key, Near

LARGEST = 1 << 23
"""Bytes of the largest text that near-duplicates are looked for of."""
_PIECE = 4096
"""Records put aside at a time."""


class Piece(NamedTuple):
    """What is put aside of some records."""

    ids: Hashes
    keys: Hashes
    sizes: Ints
    """Bytes of the texts."""
    texts: Piled | None
    """None where only exact duplicates are looked for."""


class Aside(NamedTuple):
    """What was put aside of records, by row."""

    ids: Hashes
    keys: Hashes
    """(n, 2): record ids, and keys of texts; zeros where there is not a word."""
    sizes: Ints
    """Bytes of the texts."""
    texts: Piled | None
    """None where only exact duplicates are looked for."""
    kinds: NDArray[np.uint8]
    """Place in KINDS."""


class Compared(NamedTuple):
    """What a search for near-duplicates took."""

    candidates: int = 0
    """Pairs that were compared."""
    templates: int = 0
    """Those of them that are alike but for their numbers or results."""
    rounds: int = 0
    """The most of the searches, one for each kind of record."""

    def and_of(self, found: Found) -> "Compared":
        """Add another search."""
        return Compared(
            self.candidates + found.candidates, self.templates + found.templates,
            max(self.rounds, found.rounds),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of every record, all as rows in the order of reading."""

    alike: Ints
    """The record that each was found to be like, or -1 where it is kept."""
    stays: Ints
    """The record that stays for each: itself, where it is kept."""
    reason: NDArray[np.uint8]
    """Place in REASONS."""
    jaccard: NDArray[np.float64]
    containment: NDArray[np.float64]
    """Of each that is dropped, with the record that it was found to be like."""
    crowds: Ints
    """Of each, how many others it was compared with while it might have gone for one of them."""
    near: Compared | None
    """What the search for near-duplicates took; None where there was none."""
    wordless: int
    """Records without a word to compare; only the very same record is their duplicate."""
    too_large: int
    """Records with so long a text that no near-duplicates of them were looked for."""


@dataclass(slots=True, kw_only=True)
class Finder:
    """Records that are put aside, and the search among them."""

    key: Key
    near: Near | None
    """How near-duplicates are looked for; None: exact ones only, as of the key `record`, which is no text."""
    folder: Path
    """Where the texts lie meanwhile."""
    workers: int | None = None
    ids: list[Hashes] = field(default_factory=list)
    keys: list[Hashes] = field(default_factory=list)
    sizes: list[Ints] = field(default_factory=list)
    """Bytes of the texts."""
    kinds: list[NDArray[np.uint8]] = field(default_factory=list)
    _pile: Pile | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Open the file of texts, where they are needed."""
        if self.near is not None:
            self._pile = self._open.enter_context(Pile(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self._open.close()

    def __len__(self) -> int:
        """Return how many records are put aside."""
        return sum(map(len, self.ids))

    def read(self, batches: Iterable[pa.RecordBatch], kind: Kind) -> int:
        """Put records aside; return how many. Where reading them fails, none of them is kept."""
        before, parts = len(self), len(self.ids)
        try:
            workers = self.workers or default_workers()
            unit = None if self.near is None else self.near.shingles
            for piece in ordered_map(lambda b: _piece(b, kind, self.key, unit), _pieces(batches), workers):
                self.ids.append(piece.ids)
                self.keys.append(piece.keys)
                self.sizes.append(piece.sizes)
                self.kinds.append(np.full(len(piece.ids), KINDS.index(kind), np.uint8))
                if self._pile is not None and piece.texts is not None:
                    self._pile.append(piece.texts)
        except BaseException:
            del self.ids[parts:], self.keys[parts:], self.sizes[parts:], self.kinds[parts:]
            if self._pile is not None:
                self._pile.cut(before)
            raise
        return len(self) - before

    def text(self, row: int) -> str:
        """Return what is compared of a record; nothing where its text was not put aside."""
        if self._pile is None or row >= len(self):
            return ""
        texts = self._pile.texts()
        return bytes(texts.text[texts.begin[row] : texts.end[row]]).decode()

    def aside(self, rows: Ints | None = None) -> "Aside":
        """Return what is put aside of all records, or of some rows."""
        rows = np.arange(len(self)) if rows is None else rows
        ids, keys = (np.concatenate([np.empty((0, 2), np.uint64), *each]) for each in (self.ids, self.keys))
        sizes = np.concatenate([np.zeros(0, np.int64), *self.sizes])
        kinds = np.concatenate([np.zeros(0, np.uint8), *self.kinds])
        texts = None if self._pile is None else self._pile.texts().chosen(rows)
        return Aside(ids[rows], keys[rows], sizes[rows], texts, kinds[rows])

    def settle(
        self,
        priority: Ints,
        quality: NDArray[np.float64] | None,
        source: Ints,
        told: Said,
        among: Ints | None = None,
    ) -> Outcome:
        """Find the duplicates among all records, or among some rows of them.

        `priority` is a number by record, the lowest stays; among equal ones that of the highest `quality`,
        then of the longer text, then of the lower id; of equal records that of the lowest `source`. What is
        given and returned has a row for each record that takes part.
        """
        ids, keys, sizes, texts, kinds = self.aside(among)
        order = _order(priority, quality, sizes, ids, source)
        has_words: NDArray[np.bool_] = np.any(keys != 0, axis=1)
        # Without a word there is no text to be the same, so the record itself is.
        firsts, stands = _firsts(np.where(has_words[:, None], keys ^ kinds[:, None], ids), order)
        alike = np.where(firsts, -1, stands)
        reason = np.zeros(len(ids), np.uint8)
        gone = np.flatnonzero(~firsts)
        same = np.all(ids[gone] == ids[stands[gone]], axis=1)
        reason[gone] = np.where(same, RECORD, TEXT_EQUAL)
        jaccard, containment = np.where(firsts, 0.0, 1.0), np.where(firsts, 0.0, 1.0)
        too_large = firsts & (sizes > LARGEST)
        outcome = Outcome(
            alike=alike, stays=alike, reason=reason, jaccard=jaccard, containment=containment,
            crowds=np.zeros(len(ids), np.int64), near=None,
            wordless=int((~has_words).sum()), too_large=int(too_large.sum()),
        )  # fmt: skip
        if self.near is not None and texts is not None:
            rows, compared = order[(firsts & has_words & ~too_large)[order]], Compared()
            for kind in np.unique(kinds[rows]):
                of_kind = rows[kinds[rows] == kind]
                found = self._find(of_kind, texts.chosen(of_kind), keys, outcome, told)
                compared = compared.and_of(found)
            outcome = replace(outcome, near=compared)
        return replace(outcome, stays=_roots(alike))

    def _find(self, rows: Ints, texts: Piled, keys: Hashes, outcome: Outcome, told: Said) -> Found:
        """Find the near-duplicates among some rows, and write them into an outcome."""
        assert self.near is not None
        found = find_near(texts, keys[rows], Search(self.near), self.workers or default_workers(), told)
        near = found.alike >= 0
        here = rows[near]
        outcome.alike[here] = rows[found.alike[near]]
        outcome.jaccard[here], outcome.containment[here] = found.jaccard[near], found.containment[near]
        outcome.reason[here] = np.where(found.inside[near], CONTAINED, NEAR)
        outcome.crowds[rows] = found.crowds
        return found


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    """Cut batches into slices."""
    for batch in batches:
        for start in range(0, batch.num_rows, _PIECE):
            yield batch.slice(start, _PIECE)


def _piece(batch: pa.RecordBatch, kind: Kind, key: Key, unit: str | None) -> Piece:
    """Return what is put aside of records; with their texts, where a unit of them is named."""
    ids = batch.column("id")
    known = digest_words(content_digests(batch, kind)) if ids.null_count else id_words(ids)
    if key == "record":
        return Piece(known, known, np.zeros(len(known), np.int64), None)
    said = heard(batch, kind, key, unit)
    return Piece(known, said.keys, np.diff(said.ends, prepend=0), said.texts)


def _order(
    priority: Ints, quality: NDArray[np.float64] | None, sizes: Ints, ids: Hashes, source: Ints
) -> Ints:
    """Return the rows in the order of preference; equal records as they were read."""
    worst = [] if quality is None else [-np.nan_to_num(quality, nan=-np.inf)]
    order: Ints = np.lexsort((source, ids[:, 1], ids[:, 0], -sizes, *worst, priority))
    return order


def _firsts(keys: Hashes, order: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """Return which rows are the first of their key in an order, and that row for each."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first_of_each(keys, rank)


def _roots(alike: Ints) -> Ints:
    """Return the record that stays for each."""
    stays: Ints = np.where(alike < 0, np.arange(len(alike)), alike)
    while (stays[stays] != stays).any():
        stays = stays[stays]
    return stays
