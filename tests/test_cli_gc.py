"""`tulu-data gc`: what stays, what goes, and a store that is whole whatever happens meanwhile."""

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mixture_fixtures import Place, chats
from store_fixtures import tree, written

from tulu_data.cli.main import VERBS, group
from tulu_data.errors import StoreError, TuluDataError
from tulu_data.sources import normalising
from tulu_data.sources.scan import scan_file
from tulu_data.store import Store, Version
from tulu_data.store.locks import is_making, making
from tulu_data.versions.garbage import collected, remove


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["gc", *arguments], prog_name="tulu-data")


def found(*arguments: str) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.stdout)


def names(pieces: list[dict]) -> list[str]:
    return [piece["name"] for piece in pieces]


def builds(store: Store, count: int, name: str = "d") -> list[Version]:
    return [written(store, [f"{name} {i}"], name=name, time=f"2030-01-0{i + 1}") for i in range(count)]


def assert_whole(store: Store) -> None:
    """Hold the store to: whatever is named opens, with all its records."""
    for name in store.names():
        for version in store.versions(name):
            assert len(version.table(["id"])) == version.num_rows
        for content_id, tags in store.tagged(name).items():
            assert {store.resolve(f"{name}@{tag}").content_id for tag in tags} == {content_id}
        assert store.resolve(name).content_id == store.ids(name)[-1]


def age(path: Path, days: float) -> None:
    """Let a file, or all files of a folder, seem not to be used for so many days."""
    for part in [path, *path.rglob("*")]:
        at = part.stat().st_mtime - days * 86_400
        os.utime(part, (at, at))


def test_older_versions_without_a_tag_can_go_and_go_only_with_yes(workspace: Place) -> None:
    store = workspace.store
    first, second, third, newest = builds(store, 4)
    store.tag(second, "paper")
    before = tree(store)
    told = found()
    assert (names(told["gone"]), told["removed"]) == (
        [v.ref for v in sorted((first, third), key=lambda v: v.content_id)],
        False,
    )
    kept = {one["name"]: one["why"].partition(", last built ")[0] for one in told["kept"]}
    assert kept == {second.ref: "tagged paper", newest.ref: "the newest"}
    assert tree(store) == before
    assert "nothing was removed: add --yes to do it" in run().stdout
    assert names(found("--keep", "2")["gone"]) == [first.ref]
    assert names(found("--keep", "9")["gone"]) == []
    size = sum(f.stat().st_size for v in (first, third) for f in v.path.iterdir())
    told = found("--yes")
    assert (told["removed"], told["bytes"]) == (True, size)
    assert store.ids("d") == [second.content_id, newest.content_id]
    assert tree(store) == {
        path: data
        for path, data in before.items()
        if first.content_id not in path and third.content_id not in path
    }
    assert_whole(store)
    assert run("--yes").stdout.endswith("\nnothing to remove\n")


def test_what_a_version_was_made_of_or_compared_with_stays(workspace: Place) -> None:
    workspace.write("a.jsonl", chats(6))
    workspace.write("b.jsonl", chats(6, "b"))
    a = {"a": {"uri": "a.jsonl"}}
    root = workspace.mix({"x": {"uri": "b.jsonl"}}, name="root")
    middle = workspace.mix({"r": {"uri": root.ref}}, name="middle")
    other = workspace.mix(a, name="other")
    workspace.mix({"x": {"uri": "b.jsonl"}}, name="root", seed=1)
    workspace.mix({"r": {"uri": root.ref}}, name="middle", seed=1)
    workspace.mix(a, name="other", seed=1)
    top = workspace.mix(
        {"m": {"uri": middle.ref}}, name="top", steps=[{"step": "dedup", "against": [other.ref]}]
    )
    told = found("--yes")
    assert told["gone"] == []
    why = {one["name"]: one["why"] for one in told["kept"]}
    assert why[middle.ref] == why[other.ref] == f"{top.ref} was made with it"
    assert root.ref in why
    workspace.mix(a, name="top")
    gone = set(names(found("--yes")["gone"]))
    assert {top.ref, middle.ref, other.ref} <= gone
    assert root.ref not in gone
    assert_whole(workspace.store)


def test_what_killed_processes_left_goes_and_folders_in_no_log(workspace: Place) -> None:
    (version,) = builds(workspace.store, 1)
    parent = version.path.parent
    (parent / ".building-1").mkdir()
    (parent / ".removing-2-x").mkdir()
    shutil.copytree(version.path, parent / ("0" * 64))
    (parent / ("1" * 64)).mkdir()
    told = found("--yes")
    assert {one["name"]: one["why"] for one in told["gone"]} == {
        "d/.building-1": "left by a process that was killed",
        "d/.removing-2-x": "left by a process that was killed",
        "d@00000000": "in no log", "d@11111111": "not whole",
    }  # fmt: skip
    assert sorted(p.name for p in parent.iterdir()) == [".lock", version.content_id]


