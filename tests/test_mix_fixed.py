"""Two small mixtures whose content ids are written down: the same on every way that leads to these records.

`.ci/wheel-check` builds them with every Python that it finds.
"""

import bz2
import csv
import gzip
import json
import lzma
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from mixture_fixtures import Place

from tulu_data.mix import mix
from tulu_data.specs.mixture import read_mixture
from tulu_data.store import writer

FIXED = Path(__file__).parent / "data" / "fixed"
IDS = dict(line.split() for line in (FIXED / "content_ids").read_text("utf-8").splitlines())
CHATS = [json.loads(line) for line in (FIXED / "data/chats.jsonl").read_text("utf-8").splitlines()[:-1]]
with (FIXED / "data/pairs.csv").open(encoding="utf-8", newline="") as file:
    PAIRS: list[dict[str, str]] = [*csv.DictReader(file)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    shutil.copytree(FIXED, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)


def built(place: Place, name: str = "fixed", **settings: Any) -> str:
    file = read_mixture(place.root / "mixtures" / f"{name}.yaml")
    return mix(file, place.settings(**settings)).version.content_id


def changed(place: Place, change: Callable[[dict[str, Any]], object], name: str = "fixed") -> None:
    path = place.root / "mixtures" / f"{name}.yaml"
    spec = yaml.safe_load(path.read_text("utf-8"))
    change(spec)
    path.write_text(yaml.safe_dump(spec, sort_keys=False, allow_unicode=True), "utf-8")


def test_a_content_id_never_changes(place: Place) -> None:
    """What is drawn, split and ordered is a promise: another literal here is other versions everywhere."""
    assert IDS["fixed"] == built(place)
    assert IDS["fixed"] == "b784951455541811f0d54343e241604cce8a2b25d17a1729f5fd625fafaf0037"


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("name", IDS)
def test_threads_do_not_change_it(place: Place, name: str, workers: int) -> None:
    assert built(place, name, workers=workers) == IDS[name]


@pytest.mark.parametrize("name", IDS)
def test_the_order_of_sources_does_not_change_it(place: Place, name: str) -> None:
    changed(place, lambda spec: spec.update(sources=dict(reversed(spec["sources"].items()))), name)
    assert built(place, name) == IDS[name]


@pytest.mark.parametrize(("shard", "batch"), [(1, 1), (1, 4096), (20_000, 1 << 30)])
def test_sizes_of_shards_and_batches_do_not_change_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, shard: int, batch: int
) -> None:
    monkeypatch.setattr(writer, "SHARD_BYTES", shard)
    monkeypatch.setattr(sys.modules["tulu_data.mix.building"], "BATCH_BYTES", batch)
    assert {built(place, name) for name in IDS} == {*IDS.values()}
    shards = place.store.resolve("fixed").manifest.shards
    assert (len(shards) > 2) == (shard == 1)


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def parquet(codec: str, rows_a_group: int) -> Callable[[Path, list[dict[str, Any]]], None]:
    def write(path: Path, rows: list[dict[str, Any]]) -> None:
        pq.write_table(pa.Table.from_pylist(rows), path, compression=codec, row_group_size=rows_a_group)

    return write


def arrow(path: Path, rows: list[dict[str, Any]], codec: str | None = None) -> None:
    table = pa.Table.from_pylist(rows)
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema, options=options) as out:
        out.write_table(table, max_chunksize=7)


WAYS: Mapping[str, Callable[[Path, list[dict[str, Any]]], Any]] = {
    "x.json": lambda path, rows: path.write_text(json.dumps({"data": rows}), "utf-8"),
    "x.jsonl.gz": lambda path, rows: path.write_bytes(gzip.compress(lines(rows))),
    "x.jsonl.bz2": lambda path, rows: path.write_bytes(bz2.compress(lines(rows))),
    "x.jsonl.xz": lambda path, rows: path.write_bytes(lzma.compress(lines(rows))),
    "x.jsonl.zst": lambda path, rows: path.write_bytes(pa.Codec("zstd").compress(lines(rows), asbytes=True)),
    "x.parquet": parquet("zstd", 1000),
    "y.parquet": parquet("snappy", 3),
    "z.parquet": parquet("none", 11),
    "x.arrow": arrow,
    "y.arrow": lambda path, rows: arrow(path, rows, "lz4"),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_format_of_the_inputs_does_not_change_it(place: Place, name: str) -> None:
    def elsewhere(spec: dict[str, Any]) -> None:
        for source in spec["sources"].values():
            kind = "chats" if "chats" in source["uri"] else "pairs"
            source["uri"] = f"data/{kind}-{name}"

    WAYS[name](place.root / f"data/chats-{name}", CHATS)
    WAYS[name](place.root / f"data/pairs-{name}", PAIRS)
    for each, wanted in IDS.items():
        changed(place, elsewhere, each)
        assert built(place, each) == wanted


@pytest.mark.parametrize("name", ["pairs.csv.gz", "pairs.tsv"])
def test_other_delimited_text_does_not_change_it(place: Place, name: str) -> None:
    path = place.root / "data" / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress((FIXED / "data/pairs.csv").read_bytes()))
    else:
        with path.open("w", encoding="utf-8", newline="") as out:
            writing = csv.DictWriter(out, PAIRS[0], delimiter="\t")
            writing.writeheader()
            writing.writerows(PAIRS)

    def elsewhere(spec: dict[str, Any]) -> None:
        for source in spec["sources"].values():
            source["uri"] = source["uri"].replace("pairs.csv", name)

    changed(place, elsewhere)
    assert built(place) == IDS["fixed"]
