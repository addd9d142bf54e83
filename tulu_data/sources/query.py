"""Sources that are queries: `sql:SELECT ...` over files and databases that the spec names, run by DuckDB.

The one idea: a query sees what its source attaches and nothing else, and its result is a file like any other:
sorted by all of its columns, so that it is the same whatever the threads did, written once, and named by its
bytes. The lock pins these bytes; a database that gives others is refused until the pin is moved. Databases
are opened to be read. It knows nothing of records.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tulu_data.errors import LockError, SourceError
from tulu_data.sources.digests import sha256_of
from tulu_data.sources.files import SourceFile, find_files, found_at
from tulu_data.sources.query_tables import tables_of, unattached
from tulu_data.sources.sql import said, sql_error
from tulu_data.specs.lock import FilePin, SourcePin
from tulu_data.specs.source import Source
from tulu_data.specs.uris import SQL

if TYPE_CHECKING:
    import duckdb

_READERS = {
    "parquet": "read_parquet", "csv": "read_csv", "tsv": "read_csv", "json": "read_json", "jsonl": "read_json"
}  # fmt: skip
_BATCH = 1 << 16
_RESULT = "result.arrow"


def resolve_query(
    source: Source, base: Path, cache: Path, *, pin: SourcePin | None = None, offline: bool = False
) -> tuple[SourcePin, tuple[SourceFile, ...]]:
    """Run the query of a source; return its pin and its one file.

    `offline` asks no server and writes nothing, so the file need not be there. Raises SourceError where it
    cannot be run, LockError where the result is not the pinned one.
    """
    query = source.uri.removeprefix(SQL).strip()
    if offline and asks_server(source.attach):
        raise SourceError(f"{SQL}{query}: reads a postgres server, which is not asked offline")
    data = _bytes_of(_run(query, source.attach, base))
    digest = hashlib.sha256(data).hexdigest()
    path = cache / f"{digest[:40]}.arrow"
    if not offline:
        _write(data, digest, path)
    if pin is not None and pin.uri == source.asked and pin.files[0].sha256 != digest:
        raise LockError(
            f"{SQL}{query}: the result has sha256 {digest[:12]}, the lock says {pin.files[0].sha256[:12]}: "
            "what it reads changed; bring it back, or move the pin with lock --update"
        )
    fixed = FilePin(path=_RESULT, sha256=digest, size=data.size)
    file = SourceFile(origin=f"{SQL}{digest[:12]}/{_RESULT}", path=path, sha256=digest, format="arrow")
    return SourcePin.of_files(source.asked, [fixed]), (file,)


def asks_server(attach: Mapping[str, str]) -> bool:
    """Tell whether a query sees a database that is no file of this machine."""
    return any(what.startswith("postgres:") for what in attach.values())


def _run(query: str, attach: Mapping[str, str], base: Path) -> pa.Table:
    """Return the result of a query, in the order of its columns' values."""
    import duckdb

    wrong = unattached(query, attach)
    if wrong is not None:
        raise SourceError(f"{SQL}{query}: {wrong}")
    with closing(duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})) as connection:
        tables = {path[-1].lower() for path in tables_of(query)}
        for name, what in attach.items():
            _attach(connection, name, what, base, tables)
        connection.execute("SET enable_external_access = false")
        connection.execute("SET python_enable_replacements = false")
        connection.execute("SET lock_configuration = true")
        try:
            found: pa.Table = connection.sql(f"SELECT * FROM (\n{query}\n) ORDER BY ALL").to_arrow_table()  # noqa: S608
        except sql_error() as error:
            known = ", ".join(sorted(attach)) or "nothing"
            raise _wrong(query, error, f"; the query sees {known} (attach:)") from None
    return found


