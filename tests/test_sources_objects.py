"""Sources in buckets, through pyarrow's client, against a small local store."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_server import KEY, ObjectServer

from tulu_data.errors import LockError, SourceError
from tulu_data.mix import Settings, mix
from tulu_data.sources import buckets
from tulu_data.sources.buckets import Place, look_at, write_object
from tulu_data.sources.fetching import part_of
from tulu_data.sources.objects import resolve_objects
from tulu_data.specs.lock import read_lock
from tulu_data.specs.mixture import read_mixture
from tulu_data.store import Store

ROWS = "".join(
    json.dumps({"prompt": f"question {i}", "completion": f"answer {i}"}) + "\n" for i in range(40)
).encode()
OBJECTS = {
    "chats/a.jsonl": ROWS, "chats/deep/b.jsonl": ROWS[:200].rsplit(b"\n", 1)[0] + b"\n",
    "chats/.tmp/c.jsonl": ROWS, "chats/notes.md": b"no data", "other.csv": b"prompt,completion\na,b\n",
}  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """Serve a bucket, to which the environment has the key; nobody waits."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GS_"))]:
        monkeypatch.delenv(name)
    with ObjectServer({"data": OBJECTS, "public": OBJECTS}) as running:
        for name, value in (
            ("AWS_ENDPOINT_URL", running.endpoint), ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", "very-secret"), ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"), ("GS_ENDPOINT_URL", running.endpoint),
            ("GS_ACCESS_KEY_ID", KEY), ("GS_SECRET_ACCESS_KEY", "very-secret"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("time.sleep", lambda _: None)
        yield running


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("chats/a.jsonl", ["chats/a.jsonl"]),
        ("chats", ["chats/a.jsonl", "chats/deep/b.jsonl"]),
        ("chats/", ["chats/a.jsonl", "chats/deep/b.jsonl"]),
        ("chats/*.jsonl", ["chats/a.jsonl"]),
        ("chats/**/*.jsonl", ["chats/a.jsonl", "chats/deep/b.jsonl"]),
        ("*.csv", ["other.csv"]),
        ("", ["chats/a.jsonl", "chats/deep/b.jsonl", "other.csv"]),
    ],
)
def test_an_object_a_folder_and_a_glob_are_pinned_by_their_bytes(
    server: ObjectServer, tmp_path: Path, scheme: str, key: str, found: list[str]
) -> None:
    pin, files = resolve_objects(f"{scheme}://data/{key}", tmp_path)
    assert [file.path for file in pin.files] == found
    assert [file.origin for file in files] == [f"{scheme}://data/{key}" for key in found]
    assert [file.path.read_bytes() for file in files] == [OBJECTS[key] for key in found]
    assert [(p.sha256, p.size) for p in pin.files] == [(f.sha256, len(f.path.read_bytes())) for f in files]
    assert all(p.etag for p in pin.files)


def test_what_is_cached_is_not_read_again_but_hashed(server: ObjectServer, tmp_path: Path) -> None:
    pin, files = resolve_objects("s3://data/chats", tmp_path)
    server.served.clear()
    assert resolve_objects("s3://data/chats", tmp_path, pin=pin) == (pin, files)
    assert resolve_objects("s3://data/chats", tmp_path) == (pin, files)
    assert server.served == []
    server.requests.clear()
    assert resolve_objects("s3://data/chats", tmp_path, pin=pin, offline=True) == (pin, files)
    assert server.requests == []
    files[0].path.write_bytes(ROWS[:-1] + b" ")
    with pytest.raises(LockError, match=r"sha256 is \w+, the lock says \w+: .* is damaged"):
        resolve_objects("s3://data/chats", tmp_path, pin=pin)


def test_an_object_that_changed_under_its_pin_is_refused(server: ObjectServer, tmp_path: Path) -> None:
    pin, _ = resolve_objects("s3://data/chats", tmp_path)
    server.buckets["data"]["chats/new.jsonl"] = ROWS
    assert len(resolve_objects("s3://data/chats", tmp_path, pin=pin)[1]) == 2
    server.buckets["data"]["chats/a.jsonl"] = ROWS.replace(b"answer", b"ANSWER")
    with pytest.raises(
        LockError, match=r"s3://data/chats/a.jsonl: has ETag \w+ and 2,\d+ bytes, the lock says"
    ):
        resolve_objects("s3://data/chats", tmp_path, pin=pin)
    moved, files = resolve_objects("s3://data/chats", tmp_path)
    assert (len(files), moved.revision == pin.revision) == (3, False)
    del server.buckets["data"]["chats/a.jsonl"]
    with pytest.raises(LockError, match=r"s3://data/chats/a.jsonl: is gone, the lock says"):
        resolve_objects("s3://data/chats", tmp_path, pin=pin)


