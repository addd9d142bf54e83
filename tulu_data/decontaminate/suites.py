"""Eval suites: what must not be inside training data.

The one idea: a suite is named by its rows (`suite` or `eval_key`) or by its file, never by a base name
that two files share; an instance is one question, however many rows repeat it. Two layouts are
read: ours (suite, id, split, question, passage, answer, choices; only question is required) and
the common {eval_key, eval_instance_index, split, question, answer, passage}. Other columns are not
guessed at. A row that cannot be read is counted, never a crash.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tulu_data.errors import SourceError, SuiteError
from tulu_data.schema import TEXT
from tulu_data.sources.files import SourceFile, find_files
from tulu_data.sources.readers import read_raw

INSTANCES = pa.schema(
    [
        ("id", TEXT), ("split", TEXT), ("question", TEXT), ("passage", TEXT), ("answer", TEXT),
        ("choices", pa.list_(TEXT)),
    ]
)  # fmt: skip
"""Arrow schema of eval instances."""
_ROWS = pa.schema([("number", pa.int64()), ("suite", TEXT), *INSTANCES])
"""Arrow schema of a file's rows: their numbers, and the suite that each names."""

_SHARED = ("eval_key", "eval_instance_index")
_READ = {*_SHARED, "suite", *INSTANCES.names}
Row = dict[str, Any]
BadRows = tuple[tuple[str, int, str], ...]
Found = tuple[pa.Table, list[tuple[int, str]]]
"""Rows of schema _ROWS, and the numbers and reasons of those that are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """An eval suite: its instances, and the files they came from."""

    name: str
    files: tuple[tuple[str, str], ...]
    """Path and sha256 of each file, in order."""
    instances: pa.Table
    """Schema INSTANCES, in file order; (split, id) is unique."""
    bad: BadRows = ()
    """Rows that could not be read: path, row (1-based), reason."""

    @property
    def path(self) -> str:
        """The suite's file, or the folder that holds all its files."""
        paths = [path for path, _ in self.files]
        return paths[0] if len(paths) == 1 else os.path.commonpath(paths) or "."

    @property
    def sha256(self) -> str:
        """Hash of the suite's file, or of the hashes of its files."""
        hashes = [digest for _, digest in self.files]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, sorted."""
        return tuple(sorted(self.instances["split"].unique().to_pylist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _SuiteFile:
    """One file, read."""

    file: SourceFile
    rows: pa.Table
    """Schema _ROWS, before repeated rows are joined."""
    bad: BadRows

    @property
    def key(self) -> tuple[str, str]:
        return self.file.origin, self.file.sha256


def load_suites(paths: Iterable[Path | str], base: Path) -> tuple[Suite, ...]:
    """Read every suite that files, folders (all below them) and globs hold, sorted by name.

    Paths are relative to `base`. Raises SuiteError when a path holds none or a file is no suite.
    """
    files = {file.origin: file for path in paths for file in _files(str(path), base)}
    read = [_read(file) for _, file in sorted(files.items())]
    names = _file_names([one for one in read if one.rows["suite"].null_count], read)
    grouped: dict[str, list[tuple[_SuiteFile, pa.Table]]] = {}
    for one in read:
        for suite in one.rows["suite"].unique():
            mine = pc.equal(one.rows["suite"], suite) if suite.is_valid else one.rows["suite"].is_null()
            name = suite.as_py() or names[one.file.origin]
            grouped.setdefault(name, []).append((one, one.rows.filter(mine)))
    return tuple(_suite(name, grouped[name]) for name in sorted(grouped))


def _files(path: str, base: Path) -> tuple[SourceFile, ...]:
    """List the files of one path, with an error that speaks of suites."""
    try:
        return find_files(path, base)
    except SourceError as error:
        raise SuiteError(
            f"{error}; eval suites are jsonl, json, csv or parquet files with a column 'question'"
        ) from None


def _read(file: SourceFile) -> _SuiteFile:
    """Read one file; raise SuiteError when its columns are not those of a suite."""
    tables: list[pa.Table] = []
    bad: list[tuple[str, int, str]] = []
    columns: dict[str, None] = {}
    for batch in read_raw(file):
        columns |= dict.fromkeys(batch.table.column_names)
        table = batch.table.select([name for name in batch.table.column_names if name in _READ])
        rows, reasons = _in_columns(table, batch.rows) or _in_rows(table, batch.rows)
        tables.append(rows)
        bad += [(file.origin, row.row, row.reason) for row in batch.bad]
        bad += [(file.origin, number, reason) for number, reason in reasons]
    if "question" not in columns:
        found = f"columns {', '.join(columns)}" if columns else "no readable row"
        raise SuiteError(
            f"{file.origin}: not an eval suite: no column 'question', found {found}; "
            "rename the column that holds the question (id, split, passage, answer, choices may follow)"
        )
    rows = pa.concat_tables(tables)
    if not rows.num_rows:
        raise SuiteError(
            f"{file.origin}: no eval instance, found {len(bad)} bad rows ({bad[0][2]}); "
            "give each row a text in 'question'"
        )
    return _SuiteFile(file=file, rows=rows, bad=tuple(bad))


def _in_columns(table: pa.Table, numbers: pa.Int64Array) -> Found | None:
    """Read rows of either layout column by column; None where a column needs a look at each value."""
    if len(set(table.column_names)) < len(table.column_names) or "question" not in table.column_names:
        return None
    names = dict(zip(("suite", "id"), _SHARED, strict=True)) if {*_SHARED} <= {*table.column_names} else {}
    columns: dict[str, pa.ChunkedArray] = {}
    for name in _ROWS.names[1:]:
        column = _plain(table, name, names.get(name, name))
        if column is None:
            return None
        columns[name] = column
    for name in ("suite", "split", "passage"):
        columns[name] = pc.if_else(pc.equal(columns[name], ""), pa.scalar(None, TEXT), columns[name])
    columns["split"] = pc.fill_null(columns["split"], "test")
    columns["id"] = pc.coalesce(columns["id"], numbers.cast(TEXT))
    rows = pa.table([numbers, *columns.values()], schema=_ROWS)
    asked = columns["question"].is_valid()
    return rows.filter(asked), [(n, "no question") for n in numbers.filter(pc.invert(asked)).to_pylist()]


def _plain(table: pa.Table, name: str, source: str) -> pa.ChunkedArray | None:
    """Return a column as its type in _ROWS when that needs no look at each value, else None."""
    wanted = _ROWS.field(name).type
    if source not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, wanted)])
    column = table.column(source)
    if pa.types.is_null(column.type) or (wanted == TEXT and column.type in (pa.string(), TEXT)):
        return column.cast(wanted)
    if pa.types.is_integer(column.type) and name in ("suite", "id", "answer"):
        return column.cast(wanted)
    of_text = pa.types.is_list(column.type) and column.type.value_type in (pa.string(), TEXT)
    if name == "choices" and of_text and not pc.list_flatten(column).null_count:
        return column.cast(wanted)
    return None


def _in_rows(table: pa.Table, numbers: pa.Int64Array) -> Found:
    """Read rows of either layout one by one."""
    rows: list[Row] = []
    bad: list[tuple[int, str]] = []
    for number, row in zip(numbers.to_pylist(), table.to_pylist(), strict=True):
        read = _read_row(row, number)
        if isinstance(read, str):
            bad.append((number, read))
        else:
            rows.append(read)
    return pa.Table.from_pylist(rows, schema=_ROWS), bad


def _read_row(row: Row, number: int) -> Row | str:
    """Turn a row of either layout into one of _ROWS, or say why it is none."""
    shared = all(name in row for name in _SHARED)
    suite, key = (row[name] for name in _SHARED) if shared else (row.get("suite"), row.get("id"))
    question, passage = row.get("question"), row.get("passage")
    if question is None:
        return "no question"
    if not isinstance(question, str):
        return "question is not text"
    if passage is not None and not isinstance(passage, str):
        return "passage is not text"
    return {
        "number": number,
        "suite": None if suite in (None, "") else str(suite),
        "id": str(number) if key is None else str(key),
        "split": str(row.get("split") or "test"),
        "question": question,
        "passage": passage or None,
        "answer": _text(row.get("answer")),
        "choices": _choices(row.get("choices")),
    }


def _text(value: object) -> str | None:
    """Write any value as text; structures as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _choices(value: object) -> list[str] | None:
    """Read choices: a list, or a JSON list as text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return [str(value)]
    if value is None or value == "":
        return None
    return [_text(v) or "" for v in value] if isinstance(value, list) else [_text(value) or ""]


def _file_names(unnamed: Sequence[_SuiteFile], read: Sequence[_SuiteFile]) -> dict[str, str]:
    """Name files by stem, or by path where a stem is taken, so that no two files share a name."""
    given = {name for one in read for name in one.rows["suite"].unique().to_pylist()}
    forms = {one.file.origin: _forms(one.file.origin) for one in unnamed}
    taken = Counter(form for all_forms in forms.values() for form in dict.fromkeys(all_forms))
    return {
        origin: next((f for f in all_forms if taken[f] == 1 and f not in given), origin)
        for origin, all_forms in forms.items()
    }


def _forms(origin: str) -> tuple[str, str]:
    """Return the names a file may give its suite: its stem, its path without suffixes."""
    path = PurePosixPath(origin)
    stem = path.name.split(".", 1)[0] if path.suffix.lower() in (".gz", ".zst", ".bz2", ".xz") else path.stem
    return stem, (path.parent / stem).as_posix()


def _suite(name: str, parts: Sequence[tuple[_SuiteFile, pa.Table]]) -> Suite:
    """Join the rows of one suite; rows that repeat an instance are the same one."""
    rows = pa.concat_tables([part for _, part in parts]).combine_chunks()
    codes = {n: _codes(rows[n]) for n in ("split", "id", "question", "passage")}
    _, first, group = np.unique(
        codes["split"] << 32 | codes["id"], return_index=True, return_inverse=True
    )  # fmt: skip
    if all((codes[n] == codes[n][first][group]).all() for n in ("question", "passage")):
        instances = rows.take(np.sort(first))
    else:
        origins = [one.file.origin for one, part in parts for _ in range(part.num_rows)]
        instances = _told_apart(rows, origins)
    return Suite(
        name=name,
        files=tuple(one.key for one, _ in parts),
        instances=instances.select(INSTANCES.names),
        bad=tuple(b for one, _ in parts for b in one.bad),
    )


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Give numbers to values, equal ones alike, null too."""
    codes = column.combine_chunks().dictionary_encode("encode").indices
    return np.asarray(codes.to_numpy(zero_copy_only=False), np.int64)


def _told_apart(rows: pa.Table, origins: Sequence[str]) -> pa.Table:
    """Keep each instance once; where another question has an id, the row's place joins the id."""
    known: dict[tuple[str, str], tuple[str, str | None]] = {}
    kept: list[int] = []
    columns = [rows[n].to_pylist() for n in ("number", "split", "id", "question", "passage")]
    for k, (number, split, key, question, passage) in enumerate(zip(*columns, strict=True)):
        own = split, key
        if known.get(own, (question, passage)) != (question, passage):
            own = split, f"{key} ({origins[k]}:{number})"
        if own not in known:
            known[own] = question, passage
            kept.append(k)
    ids = pa.array([key for _, key in known], TEXT)
    return rows.take(kept).set_column(_ROWS.get_field_index("id"), "id", ids)


def bad_counts(suite: Suite) -> Iterator[tuple[str, int]]:
    """Yield the reasons for which rows of a suite could not be read, and how many rows each."""
    yield from sorted(Counter(reason for _, _, reason in suite.bad).items())
