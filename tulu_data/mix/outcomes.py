"""What a step did to the records of a mixture, kept by all that it depends on.

The one idea: steps run before the draw, so what they drop follows from the records that sources offer and
from the steps alone. An outcome has the key of these, chained from step to step: another take, weight, size
or seed meets every outcome again and reads no text, and a step that changed is run with those behind it. A
file that is torn or gone counts as absent. It does not know what a step looks for.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import tulu_data
from tulu_data.mix.inputs import Inputs, SourceInput
from tulu_data.mix.pool import Index, Pool
from tulu_data.schema import TEXT
from tulu_data.specs.mixture import Mixture
from tulu_data.specs.steps import DecontaminateStep, DedupStep, Step
from tulu_data.store import Version
from tulu_data.store.whole import write_whole

DROPPED = pa.schema([("entry", pa.int64()), ("reason", TEXT), ("evidence", TEXT)])
_ABOUT = b"outcome"
_SIDE = "side"
_CODE = ("decontaminate", "dedup", "filters", "kernels", "mix", "sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one step did."""

    dropped: pa.Table
    """Of schema DROPPED: entries of the pool, ascending."""
    whole: dict[str, str] = field(default_factory=dict)
    """Sources that it left out altogether, and why, in words."""
    told: dict[str, Any] | None = None
    """What the manifest says of it."""
    table: pa.Table | None = None
    """What the version keeps of its findings."""

    def put_on(self, pool: Pool, step: str) -> None:
        """Do to a pool what the step did."""
        entries = self.dropped.column("entry").to_numpy()
        coded = self.dropped.column("reason").combine_chunks().dictionary_encode()
        for number, reason in enumerate(coded.dictionary.to_pylist()):
            pool.drop(entries[coded.indices.to_numpy() == number], step, reason)
        has = self.dropped.column("evidence").is_valid().to_numpy()
        evidence = self.dropped.column("evidence").drop_null().to_pylist()
        pool.evidence.update(zip(entries[has].tolist(), evidence, strict=True))
        pool.dropped_whole.update(self.whole)


def dropped_since(pool: Pool, before: Index) -> pa.Table:
    """Return what was dropped of the entries that were still in, as DROPPED."""
    gone = before[pool.reason[before] != 0]
    reasons = pa.array([reason for _, reason in pool.reasons], TEXT).take(pa.array(pool.reason[gone]))
    return pa.table([pa.array(gone), reasons, pool.evidence_of(gone)], schema=DROPPED)


class Outcomes:
    """The outcomes of the steps of a mixture in a folder of the cache."""

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        """Know the key of each step."""
        self._folder, self._keys = folder, keys

    def find(self, number: int) -> Outcome | None:
        """Return the outcome of a step where it is there."""
        name = self._keys[number]
        with suppress(OSError, pa.ArrowException, ValueError, KeyError):
            dropped = _read(self._folder / f"{name}.arrow")
            about = json.loads(dropped.schema.metadata[_ABOUT])
            table = _read(self._folder / f"{name}-{_SIDE}.arrow") if about.pop(_SIDE) else None
            return Outcome(dropped=dropped.replace_schema_metadata(None), table=table, **about)
        return None

    def keep(self, number: int, outcome: Outcome) -> None:
        """Keep the outcome of a step; a cache that cannot be written is done without."""
        name, has_side = self._keys[number], outcome.table is not None
        about = {"whole": outcome.whole, "told": outcome.told, _SIDE: has_side}
        with suppress(OSError):
            if outcome.table is not None:
                write_whole(self._folder, f"{name}-{_SIDE}.arrow", outcome.table)
            said = json.dumps(about, ensure_ascii=False).encode()
            write_whole(
                self._folder, f"{name}.arrow", outcome.dropped.replace_schema_metadata({_ABOUT: said})
            )


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def step_keys(mixture: Mixture, inputs: Inputs, sources: Sequence[SourceInput]) -> list[str]:
    """Return for each step the key of all that its outcome depends on, the steps before it among them."""
    offered = [
        (s.name, [file.folder.name for file in s.files], s.spec.where, s.spec.quality) for s in sources
    ]
    key, keys = _hashed([mixture.kind, offered, _code()]), []
    for step in mixture.steps:
        others = [entry.model_dump(mode="json") for entry in inputs.others if entry.role in _roles(step)]
        key = _hashed([key, _said(step, inputs.versions), others])
        keys.append(key)
    return keys


def _roles(step: Step) -> tuple[str, ...]:
    """Return which of the further inputs of a mixture a step looks at."""
    if isinstance(step, DecontaminateStep):
        return ("suite", "decisions", "model")
    return () if isinstance(step, DedupStep) else ("tokenizer", "model")


def _said(step: Step, versions: Mapping[str, Version]) -> dict[str, Any]:
    """Return what a spec says of a step, with the stored versions that are meant."""
    said = step.model_dump(mode="json")
    if isinstance(step, DedupStep):
        said["against"] = sorted(versions[ref].content_id for ref in step.against)
    return said


def _hashed(parts: list[Any]) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]


@cache
def _code() -> str:
    """Return the digest of the code that steps run."""
    digest = sha256(np.__version__.encode())
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    root = Path(tulu_data.__file__).parent
    for package in _CODE:
        yield from sorted((root / package).rglob("*.py"))
