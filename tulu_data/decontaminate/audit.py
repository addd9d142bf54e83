"""Scan whole datasets against suites and account for every row.

The one idea: a dataset is a stream of batches with a name for each record's source and place, be it
files, a hub dataset or a stored version; what is read is scanned or counted as bad. Nothing is
dropped and nothing is printed here.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.decontaminate.decisions import NO_DECISIONS, Decided, decide
from tulu_data.decontaminate.hits import HITS
from tulu_data.decontaminate.index import Index
from tulu_data.decontaminate.report import Report, make_report
from tulu_data.decontaminate.scan import Scanner
from tulu_data.decontaminate.suites import Suite
from tulu_data.errors import SourceError
from tulu_data.schema import TEXT, Kind
from tulu_data.sources.datasets import PLACE, Dataset, Reading, everything, open_dataset
from tulu_data.sources.quarantine import Quarantine
from tulu_data.specs.decisions import Decisions
from tulu_data.specs.rules import Scope
from tulu_data.store import Store

TORN = "truncated archive"
"""Reason of the bad row that stands for all that a file should hold after it."""

FOUND = pa.schema([("dataset", TEXT), ("source", TEXT), ("origin", TEXT), *HITS])
"""Arrow schema of an audit's hits: HITS with where each record came from. `record` counts in its dataset.

A column `decision` follows them: `keep`, `drop` or null.
"""


class Progress(Protocol):
    """Who hears how far a scan is."""

    def begin(self, dataset: str, size: int) -> None:
        """Hear that a dataset of so many bytes comes next."""

    def read(self, size: float) -> None:
        """Hear that so many more of its bytes are read."""

    def records(self, count: int) -> None:
        """Hear that so many more of its records go to the scan."""

    def end(self, text: str) -> None:
        """Hear in words what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a scan runs."""

    workers: int | None
    """Threads; one per core where it is None."""
    quarantine: Quarantine
    """Takes the rows that are no records."""
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of one dataset's rows: read = scanned + quarantined."""

    dataset: str
    kind: Kind
    read: int
    quarantined: dict[str, int]
    scanned: int
    text_bytes: int
    """Bytes of turns that were scanned."""
    files: Mapping[str, str]
    """Sha256 of each file, by origin; none of a version."""
    torn: tuple[str, ...] = ()
    """Files that end before their data does: what is missing of each."""

    @property
    def reasons(self) -> str:
        """Quarantined rows by reason, as text."""
        return ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.quarantined.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What scanning some datasets found."""

    scope: Scope
    report: Report
    decided: Decided
    """The hits, of schema FOUND, with the decisions on them."""
    accounts: tuple[Account, ...]
    unreadable: tuple[str, ...]
    """Files that were found rather than named and hold no records, each with the reason."""
    repeated: Mapping[str, str]
    """Names of what another dataset is too, and that one's name; it was scanned once."""
    reading: Reading
    """How the files were read."""
    seconds: float
    """Time spent reading and scanning."""

    @property
    def hits(self) -> pa.Table:
        """The hits, of schema FOUND, with a column `decision`."""
        return self.decided.hits

    @property
    def speed(self) -> float:
        """Megabytes of turns per second, reading included."""
        return sum(account.text_bytes for account in self.accounts) / 1e6 / self.seconds

    @property
    def scanned(self) -> int:
        """Records that were scanned, of all datasets."""
        return sum(account.scanned for account in self.accounts)

    @property
    def unscanned(self) -> tuple[Account, ...]:
        """Datasets of which not one record was scanned; nothing is known of them."""
        return tuple(account for account in self.accounts if not account.scanned)

    def to_dict(self) -> dict[str, Any]:
        """Return the report and the accounts as JSON values."""
        accounts = [asdict(account) for account in self.accounts]
        return {
            "scope": self.scope, **self.report.to_dict(), "decisions": self.decided.to_dict(),
            "datasets": accounts, "unreadable": list(self.unreadable),
            "repeated": dict(self.repeated), "adapter": self.reading.adapter,
            "columns": dict(self.reading.columns),
        }  # fmt: skip


