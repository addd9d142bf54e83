"""A mixture of Tulu 3's exact shape, built, changed and planned: time and memory, against `datasets`.

Usage: python bench/mixture.py FOLDER [RUNS]

FOLDER is for the corpus (bench/mixture_corpus.py makes it where it is not there), the stores and the peers'
output: about 20 GB. Whole processes, one after the other in the same tree, files in the page cache, medians
of RUNS; the peers run once each, since they take minutes. `first` starts with an empty store and compiled
kernels, `other weights` builds the changed mixture after it, `plan` only says what would be built, `again`
asks for what is there. Memory is the largest resident set, mapped files included.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mixture_corpus import ROWS, SOURCES, write_corpus
from mixture_takes import CHANGED
from results import markdown, write_section

PEER = Path(__file__).with_name("peer_mixture_datasets.py")
OURS = [sys.executable, "-m", "tulu_data"]
NOTE = """\
{rows:,} rows of 19 sources, {size:.2f} GB of parquet that hold {text:.2f} GB, {files} files, written by
`bench/mixture_corpus.py`; files in the page cache. Ours: medians of {runs}, shortest and longest in
brackets; `first` hashes every input; all hash every shard, and account for each row.
`datasets`: one run each; `plain` selects rows of one loaded dataset by index, `mixer` goes the way of
open-instruct's mixer, source by source. Their `first` has an empty cache, `other weights` all that the first
left. Resident memory counts the pages of mapped files."""


def spec(folder: Path, name: str, changed: dict[str, float]) -> Path:
    """Write the mixture, with other amounts of some sources."""
    lines = ["version: 1", "name: tulu", "kind: sft", "decontaminate: none", "sources:"]
    for source in SOURCES:
        take = f"{{epochs: {changed[source]}}}" if source in changed else "{all: true}"
        lines += [
            f"  {source}:", "    uri: corpus/", "    adapter: messages",
            f"    where: \"source = '{source}'\"", f"    take: {take}",
        ]  # fmt: skip
    path = folder / "mixtures" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def run(command: Sequence[object], folder: Path) -> tuple[float, float, str]:
    """Return seconds, GiB of the largest resident set, and what was printed, of a whole process."""
    start = time.perf_counter()
    process = subprocess.Popen([*map(str, command)], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (command, said)
    return time.perf_counter() - start, used.ru_maxrss / 2**20, said


def remove(*paths: Path) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)


def ours(folder: Path, runs: int) -> dict[str, list[tuple[float, float]]]:
    """Time everything that ours does, `runs` times."""
    same, other = spec(folder, "all", {}), spec(folder, "weights", CHANGED)
    store, found = folder / "store", {}
    for _ in range(runs):
        for what, command, gone in (
            ("first", [*OURS, "mix", same], (store,)),
            ("again", [*OURS, "mix", same], ()),
            ("other weights", [*OURS, "mix", other], ()),
            ("plan", [*OURS, "plan", same], ()),
        ):
            remove(*gone)
            seconds, memory, said = run(command, folder)
            assert what != "first" or f"{ROWS:,} rows" in said, said
            found.setdefault(what, []).append((seconds, memory))
    return found


def theirs(way: str, folder: Path) -> dict[str, tuple[float, float]]:
    """Time a peer: from an empty cache, and with other amounts after it."""
    out = folder / f"peer-{way}"
    remove(out)
    found = {}
    for what, changed in (("first", 0), ("other weights", 1)):
        remove(out / "mixed")
        seconds, memory, _ = run([sys.executable, PEER, way, folder / "corpus", out, changed], folder)
        found[what] = seconds, memory
    remove(out)
    return found


def cells(peer: tuple[float, float] | None, middle: float) -> list[str]:
    """Return what the table says of a peer."""
    return ["-", "-"] if peer is None else [f"{peer[0]:.0f} ({peer[0] / middle:.1f}x)", f"{peer[1]:.1f}"]


def main(folder: Path, runs: int) -> None:
    """Time all, print the table and write it to RESULTS.md."""
    import pyarrow.parquet as pq

    corpus = folder / "corpus"
    if not corpus.is_dir():
        write_corpus(corpus)
    (folder / "tulu-data.yaml").write_text("version: 1\n", "utf-8")
    run([*OURS, "plan", spec(folder, "all", {})], folder)  # compiles kernels and warms the page cache
    found = ours(folder, runs)
    peers = {way: theirs(way, folder) for way in ("plain", "mixer")}
    rows = []
    for what, each in found.items():
        seconds, memory = [s for s, _ in each], max(m for _, m in each)
        middle = statistics.median(seconds)
        row = [what, f"{middle:.1f} ({min(seconds):.1f}-{max(seconds):.1f})", f"{memory:.1f}"]
        for peer in peers.values():
            row += cells(peer.get(what), middle)
        rows.append(tuple(row))
    head = (
        "build", ">tulu-data s", ">GiB", ">datasets, plain s", ">GiB", ">datasets, mixer s", ">GiB",
    )  # fmt: skip
    files = sorted(corpus.glob("*.parquet"))
    metadata = [pq.read_metadata(path) for path in files]
    text = sum(m.row_group(i).total_byte_size for m in metadata for i in range(m.num_row_groups))
    note = NOTE.format(
        rows=ROWS, size=sum(path.stat().st_size for path in files) / 1e9, text=text / 1e9, files=len(files),
        runs=runs,
    )  # fmt: skip
    written = f"{note}\n\n{markdown(head, rows)}"
    print(written)
    write_section("mixture", written, ("datasets", "numba", "numpy", "pyarrow"))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
