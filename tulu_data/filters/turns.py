"""The turns of a batch as flat columns: one row per message, with the record it belongs to.

The one idea: a filter says which turns it looks at and what it finds in each, and this module says which
records that is, and which turn of each found it. Turns count over all columns of a record, a preference's
prompt, chosen and rejected in this order. It finds nothing itself.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import CONTENT, MESSAGES, Kind

Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Turns:
    """Messages of all columns of a batch, column after column."""

    kind: Kind
    rows: int
    """Records of the batch."""
    record: Ints
    number: Ints
    """Place of the message in its record, from 0."""
    column: Ints
    """Place of its column among the columns of messages."""
    role: pa.Array
    content: pa.Array
    tool_calls: pa.Array

    @cached_property
    def answers(self) -> Marks:
        """Return which turns are answers: what assistants say, and a model learns to say or not to.

        So what an assistant says in the prompt of a preference, or in one of rlvr, is none.
        """
        said = self.spoken_by("assistant")
        if self.kind != "sft":
            said &= self.column > 0
        return said

    def spoken_by(self, *roles: str) -> Marks:
        """Return which turns are of some roles."""
        return marks(pc.is_in(self.role, pa.array(roles, self.role.type)))

    def at(self, turns: Marks) -> "Turns":
        """Return some of the turns."""
        if turns.all():
            return self
        mask = pa.array(turns)
        return Turns(
            self.kind, self.rows, self.record[turns], self.number[turns], self.column[turns],
            self.role.filter(mask), self.content.filter(mask), self.tool_calls.filter(mask),
        )  # fmt: skip

    def first_of_each(self, found: Marks) -> Ints:
        """Return the first turn that is marked of each record that has one."""
        turns = np.flatnonzero(found)
        order: Ints = turns[np.lexsort((self.number[turns], self.record[turns]))]
        new = np.ones(len(order), np.bool_)
        new[1:] = self.record[order][1:] != self.record[order][:-1]
        return order[new]


def turns_of(batch: pa.RecordBatch, kind: Kind) -> Turns:
    """Return the turns of every messages column of a batch."""
    columns = [batch.column(field.name) for field in CONTENT[kind] if field.type == MESSAGES]
    record, number, before = [], [], np.zeros(batch.num_rows, np.int64)
    for column in columns:
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        starts = np.cumsum(lengths, dtype=np.int64) - lengths
        record.append(np.repeat(np.arange(batch.num_rows), lengths))
        number.append(np.arange(int(lengths.sum())) + np.repeat(before - starts, lengths))
        before += lengths
    values = [column.flatten() for column in columns]
    parts = [
        pa.concat_arrays([pc.struct_field(one, name) for one in values]) if len(values) > 1
        else pc.struct_field(values[0], name)
        for name in ("role", "content", "tool_calls")
    ]  # fmt: skip
    sizes = [len(one) for one in record]
    return Turns(
        kind, batch.num_rows, np.concatenate(record), np.concatenate(number),
        np.repeat(np.arange(len(columns)), sizes), *parts,
    )  # fmt: skip


def marks(mask: pa.Array) -> Marks:
    """Return a mask without nulls, which count as false."""
    found: Marks = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)  # noqa: FBT003
    return found
