"""Raw rows as a file holds them, and the rows that could not be read.

The one idea: a bad row is data. It has a number, a reason out of a closed set, a detail for
people and its raw text, so that rows read = rows kept + bad rows in every file. Nothing here
opens a file or knows a chat format.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import pyarrow as pa

from tulu_data.schema import TEXT

Reason = Literal[
    "broken csv",
    "broken json",
    "broken messages",
    "broken tool call",
    "broken transcript",
    "deleted message",
    "empty prompt",
    "ends with assistant",
    "equal pair",
    "lone surrogate",
    "missing value",
    "multimodal",
    "no answer",
    "no assistant turn",
    "no messages",
    "no shared prompt",
    "no verifier",
    "not an object",
    "not text",
    "not utf-8",
    "orphan message",
    "repeated message",
    "too deep",
    "truncated archive",
    "truncated file",
    "unknown role",
    "unsupported part",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
TORN: tuple[Reason, ...] = ("truncated archive", "truncated file")
"""Reasons that say more than one row is missing: what followed the bad one is not there."""

RAW_LIMIT = 1 << 16
"""Characters of a bad row's raw text that are kept; the file itself still holds the rest."""

BAD = pa.schema([("row", pa.int64()), ("reason", TEXT), ("detail", TEXT), ("raw", TEXT)])
"""Arrow schema of bad rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """One row that was not turned into a record, and why."""

    row: int
    reason: Reason
    detail: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBatch:
    """Consecutive raw rows of a file, in columns, with their 1-based numbers and the unreadable ones."""

    table: pa.Table
    rows: pa.Int64Array
    bad: tuple[BadRow, ...] = ()
    mixed: frozenset[str] = frozenset()
    """Columns that became JSON text because their values have conflicting types."""
    line: Callable[[int], str] | None = None
    """Text of the row of a number as the file has it, where the file has one for each row."""

    @property
    def read(self) -> int:
        """Rows that this batch accounts for."""
        return int(self.table.num_rows) + len(self.bad)


Part = Callable[[], RawBatch]
"""Consecutive rows of a file, unread: any thread may read any part, the file's order is that of its parts."""


def bad_table(bad: Iterable[BadRow]) -> pa.Table:
    """Lay bad rows out in columns, clipping raw text and escaping what UTF-8 cannot hold."""
    rows = list(bad)
    columns = {
        "row": [b.row for b in rows],
        "reason": [b.reason for b in rows],
        "detail": [_storable(b.detail) for b in rows],
        "raw": [_storable(b.raw[:RAW_LIMIT]) for b in rows],
    }
    return pa.table(columns, schema=BAD)


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def torn_text(file: str, row: int, detail: str) -> str:
    """Say that a file could not be read from some row on."""
    why = f" ({detail})" if detail else ""
    return f"{file}: nothing after row {row - 1:,} could be read{why}; get the whole file"
