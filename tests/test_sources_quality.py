"""How good rows are: numbers by SQL, read from the raw file beside its records; which duplicate stays."""

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from mixture_fixtures import Place, account, chat, key

import tulu_data.sources.quality as quality_module
from tulu_data.cli.main import group
from tulu_data.errors import SourceError
from tulu_data.sources.cache import normalise
from tulu_data.sources.files import find_files
from tulu_data.sources.quality import Qualities, Quality, record_qualities
from tulu_data.sources.reading import Reading
from tulu_data.store import Version

SFT = Reading(kind="sft")


def scored(text: str, score: object, answer: str = "Yes.") -> dict:
    return chat(text, answer) | {"score": score}


def numbers(table: pa.Table, sql: str) -> list[float | None]:
    quality = Quality(sql)
    found = quality.numbers("f", pa.array(range(table.num_rows), pa.int64()), quality.values(table))
    return [None if math.isnan(number) else number for number in found.tolist()]


TABLE = pa.table(
    {
        "n": [1, None, -3], "x": [0.5, math.inf, math.nan], "t": ["2", " 3.5 ", None],
        "b": [True, None, False],
        "s": [{"a": 1}, {"a": None}, None], "d": pa.array(["1.25", "2.50", None]).cast(pa.decimal128(5, 2)),
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("n", [1, None, -3]), ("x", [0.5, math.inf, None]), ("t", [2, 3.5, None]), ("b", [1, None, 0]),
        ("s.a", [1, None, None]), ("d", [1.25, 2.5, None]), ("n + x -- sum", [1.5, None, None]),
        ("2", [2, 2, 2]), ("CASE WHEN b THEN 10 ELSE n END", [10, None, -3]),
    ],
)  # fmt: skip
def test_an_expression_gives_a_number_or_none_for_each_row(sql: str, expected: list) -> None:
    assert numbers(TABLE, sql) == expected
    assert numbers(TABLE.slice(1, 1), sql) == expected[1:2]
    assert numbers(TABLE.slice(0, 0), sql) == []


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("score >", "quality 'score >': syntax error"),
        ("score; select 1", "give one expression, such as score"),
        (
            "avg(score)",
            "function 'avg' is not allowed; an expression sees one row, and gives the same answer",
        ),
        ("(select 1)", "a subquery is not allowed; an expression sees one row"),
    ],
)
def test_what_is_no_plain_expression_is_refused(sql: str, text: str) -> None:
    with pytest.raises(SourceError) as caught:
        Quality(sql)
    assert text in str(caught.value)


