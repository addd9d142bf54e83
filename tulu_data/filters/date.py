"""Drop records that were made before or after a moment, or of which nobody knows when.

It sees dates alone: where they come from is the source's business.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.filters.evidence import EXCERPT, evidence
from tulu_data.filters.turns import marks
from tulu_data.schema import TEXT
from tulu_data.specs.filters import Dated, moment


def outside(dates: pa.Table, settings: Dated) -> pa.Array:
    """Find records whose date is not in the span that stays."""
    moments = dates.column("moment").combine_chunks()
    gone = np.zeros(len(moments), np.bool_)
    if settings.after is not None:
        gone |= marks(pc.less(moments, _scalar(settings.after, moments)))
    if settings.before is not None:
        gone |= marks(pc.greater_equal(moments, _scalar(settings.before, moments)))
    rows = np.flatnonzero(gone)
    shown = moments.take(pa.array(rows)).cast(TEXT).to_pylist()
    found = zip(rows.tolist(), shown, strict=True)
    return evidence(len(moments), ((row, {"date": text}) for row, text in found))


def without(dates: pa.Table) -> pa.Array:
    """Find records that have no date, or something that is none in its place."""
    return evidence(dates.num_rows, _undated(dates))


def _undated(dates: pa.Table) -> Iterator[tuple[int, dict[str, Any]]]:
    moments, wrong = (dates.column(name).combine_chunks() for name in ("moment", "wrong"))
    for row in np.flatnonzero(marks(moments.is_null())).tolist():
        text = wrong[row].as_py()
        yield row, {"date": None if text is None else text[:EXCERPT]}


def _scalar(text: str, moments: pa.Array) -> pa.Scalar:
    return pa.scalar(moment(text), moments.type)
