"""`verify` and `status` of a mixture from the hub: by its pins, from files that are here or gone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import HubServer
from mixture_fixtures import chats

REPO = "owner/chats"
SPEC = """\
version: 1
name: hub
kind: sft
decontaminate: none
sources:
  chats: {uri: "hf://owner/chats@main", take: {rows: 5}}
  file: {uri: "hf://owner/chats/data/train.jsonl", where: "length(messages) > 1"}
"""


def lines(count: int) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in chats(count)).encode()


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer({REPO: {"data/train.jsonl": lines(9)}}) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mixtures").mkdir()
    (tmp_path / "mixtures/hub.yaml").write_text(SPEC)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\n")
    return tmp_path


def run(folder: Path, endpoint: str, *arguments: str, home: str = "hf") -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TULU_"))}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / home)}
    return subprocess.run(
        [sys.executable, "-m", "tulu_data", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def status(folder: Path, endpoint: str, home: str = "hf") -> dict[str, Any]:
    done = run(folder, endpoint, "status", "--json", home=home)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


def test_a_version_of_the_hub_is_verified_by_its_own_pins(server: HubServer, folder: Path) -> None:
    assert run(folder, server.endpoint, "mix", "mixtures/hub.yaml").returncode == 0
    lock = (folder / "mixtures/hub.lock.yaml").read_bytes()
    asked = len(server.requests)
    done = run(folder, server.endpoint, "verify", "hub")
    assert (done.returncode, done.stdout.splitlines()[-1][:5]) == (0, "same:"), done.stdout + done.stderr
    assert server.requests[asked:] == []
    # The branch moves on, and the lock with it; the version is still what its own commit gives.
    old = server.repo(REPO).branches["main"]
    new = server.repo(REPO).push({"data/train.jsonl": lines(12)})
    assert run(folder, server.endpoint, "lock", "mixtures/hub.yaml", "--update", "chats").returncode == 0
    assert run(folder, server.endpoint, "verify", "hub").returncode == 0
    told = status(folder, server.endpoint)
    assert told["state"] == "stale"
    assert {"path": "sources.chats.revision", "before": old, "after": new} in told["keys"]
    (folder / "mixtures/hub.lock.yaml").write_bytes(lock)
    told = status(folder, server.endpoint)
    assert (told["state"], told["cache"]) == ("built", {"kept": 1, "files": 1})


def test_files_that_are_not_here_are_as_pinned_to_status_and_gone_to_verify(
    server: HubServer, folder: Path
) -> None:
    assert run(folder, server.endpoint, "mix", "mixtures/hub.yaml").returncode == 0
    asked = len(server.requests)
    told = status(folder, server.endpoint, "empty")
    assert (told["state"], told["inputs"], told["problems"]) == ("built", [], [])
    assert server.requests[asked:] == []
    gone = run(folder, "http://127.0.0.1:9", "verify", "hub", home="empty")
    assert gone.returncode == 1
    assert gone.stdout.splitlines()[-1].startswith("unrepeatable:")
    assert "data/train.jsonl is gone (" in gone.stdout
    assert run(folder, "http://127.0.0.1:9", "verify", "hub").returncode == 0
