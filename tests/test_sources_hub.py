"""Hub sources against a small local hub, through the real client."""

import json
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hub_server import Faults, HubServer

from tulu_data.errors import HubError, LockError, SourceError
from tulu_data.sources.hub import HubPlace, resolve_hub
from tulu_data.sources.hub_cache import fetch_file
from tulu_data.sources.hub_layout import split_files
from tulu_data.sources.patience import WAITS

ROWS = "".join(
    json.dumps({"prompt": f"question {i}", "completion": f"answer {i}"}) + "\n" for i in range(8)
).encode()
FILES = {
    "README.md": b"# hi",
    "data/train-00000-of-00002.jsonl": ROWS,
    "data/train-00001-of-00002.jsonl": ROWS[:100] + b"\n",
    "data/test-00000-of-00001.jsonl": b'{"prompt": "a", "completion": "b"}\n',
}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[HubServer], None]]:
    """Point the real client at a server, with an empty cache and without waiting."""
    from huggingface_hub import close_session, constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield lambda server: monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    close_session()


@pytest.fixture
def server(client: Callable[[HubServer], None]) -> Iterator[HubServer]:
    cards = {"allen/tiny": {"license": "odc-by"}}
    with HubServer({"allen/tiny": FILES}, cards=cards) as running:
        client(running)
        yield running


def tiny(**asked: str) -> HubPlace:
    return HubPlace.parse("hf://allen/tiny", **asked)


def test_a_branch_is_resolved_to_a_commit_and_every_file_is_pinned(server: HubServer) -> None:
    pin, files, licence = resolve_hub(tiny())
    commit = server.repo("allen/tiny").branches["main"]
    assert (pin.revision, pin.wanted, licence) == (commit, "main", "odc-by")
    assert [f.path for f in pin.files] == [
        "data/train-00000-of-00002.jsonl",
        "data/train-00001-of-00002.jsonl",
    ]
    assert files[0].origin == f"hf://allen/tiny@{commit}/data/train-00000-of-00002.jsonl"
    assert files[0].path.read_bytes() == ROWS
    assert [f.sha256 for f in pin.files] == [f.sha256 for f in files]


def test_small_files_without_a_large_file_hash_are_pinned_by_their_bytes(server: HubServer) -> None:
    pin, files, _ = resolve_hub(tiny(split="test"))
    assert pin.files[0].sha256 == files[0].sha256
    assert pin.files[0].size == 35


def test_a_pin_outlives_the_branch(server: HubServer) -> None:
    pin, before, _ = resolve_hub(tiny())
    server.repo("allen/tiny").push({"data/train.jsonl": ROWS * 2})
    again, after, _ = resolve_hub(tiny(), pin=pin)
    assert (again, after) == (pin, before)
    moved, _, _ = resolve_hub(tiny())
    assert moved.revision != pin.revision


def test_a_pin_is_read_from_the_cache_without_one_request(server: HubServer) -> None:
    pin, files, _ = resolve_hub(tiny())
    server.requests.clear()
    assert resolve_hub(tiny(), pin=pin, offline=True)[1] == files
    assert resolve_hub(tiny(), pin=pin)[1] == files
    assert server.requests == []


def test_a_file_that_changed_under_its_commit_is_refused(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin, _, _ = resolve_hub(tiny())
    server.change_under_commit(
        "allen/tiny", "data/train-00000-of-00002.jsonl", ROWS.replace(b"answer", b"ANSWER")
    )
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "another"))
    with pytest.raises(LockError, match=r"the file changed under its commit, or the copy .* is damaged"):
        resolve_hub(tiny(), pin=pin)


def test_a_damaged_copy_in_the_cache_is_refused(server: HubServer) -> None:
    pin, files, _ = resolve_hub(tiny())
    real = files[0].path.resolve()
    real.write_bytes(ROWS[:-1] + b" ")
    with pytest.raises(LockError, match=r"sha256 is \w+, the lock says \w+"):
        resolve_hub(tiny(), pin=pin)


def test_a_dropped_connection_is_resumed(server: HubServer, caplog: pytest.LogCaptureFixture) -> None:
    server.drop_after = [50]
    _, files, _ = resolve_hub(tiny())
    assert files[0].path.read_bytes() == ROWS


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again(server: HubServer, status: int) -> None:
    server.failures = [status, status]
    assert len(resolve_hub(tiny())[1]) == 2


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (
            429,
            "hf://allen/tiny: is refused for now: {at} limits the rate (HTTP 429); "
            "wait, or set HF_TOKEN for a higher limit",
        ),
        (500, "hf://allen/tiny: cannot be had now: {at} fails (HTTP 500); try again later"),
        (403, "hf://allen/tiny: is refused by {at} (HTTP 403); the token in HF_TOKEN may not read it"),
        (418, "hf://allen/tiny: is refused by {at} (HTTP 418)"),
    ],
)
def test_each_refusal_has_its_own_words(server: HubServer, status: int, text: str) -> None:
    server.failures = [status] * 20
    with pytest.raises(HubError) as error:
        resolve_hub(tiny())
    assert str(error.value) == text.format(at=server.endpoint)
    assert len(server.requests) <= len(WAITS) + 1


