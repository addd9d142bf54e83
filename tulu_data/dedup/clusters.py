"""The table of clusters: every record that has a duplicate, with the one that stays for it.

The one idea: a cluster is named by the id of its record that stays, and its rows stand together, that record
first; so the table reads from top to bottom, the same whatever order records were read in. Where a record
stands, whoever read it says. It finds nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.dedup.finder import Outcome
from tulu_data.dedup.reasons import REASONS
from tulu_data.kernels.words import Hashes, Ints
from tulu_data.schema import TEXT

PLACES = pa.schema([(name, TEXT) for name in ("dataset", "source", "origin")])
"""Where records stand that were read from several datasets."""
Places = Callable[[Ints], pa.Table]
"""Tells where the records of some rows stand, in columns of text; the last is `origin`, as `file:row`."""


def clusters_schema(places: pa.Schema) -> pa.Schema:
    """Return the columns of clusters whose records stand in such places.

    `stands` is the origin of the record that one was found to be like, which may itself have been dropped in
    a later round; `cluster` is the id of the one that stays. `jaccard` and `containment` are with `stands`.
    """
    return pa.schema(
        [
            ("cluster", TEXT), ("size", pa.int64()), *places, ("id", TEXT), ("kept", pa.bool_()),
            ("reason", TEXT), ("stands", TEXT), ("jaccard", pa.float64()), ("containment", pa.float64()),
        ]
    )  # fmt: skip


CLUSTERS = clusters_schema(PLACES)
"""Of several datasets."""


def clusters_of(outcome: Outcome, ids: Hashes, places: Places) -> pa.Table:
    """Lay out the clusters, one row a record."""
    stays = outcome.stays
    sizes = np.bincount(stays, minlength=len(stays))
    rows = np.flatnonzero(sizes[stays] > 1)
    kept = stays[rows] == rows
    reason = pa.array(REASONS, TEXT).take(pa.array(outcome.reason[rows]))
    placed, alike = places(rows), places(np.where(kept, rows, outcome.alike[rows]))
    columns = [
        id_texts(ids[stays[rows]]), pa.array(sizes[stays[rows]]), *placed.columns, id_texts(ids[rows]),
        pa.array(kept), pc.if_else(pa.array(kept), pa.scalar(None, TEXT), reason),
        pc.if_else(pa.array(kept), pa.scalar(None, TEXT), alike["origin"]),
        pa.array(outcome.jaccard[rows], mask=kept), pa.array(outcome.containment[rows], mask=kept),
    ]  # fmt: skip
    found = pa.table(columns, schema=clusters_schema(placed.schema))
    order = [("size", "descending"), ("cluster", "ascending"), ("kept", "descending"), ("id", "ascending")]
    return found.sort_by([*order, *((name, "ascending") for name in placed.column_names)])


def counts_of(outcome: Outcome, clusters: pa.Table) -> dict[str, Any]:
    """Return what a search found in numbers, as JSON values."""
    near = outcome.near
    return {
        "clusters": pc.count_distinct(clusters["cluster"]).as_py(),
        "largest": pc.max(clusters["size"]).as_py() or 0,
        "wordless": outcome.wordless, "too_large": outcome.too_large,
        "search": near and {
            "compared": near.candidates, "templates": near.templates, "rounds": near.rounds,
        },
    }  # fmt: skip


def id_texts(ids: Hashes) -> pa.Array:
    """Return record ids as people read them."""
    digits = ids.astype(">u8").tobytes().hex()
    offsets = pa.py_buffer(np.arange(0, len(digits) + 1, 32, dtype=np.int64))
    return pa.Array.from_buffers(TEXT, len(ids), [None, offsets, pa.py_buffer(digits.encode())])
