"""SQL over what a scan found, or over a version: a few views and nothing else.

The one idea: every table that lies beside a report or a version is a view of its name, read whole when
the query names it. It prints nothing, and no query reaches a file or the network.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.decontaminate.findings import locate, open_findings, read_report
from tulu_data.errors import SourceError
from tulu_data.schema import TEXT
from tulu_data.sources.sql import locked_connection, sql_error
from tulu_data.specs.decisions import Decision, Decisions
from tulu_data.store import Store, Version

SIDE_TABLES = ("hits", "clusters", "dropped", "quarantined")
"""Parquet files of a report or a version that are views."""
View = Callable[[], pa.Table]


def views(what: str, base: Path, store: Store, decisions: Decisions) -> dict[str, View]:
    """Name the views of a report's folder or of `name@version`; raise SourceError or StoreError."""
    found = locate(what, base, store)
    if isinstance(found, Version):
        more = _more(found.manifest.decontamination or {}, decisions)
        return {"records": found.table, **_side_views(found.path), **more}
    behind = {"records": lambda: open_findings(what, base, store).hit_records()}
    return {**behind, **_side_views(found), **_more(read_report(found), decisions)}


def _side_views(folder: Path) -> dict[str, View]:
    """Name the tables that lie in a folder."""
    paths = {name: folder / f"{name}.parquet" for name in SIDE_TABLES}
    return {name: _reads(path) for name, path in paths.items() if path.is_file()}


def _reads(path: Path) -> View:
    return lambda: pq.read_table(path)


def _more(report: Mapping[str, Any], decisions: Decisions) -> dict[str, View]:
    """Name what is no file of its own: the verdicts of a report, and the decisions."""
    found: dict[str, View] = {}
    if report.get("table"):
        found["verdicts"] = lambda: pa.Table.from_pylist(report["table"])
    rows = [one.model_dump() for one in decisions.decisions]
    schema = pa.schema([(name, TEXT) for name in Decision.model_fields])
    found["decisions"] = lambda: pa.Table.from_pylist(rows, schema=schema)
    return found


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
