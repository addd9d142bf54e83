"""Versions on disk: whole or not there, readable by others, one writer at a time."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from store_fixtures import batch_of, draft_of, in_batches, tree, written

from tulu_data.errors import StoreError
from tulu_data.store import Store, Version, make_newest, write_version, writer
from tulu_data.store.version import SIGNATURES

TEXTS = [f"question {i}" for i in range(45)]
TESTS = Path(__file__).parent


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def prompts(table: pa.Table) -> list[str]:
    return [turns[0]["content"] for turns in table["messages"].to_pylist()]


def test_a_version_holds_its_records_in_order_and_its_account(store: Store) -> None:
    version = written(store, TEXTS)
    assert prompts(version.table()) == TEXTS
    assert version.path == store.root / "d" / version.content_id
    assert sorted(p.name for p in version.path.iterdir()) == [
        "README.md", "data-00000-of-00001.arrow", "dataset_info.json", "dropped.parquet", "lock.yaml",
        "manifest.json", "spec.yaml", "state.json",
    ]  # fmt: skip
    assert (version.num_rows, version.ref) == (45, f"d@{version.content_id[:8]}")
    assert version.table(["id", "copy"]).column_names == ["id", "copy"]


def test_shards_and_batches_of_other_sizes_are_the_same_version(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = written(store, TEXTS)
    monkeypatch.setattr(writer, "SHARD_BYTES", 1)
    other = Store(store.root.with_name("other"))
    batches = list(in_batches(TEXTS, 7))
    many = write_version(other, draft_of(batches), batches)
    assert (one.content_id, len(one.manifest.shards)) == (many.content_id, 1)
    assert [shard.file for shard in many.manifest.shards] == [
        f"data-{i:05d}-of-00007.arrow" for i in range(7)
    ]
    assert sum(shard.rows for shard in many.manifest.shards) == 45
    assert many.table(["id", "messages"]).equals(one.table(["id", "messages"]))


def test_datasets_polars_and_duckdb_read_a_version(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SHARD_BYTES", 1)
    version = written(store, TEXTS)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import datasets

    loaded = datasets.load_from_disk(str(version.path))
    assert version.dataset().to_list() == loaded.to_list()
    assert loaded.column_names == version.schema.names
    assert [row["messages"][0]["content"] for row in loaded] == TEXTS
    frames = [pl.read_ipc_stream(version.path / shard.file) for shard in version.manifest.shards]
    assert pl.concat(frames)["id"].to_list() == version.table()["id"].to_pylist()
    with duckdb.connect() as connection:
        connection.register("rows", version.table())
        assert connection.sql("SELECT count(*), count(DISTINCT id) FROM rows").fetchall() == [(45, 45)]


def test_the_manifest_names_size_and_hash_of_every_shard(store: Store) -> None:
    from hashlib import sha256

    version = written(store, TEXTS)
    (shard,) = version.manifest.shards
    data = (version.path / shard.file).read_bytes()
    assert (shard.rows, shard.bytes, shard.sha256) == (45, len(data), sha256(data).hexdigest())


def test_the_manifest_is_written_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []
    real = writer._write_synced

    def watched(path: Path, data: bytes) -> None:
        seen.append((path.name, any(path.parent.glob("data-*.arrow"))))
        real(path, data)

    monkeypatch.setattr(writer, "_write_synced", watched)
    written(store, TEXTS)
    assert seen[-1] == ("manifest.json", True)
    assert len(seen) == 6


def test_a_version_without_rows_can_be_read(store: Store) -> None:
    version = write_version(store, draft_of([]), [])
    assert version.table().num_rows == 0


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            lambda p: p.write_bytes(b"x"),
            "the manifest says {size} bytes, it has 1 bytes; the version is damaged",
        ),
        (lambda p: p.unlink(), "the manifest says {size} bytes, it is missing; the version is damaged"),
    ],
)
def test_a_damaged_shard_is_found_on_opening(store: Store, damage, text: str) -> None:
    version = written(store, TEXTS)
    shard = version.manifest.shards[0]
    damage(version.path / shard.file)
    with pytest.raises(StoreError) as caught:
        store.resolve("d")
    place = version.path / shard.file
    assert str(caught.value) == f"{place}: {text.format(size=shard.bytes)}, build it again"
    assert written(store, TEXTS).table().num_rows == 45


@pytest.mark.parametrize("text", ["", "{", '{"name": "d"}', "[]"])
def test_a_manifest_that_is_none_is_refused(store: Store, text: str) -> None:
    version = written(store, TEXTS)
    (version.path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"not readable as a manifest .*; build the version again"):
        Version.open(version.path)


def test_a_folder_without_a_manifest_is_no_version(store: Store) -> None:
    first, second = written(store, TEXTS[:5]), written(store, TEXTS)
    (second.path / "manifest.json").unlink()
    assert store.resolve("d") == first
    with pytest.raises(StoreError, match=r"no manifest.json, so no whole version; build it again"):
        Version.open(second.path)
    assert written(store, TEXTS) == second


def test_a_second_writer_is_refused_and_a_reader_is_not(store: Store) -> None:
    before = written(store, TEXTS[:5])
    script = (
        "import sys; from pathlib import Path; from store_fixtures import written\n"
        "from tulu_data.errors import StoreError; from tulu_data.store import Store\n"
        "store = Store(Path(sys.argv[1])); print(store.resolve('d').num_rows)\n"
        "try:\n    written(store, ['x'])\n"
        "except StoreError as error:\n    print(error)\n"
    )
    lines: list[str] = []

    def batches():
        yield batch_of(TEXTS[:20])
        command = [sys.executable, "-c", script, str(store.root)]
        done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=True)
        lines.extend(done.stdout.splitlines())
        yield batch_of(TEXTS[20:])

    draft = draft_of([batch_of(TEXTS)])
    version = write_version(store, draft, batches())
    where = store.root / "d"
    assert lines == [
        "5",
        f"{where}: another process is writing 'd'; wait for it, or build into another --store",
    ]
    assert store.ids("d") == [before.content_id, version.content_id]


def test_what_a_killed_writer_left_is_removed_by_the_next(store: Store) -> None:
    stale = store.root / "d" / ".building-99999"
    stale.mkdir(parents=True)
    (stale / "0.tmp").write_bytes(b"x" * 100)
    written(store, TEXTS)
    assert [p.name for p in (store.root / "d").iterdir() if p.name.startswith(".building")] == []


def test_a_full_disk_is_one_clear_error_and_the_store_is_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(store, TEXTS[:5])
    before = tree(store)
    real = writer._Sink.write

    def full(self: object, data: bytes) -> int:
        if self.file.size > 2000:  # type: ignore[attr-defined]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, data)  # type: ignore[arg-type]

    monkeypatch.setattr(writer._Sink, "write", full)
    with pytest.raises(StoreError) as caught:
        written(store, TEXTS)
    assert str(caught.value) == (
        f"{store.root / 'd'}: cannot write the version (No space left on device); the store is as it was; "
        "make room or the folder writable, or choose another store with --store"
    )
    assert tree(store) == before
    monkeypatch.undo()
    assert written(store, TEXTS).num_rows == 45


def test_a_disk_that_is_full_at_the_side_tables_is_told_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(StoreError, match=r"cannot write the version \(\[Errno 28\] Error writing bytes"):
        written(store, TEXTS)
    assert store.names() == []


def test_a_store_that_cannot_be_written_is_one_clear_error(store: Store) -> None:
    store.root.parent.mkdir(exist_ok=True)
    store.root.write_text("a file in the way")
    with pytest.raises(StoreError, match=r"cannot write the version \((Not a directory|File exists)\)"):
        written(store, TEXTS)


def test_the_log_lists_every_build_newest_last(store: Store) -> None:
    a = written(store, ["a"], time="2030-01-01")
    b = written(store, ["b"], time="2030-01-02")
    log = (store.root / "refs" / "d").read_text().splitlines()
    assert [line.split() for line in log] == [
        [v.content_id, v.manifest.created, "r" * 64, "i" * 64] for v in (a, b)
    ]
    assert store.ids("d") == [a.content_id, b.content_id]
    make_newest(store, a, "r" * 64, "i" * 64)
    assert store.ids("d") == [b.content_id, a.content_id]
    make_newest(store, a, "r" * 64, "i" * 64)
    assert len((store.root / "refs" / "d").read_text().splitlines()) == 3


def test_names_and_the_latest_version_are_found(store: Store) -> None:
    assert (store.names(), store.latest()) == ([], None)
    written(store, ["a"], name="one", time="2030-01-02")
    two = written(store, ["b"], name="two", time="2030-01-03")
    assert store.names() == ["one", "two"]
    assert store.latest() == two


def test_a_version_is_resolved_by_name_and_by_prefix(store: Store) -> None:
    found = [written(store, [text]) for text in "abcdefghijklmnopqrs"]
    newest = found[-1]
    assert store.resolve("d") == store.resolve("d@latest") == newest
    assert store.resolve(newest.ref) == store.resolve(f"d@{newest.content_id}") == newest
    digit = max("0123456789abcdef", key=lambda c: sum(v.content_id[0] == c for v in found))
    fitting = [v.content_id for v in found if v.content_id[0] == digit]
    with pytest.raises(StoreError) as caught:
        store.resolve(f"d@{digit}")
    text = f"d@{digit}: fits {len(fitting)} versions; give more digits of one of {', '.join(fitting)}"
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        ("sft_v4", "no dataset 'sft_v4'; did you mean 'sft_v3'? (the store holds dpo, sft_v3)"),
        ("zzz", "no dataset 'zzz' (the store holds dpo, sft_v3)"),
        ("../dpo", "no dataset '../dpo'; did you mean 'dpo'? (the store holds dpo, sft_v3)"),
        ("dpo@zz", "dpo@zz: no such version of 'dpo' (the store holds dpo@{dpo})"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(store: Store, ref: str, text: str) -> None:
    dpo = written(store, ["a"], name="dpo")
    written(store, ["a"], name="sft_v3")
    with pytest.raises(StoreError) as caught:
        store.resolve(ref)
    assert str(caught.value).removeprefix(f"{store.root}: ") == text.format(dpo=dpo.content_id[:8])


def test_an_empty_store_says_so(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no dataset 'x' \(the store is empty\)"):
        store.resolve("x")


def test_the_state_of_a_saved_dataset_names_the_shards(store: Store) -> None:
    version = written(store, TEXTS)
    state = json.loads((version.path / "state.json").read_text())
    assert [entry["filename"] for entry in state["_data_files"]] == [s.file for s in version.manifest.shards]


def test_an_account_that_is_replaced_half_way_leaves_a_version_that_reads(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = written(store, TEXTS)
    real = Path.replace

    def stopped(self: Path, target: Path) -> Path:
        if target.name == "manifest.json":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(StoreError, match=r"cannot write the version \(Input/output error\)"):
        written(store, TEXTS, recipe_id="s" * 64)
    assert store.resolve("d") == first
    assert prompts(store.resolve("d").table()) == TEXTS
    monkeypatch.undo()
    assert written(store, TEXTS, recipe_id="s" * 64).manifest.recipe_id == "s" * 64
    assert store.resolve("d").manifest.shards == first.manifest.shards


def test_a_damaged_line_of_the_log_hides_no_version(store: Store) -> None:
    version = written(store, TEXTS)
    log = store.root / "refs" / "d"
    log.write_bytes(b"\xff\xfe half a line\n" + log.read_bytes() + b"abc 2030\n")
    assert store.resolve("d") == version
    other = written(store, ["x"])
    assert store.ids("d") == [version.content_id, other.content_id]


def test_signatures_of_the_records_stay_where_another_recipe_renews_the_account(store: Store) -> None:
    path = written(store, TEXTS).path
    (path / SIGNATURES).mkdir()
    (path / SIGNATURES / "any.arrow").write_bytes(b"made")
    (path / "hits.parquet").write_bytes(b"of the account before")
    assert written(store, TEXTS, recipe_id="s" * 64).path == path
    assert (path / SIGNATURES / "any.arrow").read_bytes() == b"made"
    assert not (path / "hits.parquet").exists()
