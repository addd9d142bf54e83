"""A block of JSON lines to Arrow columns in one step, without a Python object a row.

The one idea: Arrow's own parser, told the types that earlier rows had, gives what reading row by row
would give, or nothing. It is believed only where that is sure: every line is one object, every text is
UTF-8, every column has the type that its own values would have had. It never judges a row.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.sources.json_values import MAX_COLUMNS, MAX_FIELDS
from tulu_data.sources.rows import RawBatch

Ends = npt.NDArray[np.int64]
"""Where each line of a text ends, without its line break."""
Lines = npt.NDArray[np.int64]
_LEAVES = (pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string())
_CHATS = ({"role", "content"}, {"from", "value"})
_EXACT = 2.0**53
"""Whole numbers up to here are equal as integers and as floats."""
_SAMPLE = 1 << 16
_LONG_LINE = 300
"""Bytes of a line from which on looking for its end costs less than looking at each byte."""
_LIMIT = 1 << 30
"""Bytes of a block above which offsets of 32 bits become a worry."""


class Shape:
    """The columns that the rows of a file have shown so far; threads may learn at once, the last one wins."""

    def __init__(self) -> None:
        self.schema: pa.Schema | None = None

    def learn(self, batch: RawBatch) -> None:
        """Widen the columns by those of rows that were read one by one, where a type holds both."""
        seen = batch.table.schema
        if batch.mixed or not all(_is_readable(field.type) for field in seen):
            seen = pa.schema([f for f in seen if f.name not in batch.mixed and _is_readable(f.type)])
        try:
            known = [self.schema] if self.schema is not None else []
            wider = pa.unify_schemas([*known, seen], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return
        if all(_is_readable(field.type) for field in wider):
            self.schema = wider


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of a block, none of which is bad."""

    table: pa.Table
    lines: Lines
    """Line of each row, from 0."""


def line_ends(data: bytes) -> Ends:
    """Return where each line ends: at its line break, or at the end of the text."""
    last = [len(data)] if data[-1:] not in (b"", b"\n") else []
    if data.count(b"\n", 0, _SAMPLE) * _LONG_LINE > _SAMPLE:
        return np.append(np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")), last).astype(np.int64)
    # To leap from break to break takes a quarter of the time where lines are long.
    ends: list[int] = []
    at = data.find(b"\n")
    while at >= 0:
        ends.append(at)
        at = data.find(b"\n", at + 1)
    return np.array([*ends, *last], np.int64)


def read_columns(data: bytes, ends: Ends, shape: Shape, only: frozenset[str] | None) -> Columns | None:
    """Return the rows of whole lines; None where reading them row by row might give something else."""
    schema = shape.schema
    if schema is None or not len(schema) or len(schema) > MAX_COLUMNS or len(data) > _LIMIT:
        return None
    lines = _objects(data, ends)
    table = _parsed(data, schema) if lines is not None and len(lines) else None
    if lines is None or table is None or table.num_rows != len(lines):
        return None
    if only is not None:
        table = table.select([name for name in table.column_names if name.lower() in only])
    for i, column in enumerate(table.columns):
        if column.null_count == len(column):
            table = table.set_column(i, table.field(i).name, pa.nulls(len(column)))
        elif not all(_is_inferred(chunk) for chunk in column.chunks):
            return None
    return Columns(table, lines)


def _is_readable(kind: pa.DataType) -> bool:
    """Tell whether a type is one that rows are given and that the parser gives the same way."""
    if pa.types.is_struct(kind):
        return 0 < kind.num_fields <= MAX_FIELDS and all(_is_readable(field.type) for field in kind)
    return _is_readable(kind.value_type) if pa.types.is_list(kind) else kind in _LEAVES


def _objects(data: bytes, ends: Ends) -> Lines | None:
    """Return the lines that hold something; None unless each of them begins and ends like an object.

    A brace that ends a line and a brace that begins the next can only lie between two objects. So where
    there are as many objects as lines, each line is one object.
    """
    # The parser takes a zero byte for the end of the text.
    if b"\0" in data:
        return None
    text = np.frombuffer(data, np.uint8)
    starts = np.concatenate([[0], ends[:-1] + 1])
    last = text[ends - 1]
    last = np.where((last == ord("\r")) & (ends - starts > 1), text[np.maximum(ends - 2, 0)], last)
    plain = (ends > starts) & (last == ord("}"))
    plain[plain] = text[starts[plain]] == ord("{")
    for i in np.flatnonzero(~plain):
        line = data[starts[i] : ends[i]].strip(b" \t\r")
        if line and not (line.startswith(b"{") and line.endswith(b"}")):
            return None
        plain[i] = bool(line)
    return np.flatnonzero(plain)


def _parsed(data: bytes, schema: pa.Schema) -> pa.Table | None:
    """Parse JSON text by a schema; None where a row does not fit it."""
    import pyarrow.json as pj

    reading = pj.ReadOptions(use_threads=False, block_size=len(data) + 1)
    parsing = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    try:
        table = pj.read_json(pa.BufferReader(data), read_options=reading, parse_options=parsing)
        # The parser passes bytes on that are no UTF-8.
        table.validate(full=True)
    except (pa.ArrowException, OSError):
        return None
    return table


def _is_inferred(array: pa.Array, *, chat: bool = False) -> bool:
    """Tell whether these values, seen alone, would have been given this very type.

    Only what can be told apart later counts: a message may lack a field or have it null.
    """
    kind = array.type
    if pa.types.is_list(kind):
        values = array.flatten()
        is_chat = pa.types.is_struct(values.type) and any(c <= {f.name for f in values.type} for c in _CHATS)
        return not len(values) or _is_inferred(values, chat=is_chat)
    if pa.types.is_struct(kind):
        return all((chat or c.null_count < len(c)) and _is_inferred(c) for c in array.flatten())
    return _has_fractions(array) if pa.types.is_floating(kind) else True


def _has_fractions(array: pa.Array) -> bool:
    """Tell whether numbers are surely what they seem: some have fractions, and none is out of bounds."""
    values = array.drop_null().to_numpy()
    bounded = np.isfinite(values).all() and np.abs(values).max(initial=0.0) <= _EXACT
    zeros = values[values == 0]
    return bool(bounded and not np.signbit(zeros).any() and (values != np.floor(values)).any())
