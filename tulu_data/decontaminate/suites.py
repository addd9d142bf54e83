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

import pyarrow as pa

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

_SHARED = ("eval_key", "eval_instance_index")
_READ = {*_SHARED, "suite", *INSTANCES.names}
Row = dict[str, Any]
BadRows = tuple[tuple[str, int, str], ...]


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
class _Instance:
    """One row as an instance, before repeated rows are joined."""

    suite: str | None
    """The suite that the row names."""
    id: str
    split: str
    question: str
    passage: str | None
    answer: str | None
    choices: list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _SuiteFile:
    """One file, read."""

    file: SourceFile
    instances: tuple[tuple[int, _Instance], ...]
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
    names = _file_names([one for one in read if any(i.suite is None for _, i in one.instances)], read)
    grouped: dict[str, list[tuple[_SuiteFile, list[tuple[int, _Instance]]]]] = {}
    for one in read:
        parts: dict[str, list[tuple[int, _Instance]]] = {}
        for row, instance in one.instances:
            parts.setdefault(instance.suite or names[one.file.origin], []).append((row, instance))
        for name, part in parts.items():
            grouped.setdefault(name, []).append((one, part))
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
    instances: list[tuple[int, _Instance]] = []
    bad: list[tuple[str, int, str]] = []
    columns: dict[str, None] = {}
    for batch in read_raw(file):
        columns |= dict.fromkeys(batch.table.column_names)
        bad += [(file.origin, row.row, row.reason) for row in batch.bad]
        table = batch.table.select([name for name in batch.table.column_names if name in _READ])
        for number, row in zip(batch.rows.to_pylist(), table.to_pylist(), strict=True):
            instance = _instance(row, number)
            if isinstance(instance, _Instance):
                instances.append((number, instance))
            else:
                bad.append((file.origin, number, instance))
    if "question" not in columns:
        found = f"columns {', '.join(columns)}" if columns else "no readable row"
        raise SuiteError(
            f"{file.origin}: not an eval suite: no column 'question', found {found}; "
            "rename the column that holds the question (id, split, passage, answer, choices may follow)"
        )
    if not instances:
        raise SuiteError(
            f"{file.origin}: no eval instance, found {len(bad)} bad rows ({bad[0][2]}); "
            "give each row a text in 'question'"
        )
    return _SuiteFile(file=file, instances=tuple(instances), bad=tuple(bad))


def _instance(row: Row, number: int) -> _Instance | str:
    """Turn a row of either layout into an instance, or say why it is none."""
    shared = all(name in row for name in _SHARED)
    suite, key = (row[name] for name in _SHARED) if shared else (row.get("suite"), row.get("id"))
    question, passage = row.get("question"), row.get("passage")
    if question is None:
        return "no question"
    if not isinstance(question, str):
        return "question is not text"
    if passage is not None and not isinstance(passage, str):
        return "passage is not text"
    return _Instance(
        suite=None if suite is None else str(suite),
        id=str(number) if key is None else str(key),
        split=str(row.get("split") or "test"),
        question=question,
        passage=passage or None,
        answer=_text(row.get("answer")),
        choices=_choices(row.get("choices")),
    )


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
    given = {instance.suite for one in read for _, instance in one.instances}
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


def _suite(name: str, parts: Sequence[tuple[_SuiteFile, list[tuple[int, _Instance]]]]) -> Suite:
    """Join the instances of one suite; rows that repeat an instance are the same one."""
    rows: dict[tuple[str, str], _Instance] = {}
    for one, instances in parts:
        for number, instance in instances:
            key = _unique(instance, rows, f"{one.file.origin}:{number}")
            rows.setdefault(key, instance)
    columns = [
        [key[1] for key in rows],
        *([getattr(i, n) for i in rows.values()] for n in INSTANCES.names[1:]),
    ]
    return Suite(
        name=name,
        files=tuple(one.key for one, _ in parts),
        instances=pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, INSTANCES, strict=True)], schema=INSTANCES
        ),
        bad=tuple(b for one, _ in parts for b in one.bad),
    )


def _unique(instance: _Instance, rows: dict[tuple[str, str], _Instance], origin: str) -> tuple[str, str]:
    """Return (split, id); where another question has that id, the row's place joins the id."""
    key = instance.split, instance.id
    other = rows.get(key)
    if other is None or (other.question, other.passage) == (instance.question, instance.passage):
        return key
    return instance.split, f"{instance.id} ({origin})"


def bad_counts(suite: Suite) -> Iterator[tuple[str, int]]:
    """Yield the reasons for which rows of a suite could not be read, and how many rows each."""
    yield from sorted(Counter(reason for _, _, reason in suite.bad).items())
