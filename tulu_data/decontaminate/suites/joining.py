"""Join the rows of a suite's files: one instance each, however many rows repeat it.

The one idea: (split, id) names an instance. Rows that agree on it and on what is asked are the same
instance; where another question has the id, the row's place joins the id, and nothing is lost.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.decontaminate.suites.fields import INSTANCES, ROWS


def joined(parts: Sequence[tuple[str, pa.Table]]) -> pa.Table:
    """Return the instances of some files' rows, given with their origins; schema INSTANCES."""
    rows = pa.concat_tables([part for _, part in parts]).combine_chunks()
    codes = {n: _codes(rows[n]) for n in ("split", "id", "question", "passage")}
    _, first, group = np.unique(codes["split"] << 32 | codes["id"], return_index=True, return_inverse=True)
    if all((codes[n] == codes[n][first][group]).all() for n in ("question", "passage")):
        instances = rows if len(first) == rows.num_rows else rows.take(np.sort(first))
    else:
        instances = _told_apart(rows, [origin for origin, part in parts for _ in range(part.num_rows)])
    return instances.select(INSTANCES.names)


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Give numbers to values, equal ones alike, null too."""
    codes = column.combine_chunks().dictionary_encode("encode").indices
    return np.asarray(codes.to_numpy(zero_copy_only=False), np.int64)


def _told_apart(rows: pa.Table, origins: Sequence[str]) -> pa.Table:
    """Keep each instance once; where another question has an id, the row's place joins the id."""
    known: dict[tuple[str, str], tuple[str, str | None]] = {}
    kept: list[int] = []
    columns = [rows[n].to_pylist() for n in ("number", "split", "id", "question", "passage")]
    for k, (number, split, key, question, passage) in enumerate(zip(*columns, strict=True)):
        own = split, key
        if known.get(own, (question, passage)) != (question, passage):
            own = split, f"{key} ({origins[k]}:{number})"
        if own not in known:
            known[own] = question, passage
            kept.append(k)
    ids = pa.array([key for _, key in known], ROWS.field("id").type)
    return rows.take(kept).set_column(ROWS.get_field_index("id"), "id", ids)
