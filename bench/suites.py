"""Read every benchmark of a folder of real data by field maps, and compare with readers written by hand.

Usage: python bench/suites.py DATA, a folder with `evals/`.

Prints, and writes to RESULTS.md, how many instances each suite has and whether every question, passage and
answer is the one that the readers of this folder find (blank ends aside); and the processor time of a first
load and of loads after it, the hashing of the files apart. Exits with 1 when a text differs.
"""

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from planted_suites import ALL
from real_suites import Row
from results import write_section

from tulu_data.decontaminate.suites import Suite, find_suites, load_suites

RUNS = 7
TEXTS = ("question", "passage", "answer")


def write_spec(evals: Path, out: Path) -> Path:
    """Write the spec beside which everything is kept, its paths in full."""
    spec = yaml.safe_load(Path(__file__).with_name("suites.yaml").read_text("utf-8"))
    for suite in spec["suites"].values():
        suite["uri"] = str(evals.resolve() / suite["uri"])
    path = out / "suites.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False), "utf-8")
    return path


def texts_of(rows: list[Row]) -> list[tuple[str, ...]]:
    """Return the texts of instances, blank ends aside."""
    return [tuple(str(row.get(name) or "").strip() for name in TEXTS) for row in rows]


def difference(suite: Suite, evals: Path) -> str:
    """Say how a suite differs from what the reader of its name finds."""
    if suite.name not in ALL:
        return "no other reader"
    ours, theirs = (texts_of(rows) for rows in (suite.instances.to_pylist(), [*ALL[suite.name](evals)]))
    if len(ours) != len(theirs):
        return f"{len(ours)} instances, by hand {len(theirs)}"
    wrong = [k for k, (a, b) in enumerate(zip(sorted(ours), sorted(theirs), strict=True)) if a != b]
    return f"{len(wrong)} DIFFER, the first: {sorted(ours)[wrong[0]]}" if wrong else "equal"


def processor(work: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median processor seconds of some work."""
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def main() -> None:
    evals = Path(sys.argv[1]) / "evals"
    with tempfile.TemporaryDirectory() as folder:
        spec, base = write_spec(evals, Path(folder)), Path(folder)
        start = time.process_time()
        suites = load_suites([spec], base)
        first = time.process_time() - start
        again = processor(lambda: load_suites([spec], base))
        paths = [file.path for suite in find_suites([spec], base).named for file in suite.files]
        hashed = processor(lambda: [hashlib.sha256(path.read_bytes()) for path in paths])
    differences = {suite.name: difference(suite, evals) for suite in suites}
    rows = [f"| {s.name} | {s.instances.num_rows:,} | {len(s.bad)} | {differences[s.name]} |" for s in suites]
    count = sum(suite.instances.num_rows for suite in suites)
    size = sum(path.stat().st_size for path in paths)
    head = (
        f"{count:,} instances of {len(suites)} suites in {len(paths)} files, {size / 1e6:.0f} MB. First load "
        f"{first:.1f} s; again {again * 1e3:.0f} ms, of which {hashed * 1e3:.0f} ms hash the files\n"
        f"(processor time, median of {RUNS}). Texts are compared with those of readers written by hand.\n"
    )
    text = "\n".join([head, "| suite | instances | bad rows | texts |", "| --- | --: | --: | --- |", *rows])
    print(text)
    write_section("suites", text, ("pyarrow", "pyyaml"))
    if any("DIFFER" in told or "by hand" in told for told in differences.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
