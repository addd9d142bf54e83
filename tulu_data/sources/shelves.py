"""Records of a finished report read back from where they came.

The one idea: a record is known by its id, which follows from its content, and is shown only where that very
content is still there; what cannot be read back is said, and is no reason to stop. A shelf holds the records
behind some rows of one dataset, and is filled when the first of them is asked for. It judges nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.errors import SourceError, StoreError
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import MESSAGES, TEXT, Kind
from tulu_data.sources.location import resolve_source
from tulu_data.sources.reading import Reading
from tulu_data.sources.records import Records, open_records
from tulu_data.sources.reports import REPORT_FILE
from tulu_data.sources.turns import columns_of, messages_in_order
from tulu_data.specs.base import read_spec
from tulu_data.specs.mixture import Mixture
from tulu_data.store import Store, Version

Row = Mapping[str, Any]
"""A row of a report's table, with the columns `origin` and `id` of a record."""
RECORDS = pa.schema([("id", TEXT), ("messages", MESSAGES), ("ground_truth", TEXT)])
"""Records that were read back; `ground_truth` is null where their kind has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Why a text cannot be shown."""

    why: str


class Content(NamedTuple):
    """What a record says."""

    messages: pa.ListScalar
    """All its messages, in the order in which hits count them."""
    columns: tuple[str, ...]
    """Column of each."""
    ground_truth: str | None

    def turns(self) -> list[dict[str, Any]]:
        """Return the messages, each with its column."""
        return [one | {"column": name} for one, name in zip(self.messages.as_py(), self.columns, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The records behind some rows of one dataset or source, read back."""

    records: Mapping[str, Content]
    """By record id."""
    changed: tuple[str, ...] = ()
    """Files whose bytes are others than when they were first read."""

    def find(self, row: Row) -> Content | Missing:
        """Return a row's record."""
        if row["id"] in self.records:
            return self.records[row["id"]]
        files = ", ".join(self.changed) or row["origin"].rpartition(":")[0]
        return Missing(why=f"{files} changed since the report, and this record is gone; make the report anew")


Opens = Callable[[str, pa.Table], Shelf]
"""Reads back the records behind some rows of a dataset or source, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelves:
    """The records behind the rows of a table."""

    rows: pa.Table
    """With the columns origin, id and `key`."""
    key: str
    """Column that names the dataset, or the source of a version."""
    opens: Opens
    filled: dict[str, Shelf | Missing] = field(default_factory=dict)
    """What was read back already."""

    def narrowed(self, rows: pa.Table) -> "Shelves":
        """Return shelves for some of the rows, so that no other record is read back."""
        return replace(self, rows=rows, filled={})

    def content(self, row: Row) -> Content | Missing:
        """Return what a row's record says, or why it cannot be read back."""
        shelf = self._shelf(row[self.key])
        return shelf if isinstance(shelf, Missing) else shelf.find(row)

    def messages(self, row: Row) -> list[dict[str, Any]] | Missing:
        """Return the messages of a row's record, each with its column, or why they cannot be read back."""
        found = self.content(row)
        return found if isinstance(found, Missing) else found.turns()

    def records(self) -> pa.Table:
        """Return every record that can be read back, once."""
        shelves = [self._shelf(name) for name in self.rows[self.key].unique().to_pylist()]
        every = {
            key: one for shelf in shelves if isinstance(shelf, Shelf) for key, one in shelf.records.items()
        }
        said = [one.messages.as_py() for one in every.values()]
        truths = [one.ground_truth for one in every.values()]
        return pa.table(
            [pa.array(list(every), TEXT), pa.array(said, MESSAGES), pa.array(truths, TEXT)], schema=RECORDS
        )

    def _shelf(self, name: str) -> Shelf | Missing:
        if name not in self.filled:
            mine = self.rows.filter(pc.equal(self.rows[self.key], name))
            try:
                self.filled[name] = self.opens(name, mine)
            except (SourceError, StoreError) as error:
                self.filled[name] = Missing(why=f"cannot be read back: {error}")
        return self.filled[name]


def opens_datasets(report: Row, folder: Path, store: Store) -> Opens:
    """Return what reads back the datasets of a report in a folder; raise SourceError where it is too old."""
    try:
        base = folder / report["bases"]["datasets"]
        accounts = {account["dataset"]: account for account in report["datasets"]}
        adapter, columns = report["adapter"], report["columns"]
    except (KeyError, TypeError):
        raise SourceError(
            f"{folder / REPORT_FILE}: written by an older tulu-data; make the report anew"
        ) from None

    def shelf(dataset: str, rows: pa.Table) -> Shelf:
        if not (base / dataset).exists() and dataset.partition("@")[0] in store.names():
            return shelf_of_version(store.resolve(dataset), rows)
        account = accounts[dataset]
        records = open_records(
            dataset, base=base.resolve(), store=store, cache=store.root / "cache" / "normalised",
            kind=account["kind"], adapter=adapter, columns=columns,
        )  # fmt: skip
        return shelf_of(records, account["files"], rows)

    return shelf


def opens_sources(version: Version, base: Path, store: Store) -> Opens:
    """Return what reads back the sources of a version, of which not every record need be in it."""
    sources = read_spec(Mixture, version.path / "spec.yaml").sources
    before = {s.name: {f.origin: f.sha256 for f in s.files} for s in version.manifest.sources}

    def shelf(name: str, rows: pa.Table) -> Shelf:
        if name not in sources:
            # Records of a stored version that stand for others; its sources are named `name@id source`.
            return shelf_of_version(store.resolve(name.partition(" ")[0]), rows)
        files = resolve_source(name, sources[name], base=base, store=store).files
        records = Records(
            name=name, kind=version.kind, files=files, reading=Reading.of(version.kind, sources[name]),
            cache=store.root / "cache" / "normalised",
        )  # fmt: skip
        return shelf_of(records, before[name], rows)

    return shelf


def shelf_of(records: Records, before: Mapping[str, str], rows: pa.Table) -> Shelf:
    """Read back the records behind rows: by their places, or by their ids where a file has changed.

    `before` is the sha256 of each file, by origin, when it was first read.
    """
    places: dict[str, list[int]] = {}
    for origin in rows["origin"].unique().to_pylist():
        file, _, row = origin.rpartition(":")
        places.setdefault(file, []).append(int(row))
    found: dict[str, Content] = {}
    ids = rows["id"].unique()
    changed = tuple(f.origin for f in records.files if f.sha256 != before.get(f.origin))
    for file in records.files:
        if file.origin not in places and file.origin not in changed:
            continue
        wanted = pa.array(places.get(file.origin, []), pa.int64())
        for part in replace(records, files=(file,)).batches():
            near = part.records
            if file.origin not in changed:
                near = near.filter(pc.is_in(near.column("row"), wanted))
            known = record_ids(near, records.kind)
            here = pc.is_in(known, ids)
            found |= _contents(near.filter(here), known.filter(here), records.kind)
    return Shelf(records=found, changed=changed)


def shelf_of_version(version: Version, rows: pa.Table) -> Shelf:
    """Read back the records behind rows in a stored version."""
    found: dict[str, Content] = {}
    wanted = rows["id"].unique()
    for batch in version.batches():
        here = batch.filter(pc.is_in(batch.column("id"), wanted))
        found |= _contents(here, here.column("id"), version.kind)
    return Shelf(records=found)


def _contents(records: pa.RecordBatch, ids: pa.Array, kind: Kind) -> dict[str, Content]:
    """Return what records say, by id."""
    names = columns_of(kind)
    counts = zip(*(pc.list_value_length(records.column(name)).to_pylist() for name in names), strict=True)
    columns = (
        tuple(name for name, count in zip(names, each, strict=True) for _ in range(count or 0))
        for each in counts
    )
    truths = records.column("ground_truth").to_pylist() if kind == "rlvr" else [None] * records.num_rows
    said = zip(ids.to_pylist(), messages_in_order(records, kind), columns, truths, strict=True)
    return {key: Content(*rest) for key, *rest in said}
