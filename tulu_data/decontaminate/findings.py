"""A finished scan opened again: its hits, and both original texts of each.

The one idea: texts are read back from where they came, and shown only where they are what was scanned: a
record is known by its id, which follows from its content, and an instance by the hashes of its suite's
files. What cannot be read back is said, and is no reason to stop. Nothing is scanned or decided here.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.decontaminate.suites import Suite, load_again
from tulu_data.errors import SourceError, StoreError
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import MESSAGES, TEXT, Kind
from tulu_data.sources.location import resolve_source
from tulu_data.sources.records import Records, open_records
from tulu_data.sources.reports import REPORT_FILE
from tulu_data.sources.scan import Reading
from tulu_data.sources.turns import columns_of, messages_in_order
from tulu_data.specs.base import read_spec
from tulu_data.specs.mixture import DecontaminateStep, Mixture
from tulu_data.store import Store, Version

HITS_FILE = "hits.parquet"
Hit = Mapping[str, Any]
"""A row of hits.parquet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Why a text cannot be shown."""

    why: str


class Messages(NamedTuple):
    """All messages of a record, in the order in which hits count them."""

    messages: pa.ListScalar
    columns: tuple[str, ...]
    """Column of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The records behind some hits of one dataset or source, read back."""

    turns: Mapping[str, Messages]
    """Messages by record id."""
    changed: tuple[str, ...] = ()
    """Files whose bytes are others than when they were scanned."""

    def find(self, hit: Hit) -> list[dict[str, Any]] | Missing:
        """Return the messages of a hit's record, each with its column."""
        if hit["id"] in self.turns:
            messages, columns = self.turns[hit["id"]]
            return [one | {"column": name} for one, name in zip(messages.as_py(), columns, strict=True)]
        files = ", ".join(self.changed) or hit["origin"].rpartition(":")[0]
        return Missing(why=f"{files} changed since the scan, and this record is gone; scan again")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a scan was asked to look for."""

    suites: Sequence[Mapping[str, Any]]
    """The suites that it read, as its report tells of them."""
    against: Sequence[str]
    """Paths that they were loaded from."""
    base: Path
    """Folder where these paths start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A scan's hits, and how their texts are found."""

    name: str
    """Folder or version."""
    hits: pa.Table
    """Without the decisions that held at the time."""
    suites: tuple[Suite, ...]
    unshown: Mapping[str, str]
    """Why instances of some suites cannot be shown, by suite."""
    open_shelf: Callable[[str, pa.Table], Shelf]
    """Reads back the records behind some hits of a dataset, or of a version's source, by its name."""
    shelf_key: str
    """Column of hits that names it."""
    shelves: dict[str, Shelf | Missing] = field(default_factory=dict)
    """What was read back already."""

    def narrowed(self, hits: pa.Table) -> "Findings":
        """Return these findings with some of their hits, so that no other record is read back."""
        return replace(self, hits=hits, shelves={})

    def hit_records(self) -> pa.Table:
        """Return the records behind all hits that can be read back: id and messages, as hits count them."""
        names = self.hits[self.shelf_key].unique().to_pylist()
        shelves = [self._shelf(name) for name in names]
        turns = {
            key: one for shelf in shelves if isinstance(shelf, Shelf) for key, one in shelf.turns.items()
        }
        rows = [one.messages.as_py() for one in turns.values()]
        return pa.table([pa.array(list(turns), TEXT), pa.array(rows, MESSAGES)], names=["id", "messages"])

    def _shelf(self, name: str) -> Shelf | Missing:
        if name not in self.shelves:
            mine = self.hits.filter(pc.equal(self.hits[self.shelf_key], name))
            try:
                self.shelves[name] = self.open_shelf(name, mine)
            except (SourceError, StoreError) as error:
                self.shelves[name] = Missing(why=f"cannot be read back: {error}")
        return self.shelves[name]

    def record(self, hit: Hit) -> list[dict[str, Any]] | Missing:
        """Return the messages of a hit's record, each with its column, or why they cannot be read back."""
        shelf = self._shelf(hit[self.shelf_key])
        return shelf if isinstance(shelf, Missing) else shelf.find(hit)

    def instance(self, hit: Hit) -> dict[str, Any] | Missing:
        """Return the eval instance of a hit, or why it cannot be shown."""
        if hit["suite"] in self.unshown:
            return Missing(why=self.unshown[hit["suite"]])
        instances = next(suite.instances for suite in self.suites if suite.name == hit["suite"])
        rows = instances.filter(pc.equal(instances["id"], hit["instance"])).to_pylist()
        found: dict[str, Any] = next(row for row in rows if row["split"] == hit["split"])
        return found


