"""Fresh processes, measured: wall and processor seconds, peak memory.

The one idea: the kernel's own account of one child, by `wait4`, so that nothing of this process counts.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Where the packages that are measured lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one process took."""

    wall: float
    processor: float
    memory: float
    """Peak resident MiB."""


def measured(command: Sequence[str | Path], folder: Path, env: dict[str, str] | None = None) -> Cost:
    """Run a command in a folder, its output in `said.txt`; exit with that when the command fails."""
    said, own = folder / "said.txt", {"PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    with said.open("w") as out:
        child = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={**os.environ, **own, **(env or {})},
            stdout=out,
            stderr=out,
        )
        _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        text = said.read_text("utf-8", errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(map(str, command))}: exit {child.returncode}\n{text}")
    return Cost(wall=wall, processor=used.ru_utime + used.ru_stime, memory=used.ru_maxrss / 1024)


def median(costs: Sequence[Cost]) -> Cost:
    """Return medians, and the largest memory."""
    return Cost(
        wall=statistics.median(c.wall for c in costs),
        processor=statistics.median(c.processor for c in costs),
        memory=max(c.memory for c in costs),
    )
