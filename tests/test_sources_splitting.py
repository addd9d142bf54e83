"""Splitting files by row: every row goes where it belongs, as it stood, in every format."""

import bz2
import csv
import gzip
import io
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.sources.files import source_file
from tulu_data.sources.readers import read_raw
from tulu_data.sources.splitting import split_file

LINES = st.lists(
    st.sampled_from(
        [b'{"a": "1"}', b'{"a":  "\xc3\xa9"}', b"", b"  ", b"{broken", b'{"a": "\xff"}', b'{"b": [1]}\r']
    ),
    max_size=12,
)


def split(folder, name, data, fate):
    """Split a file of some bytes; return the bytes of each part and the counts."""
    path = Path(folder) / name
    path.write_bytes(data)
    targets = {part: Path(folder) / part / name for part in ("kept", "dropped", "quarantined")}
    counts = split_file(source_file(path, name), fate, targets)
    return {part: target.read_bytes() for part, target in targets.items() if target.exists()}, counts


def rows_of(folder, name, data):
    """Return what the reader says of some bytes: values of rows by number, and numbers of bad rows."""
    path = Path(folder) / f"again-{name}"
    path.write_bytes(data)
    good, bad = [], []
    for batch in read_raw(source_file(path, name)):
        good += zip(batch.rows.to_pylist(), batch.table.to_pylist(), strict=True)
        bad += [row.row for row in batch.bad]
    return good, bad


def check_partition(folder, name, data, dropped):
    """Split off the bad rows and some good ones; hold each part to what the reader reads."""
    good, bad = rows_of(folder, name, data)
    numbers = [number for number, _ in good]
    gone = {numbers[k % len(numbers)] for k in dropped} if numbers else set()

    def fate(number):
        return "quarantined" if number in bad else "dropped" if number in gone else "kept"

    parts, counts = split(folder, name, data, fate)
    expected = {
        "kept": [value for number, value in good if number not in gone],
        "dropped": [value for number, value in good if number in gone],
    }
    for part, values in expected.items():
        assert counts[part] == len(values)
        found, wrong = rows_of(folder, name, parts.get(part, b""))
        assert [without_nulls(v) for _, v in found] == [without_nulls(v) for v in values]
        assert wrong == []
    return parts, counts


def without_nulls(row):
    """Leave out the columns that only other rows of a file have."""
    return {key: value for key, value in row.items() if value is not None}


@given(LINES, st.booleans(), st.booleans(), st.lists(st.integers(0, 11), max_size=4))
@settings(max_examples=60)
def test_lines_are_kept_to_the_byte(tmp_path_factory, lines, ends, bom, dropped):
    data = (b"\xef\xbb\xbf" if bom else b"") + b"\n".join(lines) + (b"\n" if ends else b"")
    folder = tmp_path_factory.mktemp("s")
    parts, counts = check_partition(folder, "a.jsonl", data, dropped)
    if set(counts) == {"kept"} and lines and lines[0].strip():
        assert parts == {"kept": data}
    assert sorted(b"\n".join(parts.values()).split()) == sorted(
        data.removeprefix(b"\xef\xbb\xbf" * (not lines or not lines[0].strip())).split()
    )


@given(
    st.lists(st.tuples(*[st.text('ab,"\n\r é', max_size=5)] * 2), min_size=1, max_size=8),
    st.sampled_from([",", "\t"]), st.sampled_from(["\n", "\r\n"]), st.lists(st.integers(0, 7), max_size=3),
)  # fmt: skip
@settings(max_examples=60)
def test_delimited_rows_of_several_lines_stay_whole(tmp_path_factory, rows, delimiter, end, dropped):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows([("x", "y"), *rows])
    data = out.getvalue().encode()
    folder = tmp_path_factory.mktemp("s")
    name = "a.csv" if delimiter == "," else "a.tsv"
    parts, counts = check_partition(folder, name, data, dropped)
    if set(counts) == {"kept"}:
        assert parts["kept"] == data


def test_broken_delimited_rows_are_set_aside_with_the_head(tmp_path):
    data = b'x,y\n1,2\n3\n"4" 5,6\n7,8\n'
    parts, counts = check_partition(tmp_path, "a.csv", data, [0])
    assert parts == {"kept": b"x,y\n7,8\n", "dropped": b"x,y\n1,2\n", "quarantined": b'x,y\n3\n"4" 5,6\n'}
    assert counts == {"kept": 1, "dropped": 1, "quarantined": 2}


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a": "1"}, {"a": "2"},\n {"a": "\xc3\xa9"}]',
        b'\xef\xbb\xbf[\n  {"a": 1}\n]\n', b"[]", b"", b'{"a": 1}',
        b'{"name": "x", "data": [{"a": 1}, {"a": 2}, {"a": 3}], "n": [1]}',
        b'{"a": 1}\n{"a": 2}\n{"a": 3}\n', b'[{"a": 1}, 5, {"a": 2}]', b'[{"a": 1}, {"a": 2}, {"a": ',
        b'[{"a": 1}, {"a" 2}, {"a": 3}]', b'[{"a": 1},{"a": "\xff"},{"a": 2}]',
        b'{"a": 1}\n{broken\n{"a": 2}',
        b"{broken", b'[{"a": 1}, {"a": 2},]', b'{"messages": [{"role": "user"}]}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("dropped", [[], [0], [1], [0, 1, 2]])
