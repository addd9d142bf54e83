"""Paths, folders and globs to data files."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tulu_data.errors import SourceError
from tulu_data.sources.files import file_format, find_files


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in (
        "b.jsonl",
        "a.jsonl.gz",
        "sub/c.parquet",
        "sub/README.md",
        "sub/.hidden.jsonl",
        "sub/dataset_info.json",
        "\u4e2d\u6587/\u6570\u636e.jsonl",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, "utf-8")
    return tmp_path


def origins(pattern: str, base: Path) -> list[str]:
    return [f.origin for f in find_files(pattern, base)]


def test_a_file_is_named_relative_to_the_base_and_hashed_from_its_bytes(base: Path) -> None:
    (file,) = find_files("b.jsonl", base)
    assert (file.origin, file.format, file.compression) == ("b.jsonl", "jsonl", None)
    assert file.sha256 == hashlib.sha256(b"b.jsonl").hexdigest()


def test_an_edit_of_the_same_size_and_time_changes_the_hash(base: Path) -> None:
    import os

    before = find_files("b.jsonl", base)[0]
    stat = (base / "b.jsonl").stat()
    (base / "b.jsonl").write_text("B.jsonl")
    os.utime(base / "b.jsonl", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert find_files("b.jsonl", base)[0].sha256 != before.sha256


def test_globs_and_folders_give_data_files_alone_in_order(base: Path) -> None:
    assert origins("*", base) == ["a.jsonl.gz", "b.jsonl", "sub/c.parquet", "\u4e2d\u6587/\u6570\u636e.jsonl"]
    assert origins("**/*.parquet", base) == ["sub/c.parquet"]
    assert origins("sub", base) == ["sub/c.parquet"]
    assert origins("\u4e2d\u6587", base) == ["\u4e2d\u6587/\u6570\u636e.jsonl"]
    assert origins(str(base / "sub"), base) == ["sub/c.parquet"]


def test_a_name_with_glob_letters_that_exists_is_a_name(base: Path) -> None:
    shutil.copy(base / "b.jsonl", base / "x[1].jsonl")
    assert origins("x[1].jsonl", base) == ["x[1].jsonl"]


def test_nothing_found_names_the_folder_and_the_nearest_name(base: Path) -> None:
    with pytest.raises(SourceError) as error:
        find_files("sub/c.parqet", base)
    assert (
        str(error.value) == f"sub/c.parqet: no such file; searched {base / 'sub'}; did you mean 'c.parquet'?"
    )
    with pytest.raises(SourceError, match=r"no such file; searched .*did you mean 'sub'"):
        find_files("sbu/c.parquet", base)
    with pytest.raises(SourceError, match=r"\*\.csv: no such file; searched"):
        find_files("*.csv", base)


def test_a_file_of_another_kind_is_refused_when_named(base: Path) -> None:
    with pytest.raises(
        SourceError, match=r"sub/README.md: not a data file by its name; give one that ends in \.arrow, \.csv"
    ):
        find_files("sub/README.md", base)
    (base / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no data file in"):
        find_files("empty", base)


def test_a_saved_dataset_is_read_by_its_state(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    for name in ("data-00000-of-00001.arrow", "cache-123.arrow"):
        (saved / name).write_bytes(b"")
    (saved / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
    )
    assert origins("saved", tmp_path) == ["saved/data-00000-of-00001.arrow"]
    (saved / "data-00000-of-00001.arrow").unlink()
    with pytest.raises(SourceError, match=r"state.json names 'data-00000-of-00001.arrow', which is missing"):
        find_files("saved", tmp_path)
    (saved / "state.json").write_text("{}")
    with pytest.raises(SourceError, match=r"not the state of a saved dataset"):
        find_files("saved", tmp_path)


def test_a_saved_dataset_of_several_splits_wants_one_of_them(tmp_path: Path) -> None:
    (tmp_path / "d/train").mkdir(parents=True)
    (tmp_path / "d/dataset_dict.json").write_text("{}")
    with pytest.raises(SourceError, match=r"a saved dataset with several splits; name one of them: d/train"):
        find_files("d", tmp_path)


def test_formats_are_told_by_name() -> None:
    assert file_format("x.JSONL") == ("jsonl", None)
    assert file_format("x.json.zst") == ("json", "zst")
    assert file_format("x.parquet.gz") is None
    assert file_format("state.json") is None
    assert file_format("notes.txt") is None
