"""Which suites some paths stand for: specs, the files that they name, and files that no spec names.

The one idea: everything is found and hashed here and nothing is read, so a plan can know the suites'
content before a file is parsed. What a path stands for is never narrowed in silence: a suite that a
spec names and that cannot be had is an error, with the command that gets it.
"""

import glob
import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from tulu_data.decontaminate.suites.fetching import Fetched, fetch_suites, keep_pins
from tulu_data.decontaminate.suites.maps import OWN, Reading
from tulu_data.errors import SourceError, SpecError, SuiteError
from tulu_data.sources.files import SourceFile, find_files
from tulu_data.specs.suite import Role, SuiteFile, SuiteSource, read_suites

_SPEC = (".yaml", ".yml")
_LOCK = (".lock.yaml", ".lock.yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSuite:
    """A suite that a spec names, found and not yet read."""

    name: str
    uri: str
    role: Role | None
    files: tuple[SourceFile, ...]
    reading: Reading
    spec: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSuite:
    """A suite that a spec names, and that is not here."""

    name: str
    suite: SuiteSource
    spec: SuiteFile
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What some paths stand for."""

    named: tuple[NamedSuite, ...]
    files: tuple[tuple[SourceFile, Path], ...]
    """Files that no spec names, each with the folder beside which it is kept."""
    missing: tuple[MissingSuite, ...] = ()
    """Suites of specs that are not fetched; only where they were allowed to be missing."""

    def inputs(self) -> list[tuple[str, str]]:
        """Return what the suites depend on: origins, and one hash of bytes and reading for each."""
        read = [(file.origin, file.sha256, OWN.key) for file, _ in self.files]
        read += [
            (file.origin, file.sha256, f"{suite.name} {suite.role} {suite.reading.key}")
            for suite in self.named
            for file in suite.files
        ]
        return [(origin, sha256(f"{a} {b}".encode()).hexdigest()) for origin, a, b in read]


def find_suites(
    paths: Iterable[Path | str], base: Path, *, frozen: bool = False, offline: bool = False
) -> Places:
    """Find every suite of some files, folders (all below them), globs and specs.

    Paths are relative to `base`. Hub suites are fetched on first use; `frozen` refuses those that are
    not pinned, `offline` asks nobody and returns those that are not here as missing. Raises
    SuiteError, SpecError or LockError.
    """
    specs: dict[Path, None] = {}
    files: dict[str, tuple[SourceFile, Path]] = {}
    for path in paths:
        found = specs_at(str(path), base)
        specs |= dict.fromkeys(found)
        folder = beside(str(path), base)
        for file in files_at(str(path), base, specs=found):
            files.setdefault(file.origin, (file, folder or file.path.parent))
    named: list[NamedSuite] = []
    missing: list[MissingSuite] = []
    for path in sorted(specs):
        spec = read_spec(path, base)
        fetched = fetch_suites(spec, frozen=frozen, offline=offline)
        keep_pins(spec, fetched)
        if fetched.failed and not offline:
            raise _not_fetched(spec, fetched)
        named += spec_suites(spec, fetched, base)
        missing += [
            MissingSuite(name=name, suite=spec.spec.suites[name], spec=spec, reason=reason)
            for name, reason in fetched.failed.items()
        ]
    _refuse_twice(named)
    return Places(named=tuple(named), files=tuple(_unnamed(files, named)), missing=tuple(missing))


def _unnamed(
    files: Mapping[str, tuple[SourceFile, Path]], named: Sequence[NamedSuite]
) -> Iterator[tuple[SourceFile, Path]]:
    """Yield the files that no spec names, by origin."""
    paths = {file.path.resolve() for suite in named for file in suite.files} if files else set()
    for origin in sorted(files):
        if files[origin][0].path.resolve() not in paths:
            yield files[origin]


def read_spec(path: Path, base: Path) -> SuiteFile:
    """Read a suite spec, which mistakes name as a person would from `base`."""
    return read_suites(path, shown_from(path, base))


def spec_suites(
    file: SuiteFile, fetched: Fetched, base: Path, *, only: Collection[str] | None = None
) -> list[NamedSuite]:
    """Return the suites of a spec, or some, whose files are here.

    Raises SpecError where a local one is missing.
    """
    problems: list[str] = []
    found = []
    for name, suite in file.spec.suites.items():
        if (only is not None and name not in only) or (suite.is_hub and name not in fetched.files):
            continue
        try:
            found.append(named_suite(file, name, fetched, base))
        except SourceError as error:
            problems.append(file.document.problem(("suites", name, "uri"), str(error)))
    if problems:
        raise SpecError(problems)
    return found


def named_suite(file: SuiteFile, name: str, fetched: Fetched, base: Path) -> NamedSuite:
    """Return one suite of a spec; raise SourceError where its files are missing."""
    suite = file.spec.suites[name]
    files = fetched.files[name] if suite.is_hub else _local_files(suite, file.path.parent, base)
    reading = Reading.of(suite, several=len(files) > 1)
    return NamedSuite(
        name=name, uri=suite.uri, role=suite.role, files=files, reading=reading, spec=file.path
    )  # fmt: skip


def _not_fetched(file: SuiteFile, fetched: Fetched) -> SuiteError:
    """Say which suites of a spec cannot be had, why, and what to do."""
    shown, failed = file.document.name, fetched.failed
    reason, _, remedy = next(iter(failed.values())).partition("; ")
    others = f", and {len(failed) - 1} more" if len(failed) > 1 else f"; {remedy}" if remedy else ""
    return SuiteError(
        f"{shown}: {len(failed)} of {len(file.spec.suites)} suites are not here: {', '.join(sorted(failed))} "
        f"({reason}{others}); fetch them: tulu-data evals fetch {shlex.quote(shown)}; "
        "or name other suites instead of all"
    )


def specs_at(path: str, base: Path) -> list[Path]:
    """Return the suite specs that a path stands for."""
    anchored = base / Path(path.removeprefix("file://")).expanduser()
    if anchored.is_file():
        return [anchored] if anchored.suffix in _SPEC else []
    matched = [anchored] if anchored.exists() else [Path(p) for p in glob.glob(str(anchored), recursive=True)]  # noqa: PTH207
    below = [p for m in matched for p in (sorted(m.rglob("*")) if m.is_dir() else [m])]
    return [p for p in below if p.suffix in _SPEC and not p.name.endswith(_LOCK) and not _hidden(p, anchored)]


def _hidden(path: Path, above: Path) -> bool:
    """Tell whether a path lies in a hidden folder below another one."""
    inside = path.relative_to(above).parts if path.is_relative_to(above) else path.parts[-1:]
    return any(part.startswith(".") for part in inside)


def files_at(path: str, base: Path, *, specs: Sequence[Path]) -> tuple[SourceFile, ...]:
    """Return the data files of one path, with an error that speaks of suites where there is neither."""
    if len(specs) == 1 and specs[0] == base / Path(path).expanduser():
        return ()
    try:
        return find_files(path, base)
    except SourceError as error:
        if specs:
            return ()
        raise SuiteError(
            f"{error}; eval suites are jsonl, json, csv or parquet files with a column 'question', "
            "or specs (.yaml) that say how others are read"
        ) from None


def beside(path: str, base: Path) -> Path | None:
    """Return the folder that a path names, None where it names files."""
    anchored = base / Path(path.removeprefix("file://")).expanduser()
    return anchored if anchored.is_dir() else None


def _local_files(suite: SuiteSource, folder: Path, base: Path) -> tuple[SourceFile, ...]:
    """Return the files of a suite, which its spec names relative to its own folder."""
    uri = suite.uri
    while uri.startswith("../"):
        # The spec's own folder need not be there yet.
        folder, uri = folder.parent, uri.removeprefix("../")
    found = find_files(uri, folder)
    return tuple(replace(file, origin=shown_from(file.path, base)) for file in found)


def shown_from(path: Path, base: Path) -> str:
    """Name a path as seen from the base, or in full where it lies elsewhere."""
    straight = Path(os.path.normpath(path))
    return straight.relative_to(base).as_posix() if straight.is_relative_to(base) else straight.as_posix()


def _refuse_twice(named: Sequence[NamedSuite]) -> None:
    """Raise SuiteError when two specs name the same suite."""
    first: dict[str, NamedSuite] = {}
    for suite in named:
        other = first.setdefault(suite.name, suite)
        if other is not suite:
            raise SuiteError(
                f"suite {suite.name!r} is in {other.spec} and in {suite.spec}; rename one of them"
            )
