"""Mix real data into one version: ours against the same mixture written with `datasets`.

Usage: python bench/mix.py DATA_FOLDER [RUNS]

Both read the files of `bench/real_mixture.yaml` (gpteacher, LLaMA-Factory's demos, GSM8K and MATH
train, OASST, HaluEval), filter, drop equal prompts, decontaminate against seven suites, draw, shuffle
and write Arrow. Whole processes, one after the other in the same tree, medians. `cold` starts with
empty caches of data; ours is shown with compiled kernels kept, and once without them. The peer's
decontamination is the plain-Python 8-gram rule; both are also timed without decontamination.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from real_data import write_workspace
from results import markdown, write_section

PEER = Path(__file__).with_name("peer_mix_datasets.py")
OURS = [sys.executable, "-m", "tulu_data", "mix"]
NOTE = """\
23 MB in 12 files of 8 sources, about 35,000 rows out; whole processes, medians. Warm, `datasets` takes
every map and filter from its cache, its decontamination included, and only shuffles and writes; ours
keeps the normalised files and runs every step again. Ours also filters refusals and identities, accounts
for every row and hashes ids; about 1.1 s of each of our runs is starting Python and importing."""


def timed(
    command: list[str], folder: Path, env: dict[str, str], runs: int, before: Callable[[], None]
) -> float:
    """Return the median seconds of whole runs of a command."""
    seconds = []
    for _ in range(runs):
        before()
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, env={**os.environ, **env}, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def remove(*paths: Path) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)


def plain_spec(workspace: Path) -> Path:
    """Write the mixture without its decontamination step."""
    text = (workspace / "mixtures/real_mixture.yaml").read_text("utf-8")
    lines = [line for line in text.splitlines() if "step: decontaminate" not in line]
    spec = workspace / "mixtures/plain.yaml"
    spec.write_text("\n".join([*lines, "decontaminate: none", ""]), "utf-8")
    return spec


def main(data: Path, runs: int) -> None:
    """Time both, print the table and write it to RESULTS.md."""
    with tempfile.TemporaryDirectory() as folder:
        workspace, out = Path(folder) / "workspace", Path(folder) / "peer"
        specs = {"with decontamination": write_workspace(data, workspace)}
        specs["without decontamination"] = plain_spec(workspace)
        store, kernels = workspace / "store", Path(folder) / "kernels"
        env = {"NUMBA_CACHE_DIR": str(kernels)}
        versions = (store / "real_sft", store / "refs")
        rows = []
        for what, spec in specs.items():
            ours, peer = [*OURS, str(spec)], [sys.executable, str(PEER), str(workspace), str(out)]
            peer += [] if "with " in what else ["--no-decontamination"]
            first = timed(ours, workspace, env, 1, lambda: remove(store, kernels))
            cold = timed(ours, workspace, env, runs, lambda: remove(store))
            warm = timed(ours, workspace, env, runs, lambda: remove(*versions))
            theirs_cold = timed(peer, workspace, {}, max(1, runs // 3), lambda: remove(out))
            theirs_warm = timed(peer, workspace, {}, max(1, runs // 3), lambda: remove(out / "mixed"))
            rows += [
                (what, "first run ever, kernels compiled", f"{first:.1f}", "-", "-"),
                (what, "cold", f"{cold:.1f}", f"{theirs_cold:.1f}", f"{theirs_cold / cold:.1f}x"),
                (what, "warm", f"{warm:.1f}", f"{theirs_warm:.1f}", f"{theirs_warm / warm:.1f}x"),
            ]
    table = markdown(("mixture", "caches", ">tulu-data s", ">datasets s", ">ratio"), rows)
    text = f"{NOTE}\n\n{table}"
    print(text)
    write_section("mix", text, ("datasets", "numba", "pyarrow"))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