def open_findings(what: str, base: Path, store: Store) -> Findings:
    """Open a report's folder, its hits.parquet or `name@version`; raise SourceError or StoreError."""
    found = locate(what, base, store)
    return _of_report(found, what, store) if isinstance(found, Path) else _of_version(found, base, store)


def locate(what: str, base: Path, store: Store) -> Path | Version:
    """Return the folder of a report, or a version; raise SourceError where there is neither."""
    path = base / what
    if path.name == HITS_FILE:
        path = path.parent
    if (path / REPORT_FILE).is_file():
        return path
    if not path.exists() and what.partition("@")[0] in store.names():
        return store.resolve(what)
    found = "is there, without report.json" if path.exists() else "is not there"
    raise SourceError(
        f"{what}: no report of a scan ({found}); make one with: tulu-data decontaminate --against evals/, "
        "or give the folder of one, or a version as name@id"
    )


def _of_report(folder: Path, name: str, store: Store) -> Findings:
    """Open what `tulu-data decontaminate` wrote."""
    report = read_report(folder)
    try:
        base, suites_base = (folder / report["bases"][key] for key in ("datasets", "suites"))
        accounts = {account["dataset"]: account for account in report["datasets"]}
        adapter, columns = report["adapter"], report["columns"]
        asked = _Asked(suites=report["suites"], against=report["against"], base=suites_base)
    except (KeyError, TypeError):
        raise SourceError(f"{folder / REPORT_FILE}: written by an older tulu-data; scan again") from None

    def shelf(dataset: str, hits: pa.Table) -> Shelf:
        if not (base / dataset).exists() and dataset.partition("@")[0] in store.names():
            return _shelf_of_version(store.resolve(dataset), hits)
        account = accounts[dataset]
        records = open_records(
            dataset, base=base.resolve(), store=store, cache=store.root / "cache" / "normalised",
            kind=account["kind"], adapter=adapter, columns=columns,
        )  # fmt: skip
        return _shelf(records, account["files"], hits)

    return _findings(name, folder, asked, store, shelf, "dataset")


def _of_version(version: Version, base: Path, store: Store) -> Findings:
    """Open what the decontamination step of a mixture found."""
    if version.manifest.decontamination is None:
        raise StoreError(f"{version.ref}: was not decontaminated, so it has no hits")
    mixture = read_spec(Mixture, version.path / "spec.yaml")
    sources = mixture.sources
    scanned = {s.name: {f.origin: f.sha256 for f in s.files} for s in version.manifest.sources}

    def shelf(name: str, hits: pa.Table) -> Shelf:
        files = resolve_source(name, sources[name], base=base, store=store).files
        records = Records(
            name=name, kind=version.kind, files=files, reading=Reading.of(version.kind, sources[name]),
            cache=store.root / "cache" / "normalised",
        )  # fmt: skip
        return _shelf(records, scanned[name], hits)

    step = next(step for step in reversed(mixture.steps) if isinstance(step, DecontaminateStep))
    asked = _Asked(suites=version.manifest.decontamination["suites"], against=step.against, base=base)
    return _findings(version.ref, version.path, asked, store, shelf, "source")


