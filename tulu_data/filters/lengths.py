"""How long records are: all turns of each, its prompt, its shortest and its longest answer.

The one idea: the size of every turn is known, in whatever it is counted, and all that may be bounded follows
from it. Nothing here says what is too long.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.filters.turns import Ints, Marks, Turns, turns_of
from tulu_data.schema import CONTENT, MESSAGES, Kind

Sizes = Callable[[pa.Array], Ints]
"""The size of each of some texts."""
LENGTHS = pa.schema([(name, pa.int64()) for name in ("all", "prompt", "shortest", "longest")])
"""Of a record: all its turns, those before its first answer, its shortest answer and its longest.

The last two are null where it has no answer.
"""

LENGTHS_VERSION = 1
"""Raised when the same sizes of turns start to give other lengths."""
TURNS = pa.schema([(name, pa.int64()) for name in ("shortest", "longest")])
"""Of a record, by the shorter and by the longer of its completions."""


def lengths(batch: pa.RecordBatch, kind: Kind, sizes: Sizes) -> pa.RecordBatch:
    """Measure every record."""
    turns = turns_of(batch, kind)
    of_turn, answers = sizes(turns.content), turns.answers
    prompt = _before_first_answer(turns)
    shortest, longest = np.full(turns.rows, np.iinfo(np.int64).max), np.full(turns.rows, -1)
    np.minimum.at(shortest, turns.record[answers], of_turn[answers])
    np.maximum.at(longest, turns.record[answers], of_turn[answers])
    columns = [
        pa.array(_added(turns, of_turn)), pa.array(_added(turns, np.where(prompt, of_turn, 0))),
        pa.array(shortest, mask=longest < 0), pa.array(longest, mask=longest < 0),
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(columns, schema=LENGTHS)


def characters(content: pa.Array) -> Ints:
    """Count the characters of each of some texts."""
    found: Ints = pc.fill_null(pc.utf8_length(content), 0).to_numpy(zero_copy_only=False)
    return found


def turn_counts(batch: pa.RecordBatch, kind: Kind) -> pa.RecordBatch:
    """Count the turns of every record: a preference goes on in either of two ways."""
    counts = [
        pc.fill_null(pc.list_value_length(batch.column(field.name)), 0).cast(pa.int64())
        for field in CONTENT[kind]
        if field.type == MESSAGES
    ]
    if kind != "preference":
        return pa.RecordBatch.from_arrays([counts[0], counts[0]], schema=TURNS)
    prompt, *both = counts
    ends = (pc.min_element_wise(*both), pc.max_element_wise(*both))
    return pa.RecordBatch.from_arrays([pc.add(prompt, end) for end in ends], schema=TURNS)


def _added(turns: Turns, of_turn: Ints) -> Ints:
    """Add up the turns of each record."""
    return np.bincount(turns.record, of_turn, turns.rows).astype(np.int64)


def _before_first_answer(turns: Turns) -> Marks:
    """Tell which turns stand before the first answer of their record; of a preference, its prompt's."""
    if turns.kind == "preference":
        of_prompt: Marks = turns.column == 0
        return of_prompt
    first = np.full(turns.rows, np.iinfo(np.int64).max)
    answers = turns.answers
    np.minimum.at(first, turns.record[answers], turns.number[answers])
    before: Marks = turns.number < first[turns.record]
    return before
