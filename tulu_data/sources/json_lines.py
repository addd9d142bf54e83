"""JSON lines to raw rows: one object a line, a block of lines at a time.

The one idea: a row's number is its line number, blank lines counted, so a message points at the
line that an editor shows. Memory is bounded by a block, or by one line where a line is longer.
"""

from collections.abc import Iterable, Iterator

from tulu_data.sources.archives import TruncatedArchiveError
from tulu_data.sources.json_values import BadJsonError, Row, batch_of_rows, parse_row
from tulu_data.sources.rows import RAW_LIMIT, BadRow, RawBatch

BLOCK = 8 << 20
"""Bytes of text in a batch."""
BLOCK_ROWS = 1 << 14
BOM = b"\xef\xbb\xbf"


def read_json_lines(chunks: Iterable[bytes], only: frozenset[str] | None = None) -> Iterator[RawBatch]:
    """Yield the rows of JSON lines; a torn archive keeps its rows and adds one bad row."""
    rows: list[Row] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    size = number = 0
    try:
        for number, line in enumerate(split_lines(chunks), start=1):
            if not line or line.isspace():
                continue
            try:
                rows.append(parse_row(line))
                numbers.append(number)
            except BadJsonError as error:
                bad.append(bad_line(number, error, line))
            size += len(line)
            if size > BLOCK or len(rows) + len(bad) >= BLOCK_ROWS:
                yield batch_of_rows(rows, numbers, bad, only)
                rows, numbers, bad, size = [], [], [], 0
    except TruncatedArchiveError as error:
        bad.append(BadRow(row=number + 1, reason="truncated archive", detail=str(error), raw=""))
    if rows or bad:
        yield batch_of_rows(rows, numbers, bad, only)


def bad_line(number: int, error: BadJsonError, line: bytes) -> BadRow:
    """Describe a line that is not a row."""
    raw = line[: 4 * RAW_LIMIT].decode("utf-8", "backslashreplace")
    return BadRow(row=number, reason=error.reason, detail=error.detail, raw=raw)


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without their ends; the unfinished line before a tear in an archive is dropped."""
    pieces: list[bytes] = []
    first = True
    for chunk in chunks:
        data = chunk.removeprefix(BOM) if first else chunk
        first = False
        if b"\n" not in data:
            # Joined once, not at every chunk: a row of 100 MB would be copied a hundred times.
            pieces.append(data)
            continue
        lines = data.split(b"\n")
        lines[0] = b"".join([*pieces, lines[0]])
        pieces = [lines.pop()]
        yield from lines
    if any(pieces):
        yield b"".join(pieces)
