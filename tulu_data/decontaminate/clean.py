"""Cleaned copies of scanned files: without the records that an action drops.

The one idea: rows are not written anew but passed on as they stand, each file under its own name in
another folder, and every row that was read is in exactly one place: kept, dropped or quarantined. The
copies lie in a temporary folder until all of them are whole and the rows add up. It judges nothing.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.decontaminate.audit import Account, Audit
from tulu_data.decontaminate.report import strongest, to_drop
from tulu_data.errors import SourceError
from tulu_data.schema import TEXT
from tulu_data.sources.files import SourceFile, sha256_of
from tulu_data.sources.quarantine import QUARANTINE_FILE
from tulu_data.sources.records import open_records
from tulu_data.sources.splitting import MAIN, split_file
from tulu_data.specs.mixture import Action
from tulu_data.store import Store

DROPPED_FILE = "dropped.parquet"
DROPPED = pa.schema([(n, TEXT) for n in ("dataset", "origin", "id", "reason", "evidence")])
"""Arrow schema of what an action left out; `id` is null where a whole source was dropped."""
SIDE_FOLDERS = ("dropped", "quarantined")
"""Folders of a report that hold the rows which are not in the copies, file by file as they stood."""
MARK = ".decontaminated.json"
"""File that says a folder was written here, so that it may be replaced; its name is no data file's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where cleaned copies go."""

    action: Action
    folder: Path
    """Of the copies."""
    report: Path
    """Folder of the report, which gets the rows that are left out."""
    base: Path
    """Folder that the origins of files start at."""
    store: Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What became of one dataset's rows: read = kept + dropped + quarantined."""

    dataset: str
    read: int
    kept: int
    dropped: Mapping[str, int]
    """By reason."""
    quarantined: int

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        counts = {"read": self.read, "kept": self.kept, "dropped": dict(self.dropped)}
        return {"dataset": self.dataset, **counts, "quarantined": self.quarantined}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fates:
    """What happens to the rows of each file, by origin and row."""

    dropped: Mapping[str, Mapping[int, tuple[str, str]]]
    """Record id and evidence."""
    sources: Mapping[str, str]
    """Datasets that are dropped whole, and why."""
    quarantined: Mapping[str, frozenset[int]]


