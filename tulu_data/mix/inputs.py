"""The inputs of a mixture: every source resolved to files, every file normalised once.

Two sources over the same file with the same reading share its normalised form; each has its own
mask (`where`). The inputs id says whether anything that is read has changed since the last build.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.engine.local import ordered_map
from tulu_data.errors import SpecError, StoreError
from tulu_data.mix.licences import check_licences
from tulu_data.mix.pins import resolve_all
from tulu_data.mix.places import told_at_source, told_at_tokenizer
from tulu_data.mix.recipe import inputs_id, recipe_id
from tulu_data.mix.suites import suite_inputs
from tulu_data.schema import TEXT
from tulu_data.sources.cache import NormalisedFile, normalise
from tulu_data.sources.compiled import Compiled, compile_sql
from tulu_data.sources.digests import Digests, sha256_of
from tulu_data.sources.files import SourceFile
from tulu_data.sources.location import ResolvedSource
from tulu_data.sources.reading import Reading
from tulu_data.sources.where import Where
from tulu_data.specs.decisions import read_decisions
from tulu_data.specs.mixture import MixtureFile
from tulu_data.specs.source import Source
from tulu_data.specs.steps import DecontaminateStep, FilterStep, Step
from tulu_data.store import Store, Version
from tulu_data.store.manifest import InputEntry

if TYPE_CHECKING:
    from tulu_data.mix.tokens import TokenCounter
    from tulu_data.sources.quality import Numbers

QUARANTINED = pa.schema(
    [(name, pa.large_string()) for name in ("source", "origin", "reason", "detail", "raw")]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a mixture reads, resolved and hashed but not yet read."""

    sources: tuple[ResolvedSource, ...]
    compiled: Compiled
    counter: "TokenCounter | None"
    revisions: dict[str, str]
    versions: dict[str, Version]
    """Stored versions, by how the spec names them."""
    others: tuple[InputEntry, ...]
    """What is read besides sources."""
    recipe_id: str
    inputs_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInput:
    """One source: its spec, its files as they are now, and their normalised records."""

    name: str
    spec: Source
    resolved: ResolvedSource
    where: Where | None
    files: tuple[NormalisedFile, ...]
    qualities: "tuple[Numbers, ...] | None"
    """Numbers of the records of each file, where the source says how good they are."""

    @property
    def read(self) -> int:
        """Return the raw rows in the source's files."""
        return sum(file.read for file in self.files)

    def rows(self, file: NormalisedFile) -> npt.NDArray[np.int64]:
        """Return the rows of a normalised file that belong to the source."""
        return file.rows(self._condition)

    def bad(self, file: NormalisedFile) -> pa.Table:
        """Return the rows of a file that are no records, as far as they belong to the source."""
        return file.bad_rows(self._condition)

    @property
    def _condition(self) -> str | None:
        return None if self.where is None else self.where.sql

    def quarantined(self) -> dict[str, int]:
        """Count the rows that are no records, by reason."""
        counts = Counter(
            reason for file in self.files for reason in self.bad(file).column("reason").to_pylist()
        )
        return dict(sorted(counts.items()))


def resolve_inputs(
    file: MixtureFile, base: Path, store: Store, *, frozen: bool = False, digests: Digests | None = None
) -> Inputs:
    """Find everything that a mixture reads, with its digests; where none are given, the store's are taken.

    Raises SourceError, StoreError, LockError, SpecError.
    """
    mixture = file.mixture
    compiled = compile_sql(file)
    resolved, versions = resolve_all(file, base, store, frozen=frozen, digests=digests)
    check_licences(file, resolved)
    with told_at_tokenizer(file):
        counter = _counter(mixture.tokenizer, base) if mixture.tokenizer else None
    revisions = {source.name: source.revision for source in resolved if source.revision}
    read = [(source.name, f.origin, f.sha256) for source in resolved for f in source.files]
    others = [("suite", origin, key) for origin, key in suite_inputs(file, base, frozen=frozen)]
    others += _decision_files(file, base)
    others += [("tokenizer", "tokenizer.json", counter.sha256)] if counter else []
    others += _model_inputs(mixture.steps)
    return Inputs(
        sources=resolved, compiled=compiled, counter=counter, revisions=revisions, versions=versions,
        others=tuple(InputEntry(role=role, origin=origin, sha256=key) for role, origin, key in others),
        recipe_id=recipe_id(mixture, revisions, versions), inputs_id=inputs_id([*read, *others]),
    )  # fmt: skip


def _counter(tokenizer: str, base: Path) -> "TokenCounter":
    """Load a tokenizer, and what only counting needs."""
    from tulu_data.mix.tokens import TokenCounter

    return TokenCounter(tokenizer, base)


