"""One file per filter: a record batch in, evidence on the records to drop out.

A filter is a pure function of a batch, its kind and the filter's settings; its name is the reason under
which a dropped record is counted. What it finds in a record depends on nothing else, so it can be kept:
`version` rises when it starts to find something else in the same text.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import pyarrow as pa

from tulu_data.errors import MissingExtraError
from tulu_data.filters.detector import PACKAGE
from tulu_data.filters.empty_turn import empty_turn
from tulu_data.filters.identity import identity
from tulu_data.filters.keyword import keyword
from tulu_data.filters.language import language
from tulu_data.filters.refusal import refusal
from tulu_data.filters.repetition import repeats
from tulu_data.schema import Kind
from tulu_data.specs.base import Spec
from tulu_data.specs.filters import FilterName
from tulu_data.specs.steps import FilterStep

Find = Callable[[pa.RecordBatch, Kind, Spec], pa.Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """How records to drop are found."""

    find: Find
    """Gives JSON about each record that is to be dropped, null for the others."""
    version: int
    package: str | None = None
    """Library whose model it asks, if any: another release may find something else."""

    @property
    def key(self) -> str:
        """Name all code that its findings depend on."""
        return f"{self.version}" if self.package is None else f"{self.version} {_release(self.package)}"


FILTERS: dict[FilterName, Filter] = {
    "empty_turn": Filter(find=empty_turn, version=2),
    "identity": Filter(find=identity, version=2),
    "keyword": Filter(find=keyword, version=1),
    "language": Filter(find=language, version=2, package=PACKAGE),
    "refusal": Filter(find=refusal, version=2),
    "repetition": Filter(find=repeats, version=1),
}
"""The filters that look at text. What a source's own columns say (`date`), they cannot see."""


def models_asked(steps: Iterable[object]) -> dict[str, str]:
    """Return a digest for each library whose model the filters of steps ask: of its release.

    Raises MissingExtraError where it is not installed.
    """
    entries = (entry for step in steps if isinstance(step, FilterStep) for entry in step.drop)
    packages = {FILTERS[entry.name].package for entry in entries if entry.name in FILTERS}
    return {name: sha256(_release(name).encode()).hexdigest() for name in sorted(filter(None, packages))}


def _release(package: str) -> str:
    try:
        return installed(package)
    except PackageNotFoundError:
        raise MissingExtraError("filter language", "language", package) from None


__all__ = ["FILTERS", "Filter", "Find", "models_asked"]
