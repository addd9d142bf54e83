"""The mixture of `bench/mixture.py`, written with `datasets` in two ways.

Usage: python bench/peer_mixture_datasets.py plain|mixer CORPUS OUT CHANGED

Both load the parquet files, take each of the 19 sources by its `source` column, all of it, or where CHANGED
is 1 other amounts of four sources, join, shuffle with a seed and write with `save_to_disk`.
`plain` looks at the source column once, as numbers, and selects rows by index. `mixer` does what
open-instruct's mixer does for a list of datasets and amounts: loads, filters and selects each one on its own,
gives it its name in a column, and joins them.
"""

import sys
from pathlib import Path

import datasets
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from mixture_corpus import SOURCES
from mixture_takes import CHANGED


def rows_of(name: str, have: int, *, changed: bool) -> list[int]:
    """Return which rows of a source are taken, some of them twice."""
    take = CHANGED.get(name, 1.0) if changed else 1.0
    whole, rest = divmod(take, 1)
    return [*range(have)] * int(whole) + [*range(round(rest * have))]


def load(corpus: Path, out: Path) -> datasets.Dataset:
    files = sorted(str(path) for path in corpus.glob("*.parquet"))
    return datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(out / "cache"))


def plain(corpus: Path, out: Path, *, changed: bool) -> datasets.Dataset:
    whole = load(corpus, out)
    source = whole.data.column("source").to_numpy()
    chosen = []
    for name in SOURCES:
        here = np.flatnonzero(source == name)
        chosen.append(here[rows_of(name, len(here), changed=changed)])
    return whole.select(np.concatenate(chosen)).shuffle(seed=42)


def mixer(corpus: Path, out: Path, *, changed: bool) -> datasets.Dataset:
    parts = []
    for name in SOURCES:
        one = load(corpus, out).filter(lambda source, name=name: source == name, input_columns=["source"])
        one = one.select(rows_of(name, len(one), changed=changed))
        parts.append(one.add_column("dataset_source", [name] * len(one)))
    return datasets.concatenate_datasets(parts).shuffle(seed=42)


def main(way: str, corpus: Path, out: Path, *, changed: bool) -> None:
    mixed = {"plain": plain, "mixer": mixer}[way](corpus, out, changed=changed)
    mixed.save_to_disk(str(out / "mixed"))
    print(len(mixed))


if __name__ == "__main__":
    datasets.disable_progress_bars()
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), changed=sys.argv[4] == "1")
