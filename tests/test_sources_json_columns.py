"""Blocks of JSON lines as whole columns give what reading them row by row gives."""
# ruff: noqa: E501 - a list of nasty lines is read better as a table

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.sources import json_columns, json_lines
from tulu_data.sources.rows import BadRow

Seen = tuple[list[str], list[int], list[BadRow]]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.integers(-3, 3) | st.integers(-(2**65), 2**65) | st.floats(width=64)
CHAT = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "content": TEXT | st.none()},
        optional={
            "name": st.none() | TEXT,
            "tool_calls": st.none() | st.lists(st.fixed_dictionaries({"f": TEXT})),
        },
    ),
    max_size=3,
)
ANY = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from("xyz"), v, max_size=3),
    max_leaves=5,
)
ROW = st.fixed_dictionaries(
    {"prompt": TEXT},
    optional={
        "n": st.integers(-5, 5), "score": NUMBER, "flag": st.booleans() | st.none(), "messages": CHAT,
        "meta": st.fixed_dictionaries({}, optional={"x": TEXT, "y": st.integers(0, 2)}),
        "list": st.lists(TEXT), "any": ANY,
    },
)  # fmt: skip
NASTY = st.sampled_from(
    [
        b"", b" ", b"\r", b"\t \x0b", b'{"prompt":"a"}{"prompt":"b"}', b'{"prompt":', b'"b"}', b"}", b"{", b"{}",
        b'{"prompt":"\\ud800"}', b'{"prompt":"\\udc00"}', b'{"prompt":"\\ud83d\\ude00"}', b'{"prompt":"\xff"}',
        b'{"prompt":"\xed\xa0\x80"}', b'{"prompt":"a","prompt":"b"}', b'{"meta":{"x":"a","x":"b"}}', b'{"n":01}',
        b'{"n":1.0}', b'{"n":-0}', b'{"score":-0}', b'{"score":1e400}', b'{"score":NaN}', b'{"score":-Infinity}',
        b'{"prompt":"\\u0000"}', b'{"prompt":"\0"}', b'\0{"prompt":"c"}', b'{"prompt":"a\tb"}', b'{"prompt":"a",}',
        b'{"prompt":"2024-01-02"}', b'{"prompt":5}', b'[{"prompt":"a"}]', b'  {"prompt":"a"}  ', b"/**/{}",
        b'{"\\u0070rompt":"a"}', b'{"prompt":"a"} // x', b'{"late":"x"}', b'{"messages":[null]}', b'{"meta":{}}',
        b'{"messages":[{"role":"user"}]}', b'{"list":[1,2]}', b'{"n":9223372036854775808}', b'\xef\xbb\xbf{}',
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", b'{"prompt":"' + b"long" * 99 + b'"}',
    ]
)  # fmt: skip


def written(row: dict[str, Any], ascii_only: bool) -> bytes:
    return json.dumps(row, ensure_ascii=ascii_only).encode()


LINE = st.builds(written, ROW, st.booleans())
FILES = st.lists(LINE, max_size=6).flatmap(
    lambda some: st.lists(
        (st.sampled_from(some) if some else LINE) | (st.sampled_from(some) if some else LINE) | LINE | NASTY,
        max_size=12,
    ).map(lambda more: [*some, *more])
)


def plain(value: Any, *, bare: bool = True) -> Any:
    """Return a value without what cannot be told apart: a column, or a message's field, that is null."""
    if isinstance(value, dict):
        bare = bare or {"role", "content"} <= value.keys()
        return {k: plain(v, bare=False) for k, v in sorted(value.items()) if v is not None or not bare}
    return [plain(v, bare=False) for v in value] if isinstance(value, list) else value


def read(data: bytes) -> Seen:
    rows: list[str] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    for batch in json_lines.read_json_lines([data]):
        assert batch.table.num_rows == len(batch.rows)
        rows += [repr(plain(row)) for row in batch.table.to_pylist()]
        numbers += batch.rows.to_pylist()
        bad += batch.bad
        assert batch.line is not None or not len(batch.rows)
        for number in batch.rows.to_pylist():
            line = data.split(b"\n")[number - 1].removeprefix(json_lines.BOM if number == 1 else b"")
            assert batch.line is not None
            assert batch.line(number) == line.rstrip(b"\r").decode("utf-8", "backslashreplace")
    return rows, numbers, bad


def patched(data: bytes, **values: object) -> Seen:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(json_lines, name, value)
        return read(data)


@settings(max_examples=400, deadline=None)
@given(lines=FILES, end=st.sampled_from([b"\n", b"\r\n"]), last=st.booleans(), rows=st.integers(1, 5))
def test_columns_and_rows_give_the_same(lines: list[bytes], end: bytes, last: bool, rows: int) -> None:
    data = end.join(lines) + (end if last else b"")
    cut = {"BLOCK_ROWS": rows, "_FIRST_LOOK": 2}
    assert patched(data, **cut) == patched(data, read_columns=lambda *_: None, **cut)


def test_rows_of_one_shape_are_never_read_one_by_one() -> None:
    chat = [
        {"role": "user", "content": "\u00e9"},
        {"role": "assistant", "content": "\U0001f600", "name": None},
    ]
    rows = [
        {
            "id": i,
            "prompt": f"2024-01-{i:02}",
            "score": i / 2,
            "meta": {"x": "y"},
            "messages": chat,
            "no": None,
        }
        for i in range(1, 40)
    ]
    lines = [json.dumps(row, ensure_ascii=i % 2 == 0).encode() for i, row in enumerate(rows)]
    read_rows: list[int] = []

    def never(data: bytes, first: int, only: object = None) -> object:
        read_rows.append(first)
        return first_look(data, first, None)

    first_look = json_lines._in_rows
    data = b"\r\n".join([*lines[:20], b"", b" ", *lines[20:]])
    found = patched(data, _in_rows=never, BLOCK_ROWS=10)
    assert read_rows == [1]
    assert found == ([repr(plain(row)) for row in rows], [*range(1, 21), *range(23, 42)], [])


def test_a_block_that_shows_a_new_column_teaches_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b'{"prompt":"a"}', b'{"prompt":"b","tag":"x"}', b'{"prompt":"c","tag":"y"}', b'{"prompt":"d"}']
    read_rows: list[int] = []
    in_rows = json_lines._in_rows
    monkeypatch.setattr(json_lines, "_FIRST_LOOK", 1)
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 1)
    monkeypatch.setattr(json_lines, "_in_rows", lambda *given: read_rows.append(given[1]) or in_rows(*given))
    assert read(b"\n".join(lines))[1] == [1, 2, 3, 4]
    assert read_rows == [1, 2]


@given(st.lists(st.binary(max_size=40), max_size=8), st.sampled_from([1, 4, 1 << 16]))
def test_lines_end_where_python_splits_them(lines: list[bytes], sample: int) -> None:
    data = b"\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_columns, "_SAMPLE", sample)
        patch.setattr(json_columns, "_LONG_LINE", 20)
        ends = json_columns.line_ends(data).tolist()
    starts = [0, *(end + 1 for end in ends)]
    found = [data[start:end] for start, end in zip(starts, ends, strict=False)]
    expected = data.split(b"\n")
    assert found == (expected if expected[-1] else expected[:-1])
