"""Columns of a version as frames, for what compares and looks up.

The one idea: ids are two whole numbers here and sources places in one list of names, so that a million rows
are joined in a blink. It reads the columns that it is asked for, and changes none.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.errors import StoreError
from tulu_data.kernels.id_words import id_words
from tulu_data.store import Version

ID = ["high", "low"]
"""Columns of an id: its two halves."""
_NO_CLUSTERS = pa.schema(
    [*((name, pa.large_string()) for name in ("id", "source", "origin")), ("kept", pa.bool_())]
).empty_table()
KEY = [*ID, "source", "copy"]
"""Columns that tell rows of versions apart."""


def key_frame(version: Version, names: Sequence[str]) -> pl.DataFrame:
    """Return KEY and `row` (from 0) of every row of a version; sources are places in `names`."""
    table = version.table(["id", "source", "copy"])
    frame = id_frame(table.column("id")).with_columns(
        places_in(names, table.column("source")), pl.Series("copy", table.column("copy").to_numpy())
    )
    return frame.with_row_index("row")


def id_frame(ids: pa.ChunkedArray) -> pl.DataFrame:
    """Return the two halves of ids."""
    words = id_words(ids)
    return pl.DataFrame([pl.Series(name, np.ascontiguousarray(words[:, i])) for i, name in enumerate(ID)])


def side_table(version: Version, name: str, columns: Sequence[str]) -> pa.Table:
    """Read columns of a table that lies beside a version; raise StoreError where it cannot be read."""
    path: Path = version.path / f"{name}.parquet"
    try:
        return pq.read_table(path, columns=list(columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise StoreError(
            f"{path}: not readable ({said}); see tulu-data verify {version.ref}, or build it again"
        ) from None


def dropped_frame(version: Version, names: Sequence[str]) -> pl.DataFrame:
    """Return ID, source, step and reason of every record that steps left out, once of each source.

    Of several rows of a record it tells what became of the one that stood for the others.
    """
    table = side_table(version, "dropped", ["id", "source", "step", "reason", "origin"])
    told = frame_of(table.select(["step", "reason", "origin"]))
    told = told.with_columns(places_in(names, table.column("source")))
    every = id_frame(table.column("id")).hstack(told)
    standing, place = _standing(version, names), ["source", "origin"]
    stayed = standing.join(every, on=place, how="anti")
    first = every.join(standing, on=place, how="semi", maintain_order="left")
    return (
        pl.concat([first, every]).drop("origin")
        .join(stayed, on=[*ID, "source"], how="anti", maintain_order="left")
        .unique([*ID, "source"], keep="first", maintain_order=True)
    )  # fmt: skip


def _standing(version: Version, names: Sequence[str]) -> pl.DataFrame:
    """Return ID, source and origin of the records that stand for others after a search for duplicates."""
    columns = ["id", "source", "origin", "kept"]
    is_searched = bool(version.manifest.duplicates)
    table = side_table(version, "clusters", columns) if is_searched else _NO_CLUSTERS
    mine = pc.is_in(table.column("source"), pa.array(names, pa.large_string()))
    table = table.filter(pc.and_(table.column("kept"), mine))
    rest = frame_of(table.select(["origin"])).with_columns(places_in(names, table.column("source")))
    return id_frame(table.column("id")).hstack(rest)


def frame_of(table: pa.Table) -> pl.DataFrame:
    """Return a table as a frame."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def places_in(names: Sequence[str], column: pa.ChunkedArray) -> pl.Series:
    """Return the places of sources in a list of all names."""
    coded = column.combine_chunks().dictionary_encode()
    place = {name: at for at, name in enumerate(names)}
    codes = np.array([place[name] for name in coded.dictionary.to_pylist()], np.uint32)
    return pl.Series("source", codes[coded.indices.to_numpy()])
