"""Build `mixtures/sft_v3.yaml` from a local hub that misbehaves, twice, and count the rows of each source.

Usage: python bench/hub_mixture.py [SEED]

A hub on this machine (`tests/hub_server.py`) serves `allenai/tulu-3-sft-mixture` with the published number of
rows of each source, as six parquet files of short made-up texts. By a seeded schedule it drops connections in
the middle of files and answers 429, 500 and 503. The mixture is locked once and built twice by whole
processes, each from empty caches, and the two must have one content id. Then the hub changes a file under the
pinned commit, and the third build must refuse it. No file is downloaded twice: what arrived before a drop is
not asked for again.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hub_server import Faults, HubServer
from results import markdown, write_section

ROOT = Path(__file__).parents[1]
REPO = "allenai/tulu-3-sft-mixture"
FILES = 6
PUBLISHED = {
    "hard_coded": 240, "oasst1": 7_132, "no_robots": 9_500, "wildchat": 100_000, "flan_v2": 89_982,
    "sciriff": 10_000, "table_gpt": 5_000, "persona_math": 149_960, "persona_gsm": 49_980,
    "persona_algebra": 20_000, "open_math_instruct": 50_000, "numinamath_tir": 64_312,
    "persona_python": 34_999, "evol_code_alpaca": 107_276, "coconot": 10_983, "wildjailbreak": 50_000,
    "wildguardmix": 50_000, "aya": 100_000, "persona_if": 29_980,
}  # fmt: skip
"""Rows of each source by the released mixture's card, under the spec's names."""


def parts(spec: Path) -> dict[str, str]:
    """Return the value of the column `source` by the spec's name for it."""
    sources = yaml.safe_load(spec.read_text("utf-8"))["sources"]
    return {name: source["where"].split("'")[1] for name, source in sources.items()}


def made_rows(values: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (value of `source`, number) for every published row."""
    for name, rows in PUBLISHED.items():
        yield from ((values[name], f"{n}") for n in range(rows))


def parquet(rows: list[tuple[str, str]]) -> bytes:
    """Write rows as the released mixture's columns: id, messages, source."""
    turns = [
        [
            {"content": f"Question {n} of {value}: how much is {n} and {len(n)}?", "role": "user"},
            {"content": f"{n} and {len(n)} is {int(n) + len(n)}.", "role": "assistant"},
        ]
        for value, n in rows
    ]
    ids = [f"{value}_{n}" for value, n in rows]
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ids, "messages": turns, "source": [value for value, _ in rows]}), sink)
    return sink.getvalue()


def made_files(values: dict[str, str]) -> dict[str, bytes]:
    """Return the files of the dataset."""
    rows = list(made_rows(values))
    step = -(-len(rows) // FILES)
    files = {
        f"data/train-{i:05d}-of-{FILES:05d}.parquet": parquet(rows[i * step : (i + 1) * step])
        for i in range(FILES)
    }
    return {"README.md": b"---\nlicense: odc-by\n---\n", **files}


def run(
    folder: Path, hub: HubServer, home: str, *arguments: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run the command with a cache of its own; return what it said and how long it took."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TULU_"))}
    env |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tulu_data", *arguments]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done, time.perf_counter() - start


def built(folder: Path, hub: HubServer, home: str, seed: int) -> tuple[dict, str]:
    """Build from empty caches while the hub misbehaves; return the version and a line about the run."""
    shutil.rmtree(folder / "store", ignore_errors=True)
    hub.faults, hub.served = Faults(seed, in_a_row=2), []
    done, seconds = run(folder, hub, home, "mix", "mixtures/sft_v3.yaml", "--json")
    if done.returncode:
        raise SystemExit(done.stderr)
    met = {kind: hub.faults.met.count(kind) for kind in ("drop", "429", "500", "503")}
    sent = sum(size for _, _, size in hub.served)
    files = hub.repo(REPO).commits[hub.repo(REPO).branches["main"]]
    whole = sum(len(files[path]) for path in {path for path, _, _ in hub.served})
    told = done.stderr.count("trying again")
    said = ", ".join(f"{count} x {kind}" for kind, count in met.items())
    resumed = sum(start > 0 for _, start, _ in hub.served)
    line = (
        f"Build {home}: {said}; {resumed} downloads went on in the middle of a file, {sent:,} bytes were "
        f"sent of files of {whole:,}; {told} waits told on stderr; {seconds:.0f} s in all."
    )
    return json.loads(done.stdout), line


def main(seed: int) -> None:
    """Build twice, then once from a changed file; print the table and write it to RESULTS.md."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "mixtures", folder / "mixtures")
        values = parts(folder / "mixtures" / "sft_v3.yaml")
        with HubServer({REPO: made_files(values)}, cards={REPO: {"license": "odc-by"}}) as hub:
            first, told = built(folder, hub, "one", seed)
            second, told_again = built(folder, hub, "two", seed + 1)
            hub.faults = None
            path = f"data/train-00003-of-{FILES:05d}.parquet"
            hub.change_under_commit(REPO, path, parquet([(values["aya"], "1")]))
            shutil.rmtree(folder / "store")
            refused, _ = run(folder, hub, "three", "mix", "mixtures/sft_v3.yaml")
    got = [{source["name"]: source["rows"] for source in version["sources"]} for version in (first, second)]
    rows = [
        (n, f"{count:,}", f"{got[0].get(n, 0):,}", f"{got[1].get(n, 0):,}") for n, count in PUBLISHED.items()
    ]
    rows.append(("**all**", f"{sum(PUBLISHED.values()):,}", *(f"{v['rows']:,}" for v in (first, second))))
    table = markdown(("source", ">published", ">first build", ">second build"), rows)
    same = first["content_id"] == second["content_id"]
    is_refused = refused.returncode == 1 and "the file changed under its commit" in refused.stderr
    text = (
        f"{told}\n{told_again}\nContent ids: {first['content_id'][:16]} and {second['content_id'][:16]}, "
        f"{'the same' if same else 'NOT THE SAME'}. A file changed under its commit: "
        f"{'refused' if is_refused else 'NOT REFUSED'}.\n\n{table}"
    )
    print(text)
    print(refused.stderr)
    if not same or not is_refused or any(counts != PUBLISHED for counts in got):
        raise SystemExit("the mixture is not what was published")
    write_section("hub_mixture", text, ("huggingface_hub", "pyarrow"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
