"""Evaluate a field map on raw rows: from any column, struct or list to the fields of an instance.

The one idea: a field is a list of values, one a row, or a column of text that is taken as it lies; what
cannot be made into the field is a bad row with a reason, never a guess. Nothing here opens a file.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import TEXT
from tulu_data.sources.files import SourceFile
from tulu_data.specs.paths import EVERY, Path, parse_path, parse_text
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

_LETTER = re.compile(r"\(?([A-Z])\)?[.:]?")


def read_fields(
    table: pa.Table, numbers: pa.Int64Array, fields: Fields, *, suite: str | None, split: str,
    name: str,
) -> Found:  # fmt: skip
    """Turn raw rows into instances; `suite` is the column that names theirs, `name` the name of the file.

    `numbers` are the rows that the table's lines come from; a row may give several.
    """
    rows = Rows(table, numbers, name)
    choices = [_choices(value) for value in rows.list_of(rows.choices(fields.choices))]
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


def written(value: object) -> str | None:
    """Write any value as text; structures as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


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
        return [_present(values) for values in zip(*columns, strict=True)]

    def list_of(self, values: Values) -> list[Any]:
        """Return values as Python objects."""
        return values if isinstance(values, list) else values.to_pylist()

    def _one(self, made: One, choices: Sequence[list[str] | None]) -> Values:
        if isinstance(made, str):
            return self._text(made)
        if made.choices is not None:
            marks = self.list_of(self._path(parse_path(made.choices)))
            return [_marked(mark, options) for mark, options in zip(marks, choices, strict=True)]
        pattern = re.compile(made.match or "")
        return [_matched(pattern, value) for value in self.list_of(self._text(made.text or ""))]

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
        column = self.table.column(name)
        if not steps and column.type in (pa.string(), TEXT):
            return plain(column)
        if name not in self._columns:
            self._columns[name] = column.to_pylist()
        return [_walked(value, steps) for value in self._columns[name]] if steps else self._columns[name]

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


def _walked(value: Any, steps: Sequence[str | int]) -> Any:
    """Follow the steps of a path; JSON inside text is entered too."""
    for i, step in enumerate(steps):
        if isinstance(value, str):
            value = _json(value)
        if step == EVERY:
            return [_walked(v, steps[i + 1 :]) for v in value] if isinstance(value, list) else None
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


@lru_cache(maxsize=4096)
def _json(text: str) -> Any:
    """Return what JSON text says, None where it is none."""
    try:
        return json.loads(text) if text.lstrip()[:1] in ("[", "{") else None
    except ValueError:
        return None


def _matched(pattern: "re.Pattern[str]", value: object) -> str | None:
    """Return the part of a text that a pattern finds."""
    found = pattern.search(value) if isinstance(value, str) else None
    return None if found is None else found[1] if pattern.groups else found[0]


def _present(values: Sequence[Any]) -> list[Any] | None:
    """Return the choices of several columns, None where the row has none of them."""
    there = [value for value in values if value is not None]
    return there or None


def _choices(value: object) -> list[str] | None:
    """Read choices: a list, a list or an object of marks in JSON, or one choice."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        inner = _json(value)
        value = [value] if inner is None else inner
    if value is None or value == "":
        return None
    if isinstance(value, dict):
        return list(_marks(value)) or None
    return [written(v) or "" for v in value] if isinstance(value, list) else [written(value) or ""]


def _marks(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the texts of an object that have a mark; in a struct, those of other rows have none."""
    return {text: mark for text, mark in value.items() if isinstance(mark, int | float | str)}


def _marked(mark: Any, choices: list[str] | None) -> str | None:
    """Return the choice that is marked by its number, its letter, or a mark for each of them."""
    if choices is None or mark is None:
        return None
    if isinstance(mark, str):
        mark = _json(mark) if mark[:1] in ("[", "{") else mark
    if isinstance(mark, dict):
        mark = list(_marks(mark).values())
    if isinstance(mark, list):
        if len(mark) == len(choices) > 1:
            return next((c for c, m in zip(choices, mark, strict=True) if m in (1, True, "1")), None)
        mark = mark[0] if mark else None
    number = _number(mark)
    return choices[number] if number is not None and 0 <= number < len(choices) else None


def _number(mark: object) -> int | None:
    """Return the number from 0 that a number or letter stands for."""
    if isinstance(mark, int | float) and mark == int(mark):
        return int(mark)
    text = mark.strip() if isinstance(mark, str) else ""
    if text.isdecimal():
        return int(text)
    letter = _LETTER.fullmatch(text)
    return ord(letter[1]) - ord("A") if letter else None


def _wrong(columns: Mapping[str, Values], lines: int) -> list[str | None]:
    """Say of every line why it is no instance, or None."""
    wrong: list[str | None] = [None] * lines
    for name in ("passage", "question"):
        values = columns[name]
        if isinstance(values, list):
            for i, value in enumerate(values):
                if value is not None and not isinstance(value, str):
                    wrong[i] = f"{name} is not text"
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
