"""A finished scan opened again: its hits, and both original texts of each.

The one idea: texts are read back from where they came, and shown only where they are what was scanned: a
record is known by its id, which follows from its content, and an instance by the hashes of its suite's
files. What cannot be read back is said, and is no reason to stop. Nothing is scanned or decided here.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.decontaminate.suites import Suite, load_suites
from tulu_data.errors import SourceError, StoreError, SuiteError
from tulu_data.sources.cache import normalise
from tulu_data.sources.location import resolve_source
from tulu_data.sources.records import open_records
from tulu_data.sources.scan import Reading
from tulu_data.specs.base import read_spec
from tulu_data.specs.mixture import Mixture
from tulu_data.store import Store, Version

HITS_FILE, REPORT_FILE = "hits.parquet", "report.json"
Hit = Mapping[str, Any]
"""A row of hits.parquet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Why a text cannot be shown."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The records of one dataset or source, to be found again."""

    tables: Mapping[str, pa.Table]
    """Normalised records by the name of their file; of a version, all under its own name."""
    changed: tuple[str, ...] = ()
    """Files whose bytes are others than when they were scanned."""

    def find(self, hit: Hit) -> list[dict[str, Any]] | Missing:
        """Return the messages of a hit's record (of its prompt, for preferences)."""
        name, _, row = hit["origin"].rpartition(":")
        number = int(row) if row.isdecimal() else 0
        for key, table in sorted(self.tables.items(), key=lambda item: item[0] != name):
            at = _row(table, number) if key == name else None
            if at is None or table["id"][at].as_py() != hit["id"]:
                at = pc.index(table["id"], hit["id"]).as_py()
            if at != -1:
                turns = table["prompt" if "prompt" in table.column_names else "messages"]
                found: list[dict[str, Any]] = turns[at].as_py()
                return found
        files = ", ".join(self.changed) or name
        return Missing(why=f"{files} changed since the scan, and this record is gone; scan again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A scan's hits, and how their texts are found."""

    name: str
    """Folder or version."""
    hits: pa.Table
    """Without the decisions that held at the time."""
    suites: tuple[Suite, ...]
    outdated: Mapping[str, str]
    """Suites with other files than were scanned, and which."""
    shelf: Callable[[str], Shelf]
    """Opens the records of a dataset, or of a version's source, by its name."""
    shelf_key: str
    """Column of hits that names it."""

    def record(self, hit: Hit) -> list[dict[str, Any]] | Missing:
        """Return the messages of a hit's record, or why they cannot be read back."""
        try:
            return self.shelf(hit[self.shelf_key]).find(hit)
        except (SourceError, StoreError) as error:
            return Missing(why=f"cannot be read back: {error}")

    def instance(self, hit: Hit) -> dict[str, Any] | Missing:
        """Return the eval instance of a hit, or why it cannot be shown."""
        suite = next((suite for suite in self.suites if suite.name == hit["suite"]), None)
        if suite is None or hit["suite"] in self.outdated:
            files = self.outdated.get(hit["suite"], "its suite")
            return Missing(why=f"{files} changed since the scan; scan again")
        rows = suite.instances.filter(pc.equal(suite.instances["id"], hit["instance"])).to_pylist()
        found: dict[str, Any] = next(row for row in rows if row["split"] == hit["split"])
        return found


def _row(table: pa.Table, number: int) -> int | None:
    """Return where a row of a file lies in its table, if it does."""
    if "row" not in table.column_names:
        return None
    at = bisect_left(range(table.num_rows), number, key=lambda place: table["row"][place].as_py())
    return at if at < table.num_rows else None


def open_findings(what: str, base: Path, store: Store) -> Findings:
    """Open a report's folder, its hits.parquet or `name@version`; raise SourceError or StoreError."""
    path = base / what
    if path.name == HITS_FILE:
        path = path.parent
    if (path / REPORT_FILE).is_file():
        return _of_report(path, what, store)
    if not path.exists() and what.partition("@")[0] in store.names():
        return _of_version(store.resolve(what), base, store)
    found = "is there, without report.json" if path.exists() else "is not there"
    raise SourceError(
        f"{what}: no report of a scan ({found}); make one with: tulu-data decontaminate --against evals/, "
        "or give the folder of one, or a version as name@id"
    )


def _of_report(folder: Path, name: str, store: Store) -> Findings:
    """Open what `tulu-data decontaminate` wrote."""
    report = _report(folder / REPORT_FILE)
    try:
        base, suites_base = (folder / report["bases"][key] for key in ("datasets", "suites"))
        accounts = {account["dataset"]: account for account in report["datasets"]}
        adapter, columns = report["adapter"], report["columns"]
    except (KeyError, TypeError):
        raise SourceError(f"{folder / REPORT_FILE}: written by an older tulu-data; scan again") from None

    @cache
    def shelf(dataset: str) -> Shelf:
        if not (base / dataset).exists() and dataset.partition("@")[0] in store.names():
            version = store.resolve(dataset)
            return Shelf(tables={version.ref: version.table()})
        account = accounts[dataset]
        records = open_records(
            dataset, base=base.resolve(), store=store, cache=store.root / "cache" / "normalised",
            kind=account["kind"], adapter=adapter, columns=columns,
        )  # fmt: skip
        changed = [
            f.file.origin for f in records.files if f.file.sha256 != account["files"].get(f.file.origin)
        ]
        return Shelf(tables={f.file.origin: f.table for f in records.files}, changed=tuple(changed))

    return _findings(name, folder, report["suites"], suites_base, shelf, "dataset")


def _of_version(version: Version, base: Path, store: Store) -> Findings:
    """Open what the decontamination step of a mixture found."""
    if version.manifest.decontamination is None:
        raise StoreError(f"{version.ref}: was not decontaminated, so it has no hits")
    sources = read_spec(Mixture, version.path / "spec.yaml").sources
    scanned = {s.name: {f.origin: f.sha256 for f in s.files} for s in version.manifest.sources}

    @cache
    def shelf(name: str) -> Shelf:
        files = resolve_source(name, sources[name], base=base, store=store).files
        reading = Reading.of(version.kind, sources[name])
        read = [normalise(f, reading, (), store.root / "cache" / "normalised") for f in files]
        changed = [f.origin for f in files if f.sha256 != scanned[name].get(f.origin)]
        return Shelf(tables={f.file.origin: f.table for f in read}, changed=tuple(changed))

    suites = version.manifest.decontamination["suites"]
    return _findings(version.ref, version.path, suites, base, shelf, "source")


def _findings(
    name: str, folder: Path, suites: Sequence[Mapping[str, Any]], base: Path, shelf: Callable[[str], Shelf],
    shelf_key: str,
) -> Findings:  # fmt: skip
    """Read the hits and the suites of a scan."""
    hits = pq.read_table(folder / HITS_FILE)
    if "match" not in hits.column_names:
        raise SourceError(f"{folder / HITS_FILE}: written by an older tulu-data; scan again")
    scanned = {suite["name"]: suite["files"] for suite in suites}
    paths = sorted({path for files in scanned.values() for path in files})
    try:
        read = load_suites(paths, base.resolve()) if hits.num_rows else ()
    except SuiteError as error:
        raise SuiteError(f"{error}; {name} was made with it, put it back or scan again") from None
    outdated = {
        s.name: ", ".join(path for path, digest in s.files if scanned.get(s.name, {}).get(path) != digest)
        for s in read
    }
    return Findings(
        name=name, hits=hits.drop_columns(["decision"]) if "decision" in hits.column_names else hits,
        suites=read, outdated={name: files for name, files in outdated.items() if files},
        shelf=shelf, shelf_key=shelf_key,
    )  # fmt: skip


def _report(path: Path) -> dict[str, Any]:
    """Read report.json."""
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise SourceError(f"{path}: not readable as a report ({error}); scan again") from None
    return report
