"""The table of clusters: every record that has a duplicate, with the one that stays for it.

The one idea: a cluster is named by the id of its record that stays, and its rows stand together, that record
first; so the table reads from top to bottom, the same whatever order records were read in. It finds nothing.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.dedup.finder import KEPT, REASONS, Outcome
from tulu_data.kernels.words import Hashes
from tulu_data.schema import TEXT

CLUSTERS = pa.schema(
    [
        ("cluster", TEXT), ("size", pa.int64()), ("dataset", TEXT), ("source", TEXT), ("origin", TEXT),
        ("id", TEXT), ("kept", pa.bool_()), ("reason", TEXT), ("stands", TEXT), ("jaccard", pa.float64()),
        ("containment", pa.float64()),
    ]
)  # fmt: skip
"""`stands` is the origin of the record that one was found to be like, which may itself have been dropped in
a later round; `cluster` is the id of the one that stays. `jaccard` and `containment` are with `stands`."""


def clusters_of(outcome: Outcome, ids: Hashes, places: pa.Table) -> pa.Table:
    """Lay out the clusters; `places` has the columns dataset, source and origin of every record."""
    stays = outcome.stays
    sizes = np.bincount(stays, minlength=len(stays))
    rows = np.flatnonzero(sizes[stays] > 1)
    named = id_texts(ids)
    kept = stays[rows] == rows
    reason = pa.array(REASONS, TEXT).take(pa.array(outcome.reason[rows]))
    found = pa.table(
        [
            named.take(pa.array(stays[rows])), pa.array(sizes[stays[rows]]),
            *(places[name].take(pa.array(rows)) for name in ("dataset", "source", "origin")),
            named.take(pa.array(rows)), pa.array(kept),
            pc.if_else(pa.array(outcome.reason[rows] == KEPT), pa.scalar(None, TEXT), reason),
            places["origin"].take(pa.array(outcome.alike[rows], mask=kept)),
            pa.array(outcome.jaccard[rows], mask=kept), pa.array(outcome.containment[rows], mask=kept),
        ],
        schema=CLUSTERS,
    )  # fmt: skip
    order = [("size", "descending"), ("cluster", "ascending"), ("kept", "descending"), ("id", "ascending")]
    return found.sort_by([*order, ("dataset", "ascending"), ("origin", "ascending")])


def id_texts(ids: Hashes) -> pa.Array:
    """Return record ids as people read them."""
    digits = ids.astype(">u8").tobytes().hex()
    offsets = pa.py_buffer(np.arange(0, len(digits) + 1, 32, dtype=np.int64))
    return pa.Array.from_buffers(TEXT, len(ids), [None, offsets, pa.py_buffer(digits.encode())])
