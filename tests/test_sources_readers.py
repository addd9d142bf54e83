"""Raw rows out of every format, and everything that goes wrong in files."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tulu_data.errors import SourceError
from tulu_data.sources.files import source_file
from tulu_data.sources.readers import read_raw
from tulu_data.sources.rows import REASONS, BadRow, RawBatch

ROWS = [{"a": f"text {i}", "n": i} for i in range(5)]
LINES = "".join(json.dumps(r) + "\n" for r in ROWS).encode()


def batches(path: Path, data: bytes) -> list[RawBatch]:
    path.write_bytes(data)
    return list(read_raw(source_file(path, path.name)))


def read(path: Path, data: bytes) -> tuple[list[dict[str, object]], list[int], list[BadRow]]:
    rows: list[dict[str, object]] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    for batch in batches(path, data):
        assert batch.read == batch.table.num_rows + len(batch.bad)
        assert len(batch.rows) == batch.table.num_rows
        rows += batch.table.to_pylist()
        numbers += batch.rows.to_pylist()
        bad += batch.bad
    assert all(b.reason in REASONS for b in bad)
    return rows, numbers, bad


def reasons(bad: list[BadRow]) -> list[tuple[int, str]]:
    return [(b.row, b.reason) for b in bad]


def test_json_lines_are_numbered_by_line_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbf{"a": 1}\r\n\r\n   \n{"a": 2}\n\n{"a": 3}'
    assert read(tmp_path / "x.jsonl", data) == ([{"a": 1}, {"a": 2}, {"a": 3}], [1, 4, 6], [])


def test_a_line_that_ends_in_a_text_is_told(tmp_path: Path) -> None:
    assert (
        read(tmp_path / "x.jsonl", b'{"a": "b')[2][0].detail == "Unterminated string starting at character 7"
    )


def test_each_kind_of_broken_line_has_its_reason_and_loses_no_other(tmp_path: Path) -> None:
    data = (
        b'{"a": 1}\n{"a": \n[1]\n{"a": "\\ud800"}\n{"a": "\xff"}\n"x"\n'
        b'{"a":' + b"[" * 3000 + b"\n" + b'{"a": 9}\n'
    )
    rows, numbers, bad = read(tmp_path / "x.jsonl", data)
    assert (rows, numbers) == ([{"a": 1}, {"a": 9}], [1, 8])
    assert reasons(bad) == [
        (2, "broken json"), (3, "not an object"), (4, "lone surrogate"), (5, "not utf-8"),
        (6, "not an object"),
        (7, bad[5].reason),
    ]  # fmt: skip
    assert bad[5].reason in ("too deep", "broken json")
    assert bad[0].detail == "Expecting value at character 7"
    assert bad[1].detail == "expected a JSON object, found an array"
    assert bad[0].raw == '{"a": '


def test_nan_is_missing_and_infinity_a_number(tmp_path: Path) -> None:
    rows, _, bad = read(tmp_path / "x.jsonl", b'{"a": NaN, "b": 1.5}\n{"a": 2.0, "b": Infinity}\n')
    assert rows == [{"a": None, "b": 1.5}, {"a": 2.0, "b": float("inf")}]
    assert bad == []


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    for name in ("x.jsonl", "x.json", "x.csv", "x.tsv", "x.arrow"):
        assert read(tmp_path / name, b"") == ([], [], [])
    assert read(tmp_path / "x.jsonl.gz", gzip.compress(b"")) == ([], [], [])
    assert read(tmp_path / "y.json", b"[]") == ([], [], [])


def test_values_of_conflicting_types_become_json_text(tmp_path: Path) -> None:
    (batch,) = batches(
        tmp_path / "x.jsonl", b'{"a": 1, "b": 1}\n{"a": "x", "b": 2}\n{"a": [1, {"k": null}], "b": null}\n'
    )
    assert batch.table.column("a").to_pylist() == ["1", "x", '[1,{"k":null}]']
    assert batch.table.column("b").to_pylist() == [1, 2, None]
    assert batch.mixed == {"a"}


def test_rows_may_have_different_keys(tmp_path: Path) -> None:
    rows, _, _ = read(tmp_path / "x.jsonl", b'{"a": 1}\n{"b": {"x": 1}}\n{"b": {"y": "2"}, "c": []}\n')
    assert rows[2] == {"a": None, "b": {"x": None, "y": "2"}, "c": []}


def test_objects_with_data_for_keys_stay_json_text(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"m": {f"key{i}": i}}) + "\n" for i in range(600)).encode()
    (batch,) = batches(tmp_path / "x.jsonl", lines)
    assert batch.table.schema.field("m").type == pa.large_string()
    with pytest.raises(SourceError, match=r"these are data, not columns"):
        batches(
            tmp_path / "y.jsonl", "".join(json.dumps({f"key{i}": i}) + "\n" for i in range(2500)).encode()
        )


def test_deep_nesting_is_read_or_refused_but_never_a_crash(tmp_path: Path) -> None:
    for depth in (50, 150, 300, 900, 5000):
        line = b'{"a": ' + b"[" * depth + b"]" * depth + b"}\n"
        rows, _, bad = read(tmp_path / "x.jsonl", line + b'{"a": null}\n')
        assert len(rows) + len(bad) == 2


def test_text_that_looks_like_a_date_stays_text(tmp_path: Path) -> None:
    rows, _, _ = read(tmp_path / "x.jsonl", b'{"a": "2024-01-02"}\n')
    assert rows == [{"a": "2024-01-02"}]
    rows, _, _ = read(tmp_path / "x.csv", b"a,b\n2024-01-02,007\n")
    assert rows == [{"a": "2024-01-02", "b": "007"}]


def test_one_row_of_many_megabytes_is_read(tmp_path: Path) -> None:
    big = "x" * (20 << 20)
    rows, numbers, bad = read(tmp_path / "x.jsonl", json.dumps({"a": big}).encode() + b'\n{"a": "y"}\n')
    assert (len(str(rows[0]["a"])), numbers, bad) == (len(big), [1, 2], [])


@pytest.mark.parametrize(
    ("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", None)]
)
def test_archives_are_read_and_torn_ones_keep_what_they_gave(
    tmp_path: Path, suffix: str, pack: object
) -> None:
    compress = pack or (lambda data: pa.Codec("zstd").compress(data, asbytes=True))
    assert callable(compress)
    assert read(tmp_path / f"x.jsonl.{suffix}", compress(LINES))[0] == ROWS
    many = b"".join(json.dumps({"a": f"{i * 7919 % 100003:x}" * 9}).encode() + b"\n" for i in range(60000))
    whole = compress(many)
    rows, numbers, bad = read(tmp_path / f"y.jsonl.{suffix}", whole[: len(whole) * 3 // 4])
    assert [b.reason for b in bad] == ["truncated archive"]
    assert len(rows) > 1000
    assert bad[0].row == numbers[-1] + 1


def test_several_archives_in_one_file_are_read_on(tmp_path: Path) -> None:
    assert len(read(tmp_path / "x.jsonl.gz", gzip.compress(LINES) + gzip.compress(LINES))[0]) == 10


def test_a_file_that_is_no_archive_is_one_bad_row(tmp_path: Path) -> None:
    assert reasons(read(tmp_path / "x.jsonl.gz", LINES)[2]) == [(1, "truncated archive")]


def test_a_json_file_may_be_an_array_an_object_around_rows_or_lines(tmp_path: Path) -> None:
    for data in (
        json.dumps(ROWS, indent=2).encode(),
        b"\xef\xbb\xbf" + json.dumps(ROWS).encode(),
        json.dumps({"canary": "x", "examples": ROWS}).encode(),
        LINES,
    ):
        assert read(tmp_path / "x.json", data)[0] == ROWS


def test_a_json_file_of_one_record_is_one_row(tmp_path: Path) -> None:
    record = {"messages": [{"role": "user", "content": "hi"}]}
    for data in (
        json.dumps(record).encode(),
        json.dumps(record, indent=1).encode(),
        json.dumps(record).encode() + b"\n",
    ):
        assert read(tmp_path / "x.json", data)[:2] == ([record], [1])


def test_an_object_with_two_lists_of_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x.json: an object with several lists of rows \(dev, train\)"):
        batches(tmp_path / "x.json", json.dumps({"train": ROWS, "dev": ROWS}).encode())
    with pytest.raises(SourceError, match=r"expected an array or an object, found a number"):
        batches(tmp_path / "x.json", b"17")


@pytest.mark.parametrize(
    "broken", ['{"a": "te"xt", "n": 2}', '{"a": "text" "n": 2}', '{"a": [{"n": 1}, {"n": ], "n": 2}', "nope"]
)
def test_an_array_that_breaks_in_the_middle_loses_one_element(tmp_path: Path, broken: str) -> None:
    parts = [json.dumps(r) for r in ROWS]
    parts[2] = broken
    for between in (",", ",\n  "):
        rows, numbers, bad = read(tmp_path / "x.json", f"[{between.join(parts)}]".encode())
        assert rows == [ROWS[i] for i in (0, 1, 3, 4)]
        assert numbers == [1, 2, 4, 5]
        assert reasons(bad) == [(3, "broken json")]


def test_an_array_that_ends_early_keeps_its_rows(tmp_path: Path) -> None:
    text = json.dumps(ROWS)
    rows, _, bad = read(tmp_path / "x.json", text[: text.index("text 3") + 3].encode())
    assert rows == ROWS[:3]
    assert reasons(bad) == [(4, "truncated file")]
    rows, _, bad = read(tmp_path / "x.json", text[:-1].encode())
    assert (rows, len(bad)) == (ROWS, 1)


def test_an_array_in_a_torn_archive_keeps_its_rows(tmp_path: Path) -> None:
    many = [{"a": f"{i * 7919 % 100003:x}" * 9} for i in range(20000)]
    whole = gzip.compress(json.dumps(many).encode())
    rows, _, bad = read(tmp_path / "x.json.gz", whole[: len(whole) // 2])
    assert rows == many[: len(rows)]
    assert len(rows) > 1000
    assert reasons(bad) == [(len(rows) + 1, "truncated archive")]


def test_csv_keeps_quoted_line_breaks_and_reports_ragged_rows(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbfa,b\r\n1,"two\r\nlines, ""quoted"""\r\n3\r\n\r\n4,\xff\r\n5,six\r\n'
    rows, numbers, bad = read(tmp_path / "x.csv", data)
    assert rows == [{"a": "1", "b": 'two\r\nlines, "quoted"'}, {"a": "5", "b": "six"}]
    assert numbers == [1, 4]
    assert reasons(bad) == [(2, "broken csv"), (3, "not utf-8")]
    assert bad[0].detail == "1 values where the header has 2 columns"
    assert read(tmp_path / "x.tsv", b"a\tb\n1,5\t2\n")[0] == [{"a": "1,5", "b": "2"}]


