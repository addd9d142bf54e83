"""Cleaned copies of files that were read: without the rows that a command drops.

The one idea: rows are not written anew but passed on as they stand, each file under its own name in
another folder, and every row that was read is in exactly one place: kept, dropped or quarantined. The
copies lie in a temporary folder until all of them are whole and the rows add up. It judges nothing.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.errors import SourceError
from tulu_data.sources.digests import sha256_of
from tulu_data.sources.fates import DROPPED, Fates, Sorter
from tulu_data.sources.files import SourceFile
from tulu_data.sources.ledger import Account, Ledger
from tulu_data.sources.quarantine import QUARANTINE_FILE
from tulu_data.sources.records import open_records
from tulu_data.sources.splitting import MAIN, split_file

DROPPED_FILE = "dropped.parquet"
SIDE_FOLDERS = ("dropped", "quarantined")
"""Folders of a report that hold the rows which are not in the copies, file by file as they stood."""
MARK = ".copies.json"
"""File that says which command wrote a folder, so that it may replace it; its name is no data file's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where cleaned copies go."""

    command: str
    """Verb that writes them; a folder that another one wrote is left alone."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What it was told about what to leave out."""
    folder: Path
    """Of the copies."""
    report: Path
    """Folder of the report, which gets the rows that are left out."""


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


def check_target(target: Target, inputs: Iterable[Path] = ()) -> None:
    """Refuse a folder that holds anything but earlier copies, or the data itself; raise SourceError."""
    folder = target.folder
    inside = next((path for path in inputs if path.resolve().is_relative_to(folder.resolve())), None)
    if inside is not None:
        raise SourceError(f"{folder}: holds {inside}, which is to be cleaned; name a folder beside the data")
    if not folder.exists():
        return
    mark = folder / MARK
    known = json.loads(mark.read_bytes()) if mark.is_file() else {"command": target.command, "files": {}}
    there = _below(folder) if folder.is_dir() else [folder.name]
    other = next((path for path in there if path not in known["files"]), None)
    if other or known["command"] != target.command:
        what = f"{other}, which --write did not write" if other else f"copies written by {known['command']}"
        raise SourceError(f"{folder}: holds {what}, and would be replaced; name another folder")


