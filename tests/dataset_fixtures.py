"""Datasets read in a temporary folder, the report of which goes to `report/`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from tulu_data.sources.datasets import Dataset, Reading, everything
from tulu_data.sources.ledger import Course, Ledger, read_datasets
from tulu_data.sources.quarantine import Quarantine
from tulu_data.store import Store

REPORT = "report"


@dataclass
class Told:
    """Notes what is told of the course of reading."""

    size: float = 0
    bytes: float = 0
    count: int = 0
    texts: list[str] = field(default_factory=list)

    def begin(self, dataset: str, size: int) -> None:
        self.size += size

    def read(self, size: float) -> None:
        self.bytes += size

    def records(self, count: int) -> None:
        self.count += count

    def end(self, text: str) -> None:
        self.texts.append(text)


Table = Callable[[Dataset, pa.Table], None]


def read(base: Path, *names: str, each: Table | None = None, told: Told | None = None) -> Ledger:
    """Read datasets; `each` gets the records of one dataset, if it has any, once they are all read."""

    def consume(dataset: Dataset, batches: Iterator[pa.RecordBatch]) -> None:
        found = list(batches)
        if each and found:
            each(dataset, pa.Table.from_batches(found))

    with Quarantine(base / REPORT) as quarantine:
        return read_datasets(
            names, everything, consume, base=base, store=Store(base / "store"), reading=Reading(),
            course=Course(workers=2, quarantine=quarantine, progress=told or Told()),
        )  # fmt: skip
