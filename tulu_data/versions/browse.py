"""Records of a version, or what was left out of it, chosen and read one after another.

The one idea: whatever is asked for becomes the same value, a record with its place, its texts and why it is
not in the version, if it is not. The version is read batch by batch until enough was found; the records that
steps left out are read back from their sources. It prints nothing.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.errors import StoreError, nearest
from tulu_data.schema import CONTENT, MESSAGES, Kind
from tulu_data.sources.shelves import Content, Missing, Shelves, opens_sources
from tulu_data.store import Store, Version

SHELF = 2000
"""Dropped records that are read back at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records."""

    source: str | None = None
    reason: str | None = None
    id: str | None = None
    """The first digits of a record id."""
    text: str | None = None
    """Something that the record says, in any case of letters."""
    split: str | None = None
    start: int = 1
    """Number of the first row that is looked at, from 1; of the split where one is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message."""

    column: str
    role: str
    content: str
    tool_calls: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record, or a row that is none."""

    row: int
    """Its number in the version, or in the table of what was left out, from 1."""
    source: str
    origin: str
    id: str | None = None
    copy: int | None = None
    said: tuple[Said, ...] = ()
    parts: dict[str, str] = field(default_factory=dict)
    """Other content by column."""
    step: str | None = None
    reason: str | None = None
    evidence: dict[str, Any] | None = None
    missing: str | None = None
    """Why its texts cannot be shown."""


def kept(version: Version, wanted: Wanted) -> Iterator[Found]:
    """Yield the records of a version that are wanted, in its order."""
    _check_source(version, wanted)
    if wanted.split is None or wanted.split in version.splits:
        _check_start(
            version, wanted, version.manifest.splits[wanted.split] if wanted.split else version.num_rows
        )
    seen = 0
    for batch in version.batches(split=wanted.split):
        first = max(wanted.start - 1 - seen, 0)
        if first < batch.num_rows:
            mask = _mask(batch, version.kind, wanted)
            rows = range(first, batch.num_rows) if mask is None else _where(mask, first)
            for row in rows:
                record = batch.slice(row, 1).to_pylist()[0]
                yield _record(record, version.kind, seen + row + 1)
        seen += batch.num_rows


def _where(mask: pa.BooleanArray, first: int) -> list[int]:
    return [row for row in pc.indices_nonzero(mask).to_pylist() if row >= first]


def _mask(batch: pa.RecordBatch, kind: Kind, wanted: Wanted) -> pa.BooleanArray | None:
    """Tell which records of a batch are wanted; None for all of them."""
    masks = []
    if wanted.source is not None:
        masks.append(pc.equal(batch.column("source"), wanted.source))
    if wanted.id is not None:
        masks.append(pc.starts_with(batch.column("id"), wanted.id))
    if wanted.text is not None:
        masks.append(_says(batch, kind, wanted.text))
    mask = None
    for each in masks:
        mask = each if mask is None else pc.and_(mask, each)
    return mask


def _says(batch: pa.RecordBatch, kind: Kind, text: str) -> pa.BooleanArray:
    """Tell which records hold a text anywhere in their content."""
    rows = batch.num_rows
    hits = set()
    for name in CONTENT[kind].names:
        column = batch.column(name)
        if column.type == MESSAGES:
            values, owner = column.flatten(), pc.list_parent_indices(column)
            for part in ("content", "tool_calls"):
                held = pc.match_substring(pc.struct_field(values, part), text, ignore_case=True)
                hits.update(owner.filter(pc.fill_null(held, False)).to_pylist())  # noqa: FBT003
        else:
            held = pc.fill_null(pc.match_substring(column, text, ignore_case=True), False)  # noqa: FBT003
            hits.update(pc.indices_nonzero(held).to_pylist())
    return pc.is_in(pa.array(range(rows), pa.int64()), pa.array(sorted(hits), pa.int64()))


def _record(record: dict[str, Any], kind: Kind, row: int) -> Found:
    """Return a record of a version."""
    said, parts = [], {}
    for name in CONTENT[kind].names:
        value = record[name]
        if isinstance(value, list):
            said += [Said(column=name, **message) for message in value]
        elif value is not None:
            parts[name] = value
    return Found(
        row=row, source=record["source"], origin=record["origin"], id=record["id"], copy=record["copy"],
        said=tuple(said), parts=parts,
    )  # fmt: skip


