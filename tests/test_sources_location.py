"""Sources resolved, the lock beside a spec, and datasets named on a command line."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tulu_data.errors import LockError, SourceError, StoreError
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import normalised_schema, version_schema
from tulu_data.sources.adapters import adapt
from tulu_data.sources.location import ResolvedSource, named, resolve_source
from tulu_data.sources.records import Records, open_records
from tulu_data.sources.rows import RawBatch
from tulu_data.specs.lock import (
    FilePin,
    Lock,
    SourcePin,
    check_frozen,
    fitting_pin,
    lock_path,
    lock_text,
    read_lock,
    write_lock,
)
from tulu_data.specs.source import Source
from tulu_data.store import Manifest, Store
from tulu_data.store.writer import Draft, write_version

CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
PAIR = {"prompt": "hi", "chosen": "a", "rejected": "b"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "chat.jsonl").write_text(json.dumps(CHAT) + "\n{broken\n")
    (folder / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n")
    return tmp_path


def a_version(store: Store, name: str = "web") -> pa.Table:
    """Write a version of one record."""
    content = adapt(
        RawBatch(table=pa.table({"messages": [CHAT["messages"]]}), rows=pa.array([1])), kind="sft"
    ).records
    columns = {n: content.column(n) for n in content.schema.names if n != "row"}
    columns |= {"source": pa.array(["s"]), "origin": pa.array(["x:1"]), "copy": pa.array([0], pa.int32())}
    table = pa.table(columns).select(version_schema("sft").names).cast(version_schema("sft"))
    manifest = Manifest(
        name=name,
        kind="sft",
        content_id="ab" * 32,
        recipe_id="r",
        rows=1,
        created="2024",
        shards=(),
        sources=(),
    )
    write_version(store, Draft(manifest=manifest, inputs_id="i", files={}, tables={}), table.to_batches())
    return table


def resolve(uri: str, base: Path) -> ResolvedSource:
    return resolve_source("web", Source(uri=uri, licence="mit"), base=base, store=Store(base / "store"))


def opened(uri: str, base: Path, **settings: object) -> Records:
    return open_records(uri, base=base, store=Store(base / "store"), cache=base / "cache", **settings)  # type: ignore[arg-type]


def test_files_on_a_disk_have_no_revision(base: Path) -> None:
    found = resolve("data/*.jsonl", base)
    assert [f.origin for f in found.files] == ["data/chat.jsonl", "data/pairs.jsonl"]
    assert (found.name, found.revision, found.licences, found.pin) == ("web", None, ("mit",), None)


def test_a_stored_version_is_read_straight_and_keeps_its_ids(base: Path) -> None:
    table = a_version(Store(base / "store"))
    found = resolve("web@abab", base)
    assert found.version_ref == "web@abababab"
    assert found.revision == "ab" * 32
    assert found.files[0].origin == "web@abababab/data-00000-of-00001.arrow"
    records = opened("web@abab", base)
    assert (records.name, records.kind, records.files) == ("web@abababab", "sft", found.files)
    (rows,) = records.batches()
    assert (rows.origin, rows.bad.num_rows) == (found.files[0].origin, 0)
    assert record_ids(rows.records, "sft").to_pylist() == table.column("id").to_pylist()
    assert opened("web", base).name == "web@abababab"
    with pytest.raises(SourceError, match=r"holds sft records, asked for preference"):
        list(opened("web", base, kind="preference").batches())


def test_a_shard_that_changed_is_refused(base: Path) -> None:
    a_version(Store(base / "store"))
    shard = next((base / "store/web").rglob("*.arrow"))
    data = bytearray(shard.read_bytes())
    data[-20] ^= 1
    shard.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"its sha256 is .*, the manifest says .*; the version is damaged"):
        resolve("web@abab", base)


def test_what_cannot_be_resolved_says_where_and_what_would_do(base: Path) -> None:
    with pytest.raises(SourceError) as error:
        resolve("ftp://bucket/x.jsonl", base)
    assert str(error.value) == (
        "sources.web.uri: 'ftp://bucket/x.jsonl': ftp: is not supported yet; copy the files to a disk and "
        "give their path, or use hf://owner/name, s3://bucket/key, gs://bucket/key or name@version"
    )
    with pytest.raises(
        SourceError, match=r"sources.web.uri: data/chat.json: no such file; .*did you mean 'chat.jsonl'"
    ):
        resolve("data/chat.json", base)
    with pytest.raises(SourceError, match=r"sources.web.uri: 'hf://x': expected hf://owner/name"):
        resolve("hf://x", base)
    with pytest.raises(StoreError, match=r"no dataset 'web'"):
        resolve("web@ab", base)
    a_version(Store(base / "store"))
    with pytest.raises(SourceError, match=r"the store has a dataset of this name, write web@latest"):
        resolve("web", base)


def test_a_dataset_on_a_command_line_tells_its_kind_and_its_bad_rows(base: Path) -> None:
    records = opened("data/chat.jsonl", base)
    assert records.kind == "sft"
    told: list[float] = []
    (rows,) = records.batches(told=told.append)
    assert rows.origin == "data/chat.jsonl"
    assert rows.bad.column("row").to_pylist() == [2]
    assert rows.records.schema == normalised_schema("sft")
    assert rows.records.column("row").to_pylist() == [1]
    assert sum(told) == records.size == (base / "data/chat.jsonl").stat().st_size
    assert not (base / "cache").exists()
    assert rows.records.column("id").null_count == 1
    with pytest.raises(
        SourceError, match=r"files of different kinds: preference in data/pairs.jsonl, sft in data/chat.jsonl"
    ):
        opened("data", base)
    with pytest.raises(SourceError, match=r"^nope: no such file"):
        opened("nope", base)


def pin(**more: object) -> SourcePin:
    values = {
        "uri": "hf://a/b",
        "revision": "0" * 40,
        "files": (FilePin(path="x.jsonl", sha256="1" * 64, size=7),),
    }
    return SourcePin.model_validate({**values, **more})


def test_a_lock_is_read_as_it_was_written_and_written_only_when_it_differs(tmp_path: Path) -> None:
    spec = tmp_path / "sft.yaml"
    assert lock_path(spec) == tmp_path / "sft.lock.yaml"
    assert read_lock(spec) == Lock()
    lock = Lock(sources={"b": pin(), "a": pin(config="en", licence="mit")})
    assert write_lock(spec, lock)
    assert not write_lock(spec, lock)
    assert read_lock(spec) == lock
    assert lock_text(lock) == lock_text(Lock(sources={"a": lock.sources["a"], "b": lock.sources["b"]}))
    assert lock_path(spec).read_text().startswith("# Written by tulu-data; do not edit.")


def test_a_damaged_lock_is_told_with_its_place(tmp_path: Path) -> None:
    spec = tmp_path / "sft.yaml"
    lock_path(spec).write_text("version: 1\nsources:\n  a: {uri: x, revision: main, files: []}\n")
    with pytest.raises(
        LockError, match=r"sft.lock.yaml:3:\d+ sources.a.revision: .*delete the lock to resolve"
    ):
        read_lock(spec)


def test_a_pin_fits_the_question_it_answered() -> None:
    lock = Lock(sources={"a": pin()})
    asked = {"uri": "hf://a/b", "revision": None, "config": None, "split": "train"}
    assert fitting_pin(lock, "a", **asked) == lock.sources["a"]  # type: ignore[arg-type]
    assert fitting_pin(lock, "b", **asked) is None  # type: ignore[arg-type]
    for change in ({"uri": "hf://a/c"}, {"revision": "v2"}, {"config": "en"}, {"split": "test"}):
        assert fitting_pin(lock, "a", **{**asked, **change}) is None  # type: ignore[arg-type]


def test_frozen_refuses_a_missing_and_a_stale_lock(tmp_path: Path) -> None:
    spec = tmp_path / "sft.yaml"
    check_frozen(spec, {})
    with pytest.raises(
        LockError, match=r"sft.lock.yaml: no lock, and --frozen resolves nothing; run `tulu-data lock"
    ):
        check_frozen(spec, {"a": None})
    write_lock(spec, Lock(sources={"a": pin(), "old": pin()}))
    with pytest.raises(
        LockError, match=r"stale: no fitting pin for b; pins for old, which the spec does not have"
    ):
        check_frozen(spec, {"a": pin(), "b": None})
    write_lock(spec, Lock(sources={"a": pin()}))
    check_frozen(spec, {"a": pin()})


def test_a_licence_that_is_said_to_be_unknown_is_not_that_of_the_whole_dataset() -> None:
    whole = ResolvedSource(name="a", uri="hf://o/n", revision=None, files=(), licences=("odc-by",))
    said = {
        licence: named(whole, "a", Source(uri="hf://o/n", licence=licence)).licences
        for licence in (None, "unknown", "mit")
    }
    assert said == {None: ("odc-by",), "unknown": ("unknown",), "mit": ("mit",)}
