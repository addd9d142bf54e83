"""Gather rows from many memory-mapped batches into one batch, copying each text once.

The buffers of all batches are known by their addresses, so a column of the result is two calls of a kernel
however many batches its rows come from: measure (lengths, then offsets), then copy bytes to their final
place. Arrow's own `take` on chunked nested columns joins whole columns first, which a dataset larger than
memory does not survive.
"""

import errno
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.kernels.addresses import PREAD, copy_from, read_byte, read_file, read_half, read_word
from tulu_data.kernels.jit import inner, kernel
from tulu_data.schema import MESSAGE, MESSAGES

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_SHORT = 64
"""Bytes that texts of a column have on average up to which they are copied from mapped memory."""


class Run(NamedTuple):
    """The batches of one mapped file."""

    first: int
    """The number of the first of them."""
    behind: int
    """The number after the last."""
    file: int
    """The file, open for reading."""
    address: int
    """Where it is mapped."""
    held: object = None
    """What keeps the file open as long as somebody has it."""


class Batches:
    """Text and messages columns of many batches, ready to be gathered from."""

    def __init__(
        self, batches: Sequence[pa.RecordBatch], schema: pa.Schema, runs: Sequence[Run] = ()
    ) -> None:
        """Note where the columns of `schema` lie in every batch, which stays alive as long as this.

        `runs` are batches of mapped files, which stay open as long as this: columns of long texts are read
        from the file, so that of the mapped memory only the pages of the others are ever touched.
        """
        self._batches, self._schema, self._runs = tuple(batches), schema, tuple(runs)
        files = np.full((len(batches), 2), -1, np.int64)
        for run in self._runs if PREAD else ():
            files[run.first : run.behind] = run.file, run.address
        self._columns = {f.name: _addresses((b.column(f.name) for b in batches), files) for f in schema}
        self._children = {
            field.name: [
                _addresses((b.column(field.name).values.field(i) for b in batches), files)
                for i in range(len(MESSAGE))
            ]
            for field in schema
            if field.type == MESSAGES
        }

    def gather(self, numbers: Index, rows: Index) -> pa.RecordBatch:
        """Return as row i the row `rows[i]` of batch `numbers[i]`."""
        columns = [
            self._messages(field.name, numbers, rows)
            if field.type == MESSAGES
            else _texts(self._columns[field.name], numbers, rows)
            for field in self._schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _messages(self, name: str, numbers: Index, rows: Index) -> pa.Array:
        """Gather one messages column: lists first, then the texts of their messages."""
        offsets, valid, elements = _lists(self._columns[name], numbers, rows)
        texts = [_texts(child, *elements) for child in self._children[name]]
        values = pa.StructArray.from_arrays(texts, fields=list(MESSAGE))
        buffers = [_bitmap(valid), pa.py_buffer(offsets.astype(np.int32))]
        return pa.Array.from_buffers(MESSAGES, len(valid), buffers, children=[values])


def _texts(texts: Index, numbers: Index, rows: Index) -> pa.Array:
    """Gather one text column, from the beginning of the files to their end."""
    size = len(rows)
    offsets, valid = np.zeros(size + 1, np.int64), np.zeros(size, np.bool_)
    order = _by_number(numbers)
    _measure_texts(texts, numbers, rows, order, offsets, valid)
    np.cumsum(offsets, out=offsets)
    data = np.empty(offsets[-1], np.uint8)
    if not _copy(texts, numbers, rows, order, offsets, data, PREAD):
        raise OSError(errno.EIO, "a file of the cache ends before what was read of it")
    buffers = [_bitmap(valid), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), size, buffers)


def _by_number(numbers: Index) -> Index:
    """Return the order by number; numpy sorts those of 16 bits by counting."""
    small = numbers.astype(np.uint16) if numbers.max(initial=0) < 1 << 16 else numbers
    return np.argsort(small, kind="stable")


def _lists(lists: Index, numbers: Index, rows: Index) -> tuple[Index, Mask, tuple[Index, Index]]:
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


def _addresses(arrays: Iterable[pa.Array], files: Index) -> Index:
    """Return for each array where it lies: validity (0: all valid), its first bit, offsets, bytes, file."""
    found, texts, size = [], 0, 0
    for array in arrays:
        # The values of a list have no buffer of their own.
        validity, offsets, *data = array.buffers()[:3]
        width = 4 if array.type == MESSAGES else 8
        # An array without rows may have no buffers, and nobody asks for its rows.
        begin = offsets.address + array.offset * width if offsets is not None else 0
        content = data[0].address if data and data[0] is not None and array.type != MESSAGES else 0
        texts += len(array)
        size += data[0].size if content else 0
        found.append((validity.address if validity is not None else 0, array.offset, begin, content))
    is_long = size > _SHORT * texts
    return np.hstack(
        [np.array(found, np.int64).reshape(-1, 4), files if is_long else np.full_like(files, -1)]
    )


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
    arrays: Index,
    numbers: Index,
    rows: Index,
    order: Index,
    offsets: Index,
    out: npt.NDArray[np.uint8],
    reader: int,
) -> bool:
    """Copy the bytes of the texts at some places of the result; tell whether all were there."""
    at = 0
    while at < order.size:
        i = order[at]
        number, last = numbers[i], i
        size = offsets[i + 1] - offsets[i]
        at += 1
        if not size:
            continue
        begin = read_word(arrays[number, 2] + rows[i] * 8)
        # What lies together there and here is copied at once: the messages of a record.
        while at < order.size and order[at] == last + 1 and numbers[last + 1] == number:
            end = read_word(arrays[number, 2] + rows[last + 1] * 8 + 8)
            if rows[last + 1] != rows[last] + 1 or end - begin != offsets[last + 2] - offsets[i]:
                break
            size, last, at = end - begin, last + 1, at + 1
        if not _copy_run(arrays, number, begin, size, out, offsets[i], reader):
            return False
    return True


@inner
def _copy_run(
    arrays: Index, number: int, begin: int, size: int, out: npt.NDArray[np.uint8], to: int, reader: int
) -> bool:
    """Copy bytes of the texts of an array; tell whether all were there."""
    address, file = arrays[number, 3] + begin, arrays[number, 4]
    if file < 0:
        copy_from(out, to, address, size)
        return True
    done = 0
    while done < size:
        came = read_file(reader, file, out, to + done, size - done, address - arrays[number, 5] + done)
        if came <= 0:
            return False
        done += came
    return True


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
