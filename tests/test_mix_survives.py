"""What a mixture must survive: ugly files go through a whole build, every row of them accounted for."""

import gzip
import json
import lzma
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixture_fixtures import Place, account, assert_adds_up, chat, chats

from tulu_data.errors import PlanError, SourceError, TuluDataError
from tulu_data.filters.turns import turns_of
from tulu_data.kernels.gather import Batches
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import CONTENT
from tulu_data.specs.mixture import read_mixture


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def texts(place: Place, name: str, data: bytes | None = None, **source: Any) -> tuple[list[str], dict]:
    """Mix one file; return the first turns that came out, sorted, and how many rows were set aside why."""
    path = place.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is not None:
        path.write_bytes(data)
    version = place.mix({"s": {"uri": name, **source}})
    assert_adds_up(version)
    (entry,) = version.manifest.sources
    turns = version.table(["messages"])["messages"].to_pylist()
    return sorted(t[0]["content"] for t in turns), entry.quarantined


def test_broken_json_in_the_middle_costs_its_own_rows(place: Place) -> None:
    data = lines(chat("one")) + b'{"messages": [{"role"\n\x00\x01\n' + lines(chat("two"))
    assert texts(place, "a.jsonl", data) == (["one", "two"], {"broken json": 2})
    bad = pq.read_table(place.store.resolve("m").path / "quarantined.parquet").to_pylist()
    assert [row["origin"] for row in bad] == ["a.jsonl:2", "a.jsonl:3"]


def test_json_lines_may_be_named_json(place: Place) -> None:
    assert texts(place, "a.json", lines(chat("one"), chat("two"))) == (["one", "two"], {})


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "b.csv"])
def test_a_byte_order_mark_is_no_text(place: Place, name: str) -> None:
    data = b"prompt,completion\none,yes\n" if name == "b.csv" else lines(chat("one"))
    assert texts(place, name, b"\xef\xbb\xbf" + data) == (["one"], {})


def test_lone_surrogates_are_set_aside_and_pairs_are_letters(place: Place) -> None:
    row = b'{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "x"}]}\n'
    data = row % b"\\ud83d" + row % b"\\ud83d\\ude00" + row % b"\\ude00 and on"
    assert texts(place, "a.jsonl", data) == (["\U0001f600"], {"lone surrogate": 2})


def test_nan_beside_and_inside_of_content(place: Place) -> None:
    row = json.dumps(chat("one"))[:-1]
    data = f'{row}, "score": NaN}}\n{row[:-1].replace("one", "two")}], "score": -Infinity}}\n'
    data += '{"messages": NaN}\n{"messages": [{"role": "user", "content": NaN}]}\n'
    found, set_aside = texts(place, "a.jsonl", data.encode())
    assert (found, sum(set_aside.values())) == (["one", "two"], 2)
    # NaN is no number that a condition could hold for.
    assert texts(place, "a.jsonl", None, where="score < 1")[0] == ["two"]


@pytest.mark.parametrize("name", ["e.jsonl", "e.json", "e.csv", "e.jsonl.gz", "e.arrow"])
def test_an_empty_file_beside_others_is_no_rows(place: Place, name: str) -> None:
    data = gzip.compress(b"") if name.endswith("gz") else b""
    (place.root / name).write_bytes(data)
    place.write("a.jsonl", chats(3))
    version = place.mix({"a": {"uri": "a.jsonl"}, "e": {"uri": name}})
    assert account(version, "e") == {
        "read": 0, "quarantined": {}, "dropped": account(version, "e")["dropped"],
        "not_drawn": 0, "kept": 0, "rows": 0,
    }  # fmt: skip
    assert any("'e' brings no rows" in warning for warning in version.manifest.warnings)


def test_a_row_of_a_hundred_megabytes_goes_through(place: Place) -> None:
    long = "0123456789" * 10_000_000
    with (place.root / "a.jsonl").open("wb") as file:
        for row in (chat("short"), chat("long", long), chat("after")):
            file.write(lines(row))
    version = place.mix({"s": {"uri": "a.jsonl"}})
    found = {turns[0]["content"]: turns[1]["content"] for turns in version.table()["messages"].to_pylist()}
    assert {name: len(answer) for name, answer in found.items()} == {
        "short": 4, "after": 4, "long": len(long)
    }  # fmt: skip
    assert found["long"] == long