def dropped(version: Version, wanted: Wanted, base: Path, store: Store) -> Iterator[Found]:
    """Yield the records that steps left out, read back from their sources where these are as they were."""
    _check_source(version, wanted)
    rows = _table(version, "dropped", wanted)
    shelves = Shelves(rows=rows, key="source", opens=opens_sources(version, base, store))
    for start in range(0, len(rows), SHELF):
        part = rows.slice(start, SHELF)
        near = shelves.narrowed(part)
        for row in part.to_pylist():
            found = _left_out(row, near.content(row))
            if wanted.text is None or _holds(found, wanted.text):
                yield found


def _left_out(row: dict[str, Any], content: Content | Missing) -> Found:
    """Return a record that a step left out."""
    about = {name: row[name] for name in ("row", "source", "origin", "id", "step", "reason")}
    evidence = json.loads(row["evidence"]) if row["evidence"] else None
    if isinstance(content, Missing):
        return Found(**about, evidence=evidence, missing=content.why)
    said = tuple(Said(**turn) for turn in content.turns())
    truth = content.ground_truth
    return Found(
        **about, evidence=evidence, said=said, parts={} if truth is None else {"ground_truth": truth}
    )


def quarantined(version: Version, wanted: Wanted) -> Iterator[Found]:
    """Yield the rows that were no records, as they were read."""
    _check_source(version, wanted)
    for row in _table(version, "quarantined", wanted).to_pylist():
        parts = {name: row[name] for name in ("detail", "raw") if row[name]}
        found = Found(
            row=row["row"], source=row["source"], origin=row["origin"], reason=row["reason"], parts=parts
        )
        if wanted.text is None or _holds(found, wanted.text):
            yield found


def _table(version: Version, name: str, wanted: Wanted) -> pa.Table:
    """Return the wanted rows of what was left out, with their numbers."""
    table = pq.read_table(version.file(f"{name}.parquet"))
    _check_start(version, wanted, len(table))
    table = table.append_column("row", pa.array(range(1, len(table) + 1), pa.int64())).slice(wanted.start - 1)
    if wanted.reason is not None:
        _refuse_where(version, wanted.reason)
        _check(wanted.reason, table["reason"].unique().to_pylist(), f"{version.ref}: nothing was {name} for")
        table = table.filter(pc.equal(table["reason"], wanted.reason))
    if wanted.source is not None:
        table = table.filter(pc.equal(table["source"], wanted.source))
    if wanted.id is not None and "id" in table.column_names:
        table = table.filter(pc.starts_with(table["id"], wanted.id))
    return table


def _refuse_where(version: Version, reason: str) -> None:
    """Raise StoreError for what `where` left out: it is counted, and no table lists it."""
    rows = sum(source.dropped.get(reason, 0) for source in version.manifest.sources)
    if reason == "where" and rows:
        raise StoreError(
            f"{version.ref}: where left out {rows:,} rows, which are counted and not listed; "
            "tulu-data explain FILE:ROW tells of one row"
        )


def _check_start(version: Version, wanted: Wanted, rows: int) -> None:
    """Raise StoreError for a first row that is behind the last."""
    if wanted.start > max(rows, 1):
        text = f"the last is row {rows:,}" if rows else "there are none"
        raise StoreError(f"{version.ref}: nothing to show from row {wanted.start:,} on, {text}")


def _check_source(version: Version, wanted: Wanted) -> None:
    """Raise StoreError for a source that the version does not have."""
    if wanted.source is not None:
        names = [source.name for source in version.manifest.sources]
        _check(wanted.source, names, f"{version.ref}: no source")


def _check(word: str, known: Sequence[str], text: str) -> None:
    if word not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise StoreError(f"{text} {word!r}{nearest(word, known)} (there are: {listed})")


def _holds(found: Found, text: str) -> bool:
    """Tell whether a record, or what is known of it, holds a text."""
    low = text.lower()
    texts = [part for one in found.said for part in (one.content, one.tool_calls or "")]
    return any(low in each.lower() for each in (*texts, *found.parts.values(), json.dumps(found.evidence)))
