"""Sources that are queries, over files, SQLite and DuckDB."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tulu_data.errors import LockError, SourceError, SpecError
from tulu_data.mix import Settings, mix
from tulu_data.sources.query import resolve_query
from tulu_data.specs.lock import read_lock
from tulu_data.specs.mixture import read_mixture
from tulu_data.specs.source import Source
from tulu_data.store import Store

TICKETS = [(i, f"question {i}", f"answer {i}", i % 5) for i in range(40)]
QUERY = "sql:SELECT question AS prompt, answer AS completion FROM db.tickets WHERE stars >= 3"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "t.db")) as database:
        database.execute("CREATE TABLE tickets (id INTEGER, question TEXT, answer TEXT, stars INTEGER)")
        database.execute("CREATE TABLE mixed (v)")
        database.executemany("INSERT INTO tickets VALUES (?, ?, ?, ?)", TICKETS)
        database.executemany("INSERT INTO mixed VALUES (?)", [(1,), ("x",), (None,), (2.5,)])
        database.commit()
    with closing(duckdb.connect(str(tmp_path / "t.duckdb"))) as database:
        database.execute("CREATE TABLE tickets (id INTEGER, question TEXT, answer TEXT, stars INTEGER)")
        database.executemany("INSERT INTO tickets VALUES (?, ?, ?, ?)", TICKETS[::-1])
    pq.write_table(pa.table({"id": [1, 2, 3], "note": ["a", "b", "c"]}), tmp_path / "notes.parquet")
    (tmp_path / "more.jsonl").write_text("".join(json.dumps({"id": i, "w": "z"}) + "\n" for i in (2, 3)))
    return tmp_path


def rows(base: Path, uri: str, **attach: str) -> list[dict[str, object]]:
    _, (file,) = resolve_query(Source(uri=uri, attach=attach), base, base / "cache")
    with pa.memory_map(str(file.path)) as source:
        found = pa.ipc.open_file(source).read_all().to_pylist()
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("database", ["sqlite:t.db", "duckdb:t.duckdb"])
def test_a_query_over_a_database_gives_its_rows_in_the_order_of_their_values(
    base: Path, database: str
) -> None:
    expected = sorted((q, a) for _, q, a, stars in TICKETS if stars >= 3)
    found = rows(base, QUERY, db=database)
    assert [(row["prompt"], row["completion"]) for row in found] == expected


def test_files_are_tables_and_join_with_a_database(base: Path) -> None:
    found = rows(
        base, "sql:SELECT id, note, question, w FROM notes JOIN db.tickets USING (id) JOIN more USING (id)",
        db="sqlite:t.db", notes="*.parquet", more="more.jsonl",
    )  # fmt: skip
    assert [(r["id"], r["note"], r["question"], r["w"]) for r in found] == [
        (2, "b", "question 2", "z"),
        (3, "c", "question 3", "z"),
    ]
    assert rows(base, "sql:SELECT v FROM db.mixed", db="sqlite:t.db") == [
        {"v": "1"}, {"v": "2.5"}, {"v": "x"}, {"v": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "attach", "text"),
    [
        (QUERY, {}, r"reads 'db.tickets', and sees nothing; name it beside the uri, such as attach: \{db: "),
        (
            "sql:SELECT nope FROM db.tickets",
            {"db": "sqlite:t.db"},
            r"not found in FROM clause! Candidate bindings: ",
        ),
        ("sql:SELCT 1", {}, r"sql:SELCT 1: syntax error at or near \"SELCT\""),
        ("sql:SELECT 1; SELECT 2", {}, r"give one SELECT; nothing else is run"),
        ("sql:COPY (SELECT 1) TO 'x.csv'", {}, r"give one SELECT; nothing else is run"),
        ("sql:SELECT * FROM read_text('t.db')", {}, r"Cannot access file|disabled by configuration"),
        ("sql:SELECT 1", {"db": "sqlite:none.db"}, r"attach.db: none.db: no such file; searched .*; mend"),
        ("sql:SELECT 1", {"db": "none.parquet"}, r"none.parquet: no such file"),
        ("sql:SELECT * FROM db.x", {"db": "sqlite:more.jsonl"}, r"attach.db: cannot be read \(file is not a"),
    ],
)
def test_what_cannot_be_run_says_why(base: Path, uri: str, attach: dict[str, str], text: str) -> None:
    with pytest.raises(SourceError, match=text):
        resolve_query(Source(uri=uri, attach=attach), base, base / "cache")
    assert not (base / "x.csv").exists()


def test_a_database_that_somebody_writes_is_told(base: Path) -> None:
    with closing(sqlite3.connect(base / "t.db", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match=r"attach.db: the database is being written by another process"):
            resolve_query(Source(uri=QUERY, attach={"db": "sqlite:t.db"}), base, base / "cache")


def test_postgres_needs_its_extension_and_its_address_is_not_shown(base: Path) -> None:
    address = "postgres:host=127.0.0.1 port=9 password=very-secret"
    with pytest.raises(
        SourceError, match=r"attach.db: (DuckDB's extension for postgres|the postgres server)"
    ) as e:
        resolve_query(Source(uri=QUERY, attach={"db": address}), base, base / "cache")
    assert "very-secret" not in str(e.value)


def test_a_mixture_over_a_query_is_pinned_by_its_result(base: Path) -> None:
    spec = base / "web.yaml"
    spec.write_text(
        "version: 1\nname: web\nkind: sft\ndecontaminate: none\nsources:\n"
        f'  tickets:\n    uri: "{QUERY}"\n    attach: {{db: "sqlite:t.db"}}\n'
    )
    settings = Settings(base=base, store=Store(base / "store"), say=lambda _: None)
    first = mix(read_mixture(spec), settings)
    assert first.version.num_rows == 16
    pin = read_lock(spec).sources["tickets"]
    assert pin.uri == f"{QUERY}; db = sqlite:t.db"
    assert mix(read_mixture(spec), settings).existed
    with closing(sqlite3.connect(base / "t.db")) as database:
        database.execute("UPDATE tickets SET stars = 0 WHERE id = 3")
        database.commit()
    with pytest.raises(LockError, match="what it reads changed; bring it back, or move the pin"):
        mix(read_mixture(spec), settings)


def test_what_only_a_query_has_is_refused_elsewhere(base: Path) -> None:
    spec = base / "web.yaml"
    spec.write_text(
        "version: 1\nname: web\nkind: sft\ndecontaminate: none\n"
        "sources: {a: {uri: a.jsonl, attach: {db: 'sqlite:t.db'}}}\n"
    )
    with pytest.raises(
        SpecError, match=r"sources.a.attach: only a query has an attach; write the uri as sql:"
    ):
        read_mixture(spec)