def test_rows_with_different_keys_and_types(place: Place) -> None:
    rows = [
        chat("one"), chat("two") | {"meta": {"a": 1}}, chat("three") | {"meta": {"b": [1, {"c": None}]}},
        chat("four") | {"meta": "text"}, chat("five") | {"meta": [1, "x", {}], "id": 7},
        chat("six") | {"id": "x"}, {"id": 3},
    ]  # fmt: skip
    found, set_aside = texts(place, "a.jsonl", lines(*rows))
    assert (found, sum(set_aside.values())) == (["five", "four", "one", "six", "three", "two"], 1)


def test_json_inside_strings(place: Place) -> None:
    inner = chat('say {"a": "\\n"}')["messages"]
    rows = [{"messages": json.dumps(inner)}, {"messages": "[not json"}, {"messages": inner}]
    found, set_aside = texts(place, "a.jsonl", lines(*rows))
    assert (found, sum(set_aside.values())) == ([inner[0]["content"]] * 2, 1)


def test_nested_trees_far_beside_the_content(place: Place) -> None:
    tree: dict[str, Any] = {}
    for _ in range(200):
        tree = {"children": [tree, {"text": "x"}]}
    too_deep = b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    found, set_aside = texts(
        place, "a.jsonl", lines(chat("one") | {"tree": tree}) + too_deep + lines(chat("two"))
    )
    assert (found, sum(set_aside.values())) == (["one", "two"], 1)


def test_paths_in_other_scripts_and_with_spaces(place: Place) -> None:
    name = "\u6570\u636e/\u5bf9\u8bdd \u0447\u0430\u0442 e\u0301 \U0001f980.jsonl"
    assert texts(place, name, lines(chat("\u4f60\u597d"))) == (["\u4f60\u597d"], {})
    version = place.store.resolve("m")
    assert version.table(["origin"])["origin"].to_pylist() == [f"{name}:1"]
    assert texts(place, "\u6570\u636e/*.jsonl") == (["\u4f60\u597d"], {})


