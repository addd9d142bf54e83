"""Build a version again from its own spec and lock, and compare.

The one idea: a build is a function of the spec, the pins and the bytes that are read, so doing it again
without any cache must plan the same records for the same reasons. Nothing is written but to a folder that is
gone afterwards. Of what was kept only the index of eval suites is used, which is named by their content.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from tulu_data.account.contents import Fault
from tulu_data.account.inputs import InputChange, Place, input_changes, look, own_pins
from tulu_data.mix.building import dropped_table
from tulu_data.mix.inputs import quarantined_table, resolve_inputs
from tulu_data.mix.preparation import Prepared, Settings, prepare
from tulu_data.mix.recipe import STEP_VERSIONS
from tulu_data.sources.digests import FRESH
from tulu_data.specs.lock import Lock, SourcePin, write_lock
from tulu_data.specs.mixture import MixtureFile, read_mixture
from tulu_data.store import Manifest, SourceEntry, Store, Version
from tulu_data.store.locks import making

_KEY = ["id", "source", "copy"]
_COUNTS = ("read", "quarantined", "dropped", "not_drawn", "kept", "rows", "tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What came of building a version again."""

    inputs: tuple[InputChange, ...]
    """Inputs that are not what they were; where there is one, nothing was built."""
    steps: tuple[str, ...]
    """Steps whose code gives other results since."""
    content_id: str | None
    """Of what was built; None where nothing was."""
    differences: tuple[Fault, ...]


def rebuild(version: Version, base: Path, store: Store, workers: int, say: Callable[[str], None]) -> Rebuilt:
    """Build a version again and compare; raise SpecError where its spec cannot be read any more."""
    with TemporaryDirectory(prefix=".verify-", dir=_room(store)) as folder, making(Path(folder)):
        file, pins = _own_spec(version, Path(folder))
        steps = tuple(moved_steps(version.manifest))
        place = Place(base=base, store=store, pins=pins, offline=False, digests=FRESH)
        inputs = tuple(input_changes(file.mixture, version.manifest, place, look(file.mixture, place)))
        if inputs:
            return Rebuilt(inputs=inputs, steps=steps, content_id=None, differences=())
        found = resolve_inputs(file, base, store, digests=FRESH)
        settings = Settings(base=base, store=Store(Path(folder)), workers=workers, say=say)
        prepared = prepare(file, found, settings)
        return Rebuilt(
            inputs=(), steps=steps, content_id=prepared.plan.content_id,
            differences=tuple(_differences(version, prepared)),
        )  # fmt: skip


def moved_steps(manifest: Manifest) -> Iterator[str]:
    """Yield the steps whose code gives other results than when a version was built."""
    before = manifest.step_versions
    for name in sorted({*before, *STEP_VERSIONS} if before else ()):
        if before.get(name) != STEP_VERSIONS.get(name):
            yield f"{name} {before.get(name, 'absent')} -> {STEP_VERSIONS.get(name, 'absent')}"


def _room(store: Store) -> Path | None:
    """Return a folder on the store's disk for what is read, or None where it takes none."""
    cache = store.root / "cache"
    try:
        with TemporaryDirectory(prefix=".verify-", dir=cache):
            return cache
    except OSError:
        return None


def _own_spec(version: Version, folder: Path) -> tuple[MixtureFile, dict[str, SourcePin]]:
    """Copy the spec of a version to where a lock beside it is nobody's, with the pins it was built with."""
    spec = folder / "spec.yaml"
    spec.write_bytes((version.path / "spec.yaml").read_bytes())
    file = read_mixture(spec)
    pins = own_pins(version, file.mixture)
    write_lock(spec, Lock(sources=pins))
    return file, pins


def _differences(version: Version, prepared: Prepared) -> Iterator[Fault]:
    """Yield how what was planned is not what is stored: records, their order, counts, drops."""
    plan, pool, manifest = prepared.plan, prepared.pool, version.manifest
    if plan.content_id != manifest.content_id:
        made = pl.DataFrame(
            [
                pl.Series("id", pool.id_of(plan.entry)), pl.Series("source", pool.source_of(plan.entry)),
                pl.Series("copy", plan.copy).cast(pl.Int32),
            ]
        )  # fmt: skip
        yield from _row_differences(_frame(version.table(_KEY)), made)
    before = {entry.name: entry for entry in manifest.sources}
    for entry in plan.sources:
        yield from _count_differences(before.get(entry.name), entry)
    tables = {"dropped": dropped_table(pool), "quarantined": quarantined_table(pool.sources)}
    for name, table in tables.items():
        keys = ["source", "origin", "reason"]
        stored = _frame(pq.read_table(version.path / f"{name}.parquet", columns=keys)).sort(keys)
        again = _frame(table.select(keys)).sort(keys)
        if not stored.equals(again):
            gone, come = (
                a.join(b, on=keys, how="anti").height for a, b in ((stored, again), (again, stored))
            )
            text = f"{gone:,} of its rows are not found again, {come:,} are found that it does not have"
            yield Fault(where=f"{name}.parquet", what=text)


def _row_differences(stored: pl.DataFrame, made: pl.DataFrame) -> Iterator[Fault]:
    """Count the rows of one that the other does not have, by source; or say that their order differs."""
    gone, come = stored.join(made, on=_KEY, how="anti"), made.join(stored, on=_KEY, how="anti")
    counts = [dict(part.group_by("source").len().iter_rows()) for part in (gone, come)]
    for source in sorted({*counts[0], *counts[1]}):
        lost, new = (count.get(source, 0) for count in counts)
        text = f"{lost:,} rows of the version are not built again, {new:,} are built that it does not have"
        yield Fault(where=f"source {source}", what=text)
    if not gone.height and not come.height:
        yield Fault(where="order", what="the same rows come in another order")


def _count_differences(before: SourceEntry | None, after: SourceEntry) -> Iterator[Fault]:
    """Compare the account of a source."""
    for name in _COUNTS:
        was, now = getattr(before, name, None), getattr(after, name)
        if was != now:
            yield Fault(where=f"source {after.name}", what=f"{name} was {was}, built again {now}")


def _frame(table: Any) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
