"""Gathering rows equals taking them one by one in plain Python."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.kernels.gather import Batches
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
    # Slices of longer batches: offsets must not leak in.
    batches = [pa.RecordBatch.from_pylist([rows[0], *rows], schema=schema).slice(1) for rows in inputs]
    numbers, places = (np.array([pair[i] for pair in wanted], np.int64) for i in range(2))
    found = Batches(batches, schema).gather(numbers, places)
    found.validate(full=True)
    assert found.to_pylist() == [inputs[b][r] for b, r in wanted]
