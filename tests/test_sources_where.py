"""Conditions in SQL: what they see, what they give, what they may not do."""

import re

import pyarrow as pa
import pytest

from tulu_data.errors import SourceError
from tulu_data.sources.where import Where

TABLE = pa.table(
    {
        "n": [1, 2, None, 4],
        "source": ["a", "b", "a", None],
        "messages": [[{"role": "user"}], [{"role": "user"}, {"role": "assistant"}], [], None],
        "meta": [{"Style": "x"}, {"Style": "y"}, None, {"Style": "x"}],
    }
)


@pytest.mark.parametrize(
    ("sql", "held", "columns"),
    [
        ("n > 1", [False, True, False, True], {"n"}),
        ("N > 1 -- big", [False, True, False, True], {"n"}),
        ("source = 'a'", [True, False, True, False], {"source"}),
        ("source.n = 1", [True, False, False, False], {"source", "n"}),
        ("length(messages) >= 1", [True, True, False, False], {"messages"}),
        ("meta.style = 'x' or n is null", [True, False, True, True], {"meta", "n"}),
        (
            "len(list_filter(messages, lambda m: m.role = 'user')) = 1",
            [True, True, False, False],
            {"messages"},
        ),
        ("true", [True] * 4, set()),
        ("n = 1) or (n = 2", None, None),
    ],
)
def test_a_condition_holds_where_it_is_true(
    sql: str, held: list[bool] | None, columns: set[str] | None
) -> None:
    if held is None:
        with pytest.raises(SourceError, match="syntax error"):
            Where(sql)
        return
    where = Where(sql)
    assert where.values(TABLE).to_pylist() == held
    assert where.columns() == columns
    assert where.values(TABLE.slice(1, 2)).to_pylist() == held[1:3]
    assert where.values(TABLE.slice(0, 0)).to_pylist() == []


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("n in (select 1)", "a subquery is not allowed; a condition sees one row"),
        ("exists (select * from read_csv('/etc/passwd'))", "a subquery is not allowed"),
        ("row_number() over () < 3", "a window function is not allowed"),
        ("count(*) > 1", "function 'count' is not allowed"),
        ("sum(n) > 1", "function 'sum' is not allowed"),
        (
            "random() < 0.5",
            "function 'random' is not allowed; "
            "a condition sees one row, and gives the same answer for it every time",
        ),
        ("now() > '2020-01-01'", "function 'now' is not allowed"),
        ("getenv('HOME') = 'x'", "function 'getenv' is not allowed"),
        ("current_setting('threads') = '1'", "function 'current_setting' is not allowed"),
        ("n = ?", "a parameter is not allowed"),
        ("true; drop table x", "give one condition"),
        ("true; select 1", "give one condition"),
        ("true group by n", "give one condition"),
        ("true order by n", "give one condition"),
        ("true limit 1", "give one condition"),
        ("true union select 1", "give one condition"),
        ("", "syntax error"),
        ("n >", "syntax error"),
        ("attach database 'x.db'", "syntax error"),
        ("copy source to 'x'", "syntax error"),
    ],
)
def test_what_a_condition_may_not_be(sql: str, text: str) -> None:
    with pytest.raises(SourceError, match=re.escape(text)):
        Where(sql)


@pytest.mark.parametrize(
    "sql", ["read_text('/etc/passwd') = 'x'", "length(glob('/*')) > 0", "read_csv('x') = 1", "attach 'x.db'"]
)
def test_files_are_out_of_reach(sql: str) -> None:
    with pytest.raises(SourceError):
        Where(sql).values(TABLE)


def test_errors_name_the_source_and_the_columns() -> None:
    with pytest.raises(SourceError) as error:
        Where("n", name="web").values(TABLE)
    assert str(error.value).startswith("where 'n' (source 'web'): gives ")
    with pytest.raises(
        SourceError, match=r"^where \"n = 'x'\": Conversion Error: .*columns: messages, meta, n, source"
    ):
        Where("n = 'x'").values(TABLE)


def test_missing_columns_are_known_before_anything_is_read() -> None:
    where = Where("mesages is null and source.n = 1")
    assert where.missing(frozenset(TABLE.column_names)) == ["mesages"]
    assert str(where.unknown("mesages", frozenset(TABLE.column_names))) == (
        "where 'mesages is null and source.n = 1': no column 'mesages'; did you mean 'messages'? "
        "(columns: messages, meta, n, source)"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "length(messages) > 1", "coalesce(n, 1) > 0", "n IN (1, 2)", "'x' LIKE '%x'", "n BETWEEN 1 AND 2",
        "list_any_value([n]) > 0", "len(list_filter([n], x -> x > 0)) > 0", "try_cast('x' AS int) IS NULL",
        "struct_pack(a := n).a > 0", "regexp_matches('x', 'x') AND n::text ~ '.'", "n IS DISTINCT FROM 1",
        "if(n > 0, true, false)", "concat_ws(',', 'a', n) <> ''", "date_part('year', DATE '2024-01-01') > 1",
        "CASE WHEN n > 0 THEN true ELSE false END", "md5('x') <> ''", "'a' || 'b' = 'ab'", "[n][1] > 0",
        "extract(year FROM DATE '2024-01-01') > 1", "NOT n > 5 OR -n < 0",
        "json_extract('{}', '$.a') IS NULL",
        "n % 2 = 0", "n ** 2 > 0", "'x' SIMILAR TO 'x'", "'x' GLOB 'x'", "trim(' x ') ILIKE 'x'",
        "n // 2 > 0",
    ],
)  # fmt: skip
def test_no_function_of_duckdb_is_taken_for_none(sql: str) -> None:
    Where(sql)


def test_a_function_that_there_is_not_is_named_with_the_nearest() -> None:
    with pytest.raises(SourceError, match=r"no function 'lenght'; did you mean 'length'\?"):
        Where("lenght(messages) > 1")