def _attach(
    connection: "duckdb.DuckDBPyConnection", name: str, what: str, base: Path, tables: set[str]
) -> None:
    """Let a query see a database, or files as a table."""
    kind, _, place = what.partition(":")
    quoted = '"' + name.replace('"', '""') + '"'
    try:
        if kind == "sqlite":
            _copy_sqlite(connection, quoted, _database(place, base), tables)
        elif kind == "duckdb":
            path = str(_database(place, base)).replace("'", "''")
            connection.execute(f"ATTACH '{path}' AS {quoted} (TYPE duckdb, READ_ONLY)")
        elif kind == "postgres":
            connection.execute("LOAD postgres")
            connection.execute(
                f"ATTACH '{place.replace(chr(39), chr(39) * 2)}' AS {quoted} (TYPE postgres, READ_ONLY)"
            )
        else:
            connection.execute(f"CREATE TABLE {quoted} AS SELECT * FROM {_files(what, base)}")  # noqa: S608
    except SourceError as error:
        raise SourceError(f"attach.{name}: {error}") from None
    except (sql_error(), sqlite3.Error) as error:
        raise SourceError(f"attach.{name}: {_said(kind, error)}") from None


def _said(kind: str, error: Exception) -> str:
    """Say what an attached database or file refuses; what a postgres address says may hold a password."""
    text = str(error).strip().splitlines()[0]
    if kind == "postgres":
        missing = "Extension" in text
        return (
            "DuckDB's extension for postgres is not installed; connect to a network once and run: "
            "python -c \"import duckdb; duckdb.sql('INSTALL postgres')\""
            if missing
            else "the postgres server refuses or does not answer; check the address and PGPASSWORD"
        )
    if "locked" in text or "lock on file" in text:
        return f"the database is being written by another process ({text}); try again when it is done"
    return f"cannot be read ({text})"


def _database(place: str, base: Path) -> Path:
    path = found_at(place, base)[0]
    if not path.is_file():
        raise SourceError(f"{place}: is a folder; give the file of a database")
    return path


def _copy_sqlite(connection: "duckdb.DuckDBPyConnection", name: str, path: Path, tables: set[str]) -> None:
    """Copy the tables of a SQLite file that a query reads; DuckDB itself would need an extension for it."""
    connection.execute(f"ATTACH ':memory:' AS {name}")
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as source:
        found = source.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        for (table,) in found:
            if table.lower() not in tables:
                continue
            quoted = '"' + table.replace('"', '""') + '"'
            cursor = source.execute(f"SELECT * FROM {quoted}")  # noqa: S608
            columns = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
            values = {column: _column([row[i] for row in rows]) for i, column in enumerate(columns)}
            connection.register("copied", pa.table(values))
            connection.execute(f"CREATE TABLE {name}.{quoted} AS SELECT * FROM copied")  # noqa: S608
            connection.unregister("copied")


def _column(values: list[Any]) -> pa.Array:
    """Make a column of what SQLite holds in one, in which each row has a type of its own."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1:
        numbers = kinds <= {int, float}
        values = [v if v is None else float(v) if numbers else str(v) for v in values]
    return pa.array(values)


def _files(pattern: str, base: Path) -> str:
    """Return what reads the files of a path or glob, in SQL."""
    files = find_files(pattern, base)
    readers = {_READERS.get(file.format) for file in files}
    reader = readers.pop()
    if readers or reader is None:
        text = "attach parquet, csv, tsv, json or jsonl files, all of one format"
        raise SourceError(f"{pattern}: cannot be attached; {text}")
    paths = ", ".join("'" + str(file.path).replace("'", "''") + "'" for file in files)
    return f"{reader}([{paths}])"


def _bytes_of(result: pa.Table) -> pa.Buffer:
    """Return a result as the bytes of an Arrow file, the same for the same rows."""
    sink = pa.BufferOutputStream()
    whole = result.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=_BATCH)
    return sink.getvalue()


def _write(data: pa.Buffer, digest: str, path: Path) -> None:
    """Write a result where its bytes name it, unless it is there."""
    if path.is_file() and sha256_of(path) == digest:
        return
    new = path.with_name(f".{path.stem}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(data)
        new.replace(path)
    except OSError as error:
        raise SourceError(f"{path.parent}: cannot be written ({error.strerror}); make room") from None


def _wrong(query: str, error: Exception, more: str) -> SourceError:
    return SourceError(f"{SQL}{query}: {said(error)}{more}")
