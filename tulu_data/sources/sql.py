"""DuckDB in memory, locked: no files, no network, no extensions, no settings.

The one idea: SQL that somebody wrote sees what is registered for it and nothing else.
"""

import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_SETTINGS = {
    "enable_external_access": "false", "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false", "python_enable_replacements": "false",
}  # fmt: skip


def locked_connection(threads: int | None = None) -> "duckdb.DuckDBPyConnection":
    """Open a database of one's own; threads: as many as there are cores where it is None."""
    import duckdb

    more = {} if threads is None else {"threads": str(threads)}
    connection = duckdb.connect(":memory:", config={**_SETTINGS, **more})
    # Else a time without a zone would be another moment on another machine.
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection


@cache
def _shared() -> "duckdb.DuckDBPyConnection":
    return locked_connection(threads=1)


def locked_cursor() -> "duckdb.DuckDBPyConnection":
    """Return this thread's connection to a database that all threads share: making one takes a while."""
    if not hasattr(_own, "cursor"):
        with _opening:
            _own.cursor = _shared().cursor()
    cursor: duckdb.DuckDBPyConnection = _own.cursor
    return cursor


_own = threading.local()
_opening = threading.Lock()


def said(error: Exception) -> str:
    """Return what DuckDB says of SQL: its first line, and the names that were meant."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    meant = [line for line in lines[1:] if line.startswith(("Candidate", "Did you mean"))]
    return " ".join([lines[0], *meant[:1]])


def sql_error() -> type[Exception]:
    """Return the error that DuckDB raises; importing it takes a while."""
    import duckdb

    return duckdb.Error
