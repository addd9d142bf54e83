"""The pool: every record that a source offers, as columns of numbers.

Text stays in the memory-mapped normalised files; an entry of the pool is (source, row, id) and,
once a step has left it out, a reason. Rows are numbered through all files, one after another, and
entries are worked on by batch. About forty bytes a record, whatever its length; no Python object for one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.mix.inputs import SourceInput
from tulu_data.schema import TEXT
from tulu_data.sources.cache import NormalisedFile

Index = npt.NDArray[np.int64]
NONE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The entries that lie in one batch; sources over one file may share a row."""

    batch: pa.RecordBatch
    rows: Index
    """The rows of the batch that any of the entries is, ascending."""
    entries: Index
    at: Index
    """For every entry, which of `rows` it is."""

    def records(self) -> pa.RecordBatch:
        """Return the batch cut to `rows`."""
        is_whole = len(self.rows) == self.batch.num_rows
        return self.batch if is_whole else self.batch.take(pa.array(self.rows))

    def records_by_entry(self) -> pa.RecordBatch:
        """Return one record for each entry, in their order."""
        is_one_each = np.array_equal(self.at, np.arange(len(self.rows)))
        return self.records() if is_one_each else self.batch.take(pa.array(self.rows[self.at]))


class Lookalikes(NamedTuple):
    """Entries that a step left out because of other records, of the pool or of stored versions."""

    entries: Index
    stands: pa.Table
    """Columns id, source, origin: the record that each was found to be like."""
    cluster: pa.Array
    """Id of the record of its cluster that stays."""
    jaccard: npt.NDArray[np.float64]
    containment: npt.NDArray[np.float64]
    """With the one that it is like."""


@dataclass(slots=True, kw_only=True)
class Pool:
    """All entries of a mixture; `reason` is 0 while an entry is still in."""

    sources: tuple[SourceInput, ...]
    batches: tuple[pa.RecordBatch, ...]
    """The batches of all files."""
    starts: Index
    """Row at which each batch begins, and the number of rows at the end."""
    origins: tuple[str, ...]
    """Name of the file that each batch is of."""
    lines: Index
    """The row of its file that each record is."""
    source: npt.NDArray[np.int32]
    row: Index
    ids: npt.NDArray[np.uint64]
    reason: npt.NDArray[np.int16]
    quality: npt.NDArray[np.float64] | None
    """How good an entry is, NaN where its source does not say; None where none of them does."""
    tokens: Index
    """Tokens of an entry, or NONE while they are not counted."""
    reasons: list[tuple[str, str]] = field(default_factory=lambda: [("", "")])
    """(step, reason) by reason number."""
    evidence: dict[int, str] = field(default_factory=dict)
    """JSON about why an entry was left out, by entry; duplicates have `lookalikes` instead."""
    lookalikes: list[Lookalikes] = field(default_factory=list)
    """Why duplicates were left out; an entry is in one of these at most."""
    dropped_whole: dict[str, str] = field(default_factory=dict)
    """Sources that a step left out altogether, and why, in words."""

    @property
    def alive(self) -> Index:
        """Return the entries that no step has left out."""
        return np.flatnonzero(self.reason == 0)

    def alive_by_source(self) -> dict[str, Index]:
        """Return the entries that are still in, by the name of their source."""
        alive = self.alive
        # Entries lie source after source.
        ends = np.searchsorted(self.source[alive], np.arange(len(self.sources) + 1))
        return {s.name: alive[ends[i] : ends[i + 1]] for i, s in enumerate(self.sources)}

    def drop(self, entries: Index, step: str, reason: str) -> None:
        """Leave entries out for a reason; an entry keeps the first reason it meets."""
        still_in = entries[self.reason[entries] == 0]
        self.reason[still_in] = self.number_of(step, reason)

    def number_of(self, step: str, reason: str) -> int:
        """Return the number of a reason; the order of first asking is the order of reports."""
        if (step, reason) not in self.reasons:
            self.reasons.append((step, reason))
        return self.reasons.index((step, reason))

    def dropped_by_reason(self, source: int) -> dict[str, int]:
        """Count what steps left out of one source, by reason; a step that found nothing counts 0."""
        counts = np.bincount(self.reason[self.source == source], minlength=len(self.reasons)).tolist()
        pairs = zip(self.reasons[1:], counts[1:], strict=True)
        return {reason: count for (_, reason), count in pairs}

    @property
    def files(self) -> list[NormalisedFile]:
        """Return every file once, in the order of the rows."""
        return _files(self.sources)

    def release(self) -> None:
        """Let go of the texts that were read; they are read again where they are asked for."""
        for file in self.files:
            file.release()

    def places_of(self, entries: Index) -> tuple[Index, Index]:
        """Return the batch that each entry lies in, and its row there."""
        number = np.searchsorted(self.starts, self.row[entries], side="right") - 1
        return number, self.row[entries] - self.starts[number]

    def grouped(self, entries: Index) -> Iterator[tuple[int, Index]]:
        """Yield every batch that entries lie in, with the positions in `entries` of those that do."""
        number, _ = self.places_of(entries)
        order = np.argsort(number, kind="stable")
        ordered = number[order]
        cuts = np.flatnonzero(np.diff(ordered)) + 1
        for positions in np.split(order, cuts) if len(order) else ():
            yield int(number[positions[0]]), positions

    def parts(self, entries: Index) -> Iterator[Part]:
        """Yield the entries batch by batch, every batch once."""
        for number, positions in self.grouped(entries):
            here = entries[positions]
            rows, at = np.unique(self.row[here] - self.starts[number], return_inverse=True)
            yield Part(batch=self.batches[number], rows=rows, entries=here, at=at)

    def origin_of(self, entries: Index) -> pa.Array:
        """Return the `file:row` of entries."""
        number, row = self.places_of(entries)
        names = {name: number for number, name in enumerate(dict.fromkeys(self.origins))}
        file_of = np.array([names[name] for name in self.origins], np.int64)
        lines = pa.array(self.lines[self.starts[number] + row]).cast(TEXT)
        files = pa.array(list(names), TEXT).take(pa.array(file_of[number]))
        return pc.binary_join_element_wise(files, lines, pa.scalar(":", TEXT))

    def evidence_of(self, entries: Index) -> pa.Array:
        """Return JSON about why entries were left out; of a duplicate, the record that it is like."""
        known = self.evidence
        for found in self.lookalikes:
            known = known | dict(_likenesses(found))
        return pa.array([known.get(entry) for entry in entries.tolist()], TEXT)

    def source_of(self, entries: Index) -> pa.Array:
        """Return the names of the sources of entries."""
        return pa.array([s.name for s in self.sources], TEXT).take(pa.array(self.source[entries]))

    def id_of(self, entries: Index) -> pa.Array:
        """Return the ids of entries as text."""
        digits = self.ids[entries].astype(">u8").tobytes().hex().encode()
        offsets = np.arange(len(entries) + 1, dtype=np.int64) * 32
        return pa.Array.from_buffers(TEXT, len(entries), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])


