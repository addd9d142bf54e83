"""Evaluate a field map on raw rows: from any column, struct or list to the fields of an instance.

The one idea: a field is a list of values, one a row, or a column of text that is taken as it lies; what
cannot be made into the field is a bad row with a reason, never a guess. Nothing here opens a file.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.decontaminate.suites.values import choices_in, marked, matched, walked, written
from tulu_data.schema import TEXT
from tulu_data.sources.files import SourceFile
from tulu_data.specs.paths import Path, parse_path, parse_text
from tulu_data.specs.suite import Fields, Made, One

INSTANCES = pa.schema(
    [
        ("id", TEXT), ("split", TEXT), ("question", TEXT), ("passage", TEXT), ("answer", TEXT),
        ("choices", pa.list_(TEXT)),
    ]
)  # fmt: skip
"""Arrow schema of eval instances."""
ROWS = pa.schema([("number", pa.int64()), ("suite", TEXT), *INSTANCES])
"""Arrow schema of a file's instances: the rows they are from, and the suite that each row names."""

Values: TypeAlias = "list[Any] | pa.ChunkedArray"
"""One value a row: any, or text in a column."""
Found = tuple[pa.Table, list[tuple[int, str]]]
"""Rows of schema ROWS, and the numbers and reasons of those that are none."""


def read_fields(
    table: pa.Table, numbers: pa.Int64Array, fields: Fields, *, suite: str | None, split: str,
    name: str,
) -> Found:  # fmt: skip
    """Turn raw rows into instances; `suite` is the column that names theirs, `name` the name of the file.

    `numbers` are the rows that the table's lines come from; a row may give several.
    """
    rows = Rows(table, numbers, name)
    choices = [choices_in(value) for value in rows.list_of(rows.choices(fields.choices))]
    columns = {name: rows.field(getattr(fields, name), choices) for name in ("question", "passage", "answer")}
    wrong = _wrong(columns, table.num_rows)
    named = rows.field(suite, choices) if suite is not None else [None] * table.num_rows
    ids, splits = rows.field(fields.id, choices), rows.field(fields.split, choices)
    found = pa.table(
        [
            numbers,
            _texts(named, lambda v: None if v in (None, "") else str(v)),
            _filled(_texts(ids, lambda v: None if v is None else str(v)), numbers.cast(TEXT)),
            _filled(_texts(splits, lambda v: str(v) if v else None), pa.scalar(split, TEXT)),
            _texts(columns["question"], lambda v: v if isinstance(v, str) else None),
            _texts(columns["passage"], lambda v: v if isinstance(v, str) and v else None),
            _texts(columns["answer"], written),
            pa.chunked_array([pa.array(choices, pa.list_(TEXT))]),
        ],
        schema=ROWS,
    )
    if not any(wrong):
        return found, []
    kept = pa.array([reason is None for reason in wrong])
    bad = [(n, reason) for n, reason in zip(numbers.to_pylist(), wrong, strict=True) if reason is not None]
    return found.filter(kept), bad


