"""Where a version comes from and what was made of it: sources, steps, suites, other versions, models.

The one idea: every version names its inputs in its own account, so the chain is followed by reading accounts,
up through the versions that it was made of, and down through those of the store that name it. A version
that is named and not there is a part of the chain too. No record is read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any

from tulu_data.account.tables import side_table
from tulu_data.errors import SpecError, StoreError
from tulu_data.specs.document import read_document
from tulu_data.store import SourceEntry, Store, Version
from tulu_data.store.version import SHORT

_STORED = re.compile(r"(?P<name>[a-z0-9][a-z0-9_.-]*)@(?P<id>[0-9a-f]{64})")
_TRAINING, _CHECKPOINT = "model/training.json", "checkpoints/*/checkpoint.json"
"""What trainers write below the folder of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One source of a version."""

    entry: SourceEntry
    version: "Line | None"
    """The stored version that it is, where it is one."""
    attached: Mapping[str, str]
    """What a query saw, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One step on the way to a version, and what it compared records with."""

    name: str
    dropped: Mapping[str, int]
    """Records by reason; steps of one name share their reasons, which stand at the first of them."""
    suites: tuple[Mapping[str, Any], ...] = ()
    against: tuple["Line", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A version with all that it was made of."""

    ref: str
    content_id: str
    version: Version | None
    """None where the store does not have it, or not whole."""
    origins: tuple[Origin, ...] = ()
    steps: tuple[StepLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A run that trained on a version, or does."""

    run: str
    """Its folder, as found below that of all runs."""
    steps: int
    base: str
    """Model that it started from."""
    is_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A version that was made of another, and what was made of it in turn."""

    version: Version
    of: tuple[str, ...]
    """What the other is to it: `source NAME`, or `dedup` where records were compared with it."""
    made: tuple["Made", ...]
    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A version with all that it was made of and all that was made of it."""

    line: Line
    made: tuple[Made, ...]
    models: tuple[Model, ...]


def lineage(version: Version, store: Store, runs: Path) -> Lineage:
    """Follow the chain of a version; `runs` is the folder of training runs, where there is one."""
    known = [one for name in store.names() for one in _opened(store, name)]
    models: dict[str, list[Model]] = {}
    for content_id, model in _models(runs):
        models.setdefault(content_id, []).append(model)
    return Lineage(
        line=_line(version, store, {}), made=tuple(_made(version, known, models)),
        models=tuple(models.get(version.content_id, ())),
    )  # fmt: skip


def _opened(store: Store, name: str) -> Iterator[Version]:
    """Open the versions of a name that are whole."""
    for content_id in store.ids(name):
        try:
            yield Version.open(store.root / name / content_id)
        except StoreError:
            continue


def _line(version: Version, store: Store, seen: dict[str, Line]) -> Line:
    """Return a version with what it was made of; one that comes up twice is the same value."""
    key = f"{version.name}@{version.content_id}"
    if key not in seen:
        # An account that was renewed later may name what came of the version.
        seen[key] = Line(ref=version.ref, content_id=version.content_id, version=version)
        spec = _spec(version)
        sources = spec.get("sources", {})
        said = [(entry, sources.get(entry.name, {})) for entry in version.manifest.sources]
        origins = tuple(
            Origin(
                entry=entry, version=_named(str(one.get("uri", "")), store, seen),
                attached=one.get("attach", {}),
            )
            for entry, one in said
        )  # fmt: skip
        seen[key] = Line(
            ref=version.ref, content_id=version.content_id, version=version, origins=origins,
            steps=tuple(_steps(version, spec, store, seen)),
        )  # fmt: skip
    return seen[key]


def _spec(version: Version) -> dict[str, Any]:
    """Read the resolved spec of a version as plain data."""
    data: Any = read_document(version.path / "spec.yaml").data
    if not isinstance(data, dict):
        raise SpecError([f"{version.path / 'spec.yaml'}:1:1 not a spec; see tulu-data verify {version.ref}"])
    return data


def _named(text: str, store: Store, seen: dict[str, Line]) -> Line | None:
    """Follow a stored version that a resolved spec names."""
    found = _STORED.fullmatch(text)
    if found is None:
        return None
    try:
        return _line(Version.open(store.root / found["name"] / found["id"]), store, seen)
    except StoreError:
        return Line(ref=f"{found['name']}@{found['id'][:SHORT]}", content_id=found["id"], version=None)


def _steps(version: Version, spec: dict[str, Any], store: Store, seen: dict[str, Line]) -> Iterator[StepLine]:
    """Yield the steps of a spec with what they dropped and compared records with."""
    table = side_table(version, "dropped", ["step", "reason"])
    rows = table.group_by(["step", "reason"]).aggregate([([], "count_all")]).to_pylist()
    counts: dict[str, dict[str, int]] = {}
    for row in sorted(rows, key=lambda one: (-int(one["count_all"]), str(one["reason"]))):
        counts.setdefault(row["step"], {})[row["reason"]] = row["count_all"]
    for step in spec.get("steps", ()):
        name, report = step["step"], version.manifest.decontamination
        suites = report["suites"] if name == "decontaminate" and report else ()
        named = step.get("against", ()) if name == "dedup" else ()
        lines = (_named(str(ref), store, seen) for ref in named)
        yield StepLine(
            name=name, dropped=counts.pop(name, {}), suites=tuple(suites),
            against=tuple(line for line in lines if line is not None),
        )  # fmt: skip


def _made(
    version: Version,
    known: list[Version],
    models: Mapping[str, list[Model]],
    above: frozenset[str] = frozenset(),
) -> Iterator[Made]:
    """Yield the versions that name one as what they were made of, each with what was made of it.

    `above` are those that it was made of in turn: an account that was renewed later may name what came of it.
    """
    key = f"{version.name}@{version.content_id}"
    for other in known:
        # A name of 64 digits in the text of a spec is rare, and to parse every spec is slow.
        if other.ref in above or other.ref == version.ref or key not in _text(other):
            continue
        spec = _spec(other)
        of = [f"source {name}" for name, one in spec.get("sources", {}).items() if one.get("uri") == key]
        of += [step["step"] for step in spec.get("steps", ()) if key in step.get("against", ())]
        if of:
            yield Made(
                version=other, of=tuple(of), made=tuple(_made(other, known, models, above | {version.ref})),
                models=tuple(models.get(other.content_id, ())),
            )  # fmt: skip


def _text(version: Version) -> str:
    try:
        return (version.path / "spec.yaml").read_text("utf-8", "replace")
    except OSError:
        return ""


def _models(runs: Path) -> Iterator[tuple[str, Model]]:
    """Yield (content id of the data, model) of every run that says so; others are nobody's."""
    done = {path.parent.parent for path in sorted(runs.glob(f"**/{_TRAINING}"))}
    for run in sorted(done):
        about = _json(run / _TRAINING)
        summary, config = about.get("summary", {}), about.get("config", {})
        if "content_id" in summary:
            yield summary["content_id"], Model(
                run=run.relative_to(runs.parent).as_posix(), steps=int(summary.get("steps", 0)),
                base=str(config.get("model", "")), is_done=True,
            )  # fmt: skip
    newest = {path.parents[2]: path for path in sorted(runs.glob(f"**/{_CHECKPOINT}"))}
    for run, path in sorted(newest.items()):
        about = _json(path)
        if run not in done and "content_id" in about.get("version", {}):
            yield about["version"]["content_id"], Model(
                run=run.relative_to(runs.parent).as_posix(),
                steps=int(about.get("progress", {}).get("step", 0)),
                base=str(about.get("config", {}).get("model", "")), is_done=False,
            )  # fmt: skip


def _json(path: Path) -> dict[str, Any]:
    """Read a file of a run, empty where it is torn."""
    try:
        data = loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
