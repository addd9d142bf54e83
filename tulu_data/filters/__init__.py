"""One file per filter: a record batch in, the records to drop out.

A filter is a pure function of a batch and its kind; its name is the reason under which a dropped
record is counted.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.filters.empty_turn import empty_turn
from tulu_data.filters.identity import identity
from tulu_data.filters.refusal import refusal
from tulu_data.schema import Kind
from tulu_data.specs.mixture import DropFilter

Filter = Callable[[pa.RecordBatch, Kind], npt.NDArray[np.bool_]]

FILTERS: dict[DropFilter, Filter] = {
    "empty_turn": empty_turn,
    "identity": identity,
    "refusal": refusal,
}

__all__ = ["FILTERS", "Filter"]