def test_of_what_is_in_the_making_only_that_goes_which_nobody_is_at(workspace: Place) -> None:
    builds(workspace.store, 1)
    cache = workspace.store.root / "cache"
    dead, alive, new = (cache / f"normalised/.new-{name}" for name in ("dead", "alive", "new"))
    verify = cache / ".verify-dead"
    for folder in (dead, alive, new, verify / "cache/normalised"):
        folder.mkdir(parents=True)
    file, old = cache / "normalised/whole/.new-part", cache / "normalised/whole/.new-old"
    file.parent.mkdir()
    for path in (file, old):
        path.write_text("torn")
    (cache / "normalised/.removing-1-x").mkdir()
    minutes = 1 / 1440
    for path in (dead, alive, verify, file):
        age(path, 2 * minutes)
    age(old, 61 * minutes)
    with making(alive):
        told = found("--cache-days", "9", "--yes")
        assert sorted(names(told["gone"])) == [
            "cache/.verify-dead", "cache/normalised/.new-dead", "cache/normalised/.removing-1-x",
            "cache/normalised/whole/.new-old",
        ]  # fmt: skip
        left = [
            "cache/normalised/.new-alive",
            "cache/normalised/.new-new",
            "cache/normalised/whole/.new-part",
        ]
        assert names(told["making"]) == left
        assert alive.is_dir()
        text = run().stdout
        assert f"left alone, as a process may be at it: {', '.join(left)}; run gc again" in text
    assert names(found("--cache-days", "9", "--yes")["gone"]) == left[:1]


def test_a_folder_of_the_cache_is_locked_while_it_is_filled(workspace: Place, monkeypatch) -> None:
    workspace.write("a.jsonl", chats(6))
    seen: list[bool | None] = []

    def scan(*arguments, **more):
        (folder,) = (workspace.store.root / "cache/normalised").glob(".new-*")
        seen.append(is_making(folder))
        return scan_file(*arguments, **more)

    monkeypatch.setattr(normalising, "scan_file", scan)
    workspace.mix({"a": {"uri": "a.jsonl"}})
    assert seen == [True]
    (folder,) = (workspace.store.root / "cache/normalised").iterdir()
    assert is_making(folder) is False
    assert is_making(folder / "nowhere") is None


def test_of_the_cache_goes_what_no_version_that_stays_was_read_from(workspace: Place) -> None:
    workspace.write("a.jsonl", chats(6))
    workspace.mix({"a": {"uri": "a.jsonl"}})
    (used,) = (workspace.store.root / "cache" / "normalised").iterdir()
    workspace.write("b.jsonl", chats(6, "b"))
    workspace.mix({"b": {"uri": "b.jsonl"}}, name="n")
    workspace.mix({"a": {"uri": "a.jsonl"}}, name="n")
    (other,) = set((workspace.store.root / "cache" / "normalised").iterdir()) - {used}
    (used.parent / ".new-dead").mkdir()
    (used.parent / ".new-alive").mkdir()
    for path in (used, other, used.parent / ".new-dead"):
        age(path, 8)
    assert {"cache/normalised/.new-dead", f"cache/normalised/{other.name}"} == {
        one["name"] for one in found()["gone"] if one["what"] != "version"
    }
    assert names(found("--cache-days", "9")["gone"])[-1] == "cache/normalised/.new-dead"
    found("--yes")
    assert {p.name for p in used.parent.iterdir()} == {used.name, ".new-alive"}
    assert_whole(workspace.store)


def test_a_writer_at_work_stops_gc_before_anything_is_looked_at(workspace: Place) -> None:
    builds(workspace.store, 2)
    builds(workspace.store, 2, "e")
    before = tree(workspace.store)
    with (workspace.store.root / "e" / ".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run("--yes")
        assert isinstance(result.exception, StoreError)
        assert "another process is writing 'e'" in str(result.exception)
    assert tree(workspace.store) == before
    assert len(found("--yes")["gone"]) == 2


@pytest.mark.parametrize("stop", range(14))
def test_a_kill_in_the_middle_leaves_a_whole_store_and_the_next_run_ends_it(
    workspace: Place, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    store = workspace.store
    versions = builds(store, 3)
    calls = {"unlink": os.unlink, "rmdir": os.rmdir, "rename": os.rename}
    left = [stop]

    class Killed(BaseException):
        """As if the process ended here."""

    def counting(name):
        def call(*arguments, **more):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return calls[name](*arguments, **more)

        return call

    with monkeypatch.context() as patched:
        for name in calls:
            patched.setattr(os, name, counting(name))
        try:
            with collected(store, keep=1, cache_days=0) as garbage:
                for piece in garbage.gone:
                    remove(piece)
        except Killed:
            pass
    assert_whole(store)
    assert store.resolve("d").content_id == versions[-1].content_id
    found("--yes")
    assert sorted(p.name for p in versions[0].path.parent.iterdir()) == [".lock", versions[-1].content_id]
    assert_whole(store)


def test_a_disk_that_refuses_is_told(workspace: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    builds(workspace.store, 2)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(Path, "rename", refuse)
    result = run("--yes")
    assert isinstance(result.exception, TuluDataError)
    assert str(result.exception) == (
        "x: cannot be removed (Permission denied); the rest of the store is whole; "
        "make it writable and run gc again"
    )


def test_an_empty_store_has_nothing_to_remove(workspace: Place) -> None:
    assert run("--yes").stdout == "nothing to remove\n"


def test_the_help_is_the_one_in_the_table() -> None:
    from tulu_data.cli.gc import command

    assert command.get_short_help_str(limit=200) == VERBS["gc"][1]