def _shelf(records: Records, scanned: Mapping[str, str], hits: pa.Table) -> Shelf:
    """Read back the records behind hits: by their rows, or by their ids where a file has changed."""
    rows: dict[str, list[int]] = {}
    for origin in hits["origin"].unique().to_pylist():
        file, _, row = origin.rpartition(":")
        rows.setdefault(file, []).append(int(row))
    turns: dict[str, Messages] = {}
    ids = hits["id"].unique()
    changed = tuple(f.origin for f in records.files if f.sha256 != scanned.get(f.origin))
    for file in records.files:
        if file.origin not in rows and file.origin not in changed:
            continue
        wanted = pa.array(rows.get(file.origin, []), pa.int64())
        for part in replace(records, files=(file,)).batches():
            near = part.records
            if file.origin not in changed:
                near = near.filter(pc.is_in(near.column("row"), wanted))
            known = record_ids(near, records.kind)
            here = pc.is_in(known, ids)
            turns |= _turns(near.filter(here), known.filter(here), records.kind)
    return Shelf(turns=turns, changed=changed)


def _shelf_of_version(version: Version, hits: pa.Table) -> Shelf:
    """Read back the records behind hits in a stored version."""
    turns: dict[str, Messages] = {}
    wanted = hits["id"].unique()
    for batch in version.batches():
        found = batch.filter(pc.is_in(batch.column("id"), wanted))
        turns |= _turns(found, found.column("id"), version.kind)
    return Shelf(turns=turns)


def _turns(records: pa.RecordBatch, ids: pa.Array, kind: Kind) -> dict[str, Messages]:
    """Return the messages of records by id."""
    names = columns_of(kind)
    counts = zip(*(pc.list_value_length(records.column(name)).to_pylist() for name in names), strict=True)
    columns = (
        tuple(name for name, count in zip(names, each, strict=True) for _ in range(count or 0))
        for each in counts
    )
    return {
        key: Messages(messages, of)
        for key, messages, of in zip(ids.to_pylist(), messages_in_order(records, kind), columns, strict=True)
    }


def _findings(
    name: str, folder: Path, asked: _Asked, store: Store,
    shelf: Callable[[str, pa.Table], Shelf], shelf_key: str,
) -> Findings:  # fmt: skip
    """Read the hits and the suites of a scan."""
    hits = pq.read_table(folder / HITS_FILE)
    if "match" not in hits.column_names:
        raise SourceError(f"{folder / HITS_FILE}: written by an older tulu-data; scan again")
    scanned = {suite["name"]: suite for suite in asked.suites if hits.num_rows}
    read, failed = load_again(
        asked.against, asked.base.resolve(), {name: suite["files"] for name, suite in scanned.items()},
        cache=store.root / "cache" / "suites",
    )  # fmt: skip
    unshown = {key: f"{why}; put it back or scan again" for key, why in failed.items()}
    return Findings(
        name=name, hits=hits.drop_columns(["decision"]) if "decision" in hits.column_names else hits,
        suites=read, unshown=unshown | dict(_changes(read, scanned)), open_shelf=shelf, shelf_key=shelf_key,
    )  # fmt: skip


def _changes(read: Sequence[Suite], scanned: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the suites with other files than were scanned, or read otherwise, and what changed."""
    for suite in read:
        before = scanned[suite.name]
        files = sorted({path for path, _ in {*suite.files} ^ {*before["files"].items()}})
        if files:
            yield suite.name, f"{', '.join(files)} changed since the scan; scan again"
        elif before.get("key", suite.key) != suite.key:
            yield suite.name, f"how {suite.name} is read changed since the scan; scan again"


def read_report(folder: Path) -> dict[str, Any]:
    """Read the report.json of a folder; raise SourceError where it is none."""
    path = folder / REPORT_FILE
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise SourceError(f"{path}: not readable as a report ({error}); scan again") from None
    return report
