"""Scan whole datasets against suites, and what that found, as one value and as a report.

The one idea: datasets are read and accounted for as any command reads them; here their records go to the
scan, and what it finds is named by dataset. Nothing is dropped and nothing is printed here.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.decontaminate.decisions import NO_DECISIONS, Decided, decide
from tulu_data.decontaminate.hits import HITS
from tulu_data.decontaminate.index import Index
from tulu_data.decontaminate.report import Report, make_report
from tulu_data.decontaminate.scan import Scanner
from tulu_data.decontaminate.suites import Suite
from tulu_data.schema import TEXT
from tulu_data.sources.datasets import PLACE, Dataset, Reading, everything
from tulu_data.sources.ledger import Account, Course, Ledger, read_datasets
from tulu_data.sources.reports import renamed, write_report, writing
from tulu_data.sources.rows import TORN, torn_text
from tulu_data.specs.decisions import Decisions
from tulu_data.specs.rules import Scope
from tulu_data.store import Store

FOUND = pa.schema([("dataset", TEXT), ("source", TEXT), ("origin", TEXT), *HITS])
"""Arrow schema of an audit's hits: HITS with where each record came from. `record` counts in its dataset.

A column `decision` follows them: `keep`, `drop` or null.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What scanning some datasets found."""

    scope: Scope
    report: Report
    decided: Decided
    """The hits, of schema FOUND, with the decisions on them."""
    ledger: Ledger
    text_bytes: Mapping[str, int]
    """Bytes of turns that were scanned, by dataset."""
    seconds: float
    """Time spent reading and scanning."""

    @property
    def hits(self) -> pa.Table:
        """The hits, of schema FOUND, with a column `decision`."""
        return self.decided.hits

    @property
    def speed(self) -> float:
        """Megabytes of turns per second, reading included."""
        return sum(self.text_bytes.values()) / 1e6 / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Return the report and the accounts as JSON values."""
        return {
            "command": "decontaminate", "scope": self.scope, **self.report.to_dict(),
            "decisions": self.decided.to_dict(),
            "datasets": [self._told(account) for account in self.ledger.accounts], **self.ledger.to_dict(),
        }  # fmt: skip

    def _told(self, account: Account) -> dict[str, Any]:
        """Return the account of a dataset as JSON values."""
        return {
            "dataset": account.dataset, "kind": account.kind, "read": account.read,
            "quarantined": dict(account.quarantined), "scanned": account.records,
            "text_bytes": self.text_bytes[account.dataset], "files": dict(account.files),
            "torn": list(account.torn),
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
    started = time.perf_counter()
    scanner = Scanner(index, scope=scope, workers=course.workers)

    def scan(dataset: Dataset, batches: Iterator[pa.RecordBatch]) -> None:
        scanner.read(batches, dataset.kind, PLACE)

    ledger = read_datasets(names, everything, scan, base=base, store=store, reading=reading, course=course)
    found = list(zip(ledger.accounts, scanner.settle(PLACE), strict=True))
    assert [account.records for account, _ in found] == [hits.records for _, hits in found]
    tables = [_named(account.dataset, hits.table) for account, hits in found]
    decided = decide(pa.concat_tables(tables), decisions, index.suites)
    records = {source: count for account, _ in found for source, count in account.sources.items()}
    return Audit(
        scope=scope, report=make_report(index, decided.hits, records), decided=decided, ledger=ledger,
        text_bytes={account.dataset: hits.text_bytes for account, hits in found},
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def _named(dataset: str, hits: pa.Table) -> pa.Table:
    """Say of hits which dataset they are of."""
    name = pa.repeat(pa.scalar(dataset, TEXT), hits.num_rows)
    return pa.table([name, *hits.select([*PLACE, *HITS.names]).columns], schema=FOUND)


def torn_suites(suites: Iterable[Suite]) -> Iterator[str]:
    """Say of the files of suites that end before their data does what is missing."""
    for suite in suites:
        for file, row, reason in suite.bad:
            if reason in TORN:
                yield torn_text(file, row, "")


def write_audit(found: Audit, folder: Path, *, suites_base: Path, against: Sequence[str]) -> dict[str, Any]:
    """Write hits.parquet and then report.json, each at once; return the report as JSON values.

    It tells, from its folder, the folders that the origins of records and the paths of suites start at,
    and the paths that the suites were loaded from.
    """
    bases = {"datasets": found.ledger.base, "suites": suites_base}
    report = found.to_dict()
    report["against"] = list(against)
    report["bases"] = {name: os.path.relpath(path, folder) for name, path in bases.items()}
    with writing(folder):
        with renamed(folder / "hits.parquet") as path:
            pq.write_table(found.hits, path, compression="zstd")
        write_report(report, folder)
    return report


def matched_text(index: Index, hit: Mapping[str, Any]) -> str:
    """Return the first matched part of the instance of a hit, as its suite writes it.

    It is the whole text where the two have no word in common, only the letters of their words.
    """
    instances = next(suite for suite in index.suites if suite.name == hit["suite"]).instances
    same = pc.and_(pc.equal(instances["id"], hit["instance"]), pc.equal(instances["split"], hit["split"]))
    text: str = instances.filter(same)[hit["field"]][0].as_py()
    span = next(iter(hit["instance_spans"]), {"start": 0, "end": len(text)})
    return text[span["start"] : span["end"]]
