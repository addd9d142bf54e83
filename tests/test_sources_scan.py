"""A file read through its adapter with conditions, and the cache of what came out."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tulu_data.errors import SourceError
from tulu_data.schema import normalised_schema
from tulu_data.sources import cache as cache_module
from tulu_data.sources import json_lines, normalising
from tulu_data.sources.cache import normalise
from tulu_data.sources.files import SourceFile, source_file
from tulu_data.sources.reading import Reading
from tulu_data.sources.scan import Scanned, scan_file
from tulu_data.sources.where import Where

SFT = Reading(kind="sft")


def good(i: int, **more: object) -> str:
    return json.dumps({"prompt": f"q{i}", "completion": f"a{i}", "n": i, **more})


LINES = [good(1), "{broken", good(3), '{"prompt": "", "completion": "x", "n": 4}', good(5)]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., SourceFile]:
    def write(lines: list[str], name: str = "x.jsonl") -> SourceFile:
        path = tmp_path / name
        path.write_text("\n".join(lines), "utf-8")
        return source_file(path, name)

    return write


def joined(parts: list[Scanned]) -> tuple[list[int], list[int], list[bool], list[bool], int]:
    return (
        [r for p in parts for r in p.records.column("row").to_pylist()],
        [r for p in parts for r in p.bad.column("row").to_pylist()],
        [m for p in parts for m in p.masks[0].to_pylist()],
        [m for p in parts for m in p.bad_masks[0].to_pylist()],
        sum(p.read for p in parts),
    )


@pytest.mark.parametrize("block_rows", [1, 2, 100])
def test_a_condition_masks_records_and_bad_rows_whatever_the_batches(
    written: Callable[..., SourceFile], monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", block_rows)
    parts = list(scan_file(written(LINES), SFT, [Where("n >= 3 and n < 5")]))
    # A line that is no JSON belongs to every condition; row 4 is judged by its columns.
    rows, bad, held, bad_held, read = joined(parts)
    assert (rows, held, read) == ([1, 3, 5], [False, True, False], 5)
    assert dict(zip(bad, bad_held, strict=True)) == {2: True, 4: True}


def test_the_adapter_of_the_first_rows_is_kept(
    written: Callable[..., SourceFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 1)
    lines = [good(1), '{"instruction": "a", "output": "b"}', good(3)]
    parts = list(scan_file(written(lines), SFT, [Where("true")]))
    assert joined(parts)[:2] == ([1, 3], [2])
    assert parts[1].bad.column("reason").to_pylist() == ["missing value"]


def test_a_column_that_comes_late_is_null_before(
    written: Callable[..., SourceFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 1)
    file = written([good(1), good(2, tag="x"), good(3)])
    assert joined(list(scan_file(file, SFT, [Where("tag = 'x'")])))[2] == [False, True, False]


def test_a_column_that_never_comes_is_an_error_with_the_nearest_name(
    written: Callable[..., SourceFile],
) -> None:
    with pytest.raises(SourceError) as error:
        list(scan_file(written(LINES), SFT, [Where("promt = 'x'", name="web")]))
    assert str(error.value) == (
        "x.jsonl: where \"promt = 'x'\" (source 'web'): no column 'promt'; did you mean 'prompt'? "
        "(columns: completion, n, prompt)"
    )


def test_a_condition_over_a_column_of_conflicting_types_is_refused(
    written: Callable[..., SourceFile],
) -> None:
    lines = [good(1, tag=1), good(2, tag=["x"])]
    with pytest.raises(SourceError, match=r"column 'tag' holds values of different types in rows 1 to 2"):
        list(scan_file(written(lines), SFT, [Where("tag = 1")]))
    assert joined(list(scan_file(written(lines), SFT, [Where("n = 1")])))[2] == [True, False]


def test_errors_name_the_file(written: Callable[..., SourceFile]) -> None:
    with pytest.raises(SourceError, match=r"^x.jsonl: no adapter for kind sft fits \(columns: text\)"):
        list(scan_file(written(['{"text": "x"}']), SFT))


def test_a_file_is_normalised_once_and_mapped_from_then_on(
    written: Callable[..., SourceFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, where = written(LINES), Where("n > 1")
    first = normalise(file, SFT, [where], tmp_path / "cache")
    assert first.table.schema == normalised_schema("sft")
    assert (first.read, first.table.num_rows, first.bad.num_rows) == (5, 3, 2)
    assert first.rows("n > 1").tolist() == [1, 2]
    assert first.rows(None).tolist() == [0, 1, 2]

    def never(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(normalising, "scan_file", never)
    again = normalise(file, SFT, [where], tmp_path / "cache")
    assert again.table.equals(first.table)
    assert again.bad.equals(first.bad)
    assert again.rows("n > 1").tolist() == [1, 2]
    assert again.bad_rows("n > 1").equals(first.bad_rows("n > 1"))
    assert again.bad_rows(None).equals(first.bad)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="asks the system which files are open")
def test_a_normalised_file_is_open_once_until_somebody_reads_from_it(
    written: Callable[..., SourceFile], tmp_path: Path
) -> None:
    def count() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    file = written(LINES)
    normalise(file, SFT, [], tmp_path / "cache")
    before = count()
    found = normalise(file, SFT, [], tmp_path / "cache")
    assert count() == before + 1
    opened = found.opened()
    assert os.pread(opened.number, 6, 0) == b"ARROW1"
    assert count() == before + 2
    del opened
    assert count() == before + 1
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(SourceError, match=r"cannot be read again \(No such file or directory\)"):
        found.opened()


def test_a_new_condition_on_a_cached_file_gives_what_the_first_scan_would(
    written: Callable[..., SourceFile], tmp_path: Path
) -> None:
    file = written(LINES)
    normalise(file, SFT, [], tmp_path / "late")
    late = normalise(file, SFT, [Where("n <> 4")], tmp_path / "late")
    early = normalise(file, SFT, [Where("n <> 4")], tmp_path / "early")
    assert late.rows("n <> 4").tolist() == early.rows("n <> 4").tolist() == [0, 1, 2]
    assert sorted(late.bad["row"].to_pylist()) == sorted(early.bad["row"].to_pylist()) == [2, 4]
    assert late.bad_rows("n <> 4")["row"].to_pylist() == early.bad_rows("n <> 4")["row"].to_pylist() == [2]
    with pytest.raises(SourceError, match=r"no column 'nn'.*columns: completion, n, prompt"):
        normalise(file, SFT, [Where("nn = 1")], tmp_path / "late")


def test_a_new_condition_reads_only_the_columns_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"prompt": ["a"], "completion": ["b"], "N": [1]}), tmp_path / "x.parquet")
    file = source_file(tmp_path / "x.parquet", "x.parquet")
    normalise(file, SFT, [], tmp_path / "cache")
    asked: list[object] = []
    real = pq.ParquetFile.iter_batches

    def iter_batches(self: pq.ParquetFile, *args: object, **kwargs: object) -> object:
        asked.append(kwargs.get("columns"))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    assert normalise(file, SFT, [Where("n = 1")], tmp_path / "cache").rows("n = 1").tolist() == [0]
    assert asked == [["N"]]


def test_another_reading_or_other_bytes_are_other_entries(
    written: Callable[..., SourceFile], tmp_path: Path
) -> None:
    file = written([good(1)])
    normalise(file, SFT, [], tmp_path / "cache")
    swapped = Reading(
        kind="sft", adapter="prompt_completion", columns=(("completion", "prompt"), ("prompt", "completion"))
    )
    assert (
        normalise(file, swapped, [], tmp_path / "cache").table.column("messages")[0][0]["content"].as_py()
        == "a1"
    )
    other = written([good(2)])
    assert (
        normalise(other, SFT, [], tmp_path / "cache").table.column("messages")[0][0]["content"].as_py()
        == "q2"
    )


def test_the_same_bytes_under_two_names_share_an_entry_and_keep_their_names(
    written: Callable[..., SourceFile], tmp_path: Path
) -> None:
    one, two = (normalise(written(LINES, n), SFT, [], tmp_path / "cache") for n in ("x.jsonl", "y.jsonl"))
    assert (one.file.origin, two.file.origin) == ("x.jsonl", "y.jsonl")
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_failed_or_killed_write_leaves_nothing_that_is_taken_for_whole(
    written: Callable[..., SourceFile], tmp_path: Path
) -> None:
    with pytest.raises(SourceError):
        normalise(written(['{"text": 1}']), SFT, [], tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    file = written(LINES)
    half = tmp_path / "cache" / cache_module.cache_key(file, SFT)
    half.mkdir()
    (half / "records.arrow").write_bytes(b"half")
    assert normalise(file, SFT, [], tmp_path / "cache").table.num_rows == 3


def test_an_empty_file_gives_an_empty_table(written: Callable[..., SourceFile], tmp_path: Path) -> None:
    found = normalise(written([]), SFT, [Where("n > 1")], tmp_path / "cache")
    assert (found.read, found.table.num_rows, found.rows("n > 1").tolist()) == (0, 0, [])


@pytest.mark.parametrize("name", ["records.arrow", "numbers.int64", "bad.arrow", "meta.json", "held"])
@pytest.mark.parametrize("how", ["gone", "empty", "short", "zeros"])
def test_what_a_machine_that_went_down_left_torn_is_made_anew(
    written: Callable[..., SourceFile], tmp_path: Path, name: str, how: str
) -> None:
    if (name, how) in {("records.arrow", "zeros"), ("bad.arrow", "zeros")}:
        pytest.skip("a file system that notes a size before the bytes are there is not guarded against")
    file, where = written(LINES), Where("n > 1")
    first = normalise(file, SFT, [where], tmp_path / "cache")
    (path,) = first.folder.glob(f"{name}*")
    data = path.read_bytes()
    torn = {"gone": None, "empty": b"", "short": data[: len(data) // 2], "zeros": bytes(len(data))}[how]
    path.unlink()
    if torn is not None:
        path.write_bytes(torn)
    again = normalise(file, SFT, [where], tmp_path / "cache")
    assert again.table.equals(first.table)
    assert again.bad.equals(first.bad)
    assert (again.ids.tolist(), again.lines.tolist()) == (first.ids.tolist(), first.lines.tolist())
    assert again.rows("n > 1").tolist() == [1, 2]
    assert again.read == first.read


@pytest.mark.parametrize("when", ["first", "later"])
def test_a_file_that_is_changed_while_it_is_read_is_refused_and_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(good(n) for n in range(3)), "utf-8")
    file, cache = source_file(path, "x.jsonl"), tmp_path / "cache"
    if when == "later":
        normalise(file, SFT, [], cache)
    name = "scan_file" if when == "first" else "scan_values"
    real = getattr(normalising, name)

    def edited(*given: object, **more: object) -> object:
        path.write_text("\n".join(good(n) for n in range(3, 6)), "utf-8")
        return real(*given, **more)

    monkeypatch.setattr(normalising, name, edited)
    with pytest.raises(SourceError, match=r"^x.jsonl: changed while it was read; run the command again"):
        normalise(file, SFT, [Where("n > 1")], cache)
    monkeypatch.undo()
    again = source_file(path, "x.jsonl")
    assert normalise(again, SFT, [Where("n > 1")], cache).table.num_rows == 3
    assert not list(cache.glob("*/held-*")) or again.sha256 != file.sha256
