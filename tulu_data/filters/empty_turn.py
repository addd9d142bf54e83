"""Drop records with a turn that says nothing: no text but white space, and no tool call."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.filters.turns import records_where, turns_of
from tulu_data.schema import Kind


def empty_turn(batch: pa.RecordBatch, kind: Kind) -> npt.NDArray[np.bool_]:
    """Return which records have an empty turn."""
    hit = np.zeros(batch.num_rows, np.bool_)
    for turns in turns_of(batch, kind):
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(turns.content)), 0)
        hit |= records_where(turns, pc.and_(blank, pc.is_null(turns.tool_calls)), batch.num_rows)
    return hit
