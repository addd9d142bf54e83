"""Make the normalised form of a file: its records on a disk, and what conditions hold for.

The one idea: a file is read once and in order, its records go to the disk as they come, and only bad rows and
truth values stay in memory. Where the result lies and when it is made is the cache's business.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.kernels.id_words import id_words
from tulu_data.schema import normalised_schema
from tulu_data.sources.files import SourceFile
from tulu_data.sources.reading import Reading
from tulu_data.sources.rows import BAD
from tulu_data.sources.scan import Scanned, scan_file, scan_values
from tulu_data.sources.where import Where

Truth = npt.NDArray[np.bool_]


class Numbers(NamedTuple):
    """What records are in numbers."""

    ids: npt.NDArray[np.uint64]
    """Two words for each."""
    rows: npt.NDArray[np.int64]
    """The row of the file that each is."""


class Normalised(NamedTuple):
    """What there is of a file besides its records."""

    bad: pa.Table
    """In `rows.BAD`."""
    numbers: Numbers
    held: list[tuple[Truth, Truth]]
    """Of each condition, for which records and for which bad rows it holds."""
    read: int


def write_records(
    file: SourceFile, reading: Reading, wheres: Sequence[Where], target: Path, workers: int | None
) -> Normalised:
    """Write the records of a file as an Arrow file; raise SourceError where it cannot be read."""
    schema = normalised_schema(reading.kind)
    none = pa.RecordBatch.from_pylist([], schema)
    scanned: list[Scanned] = []
    ids, rows = [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.int64)]
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for part in scan_file(file, reading, wheres, workers=workers):
            writer.write_batch(part.records)
            ids.append(id_words(part.records.column("id")))
            rows.append(part.records.column("row").to_numpy())
            # Records are on disk now. A slice would hold on to them.
            scanned.append(replace(part, records=none))
    held = [
        (_joined([s.masks[i] for s in scanned]), _joined([s.bad_masks[i] for s in scanned]))
        for i in range(len(wheres))
    ]
    bad = pa.concat_tables([BAD.empty_table(), *(s.bad for s in scanned)])
    numbers = Numbers(np.concatenate(ids), np.concatenate(rows))
    return Normalised(bad=bad, numbers=numbers, held=held, read=sum(s.read for s in scanned))


def held_of(file: SourceFile, where: Where, numbers: Sequence[pa.ChunkedArray]) -> list[Truth]:
    """Tell for which raw rows, given by columns of their numbers, a condition holds, by reading the file.

    A row that was never parsed belongs to every condition.
    """
    parts = list(scan_values(file, where))
    rows = pa.concat_arrays([pa.array([], pa.int64()), *(r for r, _ in parts)]).to_numpy()
    held = _joined([h for _, h in parts])
    return [_looked_up(rows, held, wanted.to_numpy()) for wanted in numbers]


def _looked_up(rows: npt.NDArray[np.int64], held: Truth, wanted: npt.NDArray[np.int64]) -> Truth:
    """Return the values of wanted rows, true for those that have none."""
    if not len(rows):
        return np.ones(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
    return np.where(rows[at] == wanted, held[at], True)  # noqa: FBT003


def _joined(parts: Sequence[pa.BooleanArray]) -> Truth:
    """Put truth values together."""
    found: Truth = pa.chunked_array(parts, pa.bool_()).to_numpy()
    return found
