"""What an adapter is: the parts it reads, the kinds it gives, and one function over a batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from tulu_data.schema import Kind
from tulu_data.sources.adapters.faults import Faults
from tulu_data.sources.adapters.parts import Parts
from tulu_data.specs.source import Adapter

Content = dict[str, pa.Array]
"""Content columns by name, one value a row; rows with a fault may hold anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One adapter."""

    name: Adapter
    kinds: tuple[Kind, ...]
    """Kinds of record that it can give."""
    parts: Mapping[str, tuple[str, ...]]
    """Every part with the column names under which it is looked for."""
    needs: str
    """The columns it needs, in words."""
    read: Callable[[Parts, Faults, Kind], Content]
    """Read a batch; raises SourceError when a needed column is missing."""
