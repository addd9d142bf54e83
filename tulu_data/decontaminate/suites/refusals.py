"""What is said of a file that is no eval suite: what was found in it, and the command that would read it."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from tulu_data.decontaminate.suites.fields import names_of
from tulu_data.errors import SuiteError, nearest
from tulu_data.sources.files import SourceFile
from tulu_data.specs.layouts import LAYOUTS, fitting_layouts

_LIKELY = (
    "question", "prompt", "problem", "query", "instruction", "input", "text", "goal", "behavior", "turns",
)  # fmt: skip
"""Columns, in small letters, that are proposed for the question."""
_NAMES = {*_LIKELY, "answer", "label", "target", "solution", "output", "response", "choices", "options", "id"}
"""Words, in small letters, of which two in a first row are names of columns."""
_PART = re.compile(
    r"(test|train|dev|val|valid|validation|eval|main|data|default|all|questions?|part|[0-9]+)([-_.0-9].*)?"
)
"""File names that say which part of a suite a file is, and not which suite."""
_SHOWN = 12
"""Columns that a message names."""
_LONG = 40
"""Characters beyond which a column's name is more likely a value."""


def no_column(file: SourceFile, name: str, columns: Sequence[str]) -> SuiteError:
    """Say that a file lacks a column."""
    return SuiteError(
        f"{file.origin}: no column {name!r}{nearest(name, columns)} (columns: {_columns_shown(columns)})"
    )


def not_ours(file: SourceFile, columns: Sequence[str]) -> SuiteError:
    """Say that a file is in neither of our layouts, and which command reads it."""
    found = f"columns {_columns_shown(columns)}" if columns else "no readable row"
    fitting = fitting_layouts(columns)
    option = "" if len(fitting) == 1 else f" --question {_likely(columns) or 'COLUMN'}"
    return SuiteError(
        f"{file.origin}: not an eval suite: no column 'question', found {found}; "
        f"say how it is read: tulu-data evals add {_proposed(file)} {shlex.quote(file.origin)}{option}"
    )


def untold(file: SourceFile, columns: Sequence[str], fitting: Sequence[str]) -> SuiteError:
    """Say that columns tell no layout, or more than one."""
    if fitting:
        names = ", ".join(fitting)
        return SuiteError(
            f"{file.origin}: its columns fit several layouts: {names}; choose one with --layout"
        )
    shown = _columns_shown(columns)
    if file.format in ("csv", "tsv") and any(len(name) > _LONG or name.isdecimal() for name in columns):
        headless = " or ".join(name for name, layout in LAYOUTS.items() if layout.columns)
        return SuiteError(
            f"{file.origin}: its first line looks like a row, not like names of columns ({shown}); name them "
            f"with --columns question,answer, or choose a layout without a header: --layout {headless}"
        )
    return SuiteError(
        f"{file.origin}: its columns ({shown}) fit no known layout; say which one holds the question: "
        f"--question {_likely(columns) or 'COLUMN'}"
    )


def is_header(values: Sequence[str]) -> bool:
    """Tell whether the values of a file's first row look like names of columns."""
    names = {value.strip().casefold() for value in values}
    return bool(fitting_layouts(values)) or len(names & _NAMES) > 1


def has_header(file: SourceFile, values: Sequence[str]) -> SuiteError:
    """Say that a file, whose columns were named for it, names them itself."""
    fitting = fitting_layouts(values)
    reads = (
        f"then its columns tell the layout {fitting[0]}"
        if len(fitting) == 1
        else f"and say which holds the question: --question {_likely(values) or 'COLUMN'}"
    )
    return SuiteError(
        f"{file.origin}: its first row looks like names of columns ({_columns_shown(values)}), and would "
        f"become an instance; leave out the --layout or --columns that names them, {reads}"
    )


def no_instance(file: SourceFile, seen: int, bad: Sequence[tuple[int, str]], *, ours: bool) -> SuiteError:
    """Say why a file gives no instance."""
    if not seen:
        return not_ours(file, ()) if ours else SuiteError(f"{file.origin}: holds no row; remove the suite")
    if not bad:
        return SuiteError(f"{file.origin}: no eval instance: `where` is true for none of {seen:,} rows")
    reason, _ = Counter(reason for _, reason in bad).most_common(1)[0]
    what = "give each row a text in 'question'" if ours else "map `question` to a text"
    if reason.endswith("is a list") and not ours:
        what = "take one element (COLUMN[0]), or make every one an instance (--each COLUMN --question COLUMN)"
    return SuiteError(f"{file.origin}: no eval instance, found {len(bad)} bad rows ({reason}); {what}")


def _proposed(file: SourceFile) -> str:
    """Propose a suite's name: the file's own, or its folder's where the file says only which part it is."""
    (stem,) = names_of([file])
    folders = [part for part in PurePosixPath(file.origin).parts[:-1] if part not in ("evals", "data", "/")]
    says_a_part = _PART.fullmatch(stem.casefold()) is not None
    name = folders[-1] if says_a_part and folders else stem
    return re.sub(r"[^\w.-]+", "_", name)


def _columns_shown(columns: Sequence[str]) -> str:
    names = [name if len(name) <= _LONG else f"{name[: _LONG - 3]}..." for name in columns[:_SHOWN]]
    return ", ".join(names) + (", ..." if len(columns) > _SHOWN else "")


def _likely(columns: Sequence[str]) -> str | None:
    """Return the column that most likely holds the question."""
    small = {name.lower(): name for name in reversed(columns)}
    return next((small[name] for name in _LIKELY if name in small), None)
