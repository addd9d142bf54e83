"""The house style that no linter checks: docstrings, lengths, names, letters."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(p for package in ("tulu_data", "trainers") for p in (ROOT / package).rglob("*.py"))
MAX_FILE = 400
MAX_FUNCTION = 50
MAX_LOOP = 80
"""A trainer is one loop that reads top to bottom; it may be this long."""
TRAINERS = {"sft.py", "dpo.py", "rlvr.py"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_file = pytest.mark.parametrize("path", FILES, ids=named)


@each_file
def test_a_module_opens_with_a_docstring(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert text, f"{named(path)}: say what the module holds and the one idea of it"
    assert text.splitlines()[0].endswith((".", ":", "?")), f"{named(path)}: the first line is a sentence"


@each_file
def test_a_file_is_short_enough_to_read_at_once(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= MAX_FILE, f"{named(path)} has {lines} lines; split it by concept"


@each_file
def test_a_function_fits_on_a_screen(path: Path) -> None:
    limit = MAX_LOOP if path.name in TRAINERS and path.parent.name == "trainers" else MAX_FUNCTION
    long = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            lines = (node.end_lineno or 0) - first.lineno + 1
            if lines > limit:
                long.append(f"{named(path)}:{node.lineno} {node.name} has {lines} lines (at most {limit})")
    assert long == []


@each_file
def test_code_is_written_in_ascii(path: Path) -> None:
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    assert [f"{named(path)}:{n}" for n, line in lines if not line.isascii()] == []


def test_every_package_says_that_it_is_typed() -> None:
    assert (ROOT / "tulu_data" / "py.typed").is_file()
    assert (ROOT / "trainers" / "py.typed").is_file()
