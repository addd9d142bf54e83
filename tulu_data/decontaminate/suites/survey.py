"""Look at suites without asking for more than is here, and fetch those that a person names."""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from tulu_data.decontaminate.suites.fetching import fetch_suites, keep_pins
from tulu_data.decontaminate.suites.loading import load_found, read_named
from tulu_data.decontaminate.suites.places import MissingSuite, find_suites, read_spec, spec_suites
from tulu_data.decontaminate.suites.suite import Suite
from tulu_data.errors import SuiteError, nearest
from tulu_data.specs.suite import SuiteFile


def survey_suites(
    paths: Iterable[Path | str], base: Path, *, cache: Path | None = None
) -> tuple[tuple[Suite, ...], tuple[MissingSuite, ...]]:
    """Return the suites of some paths that are here, and those that are not fetched; ask nobody."""
    places = find_suites(paths, base, offline=True)
    return load_found(places, cache), places.missing


def pin_suites(file: SuiteFile, *, moving: Collection[str]) -> None:
    """Pin every hub suite of a spec, and move the pins of some; raise SuiteError where one cannot be had."""
    fetched = fetch_suites(file, moving=moving)
    keep_pins(file, fetched)
    for name, reason in fetched.failed.items():
        raise SuiteError(f"{file.document.name}: suites.{name}: {reason}")


def fetch_spec(
    path: Path,
    base: Path,
    *,
    only: Sequence[str] = (),
    update: bool = False,
    cache: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[list[Suite], dict[str, str]]:
    """Fetch and pin the hub suites of a spec, or some; return them, and why others could not be had.

    `update` moves the pins of those that are asked for. Raises SuiteError for a name that is no hub suite.
    """
    file = read_spec(path, base)
    hub = [name for name, suite in file.spec.suites.items() if suite.is_hub]
    for name in only:
        if name not in hub:
            known = ", ".join(hub) or "none"
            raise SuiteError(f"{file.document.name}: no hub suite {name!r}{nearest(name, hub)} (has {known})")
    wanted = only or hub
    fetched = fetch_suites(file, only=wanted, moving=wanted if update else (), say=say)
    keep_pins(file, fetched)
    failed = dict(fetched.failed)
    suites = []
    for found in spec_suites(file, fetched, base, only=[*fetched.files]):
        try:
            suites.append(read_named(found, cache))
        except SuiteError as error:
            failed[found.name] = str(error)
    return suites, failed
