"""Does the account of a version add up: its manifest, its side tables, its spec and its lock.

The one idea: what is said in two places must be the same in both. It reads no record and judges no step.
"""

import json
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.account.contents import Fault
from tulu_data.errors import SpecError
from tulu_data.mix.recipe import recipe_hash
from tulu_data.specs.document import read_document
from tulu_data.store import Manifest, SourceEntry


def book_faults(path: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield what does not add up in the account of a version."""
    for entry in manifest.sources:
        yield from _sum_faults(entry)
    told = sum(entry.rows for entry in manifest.sources)
    if told != manifest.rows:
        yield Fault(where="manifest.json", what=f"its sources have {told:,} rows, it says {manifest.rows:,}")
    for check in (_dropped, _quarantined, _clusters, _hits, _spec, _lock, _states):
        yield from check(path, manifest)


def _sum_faults(entry: SourceEntry) -> Iterator[Fault]:
    """Hold a source to: read = quarantined + dropped + not drawn + kept."""
    where = f"source {entry.name}"
    out = sum(entry.quarantined.values()) + sum(entry.dropped.values()) + entry.not_drawn + entry.kept
    if out != entry.read:
        yield Fault(
            where=where, what=f"{entry.read:,} read, but {out:,} quarantined, dropped, not drawn and kept"
        )
    licensed = sum(entry.licence_rows.values())
    if entry.licence_rows and licensed != entry.rows:
        yield Fault(where=where, what=f"{entry.rows:,} rows, but {licensed:,} counted by licence")
    rows = sum(file.rows for file in entry.files)
    if entry.files and rows != entry.read:
        yield Fault(where=where, what=f"{entry.read:,} read, but its files have {rows:,} rows")


def _dropped(path: Path, manifest: Manifest) -> Iterator[Fault]:
    """Compare dropped.parquet with what the manifest counts; `where` selects rows and drops none."""
    told = Counter(
        {
            (s.name, reason): n
            for s in manifest.sources
            for reason, n in s.dropped.items()
            if reason != "where"
        }
    )
    yield from _compared(path / "dropped.parquet", told, ("source", "reason"))


def _quarantined(path: Path, manifest: Manifest) -> Iterator[Fault]:
    """Compare quarantined.parquet with what the manifest counts."""
    told = Counter({(s.name, reason): n for s in manifest.sources for reason, n in s.quarantined.items()})
    yield from _compared(path / "quarantined.parquet", told, ("source", "reason"))


def _compared(path: Path, told: Counter[tuple[str, str]], columns: tuple[str, str]) -> Iterator[Fault]:
    """Count the rows of a side table and compare."""
    table = yield from _table(path, columns)
    if table is None:
        return
    rows = table.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()
    found = Counter({(row[columns[0]], row[columns[1]]): row["count_all"] for row in rows})
    for source, reason in sorted(set(found) | set(told), key=str):
        have, wanted = found[source, reason], told[source, reason]
        if have != wanted:
            text = f"{have:,} rows of source {source} for {reason!r}, the manifest counts {wanted:,}"
            yield Fault(where=path.name, what=text)


def _clusters(path: Path, manifest: Manifest) -> Iterator[Fault]:
    """Compare clusters.parquet with the clusters that each dedup step counts."""
    if not manifest.duplicates:
        return
    table = yield from _table(path / "clusters.parquet", ("step", "cluster"))
    if table is None:
        return
    rows = table.group_by("step").aggregate([("cluster", "count_distinct")]).to_pylist()
    found = {row["step"]: row["cluster_count_distinct"] for row in rows}
    for step in manifest.duplicates:
        have = found.get(step["step"], 0)
        if have != step["clusters"]:
            text = f"{have:,} clusters of step {step['step']}, the manifest counts {step['clusters']:,}"
            yield Fault(where="clusters.parquet", what=text)


def _hits(path: Path, manifest: Manifest) -> Iterator[Fault]:
    """Compare hits.parquet with the hits that the decontamination counts."""
    report = manifest.decontamination
    if report is None:
        return
    table = yield from _table(path / "hits.parquet", ("suite",))
    told = report["hits"] + sum(report["other_matches"].values())
    if table is not None and table.num_rows != told:
        yield Fault(where="hits.parquet", what=f"{table.num_rows:,} rows, the manifest counts {told:,}")


def _table(path: Path, columns: tuple[str, ...]) -> Generator[Fault, None, pa.Table | None]:
    """Read columns of a side table; yield what is wrong with it and return None where it cannot be read."""
    try:
        return pq.read_table(path, columns=list(columns), memory_map=True)
    except FileNotFoundError:
        yield Fault(where=path.name, what="is missing")
    except (pa.ArrowException, OSError, ValueError) as error:
        yield Fault(where=path.name, what=f"not readable ({str(error).strip().splitlines()[0]})")
    return None


def _spec(path: Path, manifest: Manifest) -> Iterator[Fault]:
    """Compare spec.yaml with the recipe id, as far as the version says by which code it was built."""
    try:
        spec = read_document(path / "spec.yaml", "spec.yaml").data
    except SpecError as error:
        yield Fault(where="spec.yaml", what=error.problems[0].removeprefix("spec.yaml:"))
        return
    if manifest.step_versions and recipe_hash(spec, manifest.step_versions) != manifest.recipe_id:
        yield Fault(
            where="spec.yaml", what="is not the spec that the version was built from (its hash differs)"
        )


def _lock(path: Path, manifest: Manifest) -> Iterator[Fault]:
    """Compare the files that lock.yaml names with those of the manifest."""
    try:
        lock: Any = read_document(path / "lock.yaml", "lock.yaml").data
        told = {name: {f["origin"]: f["sha256"] for f in s["files"]} for name, s in lock["sources"].items()}
    except (SpecError, KeyError, TypeError, AttributeError) as error:
        yield Fault(where="lock.yaml", what=f"not readable ({str(error).splitlines()[0]})")
        return
    for entry in manifest.sources:
        if told.get(entry.name) != {f.origin: f.sha256 for f in entry.files}:
            yield Fault(where="lock.yaml", what=f"names other files of source {entry.name} than the manifest")


def _states(path: Path, manifest: Manifest) -> Iterator[Fault]:
    """Compare the shards that `datasets` is told of with those of the manifest."""
    named = set[str]()
    try:
        for state in sorted(path.glob("**/state.json")):
            files = json.loads(state.read_bytes())["_data_files"]
            named |= {(state.parent / f["filename"]).relative_to(path).as_posix() for f in files}
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield Fault(where="state.json", what=f"not readable ({error})")
        return
    if named != {shard.file for shard in manifest.shards}:
        yield Fault(
            where="state.json", what="names other shards than the manifest, so datasets would read others"
        )
