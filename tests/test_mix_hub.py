"""`mixtures/sft_v3.yaml` through the real hub client, against a small local hub."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hub_server import Faults, HubServer

from tulu_data.errors import LockError
from tulu_data.mix import Settings, mix
from tulu_data.specs.mixture import read_mixture
from tulu_data.store import Store, Version

ROOT = Path(__file__).parents[1]
REPO = "allenai/tulu-3-sft-mixture"
SPEC = yaml.safe_load((ROOT / "mixtures" / "sft_v3.yaml").read_text("utf-8"))
PARTS = {name: source["where"].split("'")[1] for name, source in SPEC["sources"].items()}
"""Value of the column `source` by the spec's name for it."""


def parquet(rows: list[tuple[str, int]]) -> bytes:
    turns = [
        [{"content": f"{part} {n}?", "role": "user"}, {"content": f"Answer {n}.", "role": "assistant"}]
        for part, n in rows
    ]
    columns = {"id": [f"{part}_{n}" for part, n in rows], "messages": turns, "source": [p for p, _ in rows]}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def files(extra: int = 0) -> dict[str, bytes]:
    """Return two shards in which every part has at least two rows; the first has `extra` more."""
    rows = [(part, n) for n in range(2) for part in PARTS.values()]
    rows += [(next(iter(PARTS.values())), 10 + n) for n in range(extra)]
    half = len(rows) // 2
    return {
        "README.md": b"---\nlicense: odc-by\n---\n",
        "data/train-00000-of-00002.parquet": parquet(rows[:half]),
        "data/train-00001-of-00002.parquet": parquet(rows[half:]),
    }


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer({REPO: files()}, cards={REPO: {"license": "odc-by"}}) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mixtures").mkdir()
    shutil.copy(ROOT / "mixtures" / "sft_v3.yaml", tmp_path / "mixtures")
    return tmp_path


