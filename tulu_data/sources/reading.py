"""How a file is read: what a spec says of it, and the versions of the code that reads.

The one idea: with the bytes of a file this is all that its records depend on. It reads nothing.
"""

from dataclasses import dataclass

from tulu_data.schema import Kind
from tulu_data.specs.source import Adapter, Source

READER_VERSION = 3
"""Raised whenever the same bytes would give other rows, so that caches are written anew."""
ADAPTER_VERSION = 1
"""Raised whenever the same rows would give other records, so that caches are written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Kind, adapter and its settings; hashable, so that two sources over one file share the work."""

    kind: Kind
    adapter: Adapter = "auto"
    columns: tuple[tuple[str, str], ...] = ()
    """Pairs of part and column, sorted."""
    verifier: str | None = None

    @classmethod
    def of(cls, kind: Kind, source: Source) -> "Reading":
        """Return how a spec says that a source is read."""
        return cls(
            kind=kind,
            adapter=source.adapter,
            columns=tuple(sorted(source.columns.items())),
            verifier=source.verifier,
        )

    @property
    def mapping(self) -> dict[str, str]:
        """Column by part."""
        return dict(self.columns)
