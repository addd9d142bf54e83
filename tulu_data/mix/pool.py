"""The pool: every record that a source offers, as columns of numbers.

Text stays in the memory-mapped normalised files; an entry of the pool is (source, table, row, id)
and, once a step has left it out, a reason. Forty bytes a record, whatever its length.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.kernels.record_ids import id_words
from tulu_data.mix.inputs import SourceInput

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOfPool:
    """One normalised file: its batches, where each begins, and how its records are named."""

    origin: str
    batches: tuple[pa.RecordBatch, ...]
    starts: Index
    """Row at which each batch begins, and the number of rows at the end."""

    def split(self, rows: Index) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
        """Yield (batch, which of `rows` lie in it) for the batches that rows lie in."""
        number = np.searchsorted(self.starts, rows, side="right") - 1
        for batch in np.unique(number).tolist():
            yield batch, number == batch


@dataclass(slots=True, kw_only=True)
class Pool:
    """All entries of a mixture; `reason` is 0 while an entry is still in."""

    sources: tuple[SourceInput, ...]
    tables: tuple[TableOfPool, ...]
    source: npt.NDArray[np.int32]
    table: npt.NDArray[np.int32]
    row: Index
    ids: npt.NDArray[np.uint64]
    reason: npt.NDArray[np.int16]
    reasons: list[tuple[str, str]] = field(default_factory=lambda: [("", "")])
    """(step, reason) by reason number."""
    evidence: dict[int, str] = field(default_factory=dict)
    """JSON about why an entry was left out, by entry."""

    @property
    def alive(self) -> Index:
        """Return the entries that no step has left out."""
        return np.flatnonzero(self.reason == 0)

    def drop(self, entries: Index, step: str, reason: str) -> None:
        """Leave entries out for a reason; an entry keeps the first reason it meets."""
        if (step, reason) not in self.reasons:
            self.reasons.append((step, reason))
        still_in = entries[self.reason[entries] == 0]
        self.reason[still_in] = self.reasons.index((step, reason))

    def dropped_by_reason(self, source: int) -> dict[str, int]:
        """Count what steps left out of one source, by reason."""
        found = Counter(self.reason[(self.source == source) & (self.reason > 0)].tolist())
        return {self.reasons[number][1]: count for number, count in sorted(found.items())}

    def batches_of(self, entries: Index) -> Iterator[tuple[pa.RecordBatch, Index, list[Index]]]:
        """Yield every batch that entries lie in once: (batch, rows in it, entries of each such row)."""
        for number, table in enumerate(self.tables):
            mine = entries[self.table[entries] == number]
            for batch, inside in table.split(self.row[mine]):
                here = mine[inside]
                local = self.row[here] - table.starts[batch]
                rows, inverse = np.unique(local, return_inverse=True)
                order = np.argsort(inverse, kind="stable")
                groups = np.split(here[order], np.cumsum(np.bincount(inverse))[:-1])
                yield table.batches[batch], rows, groups


def make_pool(sources: Sequence[SourceInput]) -> Pool:
    """Gather the records that the sources offer."""
    keys: dict[int, int] = {}
    tables: list[TableOfPool] = []
    columns: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Index, npt.NDArray[np.uint64]]] = []
    table_ids: list[npt.NDArray[np.uint64]] = []
    for number, source in enumerate(sources):
        for file in source.files:
            # Sources that read a file in the same way share one object.
            if id(file) not in keys:
                keys[id(file)] = len(tables)
                tables.append(_table(file.file.origin, file.table))
                table_ids.append(id_words(file.table.column("id")))
            at = keys[id(file)]
            rows = source.rows(file)
            source_column, table_column = (np.full(len(rows), value, np.int32) for value in (number, at))
            columns.append((source_column, table_column, rows, table_ids[at][rows]))
    source_of, table_of, row, ids = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return Pool(
        sources=tuple(sources), tables=tuple(tables), source=source_of, table=table_of, row=row, ids=ids,
        reason=np.zeros(len(row), np.int16),
    )  # fmt: skip


def _table(origin: str, table: pa.Table) -> TableOfPool:
    batches = tuple(table.to_batches())
    starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    return TableOfPool(origin=origin, batches=batches, starts=starts)
