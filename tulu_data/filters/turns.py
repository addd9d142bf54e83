"""The turns of a batch as flat columns: one row per message, with the record it belongs to."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import CONTENT, MESSAGES, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Messages of one column of a batch."""

    record: npt.NDArray[np.int64]
    role: pa.Array
    content: pa.Array
    tool_calls: pa.Array


def turns_of(batch: pa.RecordBatch, kind: Kind) -> list[Turns]:
    """Return the turns of every messages column of a batch."""
    found = []
    for field in CONTENT[kind]:
        if field.type == MESSAGES:
            column = batch.column(field.name)
            values = column.flatten()
            parts = {name: pc.struct_field(values, name) for name in ("role", "content", "tool_calls")}
            record = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
            found.append(Turns(record=record.astype(np.int64), **parts))
    return found


def records_where(turns: Turns, mask: pa.Array, rows: int) -> npt.NDArray[np.bool_]:
    """Return which of `rows` records have a turn for which `mask` holds."""
    hit = np.zeros(rows, np.bool_)
    hit[turns.record[pc.fill_null(mask, False).to_numpy(zero_copy_only=False)]] = True  # noqa: FBT003
    return hit


def excerpts(batch: pa.RecordBatch, kind: Kind, pattern: str) -> list[str]:
    """Return the text of the first assistant turn's match in every record, empty where there is none."""
    found = [""] * batch.num_rows
    compiled = re.compile(pattern, re.IGNORECASE)
    for turns in turns_of(batch, kind):
        said = zip(turns.record.tolist(), turns.role.to_pylist(), turns.content.to_pylist(), strict=True)
        for record, role, content in said:
            match = compiled.search(content) if role == "assistant" and not found[record] else None
            found[record] = match[0].strip() if match else found[record]
    return found


def matching_answers(batch: pa.RecordBatch, kind: Kind, pattern: str) -> npt.NDArray[np.bool_]:
    """Return which records have an assistant turn that matches a regular expression (RE2)."""
    hit = np.zeros(batch.num_rows, np.bool_)
    for turns in turns_of(batch, kind):
        said = pc.match_substring_regex(turns.content, pattern, ignore_case=True)
        hit |= records_where(turns, pc.and_(pc.equal(turns.role, "assistant"), said), batch.num_rows)
    return hit
