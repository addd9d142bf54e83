"""The folder of a command's report, and files in it that are there whole or not at all.

The one idea: the folder is tried before any work is done, and what the disk refuses is an error that names
the folder. What a report says is not known here.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tulu_data.errors import SourceError

REPORT_FILE = "report.json"


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
