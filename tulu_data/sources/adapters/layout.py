"""What an adapter is: the parts it reads, the kinds it gives, and one function over a batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from tulu_data.schema import Kind
from tulu_data.sources.adapters.faults import Faults
from tulu_data.sources.adapters.parts import Parts
from tulu_data.specs.adapters import FORMS
from tulu_data.specs.source import Adapter

Content = dict[str, pa.Array]
"""Content columns by name, one value a row; rows with a fault may hold anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One adapter."""

    name: Adapter
    """Its name in specs, and that of its form in `FORMS`."""
    read: Callable[[Parts, Faults, Kind], Content]
    """Read a batch; raises SourceError when a needed column is missing."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds of record that it can give."""
        return FORMS[self.name].kinds

    @property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Return every part with the column names under which it is looked for."""
        return FORMS[self.name].parts

    @property
    def needs(self) -> str:
        """Return the columns it needs, in words."""
        return FORMS[self.name].needs
