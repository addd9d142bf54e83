"""JSON text to rows, and rows to Arrow columns.

The one idea: parse fast, and only when that fails parse again slowly to say precisely why. A
column whose values conflict becomes JSON text; nothing is coerced, no text becomes a date.
"""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.schema import TEXT
from tulu_data.sources.rows import BadRow, RawBatch, Reason

Row = dict[str, Any]
MAX_DEPTH = 200
MAX_COLUMNS = 2000
MAX_FIELDS = 256
"""A struct with more fields than this is really a map with data for keys; it stays JSON text."""


class BadJsonError(Exception):
    """One JSON text that is not a row; carries the reason and a detail."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


def parse_row(data: bytes) -> Row:
    """Parse one JSON object; raise BadJsonError with the reason when it is not one."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _parse_slowly(data)
    if type(value) is not dict:
        raise BadJsonError("not an object", f"expected a JSON object, found {json_word(value)}")
    return value


def _parse_slowly(data: bytes) -> object:
    """Parse with the standard library: NaN becomes null, and every failure gets its reason."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJsonError("not utf-8", f"byte {error.start + 1} is not UTF-8") from None
    try:
        value = json.loads(text, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise BadJsonError(
            "broken json", f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
        ) from None
    except RecursionError:
        raise BadJsonError("too deep", f"nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:
        raise BadJsonError("broken json", str(error)) from None
    return check_text(value)


def check_text(value: object) -> object:
    """Return a parsed value; raise BadJsonError when its text cannot be UTF-8 or it nests too deep."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        detail = f"half of a surrogate pair ({error.object[error.start]!a}) stands alone"
        raise BadJsonError("lone surrogate", detail) from None
    except RecursionError:
        raise BadJsonError("too deep", f"nested more than {MAX_DEPTH} levels deep") from None
    return value


def _constant(word: str) -> float | None:
    """Read NaN as missing; infinities stay numbers."""
    return None if word == "NaN" else float(word)


def json_word(value: object) -> str:
    """Name the JSON type of a value."""
    words = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "an array",
        dict: "an object",
    }
    return words.get(type(value), "null")


def dump(value: object) -> str:
    """Write a value as compact JSON text; what JSON lacks (bytes, dates) is written as its text."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (orjson.JSONEncodeError, TypeError):
        return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))


def batch_of_rows(
    rows: Sequence[Row],
    numbers: Sequence[int],
    bad: Sequence[BadRow] = (),
    only: frozenset[str] | None = None,
) -> RawBatch:
    """Lay parsed rows out in columns; `only` names the columns that will be used."""
    names: dict[str, None] = {}
    for row in rows:
        if not names.keys() >= row.keys():
            names.update(dict.fromkeys(row))
    wanted = [n for n in names if only is None or n.lower() in only]
    if len(wanted) > MAX_COLUMNS:
        raise SourceError(
            f"{len(wanted)} different keys in {len(rows)} rows (first {wanted[0]!r}); "
            "these are data, not columns: write one object with fixed keys a row"
        )
    columns, mixed = [], set()
    for name in wanted:
        column, is_mixed = _column([row.get(name) for row in rows])
        columns.append(column)
        mixed.update([name] if is_mixed else [])
    table = pa.table(columns, names=wanted) if wanted else _no_columns(len(rows))
    return RawBatch(table=table, rows=pa.array(numbers, pa.int64()), bad=tuple(bad), mixed=frozenset(mixed))


def _no_columns(count: int) -> pa.Table:
    """Return a table that has rows but no columns."""
    return pa.table({"_": pa.nulls(count)}).select([])


def _column(values: list[Any]) -> tuple[pa.Array | pa.ChunkedArray, bool]:
    """Convert one column; the flag says that it became JSON text."""
    if not _is_map(values):
        try:
            return pa.array(values), False
        except (pa.ArrowException, OverflowError, TypeError, ValueError, UnicodeError):
            pass
    texts = [v if v is None or type(v) is str else dump(v) for v in values]
    return pa.array(texts, TEXT), True


def _is_map(values: list[Any]) -> bool:
    """Tell whether the objects of a column, or in its lists, have more keys than a struct should."""
    keys: set[str] = set()
    for value in values:
        for child in value if type(value) is list else (value,):
            if type(child) is dict and not keys >= child.keys():
                keys.update(child)
                if len(keys) > MAX_FIELDS:
                    return True
    return False
