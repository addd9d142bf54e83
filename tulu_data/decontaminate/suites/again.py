"""Load the suites of a finished scan once more.

The one idea: the paths that the scan was given are looked at again, so that specs and layouts say how
files are read as they did then; a suite that cannot be had is told with the reason and stops no other.
Nothing is fetched, and suites that the scan did not read are passed over.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tulu_data.decontaminate.suites.fetching import fetch_suites
from tulu_data.decontaminate.suites.loading import read_named, read_unnamed
from tulu_data.decontaminate.suites.places import beside, files_at, named_suite, read_spec, specs_at
from tulu_data.decontaminate.suites.suite import Suite
from tulu_data.errors import SuiteError, TuluDataError
from tulu_data.sources.files import SourceFile

Scanned = Mapping[str, Mapping[str, str]]
"""Suites of a scan: the sha256 of each file, by path."""


def load_again(
    paths: Iterable[str], base: Path, scanned: Scanned, *, cache: Path | None = None
) -> tuple[tuple[Suite, ...], dict[str, str]]:
    """Return the suites of a scan that can be read again from its paths, and why others cannot be."""
    suites: dict[str, Suite] = {}
    failed: dict[str, str] = {}
    files: dict[str, tuple[SourceFile, Path]] = {}
    lost: list[str] = []
    for path in paths:
        specs = specs_at(path, base)
        for spec in specs:
            try:
                _of_spec(spec, base, scanned, suites, failed, cache)
            except TuluDataError as error:
                lost.append(str(error))
        try:
            found = files_at(path, base, specs=specs)
        except TuluDataError as error:
            lost.append(str(error))
            continue
        files |= {file.origin: (file, beside(path, base) or file.path.parent) for file in found}
    for name in scanned.keys() - suites.keys() - failed.keys():
        try:
            mine = [files[origin] for origin in scanned[name] if origin in files]
            if not mine:
                raise SuiteError("; ".join(lost) or f"{', '.join(scanned[name])}: no such file, or no suite")
            suites[name] = read_unnamed(name, mine, cache)
        except TuluDataError as error:
            failed[name] = str(error)
    return tuple(suites[name] for name in sorted(suites)), failed


def _of_spec(
    path: Path, base: Path, scanned: Scanned, suites: dict[str, Suite], failed: dict[str, str],
    cache: Path | None,
) -> None:  # fmt: skip
    """Load the suites of one spec that a scan read; raise SpecError or LockError where it is none."""
    spec = read_spec(path, base)
    fetched = fetch_suites(spec, offline=True)
    for name in spec.spec.suites.keys() & scanned.keys():
        try:
            if name in fetched.failed:
                raise SuiteError(fetched.failed[name])
            suites[name] = read_named(named_suite(spec, name, fetched, base), cache)
        except TuluDataError as error:
            failed[name] = str(error)
