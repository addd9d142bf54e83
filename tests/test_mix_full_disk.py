"""A disk that takes no more: one clear error, and the store is as it was.

The system itself refuses: no file may grow beyond a limit, which is as small as each file of a build in turn.
"""

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from mixture_fixtures import Place, chat, chats

from tulu_data.cli.main import group
from tulu_data.errors import TuluDataError
from tulu_data.store import Store

LEAK = "How many grams of flour does the old recipe for the village bread ask for"
STEPS = [
    {"step": "filter", "drop": ["empty_turn", "repetition"]},
    {"step": "dedup", "key": "conversation", "near": True, "against": ["old@latest"]},
    {"step": "decontaminate", "against": ["evals/"]},
]
SOURCES = {"a": {"uri": "a.jsonl", "where": "messages[1].content <> 'a 3'"}}


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def kept(store: Store) -> dict[str, bytes]:
    """Return all files of a store but its cache and locks."""
    files = [path for path in store.root.rglob("*") if path.is_file() and path.name != ".lock"]
    return {
        str(path.relative_to(store.root)): path.read_bytes()
        for path in files
        if "cache" not in path.relative_to(store.root).parts and "signatures" not in path.parts
    }


@pytest.fixture
def place(workspace: Place) -> Place:
    workspace.write("old.jsonl", chats(4, "old"))
    rows = [*chats(40, "a"), chat(LEAK), chat("x", ""), *(chat(f"{i}", " ") for i in range(300))]
    workspace.write("a.jsonl", rows)
    workspace.write("evals/e.jsonl", [{"id": "1", "question": LEAK}, {"id": "2", "question": "none of them"}])
    workspace.mix({"o": {"uri": "old.jsonl"}}, name="old")
    workspace.mix({"o": {"uri": "old.jsonl"}})
    workspace.spec(SOURCES, steps=STEPS, splits={"validation": {"fraction": 0.3}})
    return workspace


def run() -> tuple[str | None, str | None]:
    """Build; return the content id, or the error in one line."""
    result = CliRunner().invoke(group, ["mix", "mixtures/m.yaml", "--json"])
    if result.exception is None:
        return json.loads(result.stdout)["content_id"], None
    assert isinstance(result.exception, TuluDataError), repr(result.exception)
    return None, str(result.exception)


@pytest.mark.parametrize("is_cached", [False, True])
def test_a_disk_that_is_full_at_any_file_is_one_clear_error_and_the_store_is_as_it_was(
    place: Place, is_cached: bool
) -> None:
    if is_cached:
        place.mix(SOURCES, steps=STEPS, name="n")
    again = place.root.with_name(f"{place.root.name}-again")
    shutil.copytree(place.root, again)
    before = kept(place.store)
    wanted, _ = run()
    after = [path for path in place.root.rglob("*") if path.is_file()]
    sizes = sorted({path.stat().st_size for path in after} - {0})
    errors = set()
    for limit in [size - 1 for size in sizes[:: 2 if is_cached else 5]]:
        for path in place.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(again, place.root, dirs_exist_ok=True)
        with no_file_beyond(limit):
            found, error = run()
        if error is None:
            # What can be made anew is done without.
            assert found == wanted
            continue
        # A direct write that is cut to less than a block is refused as such.
        assert "File too large" in error or "Invalid argument" in error
        assert "\n" not in error
        errors.add(error.split(": ")[0].removeprefix(str(place.root)))
        assert kept(place.store) == before, limit
        assert not [*place.store.root.rglob(".building*"), *place.store.root.rglob(".new-*")]
        assert run() == (wanted, None)
    assert ("/store/m" if is_cached else "/store/cache/normalised") in errors


@pytest.mark.parametrize("name", ["manifest.json", "log", "lock"])
def test_a_disk_that_is_full_at_the_end(place: Place, name: str) -> None:
    text = "x" * 100_000
    if name == "log":
        path = place.store.root / "refs" / "m"
        path.write_text(text + "\n" + path.read_text())
    elif name == "lock":
        place.spec({"a": {"uri": "a.jsonl"}, "o": {"uri": "old@latest"}})
    else:
        place.spec(SOURCES, description=text)
    before = kept(place.store)
    with no_file_beyond(20 if name == "lock" else 90_000):
        found, error = run()
    assert found is None
    assert "File too large" in (error or "")
    assert kept(place.store) == before
    assert [p.name for p in Path("mixtures").iterdir() if "lock" in p.name] == {
        "lock": [], "log": ["m.lock.yaml"], "manifest.json": []
    }[name]  # fmt: skip
    assert run()[1] is None
