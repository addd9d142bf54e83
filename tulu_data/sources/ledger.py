"""Datasets read to their end, one after the other, and an account of every row.

The one idea: what is done with records is handed in; here each dataset is read once, however often and under
whatever names it is given, and what is read is a record or counted as bad. Nothing is dropped and nothing
is printed here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.errors import SourceError
from tulu_data.schema import TEXT, Kind
from tulu_data.sources.datasets import Dataset, Find, Reading, open_dataset
from tulu_data.sources.quarantine import Quarantine
from tulu_data.sources.rows import TORN, torn_text
from tulu_data.store import Store

"""Reason of the bad row that stands for all that a file should hold after it."""

Consume = Callable[[Dataset, Iterator[pa.RecordBatch]], None]
"""Takes all records of a dataset, which have the columns of PLACE.

Where reading them raises SourceError, it lets that pass and keeps nothing of the dataset.
"""


class Progress(Protocol):
    """Who hears how far the reading is."""

    def begin(self, dataset: str, size: int) -> None:
        """Hear that a dataset of so many bytes comes next."""

    def read(self, size: float) -> None:
        """Hear that so many more of its bytes are read."""

    def records(self, count: int) -> None:
        """Hear that so many more of its records are handed on."""

    def end(self, text: str) -> None:
        """Hear in words what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How datasets are read."""

    workers: int | None
    """Threads; one per core where it is None."""
    quarantine: Quarantine
    """Takes the rows that are no records."""
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of one dataset's rows: read = records + quarantined."""

    dataset: str
    kind: Kind
    read: int
    quarantined: Mapping[str, int]
    """By reason."""
    records: int
    sources: Mapping[str, int]
    """Records of each source; of files the dataset itself is the one source."""
    files: Mapping[str, str]
    """Sha256 of each file, by origin; none of a version."""
    torn: tuple[str, ...] = ()
    """Files that end before their data does: what is missing of each."""

    @property
    def bad(self) -> int:
        """Rows that are no records."""
        return sum(self.quarantined.values())

    @property
    def reasons(self) -> str:
        """Quarantined rows by reason, as text."""
        return ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.quarantined.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What reading some datasets gave."""

    accounts: tuple[Account, ...]
    unreadable: tuple[str, ...]
    """Files that were found rather than named and hold no records, each with the reason."""
    repeated: Mapping[str, str]
    """Names of what another dataset is too, and that one's name; it was read once."""
    base: Path
    """Folder that names and the origins of files start at."""
    store: Store
    reading: Reading
    """How the files were read."""

    @property
    def records(self) -> int:
        """Records of all datasets."""
        return sum(account.records for account in self.accounts)

    @property
    def empty(self) -> tuple[Account, ...]:
        """Datasets that gave not one record; nothing is known of them."""
        return tuple(account for account in self.accounts if not account.records)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the accounts as JSON values."""
        return {
            "unreadable": list(self.unreadable), "repeated": dict(self.repeated),
            "adapter": self.reading.adapter, "columns": dict(self.reading.columns),
        }  # fmt: skip


def read_datasets(
    names: Sequence[str],
    find: Find,
    consume: Consume,
    *,
    base: Path,
    store: Store,
    reading: Reading,
    course: Course,
) -> Ledger:
    """Read the named datasets, or what `find` names in the workspace `base` where none is, in this order.

    Raises SourceError when none holds records, or a named one cannot be read.
    """
    accounts: list[Account] = []
    unreadable: list[str] = []
    first: dict[frozenset[str], str] = {}
    repeated: dict[str, str] = {}
    for name in names or find(base, store, reading.skip):
        try:
            dataset = open_dataset(name, base, store, reading)
            if dataset.content in first:
                repeated[name] = first[dataset.content]
                continue
            first[dataset.content] = name
            account = _read(dataset, consume, course)
        except SourceError as error:
            if names:
                raise
            course.quarantine.forget()
            unreadable.append(str(error))
            continue
        course.quarantine.keep()
        course.progress.end(f"{account.dataset}: {account.records:,} records")
        accounts.append(account)
    if not accounts:
        said = "; ".join(text.split(";")[0] for text in unreadable)
        raise SourceError(f"{base}: no dataset holds records: {said}")
    return Ledger(
        accounts=tuple(accounts), unreadable=tuple(unreadable), repeated=repeated, base=base, store=store,
        reading=reading,
    )  # fmt: skip


def _read(dataset: Dataset, consume: Consume, course: Course) -> Account:
    """Hand on the records of one dataset; return its account."""
    progress = course.progress
    records: Counter[str] = Counter()
    quarantined: Counter[str] = Counter()
    torn: list[str] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for rows in dataset.batches(progress.read, course.workers):
            records.update(_counts(rows.records.column("source")))
            quarantined.update(_counts(rows.bad.column("reason")))
            torn.extend(_tears(rows.bad))
            course.quarantine.add(rows.bad)
            progress.records(rows.records.num_rows)
            yield rows.records

    progress.begin(dataset.name, dataset.size)
    consume(dataset, batches())
    return Account(
        dataset=dataset.name, kind=dataset.kind, read=records.total() + quarantined.total(),
        quarantined=dict(sorted(quarantined.items())), records=records.total(),
        sources=dict(records) or {dataset.name: 0}, files=dict(dataset.files), torn=tuple(torn),
    )  # fmt: skip


def _counts(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """Count each value."""
    return {each["values"]: each["counts"] for each in pc.value_counts(values).to_pylist()}


def _tears(bad: pa.Table) -> Iterator[str]:
    """Say of files that end before their data does what is missing; `bad` has schema QUARANTINED."""
    for row in (
        bad.filter(pc.is_in(bad["reason"], pa.array(TORN, TEXT))).select(["origin", "detail"]).to_pylist()
    ):
        file, _, number = row["origin"].rpartition(":")
        yield torn_text(file, int(number), row["detail"])
