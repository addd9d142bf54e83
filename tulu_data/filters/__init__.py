"""One file per filter: a record batch in, the records to drop out.

A filter is a pure function of a batch and its kind; its name is the reason under which a dropped
record is counted.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.filters.empty_turn import empty_turn
from tulu_data.filters.identity import IDENTITY, identity
from tulu_data.filters.refusal import REFUSAL, refusal
from tulu_data.filters.turns import excerpts
from tulu_data.schema import Kind
from tulu_data.specs.steps import DropFilter

Filter = Callable[[pa.RecordBatch, Kind], npt.NDArray[np.bool_]]

FILTERS: dict[DropFilter, Filter] = {
    "empty_turn": empty_turn,
    "identity": identity,
    "refusal": refusal,
}

PATTERNS: dict[str, str] = {"identity": IDENTITY, "refusal": REFUSAL}
"""What the filters that match answers look for; the matched text is a dropped record's evidence."""

__all__ = ["FILTERS", "PATTERNS", "Filter", "excerpts"]
