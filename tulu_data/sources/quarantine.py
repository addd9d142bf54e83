"""The rows that are no records, written beside a report while datasets are read.

The one idea: rows go to the disk as they are found, those of a dataset apart until it is known that the
dataset as a whole could be read; the table takes its name when all is done. It judges no row.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.sources.datasets import QUARANTINED

QUARANTINE_FILE = "quarantined.parquet"


class Quarantine:
    """A table of the schema QUARANTINED that grows; a context that ends well gives it its name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / QUARANTINE_FILE
        self._all = _Table(folder / f".{QUARANTINE_FILE}.new")
        self._dataset = _Table(folder / f".{QUARANTINE_FILE}.part")

    def __enter__(self) -> Self:
        return self

    def add(self, rows: pa.Table) -> None:
        """Add rows of the dataset that is being read."""
        if rows.num_rows:
            self._dataset.write(rows)

    def keep(self) -> None:
        """Take over the rows of a dataset that was read to its end."""
        if self._dataset.close():
            with pq.ParquetFile(self._dataset.path) as part:
                for batch in part.iter_batches():
                    self._all.write(pa.Table.from_batches([batch], QUARANTINED))
        self.forget()

    def forget(self) -> None:
        """Leave out the rows of a dataset that could not be read to its end."""
        self._dataset.remove()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.forget()
        if kind is not None:
            self._all.remove()
            return
        self._all.write(QUARANTINED.empty_table())
        self._all.close()
        self._all.path.replace(self.path)


class _Table:
    """A parquet file that begins with its first rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self.path, QUARANTINED, compression="zstd")
        self._writer.write_table(rows)

    def close(self) -> bool:
        """Finish the file; tell whether it was begun."""
        begun = self._writer is not None
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        return begun

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)
