"""RESULTS.md, one section per benchmark, each between its own markers.

A benchmark calls `write_section(name, text)` with a Markdown table; the section gets the machine,
versions and date, and the other sections stay as they are.
"""

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = "# Benchmarks\n\nRun by hand; each section is written by the script that it names.\n"


def write_section(name: str, text: str, packages: tuple[str, ...] = ("numba", "numpy", "pyarrow")) -> None:
    """Replace the section of `bench/<name>.py`, or append it."""
    start, end = f"<!-- {name}: start -->\n", f"<!-- {name}: end -->\n"
    body = f"{start}## bench/{name}.py\n\n{machine(packages)}\n\n{text.strip()}\n{end}"
    whole = RESULTS.read_text("utf-8") if RESULTS.is_file() else HEAD
    head, found, rest = whole.partition(start)
    whole = f"{head}{body}{rest.partition(end)[2]}" if found else f"{whole.rstrip()}\n\n{body}"
    RESULTS.write_text(whole, "utf-8")


def machine(packages: tuple[str, ...]) -> str:
    """Describe where and with what a benchmark ran."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        cpu = next(
            (x.split(":")[1].strip() for x in info.read_text("utf-8").splitlines() if "model name" in x), cpu
        )
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    day = dt.datetime.now(dt.UTC).date().isoformat()
    return f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}; {day}"


def markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Lay out a Markdown table; a column that begins with `>` stands to the right."""
    rule = ["--:" if name.startswith(">") else "---" for name in head]
    lines = [[name.lstrip(">") for name in head], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
