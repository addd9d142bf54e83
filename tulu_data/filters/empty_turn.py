"""Drop records with a turn that says nothing: no text but white space, and no tool call."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.filters.evidence import evidence
from tulu_data.filters.turns import Marks, marks, turns_of
from tulu_data.schema import Kind
from tulu_data.specs.base import Spec

OPENING = 16
"""Characters that nearly always tell that a text is not blank, so that few are looked at whole."""


def empty_turn(batch: pa.RecordBatch, kind: Kind, _: Spec) -> pa.Array:
    """Find records with an empty turn."""
    turns = turns_of(batch, kind)
    found = marks(pc.is_null(turns.tool_calls)) & _blank(pc.utf8_slice_codeunits(turns.content, 0, OPENING))
    left = np.flatnonzero(found)
    found[left] = _blank(turns.content.take(pa.array(left)))
    first = turns.first_of_each(found)
    rows = zip(turns.record[first].tolist(), turns.number[first].tolist(), turns.role.take(first).to_pylist(),
               strict=True)  # fmt: skip
    return evidence(turns.rows, ((record, {"turn": turn, "role": role}) for record, turn, role in rows))


def _blank(texts: pa.Array) -> Marks:
    """Return which texts are null or nothing but white space."""
    rest = pc.utf8_length(pc.utf8_ltrim_whitespace(texts))
    return marks(pc.fill_null(pc.equal(rest, 0), True))  # noqa: FBT003
