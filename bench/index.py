"""Build the index of a folder of eval suites, open it again, and add a suite.

Usage: python bench/index.py EVALS, a folder that `--against` takes.

Works on a copy of the folder, for `tulu3` and for `auto`: a first build (nothing is kept but the suites), the
same in memory alone, opening again with the suites already loaded and together with loading them, and opening
after one small suite was added. Each figure is the median of fresh processes whose kernels are compiled,
and which load what the command loads;
memory is the peak of the process, and what of it is mapped from files and so shared.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from results import markdown, write_section

from tulu_data.cli.absent import leave_out

RUNS = 3
RULES = ("tulu3", "auto")
ADDED = "The made-up suite that is added asks how many hills the traveller number {} has crossed by noon?"


class Cost(NamedTuple):
    """What a process took for some work."""

    seconds: float
    processor: float
    peak: float
    """Memory at its peak, MB."""
    shared: float
    """What of its memory lies in mapped files in the end, MB."""


def work(what: str, rule: str, evals: Path) -> None:
    """Do one thing and print its costs, as JSON."""
    leave_out("pandas", "scipy")
    from tulu_data.decontaminate import build_index, load_suites, open_index

    suites = () if what == "load and open" else load_suites([evals.name], evals.parent)
    start, processor = time.perf_counter(), time.process_time()
    if what == "load and open":
        suites = load_suites([evals.name], evals.parent)
    make = build_index if what == "build" else open_index
    index = make(suites, rule)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("utf-8").splitlines())
    peak, shared = (int(status[name].split()[0]) / 1024 for name in ("VmHWM", "RssFile"))
    print(json.dumps([Cost(seconds, processor, peak, shared), len(index.units.begin), len(suites)]))


def kept(evals: Path, label: str = "") -> frozenset[str]:
    """Name the saved files of a label, or all."""
    labels = (label,) if label else ("words", "texts", "grams")
    return frozenset(path.name for each in labels for path in (evals / ".index").glob(f"{each}-*"))


def measured(what: str, rule: str, evals: Path, stay: frozenset[str] | None = None, runs: int = RUNS) -> Cost:
    """Return the medians over processes, before each of which all saved files but some are removed."""
    costs = []
    for _ in range(runs):
        for path in kept(evals) - (kept(evals) if stay is None else stay):
            (evals / ".index" / path).unlink()
        command = [sys.executable, __file__, "--work", what, rule, str(evals)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        costs.append(Cost(*json.loads(done.stdout)[0]))
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))


def main() -> None:
    if sys.argv[1] == "--work":
        work(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
        return
    from tulu_data.decontaminate import load_suites

    nothing: frozenset[str] = frozenset()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        evals = Path(name) / "evals"
        shutil.copytree(sys.argv[1], evals, ignore=shutil.ignore_patterns(".index"))
        suites = load_suites(["evals"], evals.parent)
        instances = sum(suite.instances.num_rows for suite in suites)
        for rule in RULES:
            measured("open", rule, evals, nothing, 1)
            costs = {
                "built in memory": measured("build", rule, evals),
                "first build, saved": measured("open", rule, evals, nothing),
                "opened, suites loaded": measured("open", rule, evals),
                "suites loaded and opened": measured("load and open", rule, evals),
            }
            read, sizes = (
                kept(evals, "words"),
                [(evals / ".index" / name).stat().st_size for name in kept(evals)],
            )
            lines = (json.dumps({"question": ADDED.format(k)}) for k in range(200))
            (evals / "added.jsonl").write_text("\n".join(lines), "utf-8")
            costs["one suite of 200 added"] = measured("open", rule, evals, read)
            (evals / "added.jsonl").unlink()
            rows += [
                (
                    rule, what, f"{cost.seconds:.3f}", f"{cost.processor:.3f}", f"{cost.peak:,.0f}",
                    f"{cost.shared:,.0f}",
                )
                for what, cost in costs.items()
            ]  # fmt: skip
    heads = ("rule", "what", ">seconds", ">processor s", ">peak MB", ">of mapped files MB")
    text = (
        f"{len(suites)} suites, {instances:,} eval instances; {sum(sizes) / 1e6:,.0f} MB of saved files. "
        f"Medians of {RUNS} processes.\n\n{markdown(heads, rows)}"
    )
    print(text)
    write_section("index", text)


if __name__ == "__main__":
    main()
