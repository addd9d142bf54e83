"""Turn a batch of raw rows into records of a kind.

The one idea: an adapter gives content columns and notes faults; here the rows without a fault
get their ids and become records, and the others become bad rows. Rows in = records + bad rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from tulu_data.errors import SourceError, nearest
from tulu_data.schema import CONTENT, TEXT, Kind, kind_of, normalised_schema
from tulu_data.sources.adapters.auto import LAYOUTS, choose, fitting_adapters
from tulu_data.sources.adapters.faults import Faults, Mask
from tulu_data.sources.adapters.layout import Content
from tulu_data.sources.adapters.parts import PartError, Parts, is_list, nulls_in, reach
from tulu_data.sources.adapters.rlvr import fill_verifier
from tulu_data.sources.adapters.turns import has_role, lengths_of
from tulu_data.sources.json_values import dump
from tulu_data.sources.rows import RAW_LIMIT, BadRow, RawBatch
from tulu_data.specs.source import Adapter

_MEDIA_COLUMNS = ("image", "images", "video", "videos", "audio", "audios")
NO_COLUMNS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """The records of a batch and the rows that are none."""

    records: pa.RecordBatch
    """In `normalised_schema(kind)`."""
    bad: tuple[BadRow, ...]


def adapt(
    raw: RawBatch,
    *,
    kind: Kind,
    adapter: Adapter = "auto",
    columns: Mapping[str, str] = NO_COLUMNS,
    verifier: str | None = None,
    ids: bool = True,
) -> Adapted:
    """Read raw rows as records of a kind; without `ids`, those are null.

    Raises SourceError when no adapter fits, a needed column is missing or the kind is another.
    """
    if raw.table.num_rows == 0:
        return Adapted(records=pa.RecordBatch.from_pylist([], normalised_schema(kind)), bad=raw.bad)
    faults = Faults(raw.table.num_rows)
    if is_stored(raw.table.schema, kind, columns):
        content = {f.name: reach(raw.table, f.name) for f in CONTENT[kind]}
    else:
        content = _read(raw.table, kind, adapter, columns, faults)
        if kind == "rlvr":
            fill_verifier(content, verifier, faults)
        _check(raw.table, content, kind, faults)
    return _assembled(raw, content, kind, faults, ids=ids)


def is_stored(schema: pa.Schema, kind: Kind, columns: Mapping[str, str]) -> bool:
    """Tell whether rows are records already, as a stored version or an earlier build wrote them."""
    return kind_of(schema) == kind and "id" in schema.names and "copy" in schema.names and not columns


def _read(
    table: pa.Table, kind: Kind, adapter: Adapter, columns: Mapping[str, str], faults: Faults
) -> Content:
    """Run the adapter over the whole batch."""
    layout = LAYOUTS[choose(table.schema, kind, columns) if adapter == "auto" else adapter]
    if kind not in layout.kinds:
        raise SourceError(
            f"adapter {layout.name!r} gives {' or '.join(layout.kinds)} records, asked for {kind}; "
            f"choose one of {', '.join(sorted(x.name for x in LAYOUTS.values() if kind in x.kinds))}"
        )
    for part in columns:
        if part not in layout.parts:
            raise SourceError(
                f"columns: adapter {layout.name!r} has no part {part!r}{nearest(part, layout.parts)} "
                f"(parts: {', '.join(sorted(layout.parts))})"
            )
    try:
        return layout.read(Parts(table, layout.parts, columns), faults, kind)
    except PartError as error:
        others = [] if error.mapped else fitting_adapters(table.schema, kind, columns)
        if others:
            error.args = (f"{error}, or choose the adapter that these columns fit: {' or '.join(others)}",)
        raise


def _check(table: pa.Table, content: Content, kind: Kind, faults: Faults) -> None:
    """Note what no record of any layout may be: pictures, and sft chats in which nobody answers."""
    for name in _MEDIA_COLUMNS:
        column = reach(table, name)
        if column is not None:
            has = lengths_of(column) > 0 if is_list(column.type) else ~nulls_in(column)
            faults.mark(has, "multimodal", f"column {name!r} holds media; only text can be read")
    if kind == "sft":
        faults.mark(
            ~has_role(content["messages"], "assistant"),
            "no assistant turn",
            "no assistant turn to learn from",
        )


def _assembled(raw: RawBatch, content: Content, kind: Kind, faults: Faults, *, ids: bool) -> Adapted:
    """Give the good rows their ids and describe the others."""
    # Who reads no records, only what a file holds, needs no compiler.
    from tulu_data.kernels.record_ids import record_ids

    good = faults.good()
    fields = CONTENT[kind]
    batch = pa.RecordBatch.from_arrays(
        [*(content[f.name] for f in fields), raw.rows], names=[*fields.names, "row"]
    )
    if faults.found:
        batch = batch.filter(pa.array(good))
    named = record_ids(batch, kind) if ids else pa.nulls(batch.num_rows, TEXT)
    records = pa.RecordBatch.from_arrays([named, *batch.columns], schema=normalised_schema(kind))
    return Adapted(records=records, bad=(*raw.bad, *_bad_rows(raw, good, faults)))


def _bad_rows(raw: RawBatch, good: Mask, faults: Faults) -> list[BadRow]:
    """Describe the faulty rows, with their own text or else their raw columns as JSON."""
    indices = np.flatnonzero(~good)
    if not len(indices):
        return []
    numbers = raw.rows.take(pa.array(indices)).to_pylist()
    if raw.line is not None:
        texts = [raw.line(number) for number in numbers]
    else:
        texts = [dump(value) for value in raw.table.take(pa.array(indices)).to_pylist()]
    found = [faults.found[int(i)] for i in indices]
    return [
        BadRow(row=number, reason=reason, detail=detail, raw=text[:RAW_LIMIT])
        for number, text, (reason, detail) in zip(numbers, texts, found, strict=True)
    ]