def check_target(folder: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse a folder that holds anything but earlier copies, or the data itself; raise SourceError."""
    inside = next((path for path in inputs if path.resolve().is_relative_to(folder.resolve())), None)
    if inside is not None:
        raise SourceError(f"{folder}: holds {inside}, which is to be cleaned; name a folder beside the data")
    if not folder.exists():
        return
    mark = folder / MARK
    known = json.loads(mark.read_bytes())["files"] if mark.is_file() else {}
    other = sorted(path for path in _below(folder) if path not in known) if folder.is_dir() else [folder.name]
    if other:
        text = f"holds {other[0]}, which --write did not write, and would be replaced; name another folder"
        raise SourceError(f"{folder}: {text}")


def _below(folder: Path) -> list[str]:
    """List the files below a folder, but for the mark."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return [path.relative_to(folder).as_posix() for path in paths if path != folder / MARK]


def write_clean(found: Audit, target: Target) -> list[Copied]:
    """Copy every scanned file without what the action drops; stored versions are left alone.

    Raises SourceError where a file has changed since the scan, two would be one, or the disk refuses.
    """
    files = {a.dataset: _files(a, found, target) for a in found.accounts if a.files}
    _check_apart([file for some in files.values() for file in some])
    check_target(target.folder, [file.path for some in files.values() for file in some])
    fates = _fates(found, target)
    forget_clean(target.report)
    try:
        with _new_folder(target.folder) as clean, _new_sides(target.report) as sides:
            done = [
                _copy(account, files[account.dataset], fates, clean, sides)
                for account in found.accounts
                if account.dataset in files
            ]
            dropped = pa.Table.from_pylist([row for _, rows in done for row in rows], schema=DROPPED)
            pq.write_table(dropped, sides / DROPPED_FILE, compression="zstd")
            written = {path: sha256_of(clean / path) for path in _below(clean)}
            mark = {"action": target.action, "datasets": [one.to_dict() for one, _ in done], "files": written}
            (clean / MARK).write_text(json.dumps(mark, ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as error:
        where = error.filename or target.folder
        raise SourceError(
            f"{where}: cleaned copies cannot be written ({error.strerror or error}); nothing was changed"
        ) from None
    return [copied for copied, _ in done]


def forget_clean(report: Path) -> None:
    """Remove from a report what an earlier run left out: it is not what this one found."""
    (report / DROPPED_FILE).unlink(missing_ok=True)
    for name in (*SIDE_FOLDERS, ".rows", ".rows.new", ".rows.old"):
        shutil.rmtree(report / name, ignore_errors=True)


def _files(account: Account, found: Audit, target: Target) -> tuple[SourceFile, ...]:
    """Find the files of a dataset again, and hold them to what was scanned."""
    records = open_records(
        account.dataset, base=target.base, store=target.store, kind=account.kind, skip=found.reading.skip,
        cache=target.store.root / "cache" / "normalised", adapter=found.reading.adapter,
        columns=found.reading.columns,
    )  # fmt: skip
    now = {file.origin: file.sha256 for file in records.files}
    if now != dict(account.files):
        changed = sorted(o for o in {*now, *account.files} if now.get(o) != account.files.get(o))
        raise SourceError(f"{changed[0]}: changed while it was scanned; run the command again")
    return records.files


def relative_place(origin: str) -> PurePosixPath:
    """Return where a file goes below the folder of copies: its own path, without what leads out of it."""
    parts = PurePosixPath(origin.removeprefix("hf://")).parts
    return PurePosixPath(*(part for part in parts if part not in ("/", "..")))


def _check_apart(files: Sequence[SourceFile]) -> None:
    """Refuse two inputs that would become one file."""
    taken: dict[PurePosixPath, str] = {}
    for file in files:
        other = taken.setdefault(relative_place(file.origin), file.origin)
        if other is not file.origin:
            what = "is in two of the datasets" if other == file.origin else f"and {other} would be one copy"
            raise SourceError(f"{file.origin}: {what}; name each file once, from a folder above them all")


def _fates(found: Audit, target: Target) -> _Fates:
    """Say which rows are dropped, and which are no records."""
    hits = found.hits.filter(to_drop(found.hits, target.action))
    origins, ids = hits["origin"].to_pylist(), hits["id"].to_pylist()
    names, evidence = dict(zip(origins, ids, strict=True)), strongest(hits, origins)
    dropped: dict[str, dict[int, tuple[str, str]]] = {}
    for origin, why in evidence.items():
        file, row = _split(origin)
        dropped.setdefault(file, {})[row] = names[origin], why
    whole = found.report.sources_to_drop
    quarantined: dict[str, set[int]] = {}
    table = pq.read_table(target.report / QUARANTINE_FILE, columns=["origin"])
    for file, row in map(_split, table["origin"].to_pylist()):
        quarantined.setdefault(file, set()).add(row)
    return _Fates(
        dropped=dropped, quarantined={file: frozenset(rows) for file, rows in quarantined.items()},
        sources={row.source: row.evidence for row in whole} if target.action == "drop_source" else {},
    )  # fmt: skip


def _split(origin: str) -> tuple[str, int]:
    file, _, row = origin.rpartition(":")
    return file, int(row)


def _copy(
    account: Account, files: Sequence[SourceFile], fates: _Fates, clean: Path, sides: Path
) -> tuple[Copied, list[dict[str, Any]]]:
    """Copy the files of one dataset; return its counts, and what was dropped."""
    counts, rows = Counter[str](), list[dict[str, Any]]()
    for file in files:
        place = relative_place(file.origin)
        targets = {MAIN: clean / place, **{name: sides / name / place for name in SIDE_FOLDERS}}
        fate = _Fate(account.dataset, file.origin, fates)
        here = split_file(file, fate, targets)
        if set(here) <= {MAIN}:
            # Nothing leaves the file: its very bytes, however they were packed.
            targets[MAIN].parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, targets[MAIN])
        counts += here
        rows += fate.rows
    reasons = Counter(
        {"contaminated": 0}
        | dict.fromkeys(["source_contaminated"] if account.dataset in fates.sources else [], 0)
    )
    reasons.update(row["reason"] for row in rows)
    copied = Copied(
        dataset=account.dataset, read=account.read, kept=counts[MAIN], dropped=dict(reasons),
        quarantined=sum(account.quarantined.values()),
    )  # fmt: skip
    assert counts["dropped"] == len(rows), f"{account.dataset}: {counts}, {len(rows)} listed"
    assert copied.read == copied.kept + len(rows) + copied.quarantined, f"{account.dataset}: {copied}"
    return copied, rows


class _Fate:
    """Says where each row of a file goes, and lists those that are dropped."""

    def __init__(self, dataset: str, origin: str, fates: _Fates) -> None:
        self.rows: list[dict[str, Any]] = []
        self._named = {"dataset": dataset, "origin": origin}
        self._whole = fates.sources.get(dataset)
        self._dropped = fates.dropped.get(origin, {})
        self._bad = fates.quarantined.get(origin, frozenset())

    def __call__(self, row: int) -> str:
        """Return the part of a row."""
        if row in self._bad:
            return "quarantined"
        if row in self._dropped:
            self._list(row, "contaminated", *self._dropped[row])
        elif self._whole is not None:
            self._list(row, "source_contaminated", None, self._whole)
        else:
            return MAIN
        return "dropped"

    def _list(self, row: int, reason: str, key: str | None, evidence: str) -> None:
        origin = f"{self._named['origin']}:{row}"
        self.rows.append({**self._named, "origin": origin, "id": key, "reason": reason, "evidence": evidence})


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of the target when all went well."""
    new, old = (target.with_name(f".{target.name.lstrip('.')}.{word}") for word in ("new", "old"))
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        if target.exists():
            target.rename(old)
        new.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextmanager
def _new_sides(report: Path) -> Iterator[Path]:
    """Give a temporary folder whose entries go to the report when all went well."""
    with _new_folder(report / ".rows") as new:
        yield new
    for entry in (report / ".rows").iterdir():
        entry.rename(report / entry.name)
    (report / ".rows").rmdir()