def test_csv_with_a_repeated_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x.csv: column 'a' stands in the header twice; rename one"):
        batches(tmp_path / "x.csv", b"a,b,a\n1,2,3\n")


def test_csv_with_a_header_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x.csv: the header line is not UTF-8; save the file as UTF-8"):
        batches(tmp_path / "x.csv", b"caf\xe9,b\n1,2\n")


def test_parquet_keeps_nested_types_and_reads_only_what_is_asked(tmp_path: Path) -> None:
    table = pa.table({"r": [{"style": "rule", "truth": {"x": "1"}}] * 3, "other": [1, 2, 3]})
    pq.write_table(table, tmp_path / "x.parquet")
    file = source_file(tmp_path / "x.parquet", "x.parquet")
    (batch,) = read_raw(file)
    assert batch.table.to_pylist() == table.to_pylist()
    (batch,) = read_raw(file, frozenset({"other"}))
    assert batch.table.column_names == ["other"]
    (batch,) = read_raw(file, frozenset())
    assert batch.table.num_rows == 3


def test_a_damaged_parquet_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^x.parquet: not readable as parquet \("):
        batches(tmp_path / "x.parquet", b"PAR1 nonsense")


def test_arrow_files_and_streams_are_read_and_a_torn_stream_keeps_its_rows(tmp_path: Path) -> None:
    table = pa.table({"a": [str(i) for i in range(1000)]})
    with pa.ipc.new_stream(tmp_path / "s.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    with pa.ipc.new_file(tmp_path / "f.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    for name in ("s.arrow", "f.arrow"):
        found = list(read_raw(source_file(tmp_path / name, name)))
        assert pa.concat_tables(b.table for b in found).to_pylist() == table.to_pylist()
        assert found[-1].rows[-1].as_py() == 1000
    data = (tmp_path / "s.arrow").read_bytes()
    rows, numbers, bad = read(tmp_path / "t.arrow", data[: len(data) // 2])
    assert numbers == list(range(1, len(rows) + 1))
    assert reasons(bad) == [(len(rows) + 1, "truncated archive")]


def test_utf_16_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x.csv: UTF-16 text; save it as UTF-8"):
        batches(tmp_path / "x.csv", "a,b\n1,2".encode("utf-16"))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), v, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), JSON), min_size=1, max_size=6))
def test_every_row_of_any_json_is_accounted_for(tmp_path: Path, values: list[tuple[str, object]]) -> None:
    rows = [{"text": text, "any": value} for text, value in values]
    for name, data in (
        ("x.jsonl", "\n".join(json.dumps(r, ensure_ascii=False) for r in rows)),
        ("x.json", json.dumps(rows)),
        ("y.jsonl", "\r\n".join(json.dumps(r) for r in rows)),
    ):
        found, numbers, bad = read(tmp_path / name, data.encode())
        assert bad == []
        assert numbers == list(range(1, len(rows) + 1))
        assert [f["text"] for f in found] == [r["text"] for r in rows]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(["x.jsonl", "x.json", "x.csv", "x.jsonl.gz", "x.jsonl.zst"]))
def test_no_bytes_crash_a_reader(tmp_path: Path, data: bytes, name: str) -> None:
    found = []
    try:
        read(tmp_path / name, data)
    except SourceError as error:
        found.append(str(error))
    assert all(text.startswith(name) for text in found)