def test_what_cannot_be_a_number_at_all_is_refused() -> None:
    with pytest.raises(SourceError, match="quality 's'"):
        numbers(TABLE, "s")


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(-9, 9)), unique_by=lambda pair: pair[0]),
    st.lists(st.integers(0, 30)),
)
def test_numbers_are_found_by_row(known: list[tuple[int, float]], asked: list[int]) -> None:
    known.sort()
    rows, values = ([pair[k] for pair in known] for k in (0, 1))
    found = Qualities(pa.array(rows, pa.int64()).to_numpy(), pa.array(values, pa.float64()).to_numpy())
    expected = [dict(known).get(row) for row in asked]
    got = found.of(pa.array(asked, pa.int64()).to_numpy()).tolist()
    assert [None if math.isnan(number) else number for number in got] == expected


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def test_the_numbers_of_records_are_read_once_and_only_their_column(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [scored("a", 1), {"messages": [], "score": 9}, scored("b", None), scored("c", 2.5)]
    pq.write_table(pa.Table.from_pylist(rows), place.root / "x.parquet")
    (file,) = find_files("x.parquet", place.root)
    kept = normalise(file, SFT, [], place.root / "cache")
    assert kept.table.num_rows == 3
    asked = []
    whole = quality_module.scan_values
    monkeypatch.setattr(quality_module, "scan_values", lambda *a: asked.append(a) or whole(*a))
    for _ in range(2):
        found = record_qualities(kept, Quality("score * 2")).tolist()
        assert [found[0], math.isnan(found[1]), found[2]] == [2.0, True, 5.0]
    assert len(asked) == 1


SPEC = {"a": {"uri": "a.jsonl", "quality": "score"}, "b": {"uri": "b.jsonl", "quality": "rating / 5"}}
DEDUP = [{"step": "dedup"}]


def kept(version: Version) -> set[tuple[str, str]]:
    return {key(row) for row in version.table().to_pylist()}


def test_the_record_of_the_highest_quality_stays_after_preference_and_before_length(place: Place) -> None:
    place.write("a.jsonl", [scored("One", 0.5), scored("Two", 0.2), scored("Three  longer", None)])
    place.write(
        "b.jsonl",
        [chat("one") | {"rating": 4}, chat("two") | {"rating": 1}, chat("three longer") | {"rating": 0}],
    )
    version = place.mix(SPEC, steps=DEDUP)
    # 0.5 or 0.8, 0.2 or 0.2 (as long, so the lower id), none or 0
    assert {("one", "b"), ("three longer", "b")} < kept(version)
    assert version.num_rows == 3
    assert (
        account(version, "a")["dropped"]["duplicate_text"]
        + account(version, "b")["dropped"]["duplicate_text"]
        == 3
    )
    preferred = place.mix(SPEC, steps=[{"step": "dedup", "prefer": ["a"]}], name="p")
    assert kept(preferred) == {("One", "a"), ("Two", "a"), ("Three  longer", "a")}
    plain = {name: {"uri": source["uri"]} for name, source in SPEC.items()}
    assert ("Three  longer", "a") in kept(place.mix(plain, steps=DEDUP, name="q"))


def test_rows_keep_their_number_beside_conditions_bad_rows_and_shared_files(place: Place) -> None:
    rows = [
        scored("x", 1),
        {"messages": [], "score": 100},
        scored("X", 3),
        scored("y", 5),
        scored("Y", 4),
        scored("X ", 2),
    ]
    place.write("a.jsonl", rows)
    sources = {
        "low": {"uri": "a.jsonl", "where": "score < 4", "quality": "score"},
        "high": {"uri": "a.jsonl", "where": "score >= 4", "quality": "-score"},
    }  # fmt: skip
    assert kept(place.mix(sources, steps=DEDUP)) == {("X", "low"), ("Y", "high")}


def test_the_expression_belongs_to_the_recipe_and_is_found_again(place: Place) -> None:
    place.write("a.jsonl", [scored("x", 1), scored("X", 2)])
    found = [
        place.mix({"a": {"uri": "a.jsonl"} | more}, steps=DEDUP)
        for more in ({"quality": "score"}, {"quality": "-score"}, {"quality": "score"})
    ]
    assert [kept(version) for version in found] == [{("X", "a")}, {("x", "a")}, {("X", "a")}]
    assert len({version.manifest.recipe_id for version in found}) == 2
    assert (found[0].path / "spec.yaml").read_text().count("quality: score") == 1


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            {"quality": "score"},
            "a.jsonl:3: quality 'score' gives 'bad', expected a number or null; mend the row, or write "
            "try_cast(... AS DOUBLE), which gives null for what is no number",
        ),
        (
            {"quality": "scor"},
            "a.jsonl: quality 'scor': no column 'scor'; did you mean 'score'? (columns: messages, score)",
        ),
    ],
)
def test_what_is_no_number_is_an_error_at_its_row(place: Place, source: dict, text: str) -> None:
    place.write("a.jsonl", [scored("x", "1"), {"messages": [], "score": "2"}, scored("y", "bad")])
    with pytest.raises(SourceError) as caught:
        place.mix({"a": {"uri": "a.jsonl"} | source}, steps=DEDUP)
    assert str(caught.value).endswith(f"mixtures/m.yaml:9:14 sources.a.quality: {text}")
    place.mix({"a": {"uri": "a.jsonl", "quality": "try_cast(score AS DOUBLE)"}}, steps=DEDUP)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["dedup", *arguments])


def test_the_command_keeps_the_record_of_the_highest_quality(place: Place) -> None:
    place.write("a.jsonl", [scored("Some text", 1), scored("other", None), scored("SOME TEXT", 3)])
    place.write("b.jsonl", [{"messages": [], "score": 7}, scored("Some Text  ", 2), scored("OTHER", -1)])
    for _ in range(2):
        result = run("a.jsonl", "b.jsonl", "--exact", "--quality", "score", "--json", "--out", "out")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["quality"] == "score"
        rows = pq.read_table("out/clusters.parquet").to_pylist()
        assert {row["origin"] for row in rows if row["kept"]} == {"a.jsonl:3", "b.jsonl:3"}
        # Once more, with the files normalised by a build.
        place.mix({"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl"}})


def test_the_command_takes_the_quality_of_stored_records_by_their_own_columns(place: Place) -> None:
    place.write("a.jsonl", [chat("x"), chat("X"), chat("y")])
    version = place.mix({"a": {"uri": "a.jsonl"}})
    where = ("--store", str(place.store.root), "--out", "out")
    result = run(version.ref, "--quality", "CASE WHEN messages[1].content = 'X' THEN 1 END", *where)
    assert result.exit_code == 0, result.output
    rows = pq.read_table("out/clusters.parquet").to_pylist()
    (stays,) = [row["id"] for row in rows if row["kept"]]
    ids = {row["id"]: key(row)[0] for row in version.table().to_pylist()}
    assert (len(rows), ids[stays]) == (2, "X")
    wrong = run(version.ref, "--quality", "messages[1].content", *where)
    assert f"{version.ref}:1: quality 'messages[1].content' gives " in str(wrong.exception)
    absent = run(version.ref, "--quality", "score", *where)
    assert f"{version.ref}: quality 'score': no column 'score'" in str(absent.exception)