def audit(
    names: Sequence[str],
    index: Index,
    *,
    base: Path,
    store: Store,
    reading: Reading,
    decisions: Decisions = NO_DECISIONS,
    scope: Scope = "user",
    course: Course,
) -> Audit:
    """Scan the named datasets, or all that the workspace `base` holds.

    Raises SourceError when there are none.
    """
    started, unreadable = time.perf_counter(), []
    accounts, records = [], {}
    first: dict[frozenset[str], str] = {}
    repeated: dict[str, str] = {}
    scanner = Scanner(index, scope=scope, workers=course.workers)
    for name in names or everything(base, store, reading.skip):
        try:
            dataset = open_dataset(name, base, store, reading)
            if first.setdefault(dataset.content, name) is not name:
                repeated[name] = first[dataset.content]
                continue
            account, counts = _scan(dataset, scanner, course)
        except SourceError as error:
            if names:
                raise
            course.quarantine.forget()
            unreadable.append(str(error))
            continue
        course.quarantine.keep()
        course.progress.end(f"{account.dataset}: {account.scanned:,} records")
        accounts.append(account)
        records.update(counts)
    if not accounts:
        said = "; ".join(text.split(";")[0] for text in unreadable)
        raise SourceError(f"{base}: no dataset holds records: {said}")
    names = [account.dataset for account in accounts]
    tables = [_named(name, hits.table) for name, hits in zip(names, scanner.settle(PLACE), strict=True)]
    decided = decide(pa.concat_tables(tables), decisions, index.suites)
    report = make_report(index, decided.hits, records)
    seconds = time.perf_counter() - started
    return Audit(
        scope=scope,
        report=report,
        decided=decided,
        accounts=tuple(accounts),
        unreadable=tuple(unreadable),
        repeated=repeated,
        seconds=seconds,
        reading=reading,
    )


def _named(dataset: str, hits: pa.Table) -> pa.Table:
    """Say of hits which dataset they are of."""
    name = pa.repeat(pa.scalar(dataset, TEXT), hits.num_rows)
    return pa.table([name, *hits.select([*PLACE, *HITS.names]).columns], schema=FOUND)


def _scan(dataset: Dataset, scanner: Scanner, course: Course) -> tuple[Account, dict[str, int]]:
    """Scan one dataset; return its account, and the records per source."""
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
    scanned, text_bytes = scanner.read(batches(), dataset.kind, PLACE)
    account = Account(
        dataset=dataset.name, kind=dataset.kind, read=records.total() + quarantined.total(),
        quarantined=dict(sorted(quarantined.items())), scanned=scanned, text_bytes=text_bytes,
        files=dict(dataset.files), torn=tuple(torn),
    )  # fmt: skip
    assert account.read == account.scanned + sum(account.quarantined.values())
    return account, dict(records) or {dataset.name: 0}


def _tears(bad: pa.Table) -> Iterator[str]:
    """Say of files that end before their data does what is missing; `bad` has schema QUARANTINED."""
    for row in bad.filter(pc.equal(bad["reason"], TORN)).select(["origin", "detail"]).to_pylist():
        file, _, number = row["origin"].rpartition(":")
        yield torn_text(file, int(number), row["detail"])


def torn_text(file: str, row: int, detail: str) -> str:
    """Say that a file could not be read from some row on."""
    why = f" ({detail})" if detail else ""
    return f"{file}: nothing after row {row - 1:,} could be read{why}; get the whole file"


def torn_suites(suites: Iterable[Suite]) -> Iterator[str]:
    """Say of the files of suites that end before their data does what is missing."""
    for suite in suites:
        for file, row, reason in suite.bad:
            if reason == TORN:
                yield torn_text(file, row, "")


def _counts(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """Count each value."""
    return {each["values"]: each["counts"] for each in pc.value_counts(values).to_pylist()}


def write_audit(
    found: Audit, folder: Path, *, base: Path, suites_base: Path, against: Sequence[str]
) -> dict[str, Any]:
    """Write hits.parquet and then report.json, each at once; return the report as JSON values.

    It tells, from its folder, the folders that the origins of records and the paths of suites start at,
    and the paths that the suites were loaded from.
    """
    bases = {"datasets": base, "suites": suites_base}
    report = found.to_dict()
    report["against"] = list(against)
    report["bases"] = {name: os.path.relpath(path, folder) for name, path in bases.items()}
    with _writing(folder):
        with _renamed(folder / "hits.parquet") as path:
            pq.write_table(found.hits, path, compression="zstd")
        write_report(report, folder)
    return report


def make_folder(folder: Path) -> None:
    """Make the folder of a report, before anything is scanned; raise SourceError where it takes no file."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Raise SourceError where the disk refuses."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise SourceError(f"{folder}: no report can be written ({why}); name another folder: --out") from None


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write report.json."""
    with _renamed(folder / "report.json") as path:
        path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    """Yield another name for a file, which takes its own when it is written."""
    new = path.with_name(f".{path.name}.new")
    try:
        yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def matched_text(index: Index, hit: Mapping[str, Any]) -> str:
    """Return the first matched part of the instance of a hit, as its suite writes it.

    It is the whole text where the two have no word in common, only the letters of their words.
    """
    instances = next(suite for suite in index.suites if suite.name == hit["suite"]).instances
    same = pc.and_(pc.equal(instances["id"], hit["instance"]), pc.equal(instances["split"], hit["split"]))
    text: str = instances.filter(same)[hit["field"]][0].as_py()
    span = next(iter(hit["instance_spans"]), {"start": 0, "end": len(text)})
    return text[span["start"] : span["end"]]
