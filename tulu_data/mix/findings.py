"""What the steps of a mixture found, besides the records that they dropped."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What steps found; nothing where there are none."""

    duplicates: tuple[dict[str, Any], ...] = ()
    """What the manifest says of each dedup step."""
    decontamination: dict[str, Any] | None = None
    tables: dict[str, pa.Table] = field(default_factory=dict)
    """What the version keeps of it: hits, and clusters with the number of their step."""
