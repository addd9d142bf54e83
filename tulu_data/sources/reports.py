"""The folder of a command's report: made, written whole or not at all, and found again.

The one idea: the folder is tried before any work is done, and what the disk refuses is an error that names
the folder. What a report says is not known here, but for the command that wrote it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tulu_data.errors import SourceError, nearest
from tulu_data.store import Store, Version

REPORT_FILE = "report.json"
_NAME = re.compile(r"[\w-][\w.-]*(?:@[\w.-]+)?")
"""What looks like a version rather than a path."""


def make_folder(folder: Path) -> None:
    """Make the folder of a report, before anything is read; raise SourceError where it takes no file."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise SourceError where the disk refuses."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise SourceError(f"{folder}: no report can be written ({why}); name another folder: --out") from None


@contextmanager
def renamed(path: Path) -> Iterator[Path]:
    """Yield another name for a file, which takes its own when it is written."""
    new = path.with_name(f".{path.name}.new")
    try:
        yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write report.json."""
    with renamed(folder / REPORT_FILE) as path:
        path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")


def read_report(folder: Path) -> dict[str, Any]:
    """Read the report.json of a folder; raise SourceError where it is none."""
    path = folder / REPORT_FILE
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise SourceError(f"{path}: not readable as a report ({error}); make the report anew") from None
    return report


def is_of(folder: Path, command: str) -> bool:
    """Tell whether the report of a folder was written by a command."""
    return read_report(folder).get("command") == command


def locate(what: str, base: Path, store: Store) -> Path | Version:
    """Return the folder of a report, also by a table in it, or a version; raise SourceError for neither."""
    path = base / what
    if path.suffix == ".parquet":
        path = path.parent
    if (path / REPORT_FILE).is_file():
        return path
    if not path.exists() and what.partition("@")[0] in store.names():
        return store.resolve(what)
    known = store.names()
    if known and not path.exists() and _NAME.fullmatch(what):
        near = nearest(what.partition("@")[0], known)
        raise SourceError(
            f"{what}: no such version, and no report{near} (the store holds {', '.join(known)}); "
            "give the folder of a report, or a version as name@id"
        )
    found = "is there, without report.json" if path.exists() else "is not there"
    beside = sorted(file.parent.relative_to(base).as_posix() for file in path.parent.glob(f"*/{REPORT_FILE}"))
    there = f"; {', '.join(beside)} is one" if beside else ""
    raise SourceError(
        f"{what}: no report ({found}{there}); make one with: tulu-data decontaminate --against evals/, or "
        "tulu-data dedup; or give the folder of one, or a version as name@id"
    )
