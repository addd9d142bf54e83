"""Gathering rows equals taking them one by one in plain Python."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.kernels.gather import Piece, gather
from tulu_data.schema import CONTENT, KINDS, MESSAGES

TEXTS = st.text(max_size=8)
MESSAGE = st.fixed_dictionaries({"role": TEXTS, "content": TEXTS, "tool_calls": st.none() | TEXTS})


def rows_of(kind: str) -> st.SearchStrategy:
    columns = {
        f.name: st.none() | (st.lists(MESSAGE, max_size=3) if f.type == MESSAGES else TEXTS)
        for f in CONTENT[kind]
    }
    return st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=6)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_gather_equals_taking_row_by_row(kind, data):
    schema = CONTENT[kind]
    inputs = data.draw(st.lists(rows_of(kind), min_size=1, max_size=3))
    wanted = data.draw(
        st.lists(
            st.integers(0, len(inputs) - 1).flatmap(
                lambda b: st.tuples(st.just(b), st.integers(0, len(inputs[b]) - 1))
            ),
            max_size=10,
        )
    )
    pieces = []
    for b, rows in enumerate(inputs):
        # A slice of a longer batch: offsets must not leak in.
        batch = pa.RecordBatch.from_pylist([rows[0], *rows], schema=schema).slice(1)
        places = np.array([i for i, (j, _) in enumerate(wanted) if j == b], np.int64)
        local = np.array([r for j, r in wanted if j == b], np.int64)
        pieces.append(Piece(batch=batch, rows=local, places=places))
    found = gather(pieces, schema, len(wanted))
    found.validate(full=True)
    assert found.to_pylist() == [inputs[b][r] for b, r in wanted]