def test_a_dataset_that_is_not_there(server: HubServer) -> None:
    with pytest.raises(
        HubError, match=r"is not at http://.*, or is private \(HTTP 401\); check the name, or set HF_TOKEN"
    ):
        resolve_hub(HubPlace.parse("hf://allen/other"))


def test_a_gated_dataset_wants_a_token(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.repo("allen/tiny").gated = True
    with pytest.raises(HubError, match=r"is gated; accept its terms"):
        resolve_hub(tiny())
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 30)
    assert resolve_hub(tiny())[1]


def test_a_revision_that_is_not_there(server: HubServer) -> None:
    with pytest.raises(HubError, match=r"has no revision 'v9'; give a branch, tag or commit that exists"):
        resolve_hub(tiny(revision="v9"))


def test_without_a_network_there_is_one_clear_line(
    client: Callable[[HubServer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError) as error:
        resolve_hub(tiny())
    assert str(error.value) == (
        "hf://allen/tiny: cannot be had: no connection to http://127.0.0.1:9; connect to a network, "
        "or set HF_HUB_OFFLINE=1 where the lock and the hub's cache hold it"
    )


def test_a_pin_that_is_not_cached_fails_in_one_line_too(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin, _, _ = resolve_hub(tiny())
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "another"))
    with pytest.raises(HubError, match=r"is not in the hub's cache"):
        resolve_hub(tiny(), pin=pin, offline=True)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match=r"no connection to"):
        resolve_hub(tiny(), pin=pin)


def test_offline_and_unpinned_is_refused_without_a_request(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match=r"not pinned yet, and the hub may not be asked"):
        resolve_hub(tiny())
    assert server.requests == []


def test_a_stale_pin_is_resolved_again(server: HubServer) -> None:
    pin, _, _ = resolve_hub(tiny())
    other, files, _ = resolve_hub(tiny(split="test"), pin=pin)
    assert other.split == "test"
    assert len(files) == 1


def test_a_path_in_the_uri_names_files_of_any_split(server: HubServer) -> None:
    assert len(resolve_hub(HubPlace.parse("hf://allen/tiny/data"))[1]) == 3
    assert len(resolve_hub(HubPlace.parse("hf://allen/tiny/data/test*.jsonl"))[1]) == 1
    with pytest.raises(SourceError, match=r"no data file at 'data/tset.jsonl'"):
        resolve_hub(HubPlace.parse("hf://allen/tiny/data/tset.jsonl"))


def test_the_converted_copy_is_used_where_there_are_no_data_files(server: HubServer) -> None:
    repository = server.repo("allen/tiny")
    repository.push({"README.md": b"script only", "tiny.py": b"..."})
    commit = repository.push({"default/train/0000.parquet": b"x" * 100}, "refs/convert/parquet")
    pin, files, _ = resolve_hub(tiny())
    assert pin.revision == commit
    assert files[0].origin.endswith("/default/train/0000.parquet")


def test_one_file_of_a_model_can_be_fetched(server: HubServer) -> None:
    assert fetch_file("allen/tiny", "README.md").read_bytes() == b"# hi"
    with pytest.raises(HubError, match=r"no such file"):
        fetch_file("allen/tiny", "tokenizer.json")


def test_uris_are_read() -> None:
    assert HubPlace.parse("hf://a/b@v1/x/y.jsonl") == HubPlace(
        uri="hf://a/b@v1/x/y.jsonl", repo="a/b", wanted="v1", path="x/y.jsonl"
    )
    with pytest.raises(SourceError, match=r"expected hf://owner/name"):
        HubPlace.parse("hf://gsm8k")
    with pytest.raises(SourceError, match=r"the uri says revision 'v1', the key says 'v2'; keep one"):
        HubPlace.parse("hf://a/b@v1", revision="v2")


def chosen(
    paths: list[str], card: dict[str, object] | None = None, config: str | None = None, split: str = "train"
) -> list[str]:
    return split_files(paths, card or {}, name="hf://a/b", config=config, split=split)


def test_splits_are_found_by_the_hubs_conventions() -> None:
    assert chosen(["a.jsonl", "b.csv", "README.md"]) == ["a.jsonl", "b.csv"]
    assert chosen(["train.jsonl", "dev.jsonl"], split="validation") == ["dev.jsonl"]
    assert chosen(["train/x.parquet", "test/x.parquet"], split="test") == ["test/x.parquet"]
    assert chosen(["data/train_sft-00000-of-00001.parquet", "data/x.json"], split="train_sft") == [
        "data/train_sft-00000-of-00001.parquet"
    ]
    assert chosen(["constraint.jsonl"]) == ["constraint.jsonl"]
    assert chosen(["README.md"]) == []


