"""JSON lines to raw rows: one object a line, a block of lines at a time.

The one idea: bytes are cut at line ends into blocks, and any thread may read any block; what a block
holds does not depend on how it is read, as whole columns or row by row. A row's number is its line
number, blank lines counted, so a message points at the line that an editor shows. Memory is bounded
by a block, or by one line where a line is longer.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.sources.archives import TruncatedArchiveError
from tulu_data.sources.json_columns import Shape, read_columns
from tulu_data.sources.json_values import BadJsonError, Row, batch_of_rows, parse_row
from tulu_data.sources.rows import RAW_LIMIT, BadRow, Part, RawBatch

BLOCK = 4 << 20
"""Bytes of text in a block, about."""
BLOCK_ROWS = 1 << 14
BOM = b"\xef\xbb\xbf"
_FIRST_LOOK = 64
"""Rows whose types say how the columns of a file are read at first."""
_FIRST_LOOK_BYTES = 1 << 18


def read_json_lines(chunks: Iterable[bytes], only: frozenset[str] | None = None) -> Iterator[RawBatch]:
    """Yield the rows of JSON lines; a torn archive keeps its rows and adds one bad row."""
    for part in json_line_parts(chunks, only):
        batch = part()
        if batch.read:
            yield batch


def json_line_parts(chunks: Iterable[bytes], only: frozenset[str] | None = None) -> Iterator[Part]:
    """Yield the blocks of JSON lines, unread; a torn archive adds one bad row to its whole lines."""
    shape: Shape | None = None
    first = 1
    try:
        for data, lines in _blocks(chunks):
            if shape is None:
                shape = _first_look(data)
            yield partial(_read_block, data, first, shape, only)
            first += lines
    except TruncatedArchiveError as error:
        torn = BadRow(row=first, reason="truncated archive", detail=str(error), raw="")
        yield partial(batch_of_rows, [], [], [torn])


def bad_line(number: int, error: BadJsonError, line: bytes) -> BadRow:
    """Describe a line that is not a row."""
    return BadRow(row=number, reason=error.reason, detail=error.detail, raw=_shown(line))


def split_lines(data: bytes) -> list[bytes]:
    """Return the lines of a text without their ends."""
    lines = data.removeprefix(BOM).split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _shown(line: bytes) -> str:
    """Return a line as text, as far as people will read it."""
    return line[: 4 * RAW_LIMIT].decode("utf-8", "backslashreplace")


def _blocks(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield runs of whole lines and their number; the unfinished line before a tear is dropped."""
    pieces: list[bytes] = []
    size, first = 0, True
    try:
        for chunk in chunks:
            data = chunk.removeprefix(BOM) if first else chunk
            first = False
            cut = data.rfind(b"\n") + 1
            if size + len(data) < BLOCK or not cut:
                # Joined once, not at every chunk: a row of 100 MB would be copied a hundred times.
                pieces.append(data)
                size += len(data)
                continue
            yield from _of_bounded_rows(b"".join([*pieces, data[:cut]]))
            pieces, size = [data[cut:]], len(data) - cut
    except TruncatedArchiveError:
        rest = b"".join(pieces)
        yield from _of_bounded_rows(rest[: rest.rfind(b"\n") + 1])
        raise
    yield from _of_bounded_rows(b"".join(pieces))


def _of_bounded_rows(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Cut a block of very many short lines into several."""
    lines = data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
    if lines <= BLOCK_ROWS:
        if lines:
            yield data, lines
        return
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))[BLOCK_ROWS - 1 :: BLOCK_ROWS] + 1
    cuts = [0, *ends.tolist(), *([len(data)] if ends[-1] < len(data) else [])]
    for k, (low, high) in enumerate(pairwise(cuts)):
        yield data[low:high], min(BLOCK_ROWS, lines - k * BLOCK_ROWS)


def _first_look(data: bytes) -> Shape:
    """Learn the columns of a file from its first rows."""
    end = data.find(b"\n", _FIRST_LOOK_BYTES)
    lines = split_lines(data if end < 0 else data[:end])[:_FIRST_LOOK]
    shape = Shape()
    with suppress(SourceError):
        shape.learn(_in_rows(b"\n".join(lines), 1))
    return shape


def _read_block(data: bytes, first: int, shape: Shape, only: frozenset[str] | None) -> RawBatch:
    """Read a block whose first line is number `first`: as columns where that gives the same, else by row."""
    found = read_columns(data, shape, only)
    if found is None:
        batch = _in_rows(data, first, only)
        if only is None:
            shape.learn(batch)
        return batch
    return RawBatch(table=found.table, rows=pa.array(found.lines + first), line=_Lines(data, first))


def _in_rows(data: bytes, first: int, only: frozenset[str] | None = None) -> RawBatch:
    """Read a block line by line."""
    rows: list[Row] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    for number, line in enumerate(data.split(b"\n"), start=first):
        if not line or line.isspace():
            continue
        try:
            rows.append(parse_row(line))
            numbers.append(number)
        except BadJsonError as error:
            bad.append(bad_line(number, error, line))
    return replace(batch_of_rows(rows, numbers, bad, only), line=_Lines(data, first))


class _Lines:
    """The lines of a block as text, by number."""

    def __init__(self, data: bytes, first: int) -> None:
        self.data = data
        self.first = first

    @cached_property
    def lines(self) -> list[bytes]:
        return self.data.split(b"\n")

    def __call__(self, number: int) -> str:
        """Return the text of a line."""
        return _shown(self.lines[number - self.first].rstrip(b"\r"))