def test_documents_keep_what_stands_around_their_rows(tmp_path, data, dropped):
    parts, counts = check_partition(tmp_path, "a.json", data, dropped)
    if set(counts) == {"kept"} and not data.endswith(b",]"):
        assert parts == {"kept": data}
    if b"data" in data and parts.get("kept") and b'"a"' in parts["kept"]:
        assert json.loads(parts["kept"])["name"] == "x"


@pytest.mark.parametrize(
    ("suffix", "unpack"), [("gz", gzip.decompress), ("bz2", bz2.decompress), ("xz", lzma.decompress)]
)
def test_archives_stay_archives(tmp_path, suffix, unpack):
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[suffix]
    parts, _ = split(
        tmp_path,
        f"a.jsonl.{suffix}",
        pack(b'{"a": 1}\n{"a": 2}\n'),
        lambda n: "dropped" if n == 1 else "kept",
    )
    assert {part: unpack(data) for part, data in parts.items()} == {
        "kept": b'{"a": 2}\n',
        "dropped": b'{"a": 1}\n',
    }


def test_zstandard_stays_zstandard(tmp_path):
    path = tmp_path / "in.zst"
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(b'{"a": 1}\n{"a": 2}\n')
    split(tmp_path, "a.jsonl.zst", path.read_bytes(), lambda n: "dropped" if n == 1 else "kept")
    with pa.CompressedInputStream(str(tmp_path / "kept/a.jsonl.zst"), "zstd") as found:
        assert found.read() == b'{"a": 2}\n'


def test_a_torn_archive_keeps_its_whole_rows_and_sets_the_torn_one_aside(tmp_path):
    lines = b"".join(b'{"a": %d}\n' % k for k in range(40_000))
    data = gzip.compress(lines)[:-40_000]
    good, bad = rows_of(tmp_path, "a.jsonl.gz", data)
    parts, counts = split(tmp_path, "a.jsonl.gz", data, lambda n: "quarantined" if n in bad else "kept")
    kept = gzip.decompress(parts["kept"])
    assert counts["kept"] == len(good) == kept.count(b"\n")
    assert lines.startswith(kept + gzip.decompress(parts.get("quarantined", gzip.compress(b""))))


@pytest.mark.parametrize("codec", ["snappy", "zstd", "none"])
def test_parquet_keeps_schema_groups_codec_and_metadata(tmp_path, codec):
    schema = pa.schema(
        [pa.field("m", pa.list_(pa.struct([("role", pa.string())]))), ("n", pa.int8())], {"k": "v"}
    )
    table = pa.table([[[{"role": str(k)}] for k in range(10)], list(range(10))], schema=schema)
    pq.write_table(table, tmp_path / "in", compression=codec, row_group_size=4)
    gone = {1, 5, 6}
    parts, counts = split(
        tmp_path, "a.parquet", (tmp_path / "in").read_bytes(), lambda n: "dropped" if n in gone else "kept"
    )
    assert counts == {"kept": 7, "dropped": 3}
    with pq.ParquetFile(io.BytesIO(parts["kept"])) as found:
        before = pq.read_schema(tmp_path / "in")
        assert found.schema_arrow.equals(before, check_metadata=True)
        assert [found.metadata.row_group(k).num_rows for k in range(found.num_row_groups)] == [3, 2, 2]
        assert found.metadata.row_group(0).column(0).compression == {"none": "UNCOMPRESSED"}.get(
            codec, codec.upper()
        )
        assert found.read().equals(table.take([1, 2, 3, 6, 7, 8, 9]))
    with pq.ParquetFile(io.BytesIO(parts["dropped"])) as found:
        assert found.read()["n"].to_pylist() == [0, 4, 5]


@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_keeps_its_form_and_batches(tmp_path, new):
    table = pa.table({"a": list(range(10)), "b": [str(k) for k in range(10)]})
    with new(str(tmp_path / "in"), table.schema) as out:
        out.write_table(table, max_chunksize=4)
    data = (tmp_path / "in").read_bytes()
    parts, counts = split(tmp_path, "a.arrow", data, lambda n: "dropped" if n % 2 else "kept")
    assert counts == {"kept": 5, "dropped": 5}
    assert (parts["kept"][:6] == b"ARROW1") == (data[:6] == b"ARROW1")
    opened = pa.ipc.open_file if data[:6] == b"ARROW1" else pa.ipc.open_stream
    assert opened(parts["kept"]).read_all()["a"].to_pylist() == [1, 3, 5, 7, 9]
    if new is pa.ipc.new_stream:
        _, counts = split(
            tmp_path, "t.arrow", data[: len(data) // 2], lambda n: "kept" if n < 5 else "quarantined"
        )
        assert counts["kept"] == len(rows_of(tmp_path, "t.arrow", data[: len(data) // 2])[0])


def test_a_part_without_rows_gets_no_file(tmp_path):
    parts, counts = split(tmp_path, "a.jsonl", b'{"a": 1}\n\n', lambda _: "dropped")
    assert (sorted(parts), counts) == (["dropped"], {"dropped": 1})
