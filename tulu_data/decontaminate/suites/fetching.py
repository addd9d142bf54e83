"""Suites on the hub: fetched once, at the commit that the lock beside their spec pins.

The one idea: a hub suite is a hub source of a spec, pinned in the same kind of lock by the same code,
so its bytes are known before they are read. Nothing is fetched that no spec names.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tulu_data.errors import LockError, SourceError
from tulu_data.sources.files import SourceFile
from tulu_data.sources.hub import HubPlace, resolve_hub
from tulu_data.sources.hub_errors import NO_CONNECTION
from tulu_data.specs.lock import Lock, SourcePin, check_frozen, fitting_pin, read_lock, write_lock
from tulu_data.specs.suite import SuiteFile, SuiteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What became of the hub suites of one spec."""

    files: dict[str, tuple[SourceFile, ...]]
    """Files of each suite that could be had."""
    pins: dict[str, SourcePin]
    """Every pin that the lock should hold, those too of suites that were not asked for."""
    failed: dict[str, str]
    """Reason for each suite that could not."""


def fetch_suites(
    file: SuiteFile,
    *,
    only: Collection[str] | None = None,
    moving: Collection[str] = (),
    frozen: bool = False,
    offline: bool = False,
    say: Callable[[str], None] | None = None,
) -> Fetched:
    """Bring the hub suites of a spec into the hub's cache, by their pins where they have one.

    `only` names suites, default all; the pins of those in `moving` are not obeyed but replaced;
    `frozen` refuses what is not pinned. `say` is told of each suite before it is asked for. After
    the first failure to connect nothing more is asked. Raises LockError.
    """
    lock = read_lock(file.path)
    hub = {name: suite for name, suite in file.spec.suites.items() if suite.is_hub}
    pins = {name: _fitting(lock, name, suite) for name, suite in hub.items()}
    if frozen:
        check_frozen(file.path, pins)
    known = {name: pin for name, pin in pins.items() if pin is not None}
    files: dict[str, tuple[SourceFile, ...]] = {}
    failed: dict[str, str] = {}
    silent: str | None = None
    for name, suite in hub.items():
        if only is not None and name not in only:
            continue
        if say is not None:
            say(name)
        try:
            pin, files[name] = _resolved(suite, None if name in moving else known.get(name), offline=offline)
            known[name] = pin
        except (SourceError, LockError) as error:
            failed[name] = str(error) if silent is None else f"{suite.uri}: not asked for after {silent}"
            if NO_CONNECTION in str(error):
                silent, offline = name, True
    return Fetched(files=files, pins=known, failed=failed)


def keep_pins(file: SuiteFile, fetched: Fetched) -> None:
    """Write down what was fetched; raise LockError when that cannot be done."""
    if fetched.pins or read_lock(file.path).sources:
        write_lock(file.path, Lock(version=1, sources=fetched.pins))


def _fitting(lock: Lock, name: str, suite: SuiteSource) -> SourcePin | None:
    return fitting_pin(
        lock, name, uri=suite.uri, revision=suite.revision, config=suite.config, split=suite.split
    )


def _resolved(
    suite: SuiteSource, pin: SourcePin | None, *, offline: bool
) -> tuple[SourcePin, tuple[SourceFile, ...]]:
    """Return the pin and the files of one suite."""
    place = HubPlace.parse(suite.uri, revision=suite.revision, config=suite.config, split=suite.split)
    found, files, _ = resolve_hub(place, pin=pin, offline=offline)
    return found, files
