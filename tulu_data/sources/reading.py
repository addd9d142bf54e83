"""How a source is read: what decides the records that a file gives, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

from tulu_data.schema import Kind
from tulu_data.specs.source import Adapter, Source


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
            kind=kind, adapter=source.adapter, columns=_pairs(source.columns), verifier=source.verifier
        )

    @property
    def mapping(self) -> dict[str, str]:
        """Column by part."""
        return dict(self.columns)


def _pairs(columns: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(columns.items()))
