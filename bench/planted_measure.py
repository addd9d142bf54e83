"""Fresh processes, measured: wall and processor seconds, peak memory.

The one idea: a small process starts the command and asks the kernel's own account of it by `wait4`. It must
be small: Linux counts the memory of the process that starts another into the other's peak.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    # As people run Python: what it compiled once, it keeps.
    whole.pop("PYTHONDONTWRITEBYTECODE", None)
    starter = [sys.executable, "-S", __file__, *map(str, command)]
    done = subprocess.run(starter, cwd=folder, env=whole, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        text = (folder / "said.txt").read_text("utf-8", errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(map(str, command))}: failed\n{text}")
    return Cost(**json.loads(done.stdout))


def median(costs: Sequence[Cost]) -> Cost:
    """Return medians, and the largest memory."""
    return Cost(
        wall=statistics.median(c.wall for c in costs),
        processor=statistics.median(c.processor for c in costs),
        memory=max(c.memory for c in costs),
    )


def main() -> None:
    """Run the command that the arguments are and print its cost."""
    start = time.perf_counter()
    with Path("said.txt").open("w") as said:
        child = subprocess.Popen(sys.argv[1:], stdout=said, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    processor, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    cost = Cost(wall=time.perf_counter() - start, processor=processor, memory=memory)
    print(json.dumps(asdict(cost)))
    sys.exit(child.returncode != 0)


if __name__ == "__main__":
    main()