def _below(folder: Path) -> list[str]:
    """List the files below a folder, but for the mark."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return [path.relative_to(folder).as_posix() for path in paths if path != folder / MARK]


def write_copies(ledger: Ledger, fates: Fates, target: Target) -> list[Copied]:
    """Copy every file that was read without the rows to drop; stored versions are left alone.

    Raises SourceError where a file has changed meanwhile, two would be one, or the disk refuses.
    """
    files = {account.dataset: _files(account, ledger) for account in ledger.accounts if account.files}
    _check_apart([file for some in files.values() for file in some])
    check_target(target, [file.path for some in files.values() for file in some])
    sorter = Sorter(fates, pq.read_table(target.report / QUARANTINE_FILE, columns=["dataset", "origin"]))
    forget_copies(target.report)
    try:
        with _new_folder(target.folder) as clean, _new_sides(target.report) as sides:
            done = [
                _copy(account, files[account.dataset], sorter, clean, sides)
                for account in ledger.accounts
                if account.dataset in files
            ]
            dropped = pa.concat_tables([DROPPED.empty_table(), *(rows for _, rows in done)])
            pq.write_table(dropped, sides / DROPPED_FILE, compression="zstd")
            _write_mark(clean, target, [copied for copied, _ in done])
    except OSError as error:
        where = error.filename or target.folder
        raise SourceError(
            f"{where}: cleaned copies cannot be written ({error.strerror or error}); nothing was changed"
        ) from None
    return [copied for copied, _ in done]


def to_report(target: Target, copied: Sequence[Copied]) -> dict[str, Any]:
    """Return what became of rows for a report, as JSON values."""
    return {"folder": str(target.folder), **target.options, "datasets": [one.to_dict() for one in copied]}


def _write_mark(folder: Path, target: Target, copied: Sequence[Copied]) -> None:
    """Say in a folder of copies who wrote it, and which files."""
    files = {path: sha256_of(folder / path) for path in _below(folder)}
    mark = {
        "command": target.command,
        **target.options,
        "datasets": [one.to_dict() for one in copied],
        "files": files,
    }
    (folder / MARK).write_text(json.dumps(mark, ensure_ascii=False, indent=1) + "\n", "utf-8")


def forget_copies(report: Path) -> None:
    """Remove from a report what an earlier run left out: it is not what this one found."""
    (report / DROPPED_FILE).unlink(missing_ok=True)
    for name in (*SIDE_FOLDERS, ".rows", ".rows.new", ".rows.old"):
        shutil.rmtree(report / name, ignore_errors=True)


def _files(account: Account, ledger: Ledger) -> tuple[SourceFile, ...]:
    """Find the files of a dataset again, and hold them to what was read."""
    reading, store = ledger.reading, ledger.store
    records = open_records(
        account.dataset, base=ledger.base, store=store, kind=account.kind, skip=reading.skip,
        cache=store.root / "cache" / "normalised", adapter=reading.adapter, columns=reading.columns,
    )  # fmt: skip
    now = {file.origin: file.sha256 for file in records.files}
    if now != dict(account.files):
        changed = sorted(o for o in {*now, *account.files} if now.get(o) != account.files.get(o))
        raise SourceError(f"{changed[0]}: changed since it was read; run the command again")
    return records.files


def relative_place(origin: str) -> PurePosixPath:
    """Return where a file goes below the folder of copies: its own path, without what leads out of it."""
    parts = PurePosixPath(origin.removeprefix("hf://")).parts
    return PurePosixPath(*(part for part in parts if part not in ("/", "..")))


def _check_apart(files: Sequence[SourceFile]) -> None:
    """Refuse two inputs that would become one file, and rows that cannot go one by one."""
    taken: dict[PurePosixPath, str] = {}
    for file in files:
        if file.threads:
            raise SourceError(
                f"{file.origin}: its rows are messages of trees, and a copy without some would tear the "
                "trees; name it in a mixture, whose steps drop whole threads"
            )
        other = taken.setdefault(relative_place(file.origin), file.origin)
        if other is not file.origin:
            what = "is in two of the datasets" if other == file.origin else f"and {other} would be one copy"
            raise SourceError(f"{file.origin}: {what}; name each file once, from a folder above them all")


def _copy(
    account: Account, files: Sequence[SourceFile], sorter: Sorter, clean: Path, sides: Path
) -> tuple[Copied, pa.Table]:
    """Copy the files of one dataset; return its counts, and what was dropped, of schema DROPPED."""
    counts, dropped = Counter[str](), [DROPPED.empty_table()]
    for file in files:
        place = relative_place(file.origin)
        targets = {MAIN: clean / place, **{name: sides / name / place for name in SIDE_FOLDERS}}
        fate = sorter.of_file(account.dataset, file.origin)
        here = split_file(file, fate, targets)
        if set(here) <= {MAIN}:
            # Nothing leaves the file: its very bytes, however they were packed.
            targets[MAIN].parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, targets[MAIN])
        counts += here
        dropped.append(fate.dropped())
    rows = pa.concat_tables(dropped)
    reasons = Counter(sorter.reasons(account.dataset))
    reasons.update(rows["reason"].to_pylist())
    copied = Copied(
        dataset=account.dataset, read=account.read, kept=counts[MAIN], dropped=dict(reasons),
        quarantined=account.bad,
    )  # fmt: skip
    assert counts["dropped"] == len(rows), f"{account.dataset}: {counts}, {len(rows)} listed"
    assert copied.read == copied.kept + len(rows) + copied.quarantined, f"{account.dataset}: {copied}"
    return copied, rows


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
