"""`tulu-data sql`: its views, the forms of a result, and what a query cannot reach."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from mixture_fixtures import chat, decontaminate

from tulu_data.cli.main import VERBS
from tulu_data.cli.sql import command
from tulu_data.errors import SourceError
from tulu_data.specs.decisions import Decision, Decisions, write_decisions

LEAK = "A train leaves the harbour town at nine and reaches the capital at noon; how long is the ride"


@pytest.fixture
def place(workspace):
    questions = [{"id": "t1", "question": LEAK}, {"id": "t2", "question": "Who or what?"}]
    workspace.write("evals/trains.jsonl", questions)
    workspace.write("data/a.jsonl", [chat("fine"), chat(f"{LEAK} [now]?"), {"messages": []}])
    decontaminate("--write", "clean")
    return workspace


def sql(*arguments):
    done = CliRunner().invoke(command, arguments)
    if isinstance(done.exception, SourceError):
        raise done.exception
    assert done.exception is None or done.exit_code == 2, done.exception
    return done


def rows(*arguments):
    return json.loads(sql(*arguments, "--json").stdout)


def test_the_help_is_the_one_in_the_table():
    assert command.get_short_help_str(limit=200) == VERBS["sql"][1]


def test_a_report_has_views_of_all_that_was_found(place):
    write_decisions(
        place.root / "decontamination.yaml",
        Decisions(version=1, decisions=(Decision(decision="keep", suite="trains", source="x"),)),
    )
    assert rows("SELECT origin, instance, overlap, decision FROM hits") == [
        {"origin": "data/a.jsonl:2", "instance": "t1", "overlap": 1.0, "decision": None}
    ]
    assert rows("SELECT origin, reason FROM dropped") == [
        {"origin": "data/a.jsonl:2", "reason": "contaminated"}
    ]
    assert rows("SELECT origin, reason FROM quarantined") == [
        {"origin": "data/a.jsonl:3", "reason": "no messages"}
    ]
    assert rows("SELECT source, instances_hit n, verdict FROM verdicts") == [
        {"source": "data/a.jsonl", "n": 1, "verdict": "contaminated"}
    ]
    assert rows("SELECT decision, source FROM decisions") == [{"decision": "keep", "source": "x"}]
    joined = "SELECT r.messages[1].content AS text FROM hits h JOIN records r USING (id)"
    assert rows(joined) == [{"text": f"{LEAK} [now]?"}]


def test_a_version_has_its_records_too(place):
    step = {"step": "decontaminate", "against": ["evals/"]}
    place.mix({"a": {"uri": "data/a.jsonl"}}, steps=[step])
    assert rows("SELECT count(*) AS n, min(origin) AS o FROM records", "m") == [
        {"n": 1, "o": "data/a.jsonl:1"}
    ]
    assert rows("SELECT reason FROM dropped", "m@latest") == [{"reason": "contaminated"}]
    assert rows("SELECT instances_hit FROM verdicts", "m") == [{"instances_hit": 1}]
    place.mix({"a": {"uri": "data/a.jsonl"}}, name="plain")
    with pytest.raises(SourceError, match=r"views: decisions, dropped, quarantined, reasons, records, so"):
        sql("SELECT * FROM hits", "plain")


def test_without_a_query_the_views_are_listed(place):
    done = sql()
    assert "hits: dataset, source, origin, record, id, suite, " in done.stdout
    assert "\nverdicts: source, suite, role, split, instances, " in done.stdout
    assert json.loads(sql("--json").stdout)["decisions"]["note"] == "large_string"


def test_the_views_of_a_report_that_is_named_are_listed(place):
    version = place.mix({"a": {"uri": "data/a.jsonl"}})
    for arguments in (("", "reports/decontamination"), (" ", "reports/decontamination/hits.parquet"),
                      ("reports/decontamination",)):  # fmt: skip
        assert sql(*arguments).stdout == sql().stdout
    for name in ("m", version.ref):
        assert sql(name).stdout.startswith("records: id, messages, ")
        assert sql("", name).stdout == sql(name).stdout


def test_a_table_shows_brackets_and_cuts_what_is_long(place):
    done = sql("SELECT 'a[bold]b' AS \"x[y]\", repeat('z', 300) AS long, 1.5 AS number, ['q'] AS list")
    assert done.stdout.splitlines() == [
        f"x[y]      long{' ' * 101}number  list",
        f'a[bold]b  {"z" * 100}...     1.5  ["q"]',
        "1 row",
    ]
    assert sql("SELECT chr(27) || 'x' AS a, chr(10) || 'y' AS b").stdout.splitlines()[1] == "\u241bx   y"


def test_csv_and_json_keep_every_digit_and_every_row(place):
    query = (
        "SELECT 0.1::DOUBLE + 0.2 AS f, sum(9223372036854775807::BIGINT) AS big, "
        "'nan'::DOUBLE AS n, {'a': [1]} AS s FROM range(2)"
    )
    assert rows(query) == [{"f": 0.1 + 0.2, "big": 2 * 9223372036854775807, "n": None, "s": {"a": [1]}}]
    found = list(csv.reader(io.StringIO(sql(query, "--csv").stdout)))
    assert found == [
        ["f", "big", "n", "s"],
        ["0.30000000000000004", "18446744073709551614", "", '{"a": [1]}'],
    ]


def test_a_result_is_written_as_parquet_whole(place):
    done = sql("SELECT id, record_spans FROM hits", "--out", "found.parquet")
    assert done.stdout == "wrote found.parquet, 1 row\n"
    assert pq.read_table("found.parquet")["record_spans"].to_pylist()[0][0]["start"] == 0
    assert sorted(p.name for p in place.root.glob("*found*")) == ["found.parquet"]
    assert "give a name that ends in .parquet" in sql("SELECT 1", "--out", "found.csv").output
    with pytest.raises(SourceError, match=r"gone/x\.parquet: cannot be written"):
        sql("SELECT 1 AS a", "--out", "gone/x.parquet")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('secret.csv')", "SELECT * FROM 'secret.csv'",
        "SELECT * FROM read_text('secret.csv')",
        "COPY hits TO 'out.csv'", "ATTACH 'x.db'", "INSTALL httpfs", "LOAD httpfs", "SELECT * FROM glob('*')",
        "SET enable_external_access = true", "SELECT getenv('HOME')", "EXPORT DATABASE 'out'",
        "SELECT * FROM 'https://example.org/x.parquet'",
    ],
)  # fmt: skip
def test_a_query_reaches_no_file_no_network_and_no_setting(place, query):
    (place.root / "secret.csv").write_text("a\n1\n")
    before = sorted(p.name for p in place.root.iterdir())
    with pytest.raises(SourceError, match=r"^sql: "):
        sql(query)
    assert sorted(p.name for p in place.root.iterdir()) == before


def test_mistakes_are_said_in_one_line_with_the_views(place):
    with pytest.raises(SourceError) as caught:
        sql("SELEC 1")
    assert str(caught.value) == (
        'sql: Parser Error: syntax error at or near "SELEC" '
        "(views: decisions, dropped, hits, quarantined, records, verdicts)"
    )
    with pytest.raises(SourceError, match="sql: gives no rows; write a SELECT over decisions, dropped"):
        sql("/* nothing */")


def test_what_is_no_report_and_no_version_is_refused(place):
    with pytest.raises(SourceError, match=r"elsewhere: no report .is not there.; make one with"):
        sql("SELECT 1", "elsewhere")


@pytest.fixture
def two(place):
    """Make two versions, of which the second lost a record and won another."""
    place.write("data/b.jsonl", [chat(f"b {i}") for i in range(5)])
    place.write("data/c.jsonl", [*(chat(f"b {i}") for i in range(1, 6)), {"messages": []}, chat("b 9", "")])
    steps = [{"step": "filter", "drop": ["empty_turn"]}]
    source = {"adapter": "messages", "licence": "mit"}
    old = place.mix({"b": {"uri": "data/b.jsonl", **source}}, steps=steps)
    new = place.mix({"b": {"uri": "data/c.jsonl", **source, "take": {"rows": 4}}}, steps=steps)
    return old, new


def test_versions_are_joined_under_letters_or_names_of_their_own(two):
    old, new = two
    wanted = sorted(set(old.table(["id"])["id"].to_pylist()) & set(new.table(["id"])["id"].to_pylist()))
    query = "SELECT id FROM a.records JOIN b.records USING (id) ORDER BY id"
    assert [row["id"] for row in rows(query, old.ref, new.ref)] == wanted
    query = "SELECT id FROM old.records JOIN new.records USING (id) ORDER BY id"
    assert [row["id"] for row in rows(query, f"old={old.ref}", f"new={new.ref}")] == wanted
    assert rows("SELECT count(*) AS n FROM one.records", "one=m") == [{"n": 4}]
    assert sql(old.ref, new.ref).stdout.splitlines()[0].startswith("a.records: id, messages, ")
    assert "'A' is another one already" in sql("SELECT 1", "a=m", "A=m").output
    with pytest.raises(SourceError, match=r"sql: no view 'c\.records'; did you mean '[ab]\.records'"):
        sql("SELECT * FROM c.records", old.ref, new.ref)


def test_the_account_of_a_version_is_asked_too(two):
    assert rows("SELECT * FROM sources", "m") == [
        {
            "source": "b", "uri": "data/c.jsonl", "revision": None, "licences": ["mit"], "files": 1,
            "read": 7, "quarantined": 1, "by_where": 0, "dropped": 1, "not_drawn": 1, "kept": 4, "rows": 4,
            "tokens": None,
        }
    ]  # fmt: skip
    assert rows("SELECT * FROM reasons", "m") == [
        {"source": "b", "what": "quarantined", "reason": "no messages", "rows": 1},
        {"source": "b", "what": "dropped", "reason": "empty_turn", "rows": 1},
        {"source": "b", "what": "not drawn", "reason": None, "rows": 1},
    ]
    assert rows("SELECT reason, origin FROM dropped", "m") == [
        {"reason": "empty_turn", "origin": "data/c.jsonl:7"}
    ]


def test_views_and_columns_that_are_not_there_are_named_with_the_nearest(two):
    with pytest.raises(SourceError, match=r"^sql: no view 'recods'; did you mean 'records'\? \(views: "):
        sql("SELECT * FROM recods", "m")
    with pytest.raises(SourceError, match=r'^sql: .*"orign" not found.*; candidate bindings: "origin"'):
        sql("SELECT orign FROM records", "m")


def test_a_table_ends_after_a_thousand_rows_and_files_do_not(place):
    query = "SELECT * FROM range(1001)"
    lines = sql(query).stdout.splitlines()
    assert (len(lines), lines[-1]) == (1002, "1,000 rows; there are more, which --csv, --json and --out have")
    assert sql("SELECT * FROM range(1000)").stdout.splitlines()[-1] == "1,000 rows"
    assert len(rows(query)) == 1001
    assert len(sql(query, "--csv").stdout.splitlines()) == 1002


@pytest.mark.parametrize("query", ["COPY a.records TO 'out.csv'", "SELECT * FROM 'secret.csv', b.records"])
def test_no_file_is_reached_with_several_versions_either(two, place, query):
    (place.root / "secret.csv").write_text("a\n1\n")
    before = sorted(p.name for p in place.root.iterdir())
    with pytest.raises(SourceError, match=r"^sql: "):
        sql(query, "m", "m")
    assert sorted(p.name for p in place.root.iterdir()) == before


def test_an_unknown_version_is_said_to_be_none_with_the_nearest(place):
    place.mix({"a": {"uri": "data/a.jsonl"}}, name="mysft")
    with pytest.raises(
        SourceError, match=r"^mytok: no such version, and no report \(the store holds mysft\)"
    ):
        sql("SELECT 1 AS n FROM records", "mytok")
    with pytest.raises(SourceError, match=r"^mysftt@latest: no such version.*; did you mean 'mysft'"):
        sql("SELECT 1 AS n FROM records", "mysftt@latest")
