"""A store and a folder of specs that nobody may write: what reads works, what writes says so in one line."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mixture_fixtures import Place, chats
from store_fixtures import tree

from tulu_data.cli.main import group
from tulu_data.errors import TuluDataError

READING = [
    "list", "show m", "view m -n 1", "stats m", "verify m", "verify m --fast", "lineage m", "card m", "check",
    "status mixtures/m.yaml", "plan mixtures/m.yaml", "mix mixtures/m.yaml",
    "diff m@first m", "export m --format jsonl --out elsewhere.jsonl",
]  # fmt: skip
WRITING = ["mix mixtures/new.yaml", "mix mixtures/after.yaml", "tag m best", "card m --write", "gc --yes"]


def run(line: str) -> Result:
    return CliRunner().invoke(group, line.split(), prog_name="tulu-data")


def closed(path: Path) -> bool:
    """Mount a folder over itself so that it can only be read; tell whether this process may."""
    steps = (["mount", "--bind", path, path], ["mount", "-o", "remount,ro,bind", path, path])
    return all(subprocess.run(step, check=False, capture_output=True).returncode == 0 for step in steps)


@contextmanager
def read_only(*folders: Path) -> Iterator[None]:
    """Let nobody write into folders: root by a mount, others by modes."""
    if os.geteuid() == 0:
        shut = [folder for folder in folders if closed(folder)]
        try:
            if len(shut) < len(folders):
                pytest.skip("root that may not mount writes everywhere")
            yield
        finally:
            for folder in shut:
                subprocess.run(["umount", folder], check=True)
        return
    parts = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    modes = {path: path.stat().st_mode for path in parts}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def place(workspace: Place) -> Place:
    workspace.write("a.jsonl", chats(9))
    workspace.write("b.jsonl", chats(2, "b"))
    workspace.mix({"a": {"uri": "a.jsonl", "take": {"rows": 5}}})
    assert run("tag m first").exit_code == 0
    workspace.mix({"a": {"uri": "a.jsonl"}})
    workspace.spec({"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl"}}, name="new")
    workspace.spec({"s": {"uri": "m@latest"}}, name="after")
    return workspace


def test_what_reads_works_and_what_writes_says_so_in_one_line(place: Place) -> None:
    before = tree(place.store)
    with read_only(place.store.root, place.root / "mixtures"):
        for line in READING:
            result = run(line)
            assert result.exit_code == 0, (line, result.output, result.exception)
        for line in WRITING:
            result = run(line)
            assert isinstance(result.exception, TuluDataError), (line, result.output, result.exception)
            text = str(result.exception)
            assert "\n" not in text, line
            assert "Read-only file system" in text or "Permission denied" in text, (line, text)
    assert tree(place.store) == before


def test_a_mixture_of_stored_versions_needs_no_lock_beside_a_spec_that_cannot_have_one(place: Place) -> None:
    with read_only(place.root / "mixtures"):
        for line in ("plan mixtures/after.yaml", "mix mixtures/after.yaml"):
            result = run(line)
            assert result.exit_code == 0, (line, result.output, result.exception)
        assert isinstance(run("mix mixtures/after.yaml --frozen").exception, TuluDataError)
    built = place.store.resolve("after")
    assert built.manifest.sources[0].revision == place.store.resolve("m").content_id
    assert not (place.root / "mixtures" / "after.lock.yaml").exists()
    assert run("mix mixtures/after.yaml").exit_code == 0
    assert (place.root / "mixtures" / "after.lock.yaml").exists()
