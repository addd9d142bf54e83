"""Versions pushed and pulled: through a folder, a local object store, and the real client of a local hub."""

import json
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hub_server import HubServer
from object_server import KEY, ObjectServer

from tulu_data.cli.main import group
from tulu_data.mix import Settings, mix
from tulu_data.sources import buckets
from tulu_data.specs.mixture import read_mixture
from tulu_data.store import Store, Version

ROWS = "".join(json.dumps({"prompt": f"question {i}", "completion": f"answer {i}"}) + "\n" for i in range(50))

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
"""The hub's client sends large files in a way that its transport calls old."""


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """Build a small version in the store of a workspace, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TULU_DATA_STORE", raising=False)
    (tmp_path / "web.jsonl").write_text(ROWS)
    spec = tmp_path / "web.yaml"
    spec.write_text(
        "version: 1\nname: web\nkind: sft\ndecontaminate: none\n"
        "sources: {a: {uri: web.jsonl, take: {rows: 30}}}\n"
    )
    return mix(
        read_mixture(spec), Settings(base=tmp_path, store=Store(tmp_path / "store"), say=lambda _: None)
    ).version


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    from huggingface_hub import close_session, constants

    # The server does not speak the protocol of hf_xet; the older one has the same commits.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with HubServer({}) as running:
        running.lfs_from = 2000
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("HF_TOKEN", running.writer)
        yield running
        close_session()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with ObjectServer({"data": {}}) as running:
        for name, value in (
            ("AWS_ENDPOINT_URL", running.endpoint), ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", "very-secret"), ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("time.sleep", lambda _: None)
        yield running


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(group, list(arguments), input=typed, catch_exceptions=True)


def sent(version: Version, to: str) -> str:
    done = run("push", version.ref, "--to", to, "--yes", "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout)["uri"]
    assert isinstance(found, str)
    return found


def check_round(version: Version, uri: str, tmp_path: Path) -> None:
    """Pull into an empty store and compare byte by byte, then pull once more."""
    done = run("pull", uri, "--store", str(tmp_path / "other"), "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    there = Store(tmp_path / "other").resolve("web@latest")
    assert there.content_id == version.content_id
    files = [path.relative_to(version.path) for path in version.path.rglob("*") if path.is_file()]
    assert {path.relative_to(there.path) for path in there.path.rglob("*") if path.is_file()} == set(files)
    assert all((there.path / name).read_bytes() == (version.path / name).read_bytes() for name in files)
    again = run("pull", uri, "--store", str(tmp_path / "other"))
    assert again.stdout.startswith(f"already there  {version.ref}  30 rows  sft")
    assert not list((tmp_path / "other" / "cache" / "pulled").iterdir())


def test_a_version_goes_through_a_folder(version: Version, tmp_path: Path) -> None:
    uri = sent(version, f"file://{tmp_path}/shelf")
    assert uri == f"file://{tmp_path}/shelf/web/{version.content_id}"
    check_round(version, uri, tmp_path)
    check_round(version, f"file://{tmp_path}/shelf", tmp_path / "b")


def test_a_version_goes_through_a_bucket(version: Version, bucket: ObjectServer, tmp_path: Path) -> None:
    uri = sent(version, "s3://data/versions")
    assert uri == f"s3://data/versions/web/{version.content_id}"
    assert [r for r in bucket.requests if r.startswith("PUT")][-1].split("?")[0].endswith("/manifest.json")
    check_round(version, uri, tmp_path)


def test_a_version_goes_through_the_hub_as_one_private_commit(
    version: Version, hub: HubServer, tmp_path: Path
) -> None:
    uri = sent(version, "hf://me/web")
    commit = hub.repo("me/web").branches["main"]
    assert uri == f"hf://me/web@{commit}"
    assert sum(r.startswith("POST") and "/commit/" in r for r in hub.requests) == 1
    assert hub.created[0]["type"] == "dataset"
    assert hub.created[0].get("private") is True or hub.created[0].get("visibility") == "private"
    card = hub.repo("me/web").commits[commit]["README.md"].decode()
    assert "path: data-*.arrow" in card
    check_round(version, uri, tmp_path)
    check_round(version, "hf://me/web", tmp_path / "b")


def test_a_push_leaves_nothing_of_an_older_one(version: Version, hub: HubServer) -> None:
    sent(version, "hf://me/web")
    repository = hub.repo("me/web")
    old = repository.commits[repository.branches["main"]]
    repository.push({**old, "data-00001-of-00002.arrow": b"x" * 3000, ".gitattributes": b"y"})
    sent(version, "hf://me/web")
    assert set(repository.commits[repository.branches["main"]]) == {*old, ".gitattributes"}


def test_a_push_is_told_before_and_asked_for(version: Version, tmp_path: Path) -> None:
    to = f"file://{tmp_path}/shelf"
    for typed in ("n\n", ""):
        done = run("push", "web", "--to", to, typed=typed)
        assert done.exit_code == 1
        assert f"push: {version.ref}, 30 rows, " in done.stderr
        assert "  data-00000-of-00001.arrow  " in done.stderr
        assert f"send this to {to}?" in done.stderr
        assert not (tmp_path / "shelf").exists()
    done = run("push", "web", "--to", to, typed="y\n")
    assert done.exit_code == 0
    assert f"next: tulu-data pull {to}/web/{version.content_id}" in done.stdout


def test_what_is_there_is_not_sent_again(version: Version, bucket: ObjectServer, tmp_path: Path) -> None:
    for to, shelf in ((f"file://{tmp_path}/shelf", tmp_path / "shelf"), ("s3://data/versions", None)):
        at = sent(version, to)
        name = version.manifest.shards[0].file
        again = run("push", "web", "--to", to)
        assert again.exit_code == 0, to
        assert again.stdout.startswith(f"already there  {version.ref} at {at}\n"), again.stdout
        if shelf is not None:
            (away,) = shelf.rglob(name)
            away.write_bytes(away.read_bytes()[::-1])
        else:
            key = next(key for key in bucket.buckets["data"] if key.endswith(name))
            bucket.buckets["data"][key] = bucket.buckets["data"][key][::-1]
        before = len([one for one in bucket.requests if one.startswith(("PUT", "POST"))])
        done = run("push", "web", "--to", to, "--yes", "--json")
        assert json.loads(done.stdout)["sent"] == [name]
        assert f"  {name}  " in done.stderr
        assert " files more are there already" in done.stderr
        put = [one for one in bucket.requests if one.startswith(("PUT", "POST"))][before:]
        assert all(name in one for one in put)
        check_round(version, at, tmp_path / to.partition(":")[0])


@pytest.mark.parametrize("size", [0, 5, (10 << 20) - 1, 10 << 20, (10 << 20) + 1, 25 << 20])
def test_an_object_is_known_by_either_form_of_its_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    data = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    (tmp_path / "f").write_bytes(data)
    parts = [data[at : at + (10 << 20)] for at in range(0, size, 10 << 20)]
    tags = [
        md5(data).hexdigest(),
        f"{md5(b''.join(md5(p).digest() for p in parts)).hexdigest()}-{len(parts)}",
    ]
    place = buckets.Place.parse("s3://b/k")
    for facts, expected in [
        *((buckets.Facts(size=size, etag=tag), True) for tag in tags),
        (buckets.Facts(size=size, etag="0" * 32), False), (buckets.Facts(size=size + 1, etag=tags[0]), False),
        (None, False),
    ]:  # fmt: skip
        monkeypatch.setattr(buckets, "look_at", lambda _, facts=facts: facts)
        assert buckets.is_same(place, tmp_path / "f") is expected


@pytest.fixture
def picked(version: Version, tmp_path: Path) -> Version:
    """Build a version that leaves out a row that is no record, and a record by a word."""
    rows = [{"prompt": "q", "completion": "a"}, {"prompt": "q", "completion": "my hidden-word, dear"}]
    lines = [*map(json.dumps, rows), '{"prompt": "secret-row"}', "{ broken-row"]
    (tmp_path / "web.jsonl").write_text("\n".join(lines))
    spec = tmp_path / "web.yaml"
    spec.write_text(
        "version: 1\nname: web\nkind: sft\ndecontaminate: none\n"
        "sources: {a: {uri: web.jsonl}}\n"
        "steps: [{step: filter, drop: [{keyword: {words: [hidden-word]}}]}]\n"
    )
    how = Settings(base=tmp_path, store=Store(tmp_path / "store"), say=lambda _: None)
    return mix(read_mixture(spec), how).version


def test_texts_of_what_was_left_out_stay_here(picked: Version, tmp_path: Path) -> None:
    mine = pq.read_table(picked.path / "quarantined.parquet").to_pylist()
    assert any("secret-row" in (row["raw"] or "") for row in mine)
    uri = sent(picked, f"file://{tmp_path}/shelf")
    away = Path(uri.removeprefix("file://"))
    for name in ("quarantined.parquet", "dropped.parquet"):
        here, there = (pq.read_table(folder / name).to_pylist() for folder in (picked.path, away))
        assert len(here) == len(there) > 0
        kept = ("source", "origin", "reason")
        assert [[row[k] for k in kept] for row in here] == [[row[k] for k in kept] for row in there]
        assert "hidden-word" not in str(there)
        assert "-row" not in str(there)
    assert pq.read_table(picked.path / "quarantined.parquet").to_pylist() == mine
    other = str(tmp_path / "other")
    assert run("pull", uri, "--store", other).exit_code == 0
    assert run("verify", "web", "--store", other).exit_code == 0
    for what in ("--dropped", "--quarantined"):
        assert run("view", "web", what, "--store", other).exit_code == 0


def test_a_damaged_version_is_not_sent(version: Version, tmp_path: Path) -> None:
    shard = version.path / version.manifest.shards[0].file
    shard.write_bytes(shard.read_bytes().replace(b"answer", b"ANSWER", 1))
    done = run("push", "web", "--to", f"file://{tmp_path}/shelf", "--yes")
    assert "is damaged: data-00000-of-00001.arrow: its sha256 is" in str(done.exception)
    assert "nothing was sent" in str(done.exception)
    assert not (tmp_path / "shelf").exists()


def damaged_shard(files: dict[str, bytes]) -> None:
    name = next(path for path in files if path.endswith(".arrow"))
    at = files[name].index(b"answer")
    files[name] = files[name][:at] + b"ANSWER" + files[name][at + 6 :]


def other_record_and_hash(files: dict[str, bytes]) -> None:
    from hashlib import sha256

    damaged_shard(files)
    name = next(path for path in files if path.endswith(".arrow"))
    path = next(path for path in files if path.endswith("manifest.json"))
    manifest = json.loads(files[path])
    manifest["shards"][0]["sha256"] = sha256(files[name]).hexdigest()
    files[path] = json.dumps(manifest).encode()


def no_manifest(files: dict[str, bytes]) -> None:
    del files[next(path for path in files if path.endswith("manifest.json"))]


def a_name_that_leads_out(files: dict[str, bytes]) -> None:
    path = next(path for path in files if path.endswith("manifest.json"))
    files[path] = json.dumps({**json.loads(files[path]), "name": "../evil"}).encode()


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (
            damaged_shard,
            "is not the version that its manifest tells of: data-00000-of-00001.arrow: its sha256",
        ),
        (other_record_and_hash, "1 of its records do not say what their ids name: row"),
        (no_manifest, "no version there, no file is called manifest.json; check the place"),
        (a_name_that_leads_out, "its manifest.json names no version ('../evil')"),
    ],
)
def test_what_arrives_is_not_believed(
    version: Version,
    bucket: ObjectServer,
    tmp_path: Path,
    harm: Callable[[dict[str, bytes]], None],
    text: str,
) -> None:
    uri = sent(version, "s3://data")
    harm(bucket.buckets["data"])
    done = run("pull", uri, "--store", str(tmp_path / "other"))
    assert text in str(done.exception)
    assert not list((tmp_path / "other").rglob("*.arrow"))
    assert Store(tmp_path / "other").names() == []


def test_a_pull_that_broke_off_goes_on(
    version: Version, bucket: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = sent(version, "s3://data")
    monkeypatch.setattr(buckets, "_READ", 1000)
    bucket.served.clear()
    # A dozen requests that are answered whole, and then none.
    bucket.drop_after = [1000] * 12 + [0] * 5
    refused = run("pull", uri, "--store", str(tmp_path / "other"))
    assert "no connection to" in str(refused.exception)
    assert run("pull", uri, "--store", str(tmp_path / "other")).exit_code == 0
    read: dict[str, int] = {}
    for key, _, size in bucket.served:
        read[key] = read.get(key, 0) + size
    assert read == {key: len(data) for key, data in bucket.buckets["data"].items()}


def test_several_versions_are_named(version: Version, tmp_path: Path) -> None:
    sent(version, f"file://{tmp_path}/shelf")
    (tmp_path / "shelf" / "web" / ("0" * 64)).mkdir()
    (tmp_path / "shelf" / "web" / ("0" * 64) / "manifest.json").write_text("{}")
    done = run("pull", f"file://{tmp_path}/shelf")
    assert f"2 versions there; name one: file://{tmp_path}/shelf/web/{'0' * 64}, file://" in str(
        done.exception
    )


def test_refusals_say_what_would_do_and_show_no_token(
    version: Version, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = run("push", "web", "--to", "ftp://x", "--yes")
    assert "expected hf://owner/name, s3://bucket/prefix" in str(wrong.exception)
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    refused = run("push", "web", "--to", "hf://me/web", "--yes")
    assert "hf://me/web: is not at http://" in str(refused.exception)
    assert "hf_another" not in refused.output + str(refused.exception)
    monkeypatch.delenv("HF_TOKEN")
    assert "nothing is sent without a token" in str(
        run("push", "web", "--to", "hf://me/web", "--yes").exception
    )
    assert "me/web" not in hub.repositories