def test_an_unknown_split_is_named_with_the_ones_there_are() -> None:
    with pytest.raises(
        SourceError, match=r"no split 'trian'; did you mean 'train'\? \(splits: test, train\)"
    ):
        chosen(["train.jsonl", "test.jsonl"], split="trian")


def test_configurations_of_the_card_decide() -> None:
    card: dict[str, object] = {
        "configs": [
            {"config_name": "en", "default": True, "data_files": [{"split": "train", "path": "en/*.jsonl"}]},
            {"config_name": "de", "data_files": "de/**/*.jsonl"},
            {"config_name": "fr", "data_dir": "fr"},
        ]
    }
    paths = ["en/a.jsonl", "en/x/b.jsonl", "de/c.jsonl", "de/x/d.jsonl", "fr/train.jsonl", "fr/test.jsonl"]
    assert chosen(paths, card) == ["en/a.jsonl"]
    assert chosen(paths, card, "de") == ["de/c.jsonl", "de/x/d.jsonl"]
    assert chosen(paths, card, "fr", "test") == ["fr/test.jsonl"]
    with pytest.raises(SourceError, match=r"no configuration 'es'.*configurations: de, en, fr"):
        chosen(paths, card, "es")


def test_the_token_is_never_in_an_error(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.failures = [403]
    with pytest.raises(HubError) as error:
        resolve_hub(tiny())
    assert os.environ["HF_TOKEN"] not in str(error.value)


def test_a_download_goes_on_where_it_broke_off(server: HubServer, caplog: pytest.LogCaptureFixture) -> None:
    server.drop_after = [50, 7]
    _, files, _ = resolve_hub(tiny())
    assert files[0].path.read_bytes() == ROWS
    sent = [(start, size) for path, start, size in server.served if path.endswith("00000-of-00002.jsonl")]
    assert sent == [(0, 50), (50, 7), (57, len(ROWS) - 57)]
    commit = server.repo("allen/tiny").branches["main"]
    assert caplog.messages == [
        f"hf://allen/tiny@{commit[:12]}/data/train-00000-of-00002.jsonl: the connection was lost at byte "
        f"{at} of {len(ROWS)}; trying again in 0.5 s (1 of 4)"
        for at in (50, 57)
    ]


def test_another_process_goes_on_where_a_killed_one_broke_off(server: HubServer, tmp_path: Path) -> None:
    server.drop_after = [60, 0, 0, 0, 0]
    with pytest.raises(HubError, match="was lost, more than once; run the command again, it goes on where"):
        resolve_hub(tiny())
    (part,) = (tmp_path / "hub").rglob("*.part")
    assert part.read_bytes() == ROWS[:60]
    server.served.clear()
    _, files, _ = resolve_hub(tiny())
    assert files[0].path.read_bytes() == ROWS
    assert server.served[0][1:] == (60, len(ROWS) - 60)
    assert list((tmp_path / "hub").rglob("*.part")) == []


def test_bytes_that_are_not_the_announced_ones_are_fetched_again_and_refused(
    server: HubServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.drop_after = [60, 0, 0, 0, 0]
    with pytest.raises(HubError):
        resolve_hub(tiny())
    (part,) = (tmp_path / "hub").rglob("*.part")
    part.write_bytes(b"x" * 60)
    assert resolve_hub(tiny())[1][0].path.read_bytes() == ROWS
    assert [start for _, start, _ in server.served[-3:]] == [60, 0, 0]


def test_what_a_busy_hub_asks_to_wait_is_obeyed_up_to_a_bound(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    server.faults = Faults(3, share=1.0, in_a_row=2)
    resolve_hub(tiny())
    assert server.faults.met.count("429") > 0
    assert waited.count(3.0) >= server.faults.met.count("429") / 2
    assert set(waited) <= {0.5, 1.0, 2.0, 3.0, 4.0}


def test_a_storage_host_that_one_is_sent_to_is_gone_on_with_and_sees_no_token(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 30)
    with HubServer({}) as storage:
        server.large_at = storage.endpoint
        storage.large[sha256(ROWS).hexdigest()] = ROWS
        other = FILES["data/train-00001-of-00002.jsonl"]
        storage.large[sha256(other).hexdigest()] = other
        storage.drop_after = [50, 7]
        _, files, _ = resolve_hub(tiny())
        assert [file.path.read_bytes() for file in files] == [ROWS, other]
        assert [start for _, start, _ in storage.served] == [0, 50, 57, 0]
        assert storage.authorised == []
        assert any("/resolve/" in request for request in server.authorised)
