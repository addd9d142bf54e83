"""Load suites: from what is kept beside them, or from their files.

The one idea: every file is hashed and few are read; a suite whose files and map are the same as before
is mapped into memory as it was kept, so adding one suite reads one suite.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.decontaminate.suites.cache import SuiteCache
from tulu_data.decontaminate.suites.joining import joined
from tulu_data.decontaminate.suites.maps import OWN
from tulu_data.decontaminate.suites.places import NamedSuite, Places, find_suites
from tulu_data.decontaminate.suites.reading import FileRows, read_files
from tulu_data.decontaminate.suites.suite import Suite
from tulu_data.errors import SuiteError
from tulu_data.sources.files import SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnFile:
    """A file that no spec names, as far as it is known without its rows."""

    file: SourceFile
    folder: Path
    suites: tuple[str | None, ...]
    """Suites that its rows name; None for rows that name none."""
    read: FileRows | None
    """Its rows, where it had to be read."""


def load_suites(
    paths: Iterable[Path | str], base: Path, *, cache: Path | None = None, frozen: bool = False
) -> tuple[Suite, ...]:
    """Load every suite that files, folders (all below them), globs and specs hold, sorted by name.

    Paths are relative to `base`. What is parsed is kept beside the suites, or in the folder `cache`
    where that cannot be written. Raises SuiteError when a path holds no suite or a file is none.
    """
    return load_found(find_suites(paths, base, frozen=frozen), cache)


def load_found(places: Places, cache: Path | None) -> tuple[Suite, ...]:
    """Load the suites that were found, sorted by name."""
    suites = [read_named(suite, cache) for suite in places.named]
    own = _own(places, cache)
    named = {suite.name: suite for suite in places.named}
    for name, files in own.items():
        if name in named:
            raise SuiteError(
                f"{files[0].file.origin}: its rows name the suite {name!r}, "
                f"which {named[name].spec} names too; rename one of them"
            )
        suites.append(_read_own(name, files, cache))
    return tuple(sorted(suites, key=lambda suite: suite.name))


def read_named(suite: NamedSuite, cache: Path | None) -> Suite:
    """Load one suite of a spec."""
    kept = SuiteCache(suite.spec.parent, cache)
    empty = Suite(
        name=suite.name, files=tuple((f.origin, f.sha256) for f in suite.files),
        instances=pa.table({}), role=suite.role, uri=suite.uri, reading=suite.reading.key,
        beside=suite.spec.parent,
    )  # fmt: skip
    owner = f"{suite.spec} {suite.name}"
    found = kept.table(owner, empty.key)
    if found is None:
        read = read_files(suite.files, suite.reading)
        parts = [(file.origin, rows) for file, rows in zip(suite.files, read, strict=True)]
        found = _joined(parts)
        kept.keep(owner, empty.key, *found)
    return _filled(empty, *found)


def _filled(empty: Suite, instances: pa.Table, facts: dict[str, list[tuple[str, int, str]]]) -> Suite:
    """Return a suite with its instances."""
    bad = tuple((path, row, reason) for path, row, reason in facts["bad"])
    return replace(empty, instances=instances, bad=bad)


def _joined(parts: Sequence[tuple[str, FileRows]]) -> tuple[pa.Table, dict[str, list[tuple[str, int, str]]]]:
    """Return the instances of some files, and what is known besides."""
    bad = [(origin, row, reason) for origin, part in parts for row, reason in part.bad]
    return joined([(origin, part.rows) for origin, part in parts]), {"bad": bad}


def read_unnamed(name: str, files: Sequence[tuple[SourceFile, Path]], cache: Path | None) -> Suite:
    """Load one suite from files that no spec names, each given with the folder beside which it is kept."""
    return _read_own(name, [_own_file(file, folder, cache) for file, folder in files], cache)


def _own(places: Places, cache: Path | None) -> dict[str, list[_OwnFile]]:
    """Group the files that no spec names by suite; a file may hold several suites."""
    files = [_own_file(file, folder, cache) for file, folder in places.files]
    taken = {name for one in files for name in one.suites} | {suite.name for suite in places.named}
    names = _file_names([one.file.origin for one in files if None in one.suites], taken)
    grouped: dict[str, list[_OwnFile]] = {}
    for one in files:
        for name in one.suites:
            grouped.setdefault(names[one.file.origin] if name is None else name, []).append(one)
    return grouped


def _own_file(file: SourceFile, folder: Path, cache: Path | None) -> _OwnFile:
    """Find out which suites a file holds."""
    kept = SuiteCache(folder, cache)
    key = sha256(f"{file.sha256} {file.format} {file.compression} {OWN.key}".encode()).hexdigest()
    facts, read = kept.facts(file.origin, key), None
    if facts is None:
        (read,) = read_files([file], OWN)
        facts = {"suites": sorted(read.rows["suite"].unique().to_pylist(), key=lambda name: name or "")}
        kept.keep_facts(file.origin, key, facts)
    return _OwnFile(file=file, folder=folder, suites=tuple(facts["suites"]), read=read)


def _read_own(name: str, files: Sequence[_OwnFile], cache: Path | None) -> Suite:
    """Load one suite that files hold without a spec."""
    kept = SuiteCache(files[0].folder, cache)
    empty = Suite(
        name=name, files=tuple((one.file.origin, one.file.sha256) for one in files), instances=pa.table({}),
        reading=OWN.key, beside=files[0].folder,
    )  # fmt: skip
    owner = f"{files[0].file.origin} {name}"
    found = kept.table(owner, empty.key)
    if found is None:
        parts = [(one.file.origin, _rows_of(one, name)) for one in files]
        found = _joined(parts)
        kept.keep(owner, empty.key, *found)
    return _filled(empty, *found)


def _rows_of(one: _OwnFile, name: str) -> FileRows:
    """Return a file's rows of one suite."""
    read = one.read or read_files([one.file], OWN)[0]
    mine = pc.equal(read.rows["suite"], name) if name in one.suites else read.rows["suite"].is_null()
    return FileRows(rows=read.rows.filter(mine), bad=read.bad)


def _file_names(unnamed: Sequence[str], taken: set[str | None]) -> dict[str, str]:
    """Name files by stem, or by path where a stem is taken, so that no two files share a name."""
    forms = {origin: _forms(origin) for origin in unnamed}
    times = Counter(form for both in forms.values() for form in dict.fromkeys(both))
    return {
        origin: next((f for f in both if times[f] == 1 and f not in taken), origin)
        for origin, both in forms.items()
    }


def _forms(origin: str) -> tuple[str, str]:
    """Return the names a file may give its suite: its stem, its path without suffixes."""
    path = PurePosixPath(origin)
    stem = path.name.split(".", 1)[0] if path.suffix.lower() in (".gz", ".zst", ".bz2", ".xz") else path.stem
    return stem, (path.parent / stem).as_posix()
