"""SQL over what a command found, or over versions: a few views and nothing else.

The one idea: every table that lies beside a report or a version is a view of its name, opened when the query
names it and read as far as the query needs it. Of several versions each has a schema of its own, as in
`a.records`. It prints nothing, and no query reaches a file or the network.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from tulu_data.errors import SourceError, nearest
from tulu_data.sources.sql import locked_connection, sql_error

SIDE_TABLES = ("hits", "clusters", "dropped", "quarantined")
"""Parquet files of a report or a version that are views."""
View = Callable[[], pa.Table | ds.Dataset]
_UNKNOWN = re.compile(
    r"(?:Table|Schema|Catalog) with name \"?([^\s\"!]+)\"? does not exist|Catalog \"(\S+)\" does not"
)


def side_views(folder: Path) -> dict[str, View]:
    """Name the tables that lie in a folder."""
    paths = {name: folder / f"{name}.parquet" for name in SIDE_TABLES}
    return {name: _opens(path) for name, path in paths.items() if path.is_file()}


def _opens(path: Path) -> View:
    return lambda: ds.dataset(path, format="parquet")


def named(views: Mapping[str, Mapping[str, View]]) -> dict[str, View]:
    """Return the views of several versions under the names of these: `a.records`."""
    return {f"{name}.{view}": opens for name, mine in views.items() for view, opens in mine.items()}


def run_query(sql: str, known: Mapping[str, View], most: int | None = None) -> pa.Table:
    """Return what a query gives, `most` rows of it where that is told.

    Raises SourceError, with the views that there are, where it cannot.
    """
    connection = locked_connection()
    for name, opens in known.items():
        schema, _, view = name.rpartition(".")
        if not all(re.search(rf"\b{part}\b", sql, re.IGNORECASE) for part in (schema, view) if part):
            continue
        if schema:
            connection.register(f"{schema} {view}", opens())
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            made = f'CREATE VIEW "{schema}"."{view}" AS FROM "{schema} {view}"'
            connection.execute(made)
        else:
            connection.register(view, opens())
    try:
        result = connection.sql(sql)
        if result is not None and most is not None:
            result = result.limit(most)
        found = result.to_arrow_table() if result is not None else None
    except sql_error() as error:
        raise SourceError(f"sql: {_said(str(error), known)} (views: {', '.join(sorted(known))})") from None
    if found is None:
        raise SourceError(f"sql: gives no rows; write a SELECT over {', '.join(sorted(known))}")
    return found


def _said(error: str, known: Mapping[str, View]) -> str:
    """Return what DuckDB says in one line, with the nearest names."""
    lines = error.strip().splitlines()
    first = lines[0].rstrip(".")
    unknown = _UNKNOWN.search(first)
    if unknown is not None:
        # It has seen only the views that the query names.
        word = next(group for group in unknown.groups() if group)
        near = nearest(word, {*known, *(name.rpartition(".")[2] for name in known)})
        return f"no view {word!r}{near}"
    columns = next((line for line in lines if line.startswith("Candidate bindings")), None)
    return f"{first}; {columns[0].lower()}{columns[1:]}" if columns else first