def _model_inputs(steps: Sequence[Step]) -> list[tuple[str, str, str]]:
    """Return the models that filters ask."""
    if not any(isinstance(step, FilterStep) for step in steps):
        return []
    from tulu_data.filters import models_asked

    return [("model", name, key) for name, key in models_asked(steps).items()]


def _decision_files(file: MixtureFile, base: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (role, path, sha256) of the decisions that a step obeys; raise SpecError where they are none."""
    for i, step in enumerate(file.mixture.steps):
        if isinstance(step, DecontaminateStep) and step.decisions is not None:
            path = base / step.decisions
            if not path.is_file():
                text = f"no file {step.decisions!r} in {base}; tulu-data review writes it, or remove the key"
                raise SpecError([file.document.problem(("steps", i, "decisions"), text)])
            read_decisions(path, step.decisions)
            yield "decisions", step.decisions, sha256_of(path)


class _Wanted(NamedTuple):
    """A file to read in one way, and the sources and conditions that ask for it."""

    file: SourceFile
    reading: Reading
    wheres: list[str]
    names: list[str]


def read_inputs(
    file: MixtureFile, inputs: Inputs, store: Store, workers: int, say: Callable[[str], None]
) -> list[SourceInput]:
    """Normalise every file of every source, each (file, reading) once."""
    mixture = file.mixture
    wanted: dict[tuple[str, Reading], _Wanted] = {}
    readings = {name: Reading.of(mixture.kind, source) for name, source in mixture.sources.items()}
    for source in inputs.sources:
        for f in source.files:
            reading = readings[source.name]
            asked = wanted.setdefault((f.origin, reading), _Wanted(f, reading, [], []))
            asked.names.append(source.name)
            if source.name in inputs.compiled.wheres:
                asked.wheres.append(inputs.compiled.wheres[source.name].sql)
    say(f"read: {len(wanted)} files of {len(inputs.sources)} sources")
    done = _normalise_all(file, list(wanted.values()), store.root / "cache" / "normalised", workers)
    found = dict(zip(wanted, done, strict=True))
    return [
        _source_input(
            file, inputs, source, tuple(found[f.origin, readings[source.name]] for f in source.files)
        )
        for source in inputs.sources
    ]


def _source_input(
    file: MixtureFile, inputs: Inputs, source: ResolvedSource, files: tuple[NormalisedFile, ...]
) -> SourceInput:
    """Put together what is known of a source; its qualities are read where it has them."""
    quality = inputs.compiled.qualities.get(source.name)
    numbers = None
    if quality is not None:
        from tulu_data.sources.quality import record_qualities

        with told_at_source(file, [source.name]):
            numbers = tuple(record_qualities(each, quality) for each in files)
    return SourceInput(
        name=source.name, spec=file.mixture.sources[source.name], resolved=source,
        where=inputs.compiled.wheres.get(source.name), files=files, qualities=numbers,
    )  # fmt: skip


def _normalise_all(
    spec: MixtureFile, work: Sequence[_Wanted], cache: Path, workers: int
) -> list[NormalisedFile]:
    """Normalise files with their conditions; raise StoreError when the disk does not take them."""
    own = threading.local()

    def read(item: _Wanted) -> NormalisedFile:
        # A condition holds a connection, which threads cannot share and which is slow to make.
        compiled: dict[str, Where] = own.__dict__
        for sql in item.wheres:
            if sql not in compiled:
                compiled[sql] = Where(sql)
        wheres = [compiled[sql] for sql in dict.fromkeys(item.wheres)]
        with told_at_source(spec, item.names):
            share = max(1, workers // len(work))
            return normalise(item.file, item.reading, wheres, cache, workers=share)

    try:
        return list(ordered_map(read, work, workers))
    except OSError as error:
        raise StoreError(
            f"{error.filename or cache}: cannot keep the records of a source ({error.strerror or error}); "
            "make room, or choose another store with --store"
        ) from error


def quarantined_table(sources: Sequence[SourceInput]) -> pa.Table:
    """Return every row that was no record: source, origin, reason, detail, raw text."""
    parts = [QUARANTINED.empty_table()]
    for source in sources:
        for file in source.files:
            bad = source.bad(file).sort_by("row")
            origins = [f"{file.file.origin}:{row}" for row in bad.column("row").to_pylist()]
            names = pa.array([source.name] * len(origins), TEXT)
            rest = [bad.column(name) for name in ("reason", "detail", "raw")]
            parts.append(pa.table([names, pa.array(origins, TEXT), *rest], schema=QUARANTINED))
    return pa.concat_tables(parts)
