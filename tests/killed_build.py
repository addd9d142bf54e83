"""Kill a session of commands at its k-th change of the disk, and look what is left.

Run as a script: it makes one workspace, warms up, and forks: once to see an undisturbed session, then twice
a moment, for a session that is killed there and for a look at what it leaves and one more session. Prints a
JSON line for each. A moment is an event that audit hooks see (a file opened to be written, a rename, a
removal, a lock, a folder) or that is announced here (a sync, a write past the page cache, a file that Arrow
opens by itself). A torn moment cuts the file that was opened last in half first: no event lies between, so
that is a kill while it was being written.
"""

import gc
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner
from mixture_fixtures import Place, chat, chats

from tulu_data.account.verify import verify
from tulu_data.cli.main import group
from tulu_data.mix import pool
from tulu_data.specs.lock import read_lock
from tulu_data.store import writer

LEAK = "How many grams of flour does the old recipe for the village bread ask for"
STEPS = [
    {"step": "filter", "drop": ["empty_turn", "repetition"]},
    {"step": "dedup", "key": "conversation", "near": True, "against": ["old@latest"]},
    {"step": "decontaminate", "against": ["evals/"]},
]
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "fcntl.flock", "fsync", "pwrite"}


def make(root: Path) -> None:
    """Make a workspace whose store has versions, some of which the session will remove."""
    place = Place(root)
    root.mkdir()
    (root / "tulu-data.yaml").write_text("version: 1\n")
    place.write("old.jsonl", chats(4, "old"))
    near = "the quick brown fox jumps over the lazy dog and runs through the dark wood until evening number"
    place.write("a.jsonl", [*chats(20, "a"), chat(LEAK), chat("x", ""), chat("old 1"), chat(near, near)])
    place.write("b.jsonl", [*chats(8, "b"), chat(near + " ten", near)])
    place.write("evals/e.jsonl", [{"id": "1", "question": LEAK}, {"id": "2", "question": "none of them"}])
    place.mix({"o": {"uri": "old.jsonl"}}, name="old")
    for seed in (1, 2, 3):
        kept = place.mix({"b": {"uri": "b.jsonl", "take": {"rows": 4}}}, seed=seed)
        run(root, "tag", kept.ref, "first") if seed == 1 else None


