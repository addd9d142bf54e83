"""SQL over what a command found, or over a version: a few views and nothing else.

The one idea: every table that lies beside a report or a version is a view of its name, read whole when
the query names it. It prints nothing, and no query reaches a file or the network.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.errors import SourceError
from tulu_data.sources.sql import locked_connection, sql_error

SIDE_TABLES = ("hits", "clusters", "dropped", "quarantined")
"""Parquet files of a report or a version that are views."""
View = Callable[[], pa.Table]


def side_views(folder: Path) -> dict[str, View]:
    """Name the tables that lie in a folder."""
    paths = {name: folder / f"{name}.parquet" for name in SIDE_TABLES}
    return {name: _reads(path) for name, path in paths.items() if path.is_file()}


def _reads(path: Path) -> View:
    return lambda: pq.read_table(path)


def run_query(sql: str, known: Mapping[str, View]) -> pa.Table:
    """Return what a query gives; raise SourceError, with the columns there are, where it cannot."""
    connection = locked_connection()
    for name, view in known.items():
        if re.search(rf"\b{name}\b", sql, re.IGNORECASE):
            connection.register(name, view())
    try:
        result = connection.sql(sql)
        found = result.to_arrow_table() if result is not None else None
    except sql_error() as error:
        said = str(error).strip().splitlines()[0].rstrip(".")
        raise SourceError(f"sql: {said} (views: {', '.join(sorted(known))})") from None
    if found is None:
        raise SourceError(f"sql: gives no rows; write a SELECT over {', '.join(sorted(known))}")
    return found