def _likenesses(found: Lookalikes) -> Iterator[tuple[int, str]]:
    """Yield entries that are like others, with the words of clusters.parquet as JSON."""
    import polars as pl

    told = pl.DataFrame(
        [
            pl.Series("cluster", found.cluster), pl.DataFrame(found.stands).to_struct("stands"),
            pl.Series("jaccard", found.jaccard), pl.Series("containment", found.containment),
        ]
    )  # fmt: skip
    texts = told.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
    return zip(found.entries.tolist(), texts, strict=True)


def _files(sources: Sequence[SourceInput]) -> list[NormalisedFile]:
    """Return every file once; sources that read one in the same way share an object."""
    return list({id(file): file for source in sources for file in source.files}.values())


def make_pool(sources: Sequence[SourceInput]) -> Pool:
    """Gather the records that the sources offer."""
    files = _files(sources)
    first = np.cumsum([0, *(file.table.num_rows for file in files)])
    place = {id(file): number for number, file in enumerate(files)}
    found = [
        (number, place[id(file)], source.rows(file))
        for number, source in enumerate(sources)
        for file in source.files
    ]
    says = any(source.qualities is not None for source in sources)
    batches = [(file.file.origin, batch) for file in files for batch in _batches(file)]
    count = sum(len(rows) for _, _, rows in found)
    return Pool(
        sources=tuple(sources), batches=tuple(batch for _, batch in batches),
        starts=np.cumsum([0, *(batch.num_rows for _, batch in batches)]),
        origins=tuple(origin for origin, _ in batches),
        lines=np.concatenate([np.zeros(0, np.int64), *(file.lines for file in files)]),
        source=np.concatenate([np.full(len(rows), number, np.int32) for number, _, rows in found]),
        row=np.concatenate([rows + first[at] for _, at, rows in found]),
        ids=np.concatenate([files[at].ids.take(rows, axis=0) for _, at, rows in found]),
        quality=np.concatenate([*map(_qualities, sources)]) if says else None,
        reason=np.zeros(count, np.int16), tokens=np.full(count, NONE),
    )  # fmt: skip


def _qualities(source: SourceInput) -> npt.NDArray[np.float64]:
    """Return how good the records are that a source offers."""
    rows = [source.rows(file) for file in source.files]
    if source.qualities is None:
        return np.full(sum(map(len, rows)), np.nan)
    return np.concatenate([known[of] for known, of in zip(source.qualities, rows, strict=True)])


def batch_count(file: NormalisedFile) -> int:
    """Return how many batches of a pool a file gives."""
    return len(_batches(file))


def _batches(file: NormalisedFile) -> list[pa.RecordBatch]:
    return [batch for batch in file.table.to_batches() if batch.num_rows]