def run(root: Path, *arguments: str) -> None:
    result = CliRunner().invoke(group, [*arguments, "--store", str(root / "store")], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def session(root: Path) -> str:
    """Do everything that writes: build, partly from caches, tag, remove; return the content id."""
    os.chdir(root)
    place = Place(root)
    sources = {
        "a": {"uri": "a.jsonl", "where": "messages[1].content <> 'a 3'"},
        "b": {"uri": "b.jsonl", "where": "true", "take": {"rows": 5}},
    }
    version = place.mix(sources, steps=STEPS, splits={"validation": {"fraction": 0.3}})
    run(root, "tag", version.ref, "best")
    run(root, "gc", "--yes", "--keep", "1", "--cache-days", "0")
    return version.content_id


def moments(root: Path, act: Callable[[int, Path | None], None]) -> None:
    """Let `act` be called at every change of the disk, with its number and the file opened last."""
    seen, last = 0, None

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal seen, last
        if event == "open":
            path, mode, flags = given
            writes = set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
            if not isinstance(path, str | bytes | os.PathLike) or not writes:
                return
            found = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100
            if not found.is_relative_to(root):
                return
            act(seen, last)
            last = found
        elif event in CHANGES:
            act(seen, last)
        else:
            return
        seen += 1

    announce(os, "fsync", "fsync")
    announce(os, "pwrite", "pwrite")
    announce(pa, "OSFile", "open")
    announce(pq, "write_table", "open")
    sys.addaudithook(hook)


def announce(owner: Any, name: str, event: str) -> None:
    """Let an audit event be raised before a function is called that raises none itself."""
    real = getattr(owner, name)

    def called(*arguments: Any, **more: Any) -> Any:
        path = arguments[1] if name == "write_table" else arguments[0]
        if event != "open" or isinstance(path, str | Path):
            sys.audit(event, path, "wb", 0)
        return real(*arguments, **more)

    setattr(owner, name, called)


def in_child(work: Callable[[], str]) -> tuple[int, str]:
    """Run in a forked process; return its signal or exit status, and what it returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            os.write(writing, work().encode())
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            os.write(writing, repr(error).encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def counted(root: Path) -> str:
    """Go through a session undisturbed and return how many moments it has."""
    count = 0

    def act(number: int, _: Path | None) -> None:
        nonlocal count
        count = number + 1

    moments(root, act)
    session(root)
    return str(count)


def killed(root: Path, stop: int, *, torn: bool) -> str:
    def act(number: int, last: Path | None) -> None:
        nonlocal stop
        if number == stop:
            stop = -1
            if torn and last is not None and last.is_file():
                os.truncate(last, last.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    moments(root, act)
    session(root)
    return "was not killed"


def is_whole(root: Path) -> None:
    """Hold the store to: whatever is named opens and is what it says; what was not to go is there."""
    store = Place(root).store
    for name in store.names():
        for version in store.versions(name):
            found = verify(version.path, root, store, workers=1, fast=True, say=str)
            assert found.verdict == "whole", (found.contents, found.books)
        assert store.resolve(name).content_id == store.ids(name)[-1]
        assert all(tag in ("first", "best") for tags in store.tagged(name).values() for tag in tags)
    store.resolve("m@first"), store.resolve("old")
    fresh = Place(root.parent / "fresh").store
    for name in fresh.names():
        here = {one for one in fresh.ids(name) if (store.root / name / one / "manifest.json").is_file()}
        assert here <= set(store.ids(name)), "a log has lost a version"
    read_lock(root / "mixtures" / "m.yaml")


def state(root: Path) -> dict[str, str]:
    """Return what stands in a store, but for times and the cache."""
    store = Place(root).store
    found = {}
    for name in store.names():
        for version in store.versions(name):
            manifest = version.manifest.model_dump(mode="json", exclude={"created", "shards"})
            found[version.ref] = json.dumps([manifest, [s.sha256 for s in version.manifest.shards]])
            for path in version.path.rglob("*.parquet"):
                found[f"{version.ref}/{path.name}"] = sha256(path.read_bytes()).hexdigest()
        found[f"tags of {name}"] = json.dumps(store.tagged(name), sort_keys=True)
        left = [
            p.name for p in (store.root / name).iterdir() if p.name.startswith((".building", ".removing"))
        ]
        assert left == [], left
    return found


def looked_at(root: Path) -> str:
    """Look at what a killed session left, then do it again."""
    is_whole(root)
    return json.dumps([session(root), state(root)])


def warm_up(root: Path) -> None:
    """Load what loads slowly; polars has threads of its own, which do not live on in a fork."""
    real, pool._likenesses = pool._likenesses, lambda _: iter(())
    make(root)
    session(root)
    pool._likenesses = real
    gc.freeze()


def main(root: Path, seed: int, wanted: int) -> Iterator[dict[str, Any]]:
    writer.SHARD_BYTES = 1
    warm_up(root / "warm")
    here = root / "here"

    def fresh() -> Path:
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(root / "fresh", here)
        return here

    assert in_child(lambda: str(make(root / "fresh"))) == (0, "None")
    undisturbed = in_child(lambda: looked_at(fresh()))
    assert in_child(lambda: str(is_whole(here))) == (0, "None")
    yield {"status": undisturbed[0], "found": undisturbed[1]}
    shutil.rmtree(here)
    status, said = in_child(lambda: counted(fresh()))
    assert status == 0, said
    rng, count = random.Random(seed), int(said)  # noqa: S311
    edges = [round(i * count / wanted) for i in range(wanted + 1)]
    for begin, end in pairwise(edges):
        stop, torn = rng.randrange(begin, max(end, begin + 1)), rng.random() < 0.5
        place = fresh()
        ended, _ = in_child(lambda: killed(place, stop, torn=torn))  # noqa: B023
        status, said = in_child(lambda: looked_at(place))  # noqa: B023
        yield {"moment": [stop, count, torn], "ended": ended, "status": status, "found": said}


if __name__ == "__main__":
    for line in main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])):
        print(json.dumps(line), flush=True)  # noqa: T201
