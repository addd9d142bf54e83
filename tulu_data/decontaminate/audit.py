"""Scan whole datasets against suites and account for every row.

The one idea: a dataset is a stream of batches with a name for each record's source and place, be it
files, a hub dataset or a stored version; what is read is scanned or counted as bad. Nothing is
dropped and nothing is printed here.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.decontaminate.decisions import NO_DECISIONS, Decided, decide
from tulu_data.decontaminate.index import Index
from tulu_data.decontaminate.report import Report, make_report
from tulu_data.decontaminate.scan import HITS, scan
from tulu_data.errors import SourceError
from tulu_data.schema import TEXT, Kind
from tulu_data.sources.files import find_files
from tulu_data.sources.records import open_records, outside
from tulu_data.specs.decisions import Decisions
from tulu_data.specs.source import Adapter
from tulu_data.store import Store, Version

DATA_FOLDER = "data"
"""Folder of a workspace whose files are scanned when no dataset is named."""

FOUND = pa.schema([("dataset", TEXT), ("source", TEXT), ("origin", TEXT), *HITS])
"""Arrow schema of an audit's hits: HITS with where each record came from. `record` counts in its dataset.

A column `decision` follows them: `keep`, `drop` or null.
"""

Placed = tuple[pa.RecordBatch, pa.Array, pa.Array]
"""A batch, and the source and the origin (`file:row`) of each of its records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset opened for scanning."""

    name: str
    kind: Kind
    read: int
    """Raw rows."""
    quarantined: dict[str, int]
    """Rows that are no records, by reason."""
    batches: Callable[[], Iterator[Placed]]
    files: Mapping[str, str] = field(default_factory=dict)
    """Sha256 of each file that it was read from, by origin; a version is named by its content instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files are read, where their columns do not say it, and which are no data."""

    kind: Kind | None = None
    adapter: Adapter = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column that plays each part."""
    skip: tuple[Path, ...] = ()
    """Folders whose files are never found as data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of one dataset's rows: read = scanned + quarantined."""

    dataset: str
    kind: Kind
    read: int
    quarantined: dict[str, int]
    scanned: int
    text_bytes: int
    """Bytes of user turns that were scanned."""
    files: Mapping[str, str]
    """Sha256 of each file, by origin; none of a version."""

    @property
    def reasons(self) -> str:
        """Quarantined rows by reason, as text."""
        return ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.quarantined.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What scanning some datasets found."""

    report: Report
    decided: Decided
    """The hits, of schema FOUND, with the decisions on them."""
    accounts: tuple[Account, ...]
    unreadable: tuple[str, ...]
    """Files that were found rather than named and hold no records, each with the reason."""
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
        """Megabytes of user turns per second, reading included."""
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
            **self.report.to_dict(), "decisions": self.decided.to_dict(), "datasets": accounts,
            "unreadable": list(self.unreadable), "adapter": self.reading.adapter,
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
    workers: int | None,
    say: Callable[[str], None],
) -> Audit:
    """Scan the named datasets, or all that the workspace `base` holds.

    Raises SourceError when there are none.
    """
    started, unreadable = time.perf_counter(), []
    accounts, tables, records = [], [], {}
    for name in names or everything(base, store, reading.skip):
        try:
            dataset = open_dataset(name, base, store, reading)
        except SourceError as error:
            if names:
                raise
            unreadable.append(str(error))
            continue
        account, found, counts = _scan(dataset, index, workers)
        say(f"{account.dataset}: {account.scanned:,} records, {found.num_rows:,} hits")
        accounts.append(account)
        tables.append(found)
        records.update(counts)
    if not accounts:
        said = "; ".join(text.split(";")[0] for text in unreadable)
        raise SourceError(f"{base}: no dataset holds records: {said}")
    decided = decide(pa.concat_tables(tables), decisions, index.suites)
    report = make_report(index, decided.hits, records)
    seconds = time.perf_counter() - started
    return Audit(
        report=report,
        decided=decided,
        accounts=tuple(accounts),
        unreadable=tuple(unreadable),
        seconds=seconds,
        reading=reading,
    )


def everything(base: Path, store: Store, skip: Sequence[Path]) -> list[str]:
    """Name the latest version of every name in the store, and every data file below `data/`."""
    names = [store.resolve(name).ref for name in store.names()]
    if (base / DATA_FOLDER).is_dir():
        names += [file.origin for file in outside(find_files(DATA_FOLDER, base), skip)]
    if names:
        return names
    raise SourceError(
        f"{base}: no dataset to scan: the store {store.root} is empty and no file lies below {DATA_FOLDER}/; "
        "name a file, a glob, hf://owner/name or name@version"
    )


def open_dataset(name: str, base: Path, store: Store, reading: Reading) -> Dataset:
    """Open a path, glob, hub dataset or stored version, which needs no `reading`.

    Raises SourceError or StoreError.
    """
    if not (base / name).exists() and name.partition("@")[0] in store.names():
        version = store.resolve(name)
        return Dataset(
            name=version.ref, kind=version.kind, read=version.num_rows, quarantined={},
            batches=lambda: _version_batches(version),
        )  # fmt: skip
    records = open_records(
        name, base=base, store=store, cache=store.root / "cache" / "normalised", kind=reading.kind,
        adapter=reading.adapter, columns=reading.columns, skip=reading.skip,
    )  # fmt: skip
    reasons = pc.value_counts(records.bad["reason"]).to_pylist() if records.bad.num_rows else []

    def batches() -> Iterator[Placed]:
        for origin, batch in records.batches():
            rows = batch.column("row").cast(TEXT)
            places = pc.binary_join_element_wise(pa.scalar(origin, TEXT), rows, pa.scalar(":", TEXT))
            yield batch, pa.repeat(pa.scalar(records.name, TEXT), batch.num_rows), places

    return Dataset(
        name=records.name, kind=records.kind, read=records.read, batches=batches,
        files={file.file.origin: file.file.sha256 for file in records.files},
        quarantined={str(reason["values"]): int(reason["counts"]) for reason in reasons},
    )  # fmt: skip


def _version_batches(version: Version) -> Iterator[Placed]:
    """Yield a version's batches; its sources are told apart as `name@id source`."""
    prefix = pa.scalar(version.ref, TEXT)
    for batch in version.batches():
        source = pc.binary_join_element_wise(prefix, batch.column("source"), pa.scalar(" ", TEXT))
        yield batch, source, batch.column("origin")


