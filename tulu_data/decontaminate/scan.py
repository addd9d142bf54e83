"""Scan record batches for eval instances.

The one idea: a batch is judged alone and in place, by threads that share nothing but the index, and what
they find is joined in the order of the stream; so hits depend neither on workers nor on where batches
begin. What is found is weighed at the end, when all records have been seen, be they of one stream or of
several. It drops nothing.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tulu_data.decontaminate.evidence import Evidence, explain
from tulu_data.decontaminate.hits import HITS, Piece, hits_of, no_hits
from tulu_data.decontaminate.index import Index, measure_of
from tulu_data.decontaminate.sighting import Watch, wholes_of
from tulu_data.decontaminate.wording import Texts, rarity
from tulu_data.engine.local import default_workers, ordered_map
from tulu_data.kernels.alignment import align
from tulu_data.kernels.coverage import Scratch, Turns, candidates, find_pairs, new_scratch
from tulu_data.kernels.folding import folding
from tulu_data.kernels.jit import is_compiled
from tulu_data.kernels.record_ids import record_ids
from tulu_data.kernels.tokens import find_tokens
from tulu_data.kernels.words import Ints, hash_texts
from tulu_data.schema import Kind
from tulu_data.sources.turns import turns_of
from tulu_data.specs.rules import Scope

_PIECE = 4096
"""Records judged at a time: small enough to keep every thread busy, large enough to forget the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What a scan found."""

    table: pa.Table
    """Schema HITS, ordered by record, then suite, field, instance and rule."""
    records: int
    """Records scanned."""
    text_bytes: int
    """Bytes of turns that were read."""


@dataclass(slots=True)
class _Worker:
    """The room of one thread."""

    scratches: list[Scratch]
    watch: Watch


class Scanner:
    """Looks through streams of records, and weighs what it found in all of them."""

    def __init__(self, index: Index, *, scope: Scope = "user", workers: int | None = None) -> None:
        """Make ready to scan for the instances of an index."""
        self._index, self._scope, self._workers = index, scope, workers or default_workers()
        self._local = threading.local()
        self._watches: list[Watch] = []
        self._streams: list[list[Piece]] = []
        wording = index.wording
        self._bits = rarity(wording.stems.frequency, wording.texts)
        self._wholes = wholes_of(wording, self._bits) if index.rules.search else None

    def read(
        self, batches: Iterable[pa.RecordBatch], kind: Kind, keep: Sequence[str] = ()
    ) -> tuple[int, int]:
        """Look through a stream of normalised or version records; return how many, and bytes of turns.

        Filter them first where not all count. Hits will carry the columns of their records that `keep`
        names, after those of HITS. A record whose id is null gets it when it is hit.
        """

        def judge(piece: tuple[int, pa.RecordBatch]) -> Piece:
            return self._judge(piece[0], piece[1], kind, keep)

        found = list(ordered_map(judge, _pieces(batches), self._workers))
        self._streams.append(found)
        return sum(piece.count for piece in found), sum(piece.text_bytes for piece in found)

    def settle(self, keep: Sequence[str] = ()) -> list[Hits]:
        """Weigh what was found; return the hits of each stream."""
        tables = hits_of(self._index, self._streams, self._watches, keep, self._workers)
        return [
            Hits(
                table=table, records=sum(piece.count for piece in pieces),
                text_bytes=sum(piece.text_bytes for piece in pieces),
            )
            for table, pieces in zip(tables, self._streams, strict=True)
        ]  # fmt: skip

    def _worker(self) -> _Worker:
        """Return the room of this thread."""
        if not hasattr(self._local, "worker"):
            index = self._index
            texts = Texts(index.units.text, index.units.begin, index.units.end)
            watch = Watch(index.wording, texts, self._bits, self._wholes)
            self._watches.append(watch)
            self._local.worker = _Worker([new_scratch(grams) for grams in index.grams], watch)
        worker: _Worker = self._local.worker
        return worker

    def _judge(self, position: int, batch: pa.RecordBatch, kind: Kind, keep: Sequence[str]) -> Piece:
        """Find what one piece of a stream holds."""
        worker, index = self._worker(), self._index
        turns = turns_of(batch, kind, self._scope)
        evidence = [_evidence(turns, index, k, scratch) for k, scratch in enumerate(worker.scratches)]
        near = [one.find(turns) for one in index.neighbours]
        named = [(each.hits[:, 0], index.wording.group[each.hits[:, 1]]) for each in evidence]
        named += [(one.pairs[:, 0], one.pairs[:, 1]) for one in near]
        asked = _distinct(named, index.wording.texts)
        sightings = worker.watch.look(turns, asked)
        records = sightings.record[np.diff(sightings.record, prepend=-1) != 0]
        rows = batch.take(pa.array(records))
        ids = rows.column("id")
        return Piece(
            position=position, count=batch.num_rows, text_bytes=int(np.sum(turns.end - turns.begin)),
            evidence=evidence, near=near, sightings=sightings, records=records,
            ids=record_ids(rows, kind) if ids.null_count else ids,
            kept=[rows.column(name) for name in keep],
        )  # fmt: skip


def scan(
    batches: Iterable[pa.RecordBatch],
    kind: Kind,
    index: Index,
    *,
    scope: Scope = "user",
    workers: int | None = None,
    keep: Sequence[str] = (),
) -> Hits:
    """Find every hit in one stream of records, as `Scanner` does in several."""
    scanner = Scanner(index, scope=scope, workers=workers)
    scanner.read(batches, kind, keep)
    return scanner.settle(keep)[0]


def is_ready() -> bool:
    """Tell whether a scan can start at once; if not, it compiles its kernels first, for some seconds."""
    return all(is_compiled(kernel) for kernel in (hash_texts, find_pairs, find_tokens, align))


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield slices of the batches, each with the position of its first record in the stream."""
    position = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _PIECE):
            piece = batch.slice(start, _PIECE)
            yield position, piece
            position += piece.num_rows


def _distinct(named: Sequence[tuple[Ints, Ints]], wordings: int) -> Ints:
    """Return each record and wording once, in order."""
    every = [record * wordings + wording for record, wording in named]
    keys = np.unique(np.concatenate([np.empty(0, np.int64), *every]))
    return np.stack(np.divmod(keys, max(wordings, 1)), axis=1)


def _evidence(turns: Turns, index: Index, number: int, scratch: Scratch) -> Evidence:
    """Return what records hold by one rule of n-gram overlap."""
    grams, measure = index.grams[number], measure_of(index.rules.grams[number])
    pairs: Ints = candidates(turns, grams, measure, scratch, folding())
    return explain(turns, pairs, index.units, grams, measure)


__all__ = ["HITS", "Hits", "Scanner", "is_ready", "no_hits", "scan"]
