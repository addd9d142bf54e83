"""Gathering rows equals taking them one by one in plain Python."""

import mmap
import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tulu_data.kernels.gather import Batches, Run
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


LONG = st.integers(0, 3).map(lambda n: "á" * 400 * n)
LONG_MESSAGE = st.fixed_dictionaries(
    {"role": TEXTS, "content": LONG | TEXTS, "tool_calls": st.none() | LONG | TEXTS}
)
LONG_ROWS = st.lists(
    st.fixed_dictionaries({"messages": st.lists(LONG_MESSAGE, max_size=4), "tools": st.none() | LONG}),
    min_size=1,
    max_size=5,
)


@pytest.fixture
def mapped(tmp_path_factory):
    """Write batches to a file, map it, and say where they lie in it."""
    with ExitStack() as held:

        def write(batches: list[pa.RecordBatch], number: int) -> tuple[list[pa.RecordBatch], Run, Path]:
            path = tmp_path_factory.mktemp("mapped") / "records.arrow"
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batches[0].schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            file = held.enter_context(path.open("rb"))
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            found = pa.ipc.open_file(pa.py_buffer(whole)).read_all().to_batches()
            run = Run(number, number + len(found), file.fileno(), pa.py_buffer(whole).address)
            return found, run, path

        yield write


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_long_texts_are_read_from_their_files(mapped, data):
    schema = CONTENT["sft"]
    inputs = data.draw(st.lists(LONG_ROWS, min_size=2, max_size=4))
    batches = [pa.RecordBatch.from_pylist(rows, schema=schema) for rows in inputs]
    # The first lies in memory, the others in a file.
    found, run, _ = mapped(batches[1:], 1)
    everywhere = [(b, r) for b, rows in enumerate(inputs) for r in range(len(rows))]
    wanted = data.draw(st.lists(st.sampled_from(everywhere), max_size=12) | st.just(everywhere))
    numbers, places = (np.array([pair[i] for pair in wanted], np.int64) for i in range(2))
    gathered = Batches([batches[0], *found], schema, [run]).gather(numbers, places)
    gathered.validate(full=True)
    assert gathered.to_pylist() == [inputs[b][r] for b, r in wanted]


def test_a_file_that_was_cut_off_is_an_error(mapped):
    rows = [{"messages": [{"role": "user", "content": "x" * 9000, "tool_calls": None}], "tools": None}]
    found, run, path = mapped([pa.RecordBatch.from_pylist(rows, schema=CONTENT["sft"])], 0)
    kept = found[0].column("messages").values.field(1).buffers()[2].address - run.address
    batches = Batches(found, CONTENT["sft"], [run])
    os.truncate(path, kept + 4096)
    with pytest.raises(OSError, match="ends before what was read of it"):
        batches.gather(np.zeros(1, np.int64), np.zeros(1, np.int64))
