"""Drop records with a turn that says nothing: no text but white space, and no tool call."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.filters.evidence import evidence
from tulu_data.filters.turns import marks, turns_of
from tulu_data.schema import Kind
from tulu_data.specs.base import Spec


def empty_turn(batch: pa.RecordBatch, kind: Kind, _: Spec) -> pa.Array:
    """Find records with an empty turn."""
    turns = turns_of(batch, kind)
    found = marks(pc.is_null(turns.tool_calls))
    blank = pc.equal(pc.utf8_length(pc.utf8_ltrim_whitespace(turns.content.filter(pa.array(found)))), 0)
    found[np.flatnonzero(found)] = marks(pc.fill_null(blank, True))  # noqa: FBT003
    first = turns.first_of_each(found)
    rows = zip(turns.record[first].tolist(), turns.number[first].tolist(), turns.role.take(first).to_pylist(),
               strict=True)  # fmt: skip
    return evidence(turns.rows, ((record, {"turn": turn, "role": role}) for record, turn, role in rows))
