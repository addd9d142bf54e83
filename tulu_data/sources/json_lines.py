"""JSON lines to raw rows: one object a line, a block of lines at a time.

The one idea: bytes are cut at line ends into blocks, and any thread may read any block; what a block
holds does not depend on how it is read, as whole columns or row by row. A row's number is its line
number, blank lines counted, so a message points at the line that an editor shows. Memory is bounded
by a block, or by one line where a line is longer.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.sources.archives import TruncatedArchiveError
from tulu_data.sources.json_columns import Ends, Shape, line_ends, read_columns
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


@dataclass(frozen=True, slots=True)
class _Block:
    """Some whole lines of a file."""

    first: int
    """Number of the first of them."""
    data: bytes
    ends: Ends

    def line(self, number: int) -> str:
        """Return the text of a line."""
        at = number - self.first
        start = int(self.ends[at - 1]) + 1 if at else 0
        return _shown(self.data[start : int(self.ends[at])].rstrip(b"\r"))


def json_line_parts(chunks: Iterable[bytes], only: frozenset[str] | None = None) -> Iterator[Part]:
    """Yield the blocks of JSON lines, unread; a torn archive adds one bad row to its whole lines."""
    shape: Shape | None = None
    first = 1
    try:
        for data in _runs(chunks):
            for part, ends in _of_bounded_rows(data):
                shape = shape or _first_look(part)
                yield partial(_read_block, _Block(first, part, ends), shape, only)
                first += len(ends)
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


def _runs(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield runs of whole lines; the unfinished line before a tear is dropped."""
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
            yield b"".join([*pieces, memoryview(data)[:cut]])
            pieces, size = [data[cut:]], len(data) - cut
    except TruncatedArchiveError:
        rest = b"".join(pieces)
        yield rest[: rest.rfind(b"\n") + 1]
        raise
    yield b"".join(pieces)


def _of_bounded_rows(data: bytes) -> Iterator[tuple[bytes, Ends]]:
    """Cut a run of very many short lines; yield the lines and where each ends."""
    ends, low = line_ends(data), 0
    for k in range(0, len(ends), BLOCK_ROWS):
        some = ends[k : k + BLOCK_ROWS]
        high = int(some[-1]) + 1
        yield (data if len(some) == len(ends) else data[low:high]), some - low
        low = high


def _first_look(data: bytes) -> Shape:
    """Learn the columns of a file from its first rows."""
    end = data.find(b"\n", _FIRST_LOOK_BYTES)
    lines = split_lines(data if end < 0 else data[:end])[:_FIRST_LOOK]
    shape = Shape()
    with suppress(SourceError):
        shape.learn(_in_rows(b"\n".join(lines), 1))
    return shape


def _read_block(block: _Block, shape: Shape, only: frozenset[str] | None) -> RawBatch:
    """Read a block: as columns where that gives the same, else row by row."""
    found = read_columns(block.data, block.ends, shape, only)
    if found is not None:
        return RawBatch(table=found.table, rows=pa.array(found.lines + block.first), line=block.line)
    batch = _in_rows(block.data, block.first, only)
    if only is None:
        shape.learn(batch)
    return replace(batch, line=block.line)


def _in_rows(data: bytes, first: int, only: frozenset[str] | None = None) -> RawBatch:
    """Read whole lines one by one; `first` is the number of the first."""
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
    return batch_of_rows(rows, numbers, bad, only)
