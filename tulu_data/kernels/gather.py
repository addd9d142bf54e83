"""Gather rows from many memory-mapped batches into one batch, copying each text once.

The buffers of all batches are known by their addresses, so a column of the result is two calls of a kernel
however many batches its rows come from: measure (lengths, then offsets), then copy bytes to their final
place. Arrow's own `take` on chunked nested columns joins whole columns first, which a dataset larger than
memory does not survive.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.kernels.addresses import copy_from, read_byte, read_half, read_word
from tulu_data.kernels.jit import inner, kernel
from tulu_data.schema import MESSAGE, MESSAGES

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Rows = tuple[Index, Index]
"""Numbers of batches, and rows of these."""
Run = tuple[int, int, Callable[[], None]]
"""Batches from one number up to another, and what is called when texts of theirs were read."""
_LARGE = 1 << 22
"""Bytes of a column from which it is worth letting go of the memory that they were read from."""


class Batches:
    """Text and messages columns of many batches, ready to be gathered from."""

    def __init__(
        self, batches: Sequence[pa.RecordBatch], schema: pa.Schema, runs: Sequence[Run] = ()
    ) -> None:
        """Note where the columns of `schema` lie in every batch, which stays alive as long as this.

        `runs` are the batches of each file, in order: what they call when a large column of theirs was read
        may let go of its memory.
        """
        self._batches, self._schema = tuple(batches), schema
        self._runs = tuple(runs) or ((0, len(batches), lambda: None),)
        self._columns = {f.name: _addresses(b.column(f.name) for b in batches) for f in schema}
        self._children = {
            field.name: [
                _addresses(b.column(field.name).values.field(i) for b in batches) for i in range(len(MESSAGE))
            ]
            for field in schema
            if field.type == MESSAGES
        }

    def gather(self, numbers: Index, rows: Index) -> pa.RecordBatch:
        """Return as row i the row `rows[i]` of batch `numbers[i]`."""
        (found,) = self.gather_each([(numbers, rows)])
        return found

    def gather_each(self, wanted: Sequence[Rows]) -> list[pa.RecordBatch]:
        """Return a batch for each (numbers, rows); a file is gone through once for all of them."""
        columns = [
            self._messages(field.name, wanted)
            if field.type == MESSAGES
            else self._texts(self._columns[field.name], wanted)
            for field in self._schema
        ]
        return [
            pa.RecordBatch.from_arrays([*each], schema=self._schema) for each in zip(*columns, strict=True)
        ]

    def _messages(self, name: str, wanted: Sequence[Rows]) -> list[pa.Array]:
        """Gather one messages column: lists first, then the texts of their messages."""
        lists = [_lists(self._columns[name], numbers, rows) for numbers, rows in wanted]
        texts = [self._texts(child, [elements for _, _, elements in lists]) for child in self._children[name]]
        found = []
        for (offsets, valid, _), children in zip(lists, zip(*texts, strict=True), strict=True):
            values = pa.StructArray.from_arrays([*children], fields=list(MESSAGE))
            buffers = [_bitmap(valid), pa.py_buffer(offsets.astype(np.int32))]
            found.append(pa.Array.from_buffers(MESSAGES, len(valid), buffers, children=[values]))
        return found

    def _texts(self, texts: Index, wanted: Sequence[Rows]) -> list[pa.Array]:
        """Gather one text column, file after file."""
        made = [_measured(texts, numbers, rows) for numbers, rows in wanted]
        for first, behind, read in self._runs:
            for (numbers, rows), one in zip(wanted, made, strict=True):
                begin, end = np.searchsorted(numbers, (first, behind), sorter=one.order).tolist()
                _copy(texts, numbers, rows, one.order[begin:end], one.offsets, one.data)
            if sum(one.data.size for one in made) > _LARGE:
                read()
        return [
            pa.Array.from_buffers(
                pa.large_string(),
                len(one.valid),
                [_bitmap(one.valid), pa.py_buffer(one.offsets), pa.py_buffer(one.data)],
            )
            for one in made
        ]


class _Column(NamedTuple):
    """A text column of a result."""

    order: Index
    """Its places in the order of batches: memory is read from its beginning to its end."""
    offsets: Index
    valid: Mask
    data: npt.NDArray[np.uint8]


def _measured(texts: Index, numbers: Index, rows: Index) -> _Column:
    """Lay out a text column whose bytes are still to be copied."""
    size = len(rows)
    offsets, valid = np.zeros(size + 1, np.int64), np.zeros(size, np.bool_)
    order = np.argsort(numbers, kind="stable")
    _measure_texts(texts, numbers, rows, order, offsets, valid)
    np.cumsum(offsets, out=offsets)
    return _Column(order, offsets, valid, np.empty(offsets[-1], np.uint8))


def _lists(lists: Index, numbers: Index, rows: Index) -> tuple[Index, Mask, Rows]:
    """Return offsets and validity of a column of lists, and where their elements are."""
    size = len(rows)
    offsets, valid = np.zeros(size + 1, np.int64), np.zeros(size, np.bool_)
    _measure_lists(lists, numbers, rows, offsets, valid)
    np.cumsum(offsets, out=offsets)
    count = int(offsets[-1])
    if count > np.iinfo(np.int32).max:
        raise OverflowError(f"{count} messages in one batch; gather fewer rows at a time")
    batch_of, row_of = np.empty(count, np.int64), np.empty(count, np.int64)
    _spread(lists, numbers, rows, offsets, batch_of, row_of)
    return offsets, valid, (batch_of, row_of)


def _addresses(arrays: Iterable[pa.Array]) -> Index:
    """Return for each array where it lies: validity (0: all valid), its first bit, offsets, bytes."""
    found = []
    for array in arrays:
        # The values of a list have no buffer of their own.
        validity, offsets, *data = array.buffers()[:3]
        width = 4 if array.type == MESSAGES else 8
        # An array without rows may have no buffers, and nobody asks for its rows.
        begin = offsets.address + array.offset * width if offsets is not None else 0
        content = data[0].address if data and data[0] is not None and array.type != MESSAGES else 0
        found.append((validity.address if validity is not None else 0, array.offset, begin, content))
    return np.array(found, np.int64).reshape(-1, 4)


def _bitmap(valid: Mask) -> pa.Buffer | None:
    """Pack validity into Arrow's bitmap; None when nothing is null."""
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))