def _scan(dataset: Dataset, index: Index, workers: int | None) -> tuple[Account, pa.Table, dict[str, int]]:
    """Scan one dataset; return its account, its hits with their places, and the records per source."""
    sources: list[pa.Array] = []
    origins: list[pa.Array] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for batch, source, origin in dataset.batches():
            sources.append(source.dictionary_encode())
            origins.append(origin)
            yield batch

    found = scan(batches(), dataset.kind, index, workers=workers)
    source = pa.chunked_array(sources, pa.dictionary(pa.int32(), TEXT)).cast(TEXT)
    origin = pa.chunked_array(origins, TEXT)
    at = found.table["record"]
    named = [pa.repeat(pa.scalar(dataset.name, TEXT), len(at)), source.take(at), origin.take(at)]
    hits = pa.table([*named, *found.table.columns], schema=FOUND)
    counts = {c["values"]: c["counts"] for c in pc.value_counts(source).to_pylist()} or {dataset.name: 0}
    account = Account(
        dataset=dataset.name, kind=dataset.kind, read=dataset.read, quarantined=dataset.quarantined,
        scanned=found.records, text_bytes=found.text_bytes, files=dict(dataset.files),
    )  # fmt: skip
    assert account.read == account.scanned + sum(account.quarantined.values())
    return account, hits, counts


def write_audit(found: Audit, folder: Path, *, base: Path, suites_base: Path) -> dict[str, Any]:
    """Write hits.parquet and report.json; return the report as JSON values.

    It tells, from its folder, the folders that the origins of records and the paths of suites start at.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bases = {"datasets": base, "suites": suites_base}
    report = found.to_dict()
    report["bases"] = {name: os.path.relpath(path, folder) for name, path in bases.items()}
    pq.write_table(found.hits, folder / "hits.parquet", compression="zstd")
    (folder / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return report


def matched_text(index: Index, hit: Mapping[str, Any]) -> str:
    """Return the first matched part of the instance of a hit, as its suite writes it."""
    instances = next(suite for suite in index.suites if suite.name == hit["suite"]).instances
    same = pc.and_(pc.equal(instances["id"], hit["instance"]), pc.equal(instances["split"], hit["split"]))
    text: str = instances.filter(same)[hit["field"]][0].as_py()
    span = hit["instance_spans"][0]
    return text[span["start"] : span["end"]]