class Rows:
    """Raw rows of which fields are made."""

    def __init__(self, table: pa.Table, numbers: pa.Int64Array, name: str) -> None:
        """Hold a table, the row that each line is from, and the name of the file."""
        self.table = table
        self.numbers = numbers
        self.name = name
        self._columns: dict[str, list[Any]] = {}

    def field(self, made: Made | None, choices: Sequence[list[str] | None]) -> Values:
        """Return the values of a field, of the first that gives one where several are tried."""
        if made is None:
            return [None] * self.table.num_rows
        if not isinstance(made, tuple):
            return self._one(made, choices)
        values: list[Any] = [None] * self.table.num_rows
        for one in made:
            nexts = self.list_of(self._one(one, choices))
            values = [b if a is None else a for a, b in zip(values, nexts, strict=True)]
        return values

    def choices(self, made: str | tuple[str, ...] | None) -> Values:
        """Return the raw choices: one list, or a list of the values of several columns."""
        if made is None:
            return [None] * self.table.num_rows
        if isinstance(made, str):
            return self._path(parse_path(made))
        columns = [self.list_of(self._path(parse_path(path))) for path in made]
        # A choice that is missing keeps its place, so that marks still point at the right one.
        return [list(v) if any(o is not None for o in v) else None for v in zip(*columns, strict=True)]

    def list_of(self, values: Values) -> list[Any]:
        """Return values as Python objects."""
        return values if isinstance(values, list) else values.to_pylist()

    def _one(self, made: One, choices: Sequence[list[str] | None]) -> Values:
        if isinstance(made, str):
            return self._text(made)
        if made.choices is not None:
            marks = self.list_of(self._path(parse_path(made.choices)))
            return [marked(mark, options) for mark, options in zip(marks, choices, strict=True)]
        pattern = re.compile(made.match or "")
        return [matched(pattern, value) for value in self.list_of(self._text(made.text or ""))]

    def _text(self, text: str) -> Values:
        """Return the values of a path, or the texts of a template."""
        parsed = parse_text(text)
        if isinstance(parsed, Path):
            return self._path(parsed)
        lines = self.table.num_rows
        parts = [
            [part] * lines if isinstance(part, str) else self.list_of(self._path(part))
            for part in parsed.parts
        ]
        is_path = [not isinstance(part, str) for part in parsed.parts]
        joined = []
        for values in zip(*parts, strict=True):
            told = [value for value, path in zip(values, is_path, strict=True) if path]
            nothing = bool(told) and all(value is None for value in told)
            joined.append(None if nothing else "".join(written(value) or "" for value in values))
        return joined

    def _path(self, path: Path) -> Values:
        """Return the values at a path; a missing column has none."""
        names = self.table.column_names
        steps = () if path.text in names else path.steps
        name = path.text if path.text in names else path.column
        if name not in names:
            return self._pseudo(name)
        # A table may hold a name twice; the first is meant.
        column = self.table.column(names.index(name))
        if not steps and column.type in (pa.string(), TEXT):
            return plain(column)
        if name not in self._columns:
            self._columns[name] = column.to_pylist()
        return [walked(value, steps) for value in self._columns[name]] if steps else self._columns[name]

    def _pseudo(self, name: str) -> list[Any]:
        if name == "row":
            return [str(number) for number in self.numbers.to_pylist()]
        return [self.name if name == "file" else None] * self.table.num_rows


def names_of(files: Sequence[SourceFile]) -> list[str]:
    """Return what the name `file` of a path stands for: what tells each file of a suite from the others.

    Folders and file names that all of them share are left out, and so are suffixes.
    """
    parts = [[*PurePosixPath(file.origin).parts[:-1], _stem(file)] for file in files]
    if len(parts) == 1:
        return [parts[0][-1]]
    first = _shared(parts)
    last = _shared([part[:first:-1] for part in parts])
    return ["/".join(part[first : len(part) - last]) for part in parts]


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """Count the first entries that all lists share."""
    same = (len(set(entries)) == 1 for entries in zip(*parts, strict=False))
    return sum(takewhile(bool, same))


def _stem(file: SourceFile) -> str:
    """Return a file's name without the suffixes of its compression and format."""
    path = PurePosixPath(file.origin)
    return PurePosixPath(path.stem).stem if file.compression else path.stem


def plain(column: pa.ChunkedArray) -> Values:
    """Return a column of text as the columns of instances have it."""
    return column.cast(TEXT)


def exists(path: Path, columns: Sequence[str], pseudo: Sequence[str]) -> bool:
    """Tell whether a path can be followed in rows of these columns."""
    return path.text in columns or path.column in columns or (path.column in pseudo and not path.steps)


def _wrong(columns: Mapping[str, Values], lines: int) -> list[str | None]:
    """Say of every line why it is no instance, or None."""
    wrong: list[str | None] = [None] * lines
    for name in ("passage", "question"):
        values = columns[name]
        if isinstance(values, list):
            for i, value in enumerate(values):
                if value is not None and not isinstance(value, str):
                    wrong[i] = f"{name} is a list" if isinstance(value, list) else f"{name} is not text"
    question = columns["question"]
    there = [value is not None for value in question] if isinstance(question, list) else question.is_valid()
    for i, asked in enumerate(there if isinstance(there, list) else there.to_pylist()):
        wrong[i] = wrong[i] if asked else "no question"
    return wrong


def _texts(values: Values, as_text: Callable[[Any], str | None]) -> pa.ChunkedArray:
    """Lay values out as a column of text; `as_text` sees only what is not text yet, or is empty."""
    if isinstance(values, list):
        return pa.chunked_array([pa.array([as_text(value) for value in values], TEXT)])
    if as_text("") is None:
        return _without_empty(values)
    return values


def _without_empty(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, TEXT), values)


def _filled(column: pa.ChunkedArray, instead: pa.Array | pa.Scalar) -> pa.ChunkedArray:
    return pc.coalesce(column, instead)