@inner
def _is_valid(arrays: Index, number: int, row: int) -> bool:
    """Tell whether a row of an array is not null."""
    bit = arrays[number, 1] + row
    here: bool = arrays[number, 0] == 0 or (read_byte(arrays[number, 0] + (bit >> 3)) >> (bit & 7)) & 1 == 1
    return here


@kernel
def _measure_texts(
    arrays: Index, numbers: Index, rows: Index, order: Index, offsets: Index, valid: Mask
) -> None:
    """Note the length of every text, one place to the right, ready for a running sum."""
    for i in order:
        if _is_valid(arrays, numbers[i], rows[i]):
            at = arrays[numbers[i], 2] + rows[i] * 8
            valid[i] = True
            offsets[i + 1] = read_word(at + 8) - read_word(at)


@kernel
def _measure_lists(arrays: Index, numbers: Index, rows: Index, offsets: Index, valid: Mask) -> None:
    """Note the length of every list, one place to the right, ready for a running sum."""
    for i in range(rows.size):
        if _is_valid(arrays, numbers[i], rows[i]):
            at = arrays[numbers[i], 2] + rows[i] * 4
            valid[i] = True
            offsets[i + 1] = read_half(at + 4) - read_half(at)


@kernel
def _copy(
    arrays: Index, numbers: Index, rows: Index, order: Index, offsets: Index, out: npt.NDArray[np.uint8]
) -> None:
    """Copy the bytes of the texts at some places of the result."""
    for i in order:
        size = offsets[i + 1] - offsets[i]
        if size:
            begin = read_word(arrays[numbers[i], 2] + rows[i] * 8)
            copy_from(out, offsets[i], arrays[numbers[i], 3] + begin, size)


@kernel
def _spread(
    arrays: Index, numbers: Index, rows: Index, offsets: Index, element_numbers: Index, element_rows: Index
) -> None:
    """Turn (number, row) of lists into (number, row) of their elements."""
    for i in range(rows.size):
        count = offsets[i + 1] - offsets[i]
        begin = read_half(arrays[numbers[i], 2] + rows[i] * 4) if count else 0
        for j in range(count):
            element_numbers[offsets[i] + j] = numbers[i]
            element_rows[offsets[i] + j] = begin + j