def run(folder: Path, endpoint: str, *arguments: str, home: str = "hf") -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TULU_"))}
    environment |= {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder / home),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    command = [sys.executable, "-m", "tulu_data", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def built(folder: Path, endpoint: str, *more: str) -> dict:
    done = run(folder, endpoint, "mix", "mixtures/sft_v3.yaml", "--json", *more)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found | {"stderr": done.stderr}


def lock_of(folder: Path) -> dict:
    found = yaml.safe_load((folder / "mixtures" / "sft_v3.lock.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_the_tulu_3_mixture_is_built_from_one_download_and_pinned(server: HubServer, folder: Path) -> None:
    version = built(folder, server.endpoint)
    commit = server.repo(REPO).branches["main"]
    assert [(s["name"], s["read"], s["rows"]) for s in version["sources"]] == [(n, 38, 2) for n in PARTS]
    assert all(s["dropped"] == {"where": 36} and s["revision"] == commit for s in version["sources"])
    licences = {s["name"]: s["licences"] for s in version["sources"]}
    assert (licences["no_robots"], licences["flan_v2"]) == (["cc-by-nc-4.0"], ["unknown"])
    gets = [r for r in server.requests if r.startswith("GET") and "/resolve/" in r]
    assert sorted(r.rsplit("/", 1)[1] for r in gets) == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    assert "read: 2 files of 19 sources" in version["stderr"]
    assert len(list((folder / "store" / "cache" / "normalised").iterdir())) == 2
    pins = lock_of(folder)["sources"]
    assert sorted(pins) == sorted(PARTS)
    assert {pin["revision"] for pin in pins.values()} == {commit}
    assert all(len(pin["files"]) == 2 and len(pin["files"][0]["sha256"]) == 64 for pin in pins.values())


def test_the_lock_is_obeyed_until_it_is_moved(server: HubServer, folder: Path) -> None:
    first = built(folder, server.endpoint)
    old = server.repo(REPO).branches["main"]
    new = server.repo(REPO).push(files(extra=3))
    again = built(folder, server.endpoint, "--frozen")
    assert (again["existed"], again["content_id"]) == (True, first["content_id"])

    moved = run(folder, server.endpoint, "lock", "mixtures/sft_v3.yaml", "--update", "aya")
    assert moved.returncode == 0, moved.stderr
    assert f"aya: hf://{REPO} {new[:12]} (2 files) moved from {old[:12]}" in moved.stdout.splitlines()
    assert {pin["revision"] for pin in lock_of(folder)["sources"].values()} == {new}
    later = built(folder, server.endpoint)
    assert (later["existed"], later["rows"]) == (False, first["rows"] + 3)
    wrong = run(folder, server.endpoint, "lock", "mixtures/sft_v3.yaml", "--update", "ayaa")
    assert wrong.returncode == 1
    assert "sft_v3.lock.yaml: no pin of 'ayaa'; did you mean 'aya'? (pins: aya, " in wrong.stderr


def test_frozen_refuses_a_spec_without_a_lock(server: HubServer, folder: Path) -> None:
    done = run(folder, server.endpoint, "mix", "mixtures/sft_v3.yaml", "--frozen")
    assert done.returncode == 1
    assert done.stderr == (
        "error: mixtures/sft_v3.lock.yaml: no lock, and --frozen resolves nothing; "
        "run `tulu-data lock mixtures/sft_v3.yaml` and commit it\n"
    )
    assert server.requests == []


def test_a_file_that_changed_under_its_commit_is_refused(server: HubServer, folder: Path) -> None:
    assert run(folder, server.endpoint, "lock", "mixtures/sft_v3.yaml").returncode == 0
    server.change_under_commit(REPO, "data/train-00001-of-00002.parquet", parquet([("x", 1)]))
    shutil.rmtree(folder / "hf")
    done = run(folder, server.endpoint, "mix", "mixtures/sft_v3.yaml")
    assert done.returncode == 1
    assert "the file changed under its commit" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "store" / "sft_v3").exists()


def test_without_a_network_there_is_one_clear_line(folder: Path) -> None:
    done = run(folder, "http://127.0.0.1:9", "mix", "mixtures/sft_v3.yaml")
    assert done.returncode == 1
    assert done.stdout == ""
    lines = (folder / "mixtures" / "sft_v3.yaml").read_text("utf-8").splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "uri:" in text)
    assert done.stderr == (
        f"error: mixtures/sft_v3.yaml:{line}:10 sources.hard_coded.uri: hf://{REPO}: cannot be had: "
        "no connection to http://127.0.0.1:9; connect to a network, or set HF_HUB_OFFLINE=1 where the lock "
        "and the hub's cache hold it\n"
    )
    assert not (folder / "mixtures" / "sft_v3.lock.yaml").exists()


def test_an_overlay_has_the_commit_that_its_base_is_pinned_to(server: HubServer, folder: Path) -> None:
    built(folder, server.endpoint)
    old = server.repo(REPO).branches["main"]
    server.repo(REPO).push(files(extra=3))
    overlay = folder / "mixtures" / "small.yaml"
    overlay.write_text(
        "extends: sft_v3.yaml\nname: small\nsources: {wildchat: null, mine: {uri: hf://" + REPO + "}}\n"
    )
    done = run(folder, server.endpoint, "lock", "mixtures/small.yaml")
    assert done.returncode == 0, done.stderr
    pins = yaml.safe_load((folder / "mixtures" / "small.lock.yaml").read_text("utf-8"))["sources"]
    assert sorted(pins) == sorted({*PARTS, "mine"} - {"wildchat"})
    assert {pin["revision"] for pin in pins.values()} == {old}


def test_a_setting_neither_moves_nor_loses_what_the_spec_is_pinned_to(
    server: HubServer, folder: Path
) -> None:
    built(folder, server.endpoint)
    before, old = lock_of(folder), server.repo(REPO).branches["main"]
    server.repo(REPO).push(files(extra=3))
    found = built(folder, server.endpoint, "--frozen", "--set", "sources.aya=null", "--set", "name=less")
    assert {s["revision"] for s in found["sources"]} == {old}
    assert len(found["sources"]) == len(PARTS) - 1
    assert lock_of(folder) == before


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Let nobody wait; return the seconds that would have been waited."""
    from huggingface_hub import close_session, constants

    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield waited
    close_session()


def test_a_hub_that_misbehaves_gives_the_published_rows_twice_and_a_changed_file_is_refused(
    folder: Path, patient: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    published = {name: 3 + 2 * n for n, name in enumerate(PARTS)}
    rows = [(PARTS[name], n) for name, count in published.items() for n in range(count)]
    shards = {f"data/train-{i:05d}-of-00006.parquet": parquet(rows[i * 70 : (i + 1) * 70]) for i in range(6)}
    assert sum(published.values()) == len(rows) <= 420
    found, met = [], []
    with HubServer({REPO: shards}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)

        def build(home: str) -> Version:
            monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / home))
            file = read_mixture(folder / "mixtures" / "sft_v3.yaml")
            return mix(file, Settings(base=folder, store=Store(folder / home), say=lambda _: None)).version

        for seed in (1, 2):
            server.faults, server.served = Faults(seed), []
            found.append(build(f"home{seed}"))
            met += server.faults.met
            sent: dict[str, int] = {}
            for path, _, size in server.served:
                sent[path] = sent.get(path, 0) + size
            assert sent == {path: len(data) for path, data in shards.items()}
        assert {"drop", "429", "500", "503"} <= set(met)
        server.faults = None
        server.change_under_commit(REPO, "data/train-00003-of-00006.parquet", parquet([("x", 1)]))
        with pytest.raises(
            LockError, match=r"train-00003-of-00006.parquet: .* the file changed under its commit"
        ):
            build("home3")
    assert found[0].content_id == found[1].content_id
    assert [{s.name: s.rows for s in version.manifest.sources} for version in found] == [published] * 2
    assert len(patient) >= len(met)