def test_a_download_goes_on_where_it_broke_off(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(buckets, "_READ", 100)
    server.failures, server.drop_after = [503], [100, 100, 7, 100]
    _, (file,) = resolve_objects("s3://data/chats/a.jsonl", tmp_path)
    assert file.path.read_bytes() == ROWS
    assert [start for _, start, _ in server.served][:5] == [0, 100, 200, 200, 300]
    assert [text.partition(": ")[2] for text in caplog.messages] == [
        f"slow down at byte 0 of {len(ROWS):,}; trying again in 0.5 s (1 of 4)",
        f"the connection was lost at byte 200 of {len(ROWS):,}; trying again in 0.5 s (1 of 4)",
    ]


def test_a_part_that_a_killed_process_left_is_gone_on_with(server: ObjectServer, tmp_path: Path) -> None:
    _, (file,) = resolve_objects("s3://data/chats/a.jsonl", tmp_path)
    file.path.unlink()
    part_of(file.path).write_bytes(ROWS[:500])
    server.served.clear()
    assert resolve_objects("s3://data/chats/a.jsonl", tmp_path)[1] == (file,)
    assert file.path.read_bytes() == ROWS
    assert server.served == [("chats/a.jsonl", 500, len(ROWS) - 500)]


def test_an_object_that_changes_while_it_is_read_is_refused(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "_READ", 100)
    server.drop_after = [100, 3]

    def change(_seconds: float) -> None:
        server.buckets["data"]["chats/a.jsonl"] = ROWS[::-1]

    monkeypatch.setattr("time.sleep", change)
    with pytest.raises(SourceError, match=r"s3://data/chats/a.jsonl: changed while it was read"):
        resolve_objects("s3://data/chats/a.jsonl", tmp_path)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("s3://nowhere/x.jsonl", r"s3://nowhere/: no such bucket or object at http://127"),
        ("s3://nowhere", r"s3://nowhere/: no such bucket or object at http://127"),
        ("s3://data/other.csw", r"no data file fits; did you mean 'other.csv'\?; check bucket and key"),
        ("s3://data/*.parquet", r"s3://data/\*.parquet: no data file fits; check bucket and key"),
    ],
)
def test_what_is_not_there_is_said(server: ObjectServer, tmp_path: Path, uri: str, text: str) -> None:
    with pytest.raises(SourceError, match=text):
        resolve_objects(uri, tmp_path)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_wrong_keys_are_named_by_their_variables_and_not_shown(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    variable = {"s3": "AWS_ACCESS_KEY_ID", "gs": "GS_ACCESS_KEY_ID"}[scheme]
    monkeypatch.setenv(variable, "WRONG")
    with pytest.raises(
        SourceError, match=rf"is refused by http://.* \(ACCESS_DENIED\); set {variable} and"
    ) as e:
        resolve_objects(f"{scheme}://data/chats", tmp_path)
    assert "WRONG" not in str(e.value)
    assert "very-secret" not in str(e.value)
    unsigned = {"s3": "AWS_NO_SIGN_REQUEST", "gs": "GS_NO_SIGN_REQUEST"}[scheme]
    monkeypatch.setenv(unsigned, "1")
    assert len(resolve_objects(f"{scheme}://public/chats", tmp_path)[1]) == 2


def test_without_a_network_there_is_one_clear_line(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin, _ = resolve_objects("s3://data/chats", tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(
        SourceError, match=r"cannot be had: no connection to http://127.0.0.1:9; connect to a"
    ):
        resolve_objects("s3://data/chats", tmp_path)
    with pytest.raises(SourceError, match=r"not pinned yet, and no store may be asked"):
        resolve_objects("s3://data/chats", tmp_path, offline=True)
    with pytest.raises(
        SourceError, match=r"s3://data/chats/a.jsonl: is not in .*, and no store may be asked"
    ):
        resolve_objects("s3://data/chats", tmp_path / "another", pin=pin, offline=True)


def test_a_large_object_is_written_in_parts(server: ObjectServer, tmp_path: Path) -> None:
    data = bytes(range(256)) * (12 << 12)
    (tmp_path / "large").write_bytes(data)
    place = Place.parse("s3://data/out/large")
    write_object(place, tmp_path / "large")
    assert server.buckets["data"]["out/large"] == data
    facts = look_at(place)
    assert facts is not None
    assert facts.size == len(data)


def test_a_mixture_over_a_bucket_is_pinned_and_built(server: ObjectServer, tmp_path: Path) -> None:
    spec = tmp_path / "web.yaml"
    spec.write_text(
        "version: 1\nname: web\nkind: sft\ndecontaminate: none\n"
        "sources:\n  chats: {uri: 's3://data/chats/*.jsonl', take: {rows: 30}}\n"
    )
    settings = Settings(base=tmp_path, store=Store(tmp_path / "store"), say=lambda _: None)
    first = mix(read_mixture(spec), settings)
    pin = read_lock(spec).sources["chats"]
    assert (first.version.num_rows, [f.path for f in pin.files]) == (30, ["chats/a.jsonl"])
    assert first.version.table(["origin"]).column("origin")[0].as_py().startswith("s3://data/chats/a.jsonl:")
    server.served.clear()
    again = mix(read_mixture(spec), settings)
    assert (again.existed, server.served) == (True, [])
    server.buckets["data"]["chats/a.jsonl"] = ROWS * 2
    with pytest.raises(LockError, match="the object changed; bring it back, or move the pin"):
        mix(read_mixture(spec), settings)
