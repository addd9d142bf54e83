"""Build a version: gather the planned records in order, and write.

`mix` is the whole of it. Texts are touched twice: when steps look at them, and when they are
copied once from the memory-mapped files to the version.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as installed

import numpy as np
import pyarrow as pa
import yaml

from tulu_data import __version__
from tulu_data.engine.local import default_workers, ordered_map
from tulu_data.kernels.gather import Batches, Run
from tulu_data.mix.card import prose, render_card
from tulu_data.mix.carried import with_licence_rows
from tulu_data.mix.inputs import Inputs, quarantined_table, resolve_inputs
from tulu_data.mix.plan import Plan
from tulu_data.mix.pool import Pool, batch_count
from tulu_data.mix.preparation import Prepared, Settings, prepare
from tulu_data.mix.recipe import STEP_VERSIONS, resolved_spec
from tulu_data.schema import CONTENT, ID, TEXT, version_schema
from tulu_data.specs.mixture import MixtureFile
from tulu_data.store import Draft, Manifest, Version, building, make_newest, open_whole, write_version
from tulu_data.store.refs import find_built
from tulu_data.store.writer import utc_now

BATCH_BYTES = 16 << 20
MAPPED_BYTES = 10 << 28
"""Bytes of files that texts are copied from as they are mapped; such pages count as one's own."""
_READ = {"uri", "revision", "files"}
DROPPED = pa.schema(
    [(name, pa.large_string()) for name in ("id", "source", "origin", "step", "reason", "evidence")]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The version that a mixture stands for, and whether it was there before."""

    version: Version
    existed: bool


def find_existing(file: MixtureFile, inputs: Inputs, settings: Settings) -> Version | None:
    """Return the version that this recipe has made of these inputs already, if it is there and whole."""
    name = file.mixture.name
    found = find_built(settings.store.root, name, inputs.recipe_id, inputs.inputs_id)
    return open_whole(settings.store.root / name / found) if found else None


def reuse(version: Version, inputs: Inputs, settings: Settings) -> Version:
    """Take a version that is there already: it becomes the newest of its name, as if built now."""
    make_newest(settings.store, version, inputs.recipe_id, inputs.inputs_id)
    return version


def mix(file: MixtureFile, settings: Settings) -> Built:
    """Build the version of a mixture, or find it already built."""
    inputs = resolve_inputs(file, settings.base, settings.store, frozen=settings.frozen)
    existing = find_existing(file, inputs, settings)
    if existing is not None:
        return Built(version=reuse(existing, inputs, settings), existed=True)
    with building(settings.store, file.mixture.name):
        return Built(version=build(file, prepare(file, inputs, settings), settings), existed=False)


def build(file: MixtureFile, prepared: Prepared, settings: Settings) -> Version:
    """Write the planned version."""
    plan, inputs, findings = prepared.plan, prepared.inputs, prepared.findings
    sources = with_licence_rows(plan, prepared.pool, settings.store)
    spec = resolved_spec(plan.mixture, inputs.revisions, inputs.versions)
    manifest = Manifest(
        name=plan.mixture.name, kind=plan.mixture.kind, rows=plan.rows, card=prose(file.mixture),
        content_id=plan.content_id, recipe_id=inputs.recipe_id,
        created=utc_now(), shards=(), splits=plan.splits, sources=sources, inputs=inputs.others,
        step_versions=STEP_VERSIONS,
        duplicates=findings.duplicates, decontamination=findings.decontamination, warnings=plan.warnings,
        software={"tulu-data": __version__, "pyarrow": installed("pyarrow"), "numpy": installed("numpy")},
    )  # fmt: skip
    tables = {
        "dropped.parquet": dropped_table(prepared.pool),
        "quarantined.parquet": quarantined_table(prepared.pool.sources),
    }
    tables |= {f"{name}.parquet": table for name, table in findings.tables.items()}
    draft = Draft(
        manifest=manifest, inputs_id=inputs.inputs_id, tables=tables,
        files={
            "spec.yaml": _yaml(spec),
            "lock.yaml": _yaml(
                {
                    "sources": {s.name: s.model_dump(include=_READ) for s in plan.sources},
                    "pins": {s.name: s.pin.to_dict() for s in inputs.sources if s.pin},
                    "versions": {ref: one.content_id for ref, one in inputs.versions.items()},
                }
            ),
            "README.md": render_card(manifest, spec),
        },
    )  # fmt: skip
    settings.say(f"write: {plan.rows:,} rows")
    return write_version(settings.store, draft, gathered(prepared, settings.workers or default_workers()))


def gathered(prepared: Prepared, workers: int) -> Iterator[pa.RecordBatch]:
    """Yield the version's batches in order; their size does not depend on the workers."""
    pool, plan = prepared.pool, prepared.plan
    text, rows = sum(batch.nbytes for batch in pool.batches), int(pool.starts[-1])
    step = max(1, min(1 << 17, BATCH_BYTES * rows // max(text, 1)))
    content = Batches(pool.batches, pa.schema([ID, *CONTENT[plan.mixture.kind]]), [*_runs(pool)])

    return ordered_map(partial(_batch, prepared, content), _cuts(plan, step), workers)


def _runs(pool: Pool) -> Iterator[Run]:
    """Yield where the batches of each file lie of which texts are read, and not copied as they are mapped."""
    mapped, first = 0, 0
    for file in pool.files:
        mapped += file.table.nbytes
        behind = first + batch_count(file)
        if mapped > MAPPED_BYTES:
            opened = file.opened()
            yield Run(first, behind, opened.number, pa.py_buffer(file.mapped).address, held=opened)
        first = behind


def _cuts(plan: Plan, step: int) -> Iterator[tuple[int, int]]:
    """Yield where batches begin and end; none lies in two splits."""
    start = 0
    for rows in plan.splits.values() or (plan.rows,):
        for at in range(start, start + rows, step):
            yield at, min(at + step, start + rows)
        start += rows


def _batch(prepared: Prepared, content: Batches, cut: tuple[int, int]) -> pa.RecordBatch:
    """Gather the rows of the version between two cuts."""
    pool, plan, (start, end) = prepared.pool, prepared.plan, cut
    entries = plan.entry[start:end]
    gathered = content.gather(*pool.places_of(entries))
    copies = pa.array(plan.copy[start:end].astype(np.int32))
    columns = [*gathered.columns, pool.source_of(entries), pool.origin_of(entries), copies]
    return pa.RecordBatch.from_arrays(columns, schema=version_schema(plan.mixture.kind))


def dropped_table(pool: Pool) -> pa.Table:
    """Return every record that a step left out: id, source, origin, step, reason, evidence."""
    entries = np.flatnonzero(pool.reason)
    why = pa.array(pool.reason[entries])
    steps, reasons = (pa.array(words, TEXT) for words in zip(*pool.reasons, strict=True))
    columns = [
        pool.id_of(entries), pool.source_of(entries), pool.origin_of(entries),
        steps.take(why), reasons.take(why), pool.evidence_of(entries),
    ]  # fmt: skip
    return pa.table(columns, schema=DROPPED)


def _yaml(data: object) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