@pytest.mark.parametrize("ending", [".gz", ".zst", ".xz"])
def test_archives_and_torn_archives(place: Place, ending: str) -> None:
    data = lines(*(chat(f"{i:04} {hash_of(i)}") for i in range(4000)))
    packed = {
        ".gz": gzip.compress, ".xz": lzma.compress,
        ".zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
    }[ending](data)  # fmt: skip
    whole, set_aside = texts(place, f"a.jsonl{ending}", packed)
    assert (len(whole), set_aside) == (4000, {})
    assert texts(place, f"b.jsonl{ending}", packed)[0] == whole
    torn, set_aside = texts(place, f"c.jsonl{ending}", packed[: len(packed) * 3 // 4])
    assert 1000 < len(torn) < 4000
    assert torn == whole[: len(torn)]
    assert sum(set_aside.values()) in (1, 2), "the archive, and the row that it broke off in"


def hash_of(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def test_parquet_with_nested_structs(place: Place) -> None:
    rows = [
        {**chat(f"q {i}"), "meta": {"a": {"b": [{"c": i, "d": None}], "e": {"f": [[i], []]}}, "none": None}}
        for i in range(9)
    ]
    pq.write_table(pa.Table.from_pylist(rows), place.root / "a.parquet", row_group_size=2)
    assert texts(place, "a.parquet", where="meta.a.b[1].c >= 4")[0] == [f"q {i}" for i in range(4, 9)]


def test_two_sources_with_the_same_text(place: Place) -> None:
    place.write("a.jsonl", chats(5))
    place.write("b.jsonl", chats(5))
    sources = {"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl"}}
    both = place.mix(sources)
    assert [entry.rows for entry in both.manifest.sources] == [5, 5]
    assert len(set(both.table(["id"])["id"].to_pylist())) == 5
    once = place.mix(sources, steps=[{"step": "dedup", "key": "record"}])
    assert [entry.rows for entry in once.manifest.sources] == [5, 0]
    assert_adds_up(once)


def test_the_same_source_under_two_names_is_reported(place: Place) -> None:
    place.write("a.jsonl", chats(5))
    shutil.copyfile(place.root / "a.jsonl", place.root / "copy.jsonl")
    for other in ("a.jsonl", "copy.jsonl"):
        version = place.mix({"a": {"uri": "a.jsonl"}, "b": {"uri": other}}, name=other[:1])
        assert [entry.rows for entry in version.manifest.sources] == [5, 5]
        assert any("'a'" in warning and "'b'" in warning for warning in version.manifest.warnings), other


def test_zero_rows_after_filters_is_told_at_once_and_nothing_is_written(place: Place) -> None:
    place.write("a.jsonl", [chat("x", " "), chat("y", "")])
    with pytest.raises(PlanError, match="no rows"):
        place.mix({"a": {"uri": "a.jsonl"}}, steps=[{"step": "filter", "drop": ["empty_turn"]}])
    assert place.store.names() == []


def test_a_source_that_shrank_is_told_and_the_version_before_stays(place: Place) -> None:
    place.write("a.jsonl", chats(9))
    before = place.mix({"a": {"uri": "a.jsonl", "take": {"rows": 8}}})
    place.write("a.jsonl", chats(3))
    with pytest.raises(PlanError) as caught:
        place.mix({"a": {"uri": "a.jsonl", "take": {"rows": 8}}})
    assert "m.yaml:" in str(caught.value)
    assert "short" in str(caught.value)
    assert place.store.resolve("m") == before
    place.root.joinpath("a.jsonl").unlink()
    with pytest.raises(SourceError, match=r"a\.jsonl"):
        place.mix({"a": {"uri": "a.jsonl", "take": {"rows": 8}}})


def test_a_role_spelled_wrongly_is_told_with_its_place(place: Place) -> None:
    row = {"messages": [
        {"role": "user", "content": "one"}, {"role": "assistant", "content": "x"},
        {"role": "asistant", "content": "y"},
    ]}  # fmt: skip
    assert texts(place, "a.jsonl", lines(chat("zero"), row))[0] == ["zero"]
    (bad,) = pq.read_table(place.store.resolve("m").path / "quarantined.parquet").to_pylist()
    told = f"{bad['origin']}: {bad['detail']}"
    assert told == "a.jsonl:2: messages[2].role 'asistant': did you mean 'assistant'"


def test_a_damaged_parquet_file_is_one_clear_error(place: Place) -> None:
    pq.write_table(pa.Table.from_pylist(chats(50)), place.root / "a.parquet")
    data = (place.root / "a.parquet").read_bytes()
    for damaged in (data[: len(data) // 2], data[:4] + b"\0" * (len(data) - 8) + data[-4:], b""):
        (place.root / "a.parquet").write_bytes(damaged)
        with pytest.raises(TuluDataError, match=r"a\.parquet"):
            place.mix({"a": {"uri": "a.parquet"}})
    assert place.store.names() == []
    assert read_mixture(place.root / "mixtures" / "m.yaml").mixture.name == "m"


def test_text_behind_two_gibibytes_of_a_column_is_read_where_it_lies(tmp_path: Path) -> None:
    """A hole in a file stands for the first row, so no memory is needed for it."""
    schema = CONTENT["sft"]
    wanted = pa.RecordBatch.from_pylist(
        [chat(f"question {i} \u4f60\u597d") | {"tools": None} for i in range(5)], schema
    )
    turns = wanted["messages"].values
    text, hole = turns.field("content"), (1 << 31) + 4096
    path = tmp_path / "text"
    with path.open("wb") as file:
        file.seek(hole)
        file.write(b"".join(value.encode() for value in text.to_pylist()))
    ends = [
        0,
        hole,
        *(hole + sum(len(v.encode()) for v in text.to_pylist()[: i + 1]) for i in range(len(text))),
    ]
    buffers = [None, pa.py_buffer(np.array(ends, np.int64)), pa.memory_map(str(path)).read_buffer()]
    far = pa.Array.from_buffers(pa.large_string(), len(text) + 1, buffers)
    first = pa.array(["user"], pa.large_string())
    struct = pa.StructArray.from_arrays(
        [pa.concat_arrays([first, turns.field("role")]), far, pa.nulls(len(far), pa.large_string())],
        fields=list(turns.type),
    )
    offsets = pa.array([0, 1, *range(3, len(far) + 1, 2)], pa.int32())
    messages = pa.ListArray.from_arrays(offsets, struct, type=schema.field("messages").type)
    batch = pa.RecordBatch.from_arrays([messages, pa.nulls(6, pa.large_string())], schema=schema).slice(1)
    assert record_ids(batch, "sft").equals(record_ids(wanted, "sft"))
    gathered = Batches([batch], schema).gather(np.zeros(3, np.int64), np.array([4, 0, 2]))
    assert gathered.to_pylist() == [wanted.to_pylist()[row] for row in (4, 0, 2)]
    assert turns_of(batch, "sft").content.equals(turns_of(wanted, "sft").content)
