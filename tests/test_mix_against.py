"""The step dedup against stored versions: the same as the command, and what names, locks and moves."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result
from mixture_fixtures import Place, account, assert_adds_up, chat, chats, key

from tulu_data.cli.main import group
from tulu_data.errors import LockError, SpecError, StoreError
from tulu_data.mix import find_existing, mix, resolve_inputs
from tulu_data.specs.base import read_spec
from tulu_data.specs.lock import Lock, lock_path
from tulu_data.specs.mixture import Mixture
from tulu_data.store import Version

NEAR = {"jaccard_threshold": 0.5, "recall": 0.99}
ON_COMMAND_LINE = ("--jaccard-threshold", "0.5", "--recall", "0.99")
NEW = {"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl"}}


def families(count: int, seed: int) -> list[str]:
    """Write families of texts, each with edited copies, in any order."""
    draw = np.random.default_rng(5)
    words = np.array([f"{a}{b}{c}" for a in "bdfgk" for b in ("an", "el", "ir", "ou") for c in ("a", "te")])
    made = []
    for _ in range(count):
        text = draw.choice(words, 30)
        edited = [np.where(draw.random(30) < 0.05 * k, draw.choice(words, 30), text) for k in range(6)]
        made += [" ".join(one) for one in edited]
    return [made[k] for k in np.random.default_rng(seed).permutation(len(made))]


@pytest.fixture
def place(workspace: Place) -> Place:
    """Make a workspace with versions `old` and `more`, and files that hold some of it again."""
    texts = families(12, seed=1)
    workspace.write("o.jsonl", [chat(text) for text in texts[:15]])
    workspace.write("p.jsonl", [chat(text) for text in texts[10:25]])
    workspace.write("a.jsonl", [chat(text) for text in [*texts[12:40], texts[20].upper()]])
    workspace.write("b.jsonl", [chat(text) for text in [*texts[36:], texts[0], texts[0]]])
    workspace.mix({"o": {"uri": "o.jsonl"}}, name="old")
    workspace.mix({"p": {"uri": "p.jsonl"}}, name="more")
    return workspace


def against(*versions: str, **more: object) -> list[dict]:
    return [{"step": "dedup", "near": NEAR, "against": list(versions), **more}]


def clusters(path: Path) -> list[dict]:
    return pq.read_table(path / "clusters.parquet").to_pylist()


def typed(*arguments: str) -> Result:
    done = CliRunner().invoke(group, [*arguments])
    assert done.exit_code == 0, done.output
    return done


def held(version: Version) -> set[str]:
    return {row["id"] for row in version.table(["id"]).to_pylist()}


@pytest.mark.parametrize(
    ("step", "options"),
    [
        ({}, ON_COMMAND_LINE),
        ({"key": "prompt"}, (*ON_COMMAND_LINE, "--key", "prompt")),
        ({"near": None}, ("--exact",)),
        ({"near": None, "key": "record"}, ("--key", "record")),
    ],
)
def test_what_versions_hold_goes_as_the_command_says(place: Place, step: dict, options: tuple) -> None:
    steps = [{k: v for k, v in (against("old@latest", "more")[0] | step).items() if v is not None}]
    version = place.mix(NEW, steps=steps)
    typed("dedup", "a.jsonl", "b.jsonl", "--against", "old", "--against", "more", *options)
    report = json.loads(Path("reports/dedup/report.json").read_text())

    def told(rows: list[dict]) -> list[tuple]:
        names = ("cluster", "size", "origin", "id", "kept", "reason", "stands", "jaccard", "containment")
        # Only files are named otherwise: the step says the source, the command the file.
        return [(row["source"].partition(".jsonl")[0], *(row[name] for name in names)) for row in rows]

    assert told(clusters(version.path)) == told(clusters(Path("reports/dedup")))
    (found,) = version.manifest.duplicates
    assert found["against"] == report["against"]
    assert [one["dataset"] for one in found["against"]] == [
        place.store.resolve(name).ref for name in ("more", "old")
    ]
    assert all(sum(one["dropped"].values()) > 1 for one in found["against"])
    assert (found["records"], found["kept"]) == (report["records"], report["kept"]) == (67, version.num_rows)
    assert found["clusters"] == report["clusters"]
    assert_adds_up(version)


def test_the_record_of_a_version_that_stands_is_named_and_read_back(place: Place) -> None:
    version, old = place.mix(NEW, steps=against("old@latest")), place.store.resolve("old")
    rows = pq.read_table(version.path / "dropped.parquet").to_pylist()
    evidence = [json.loads(row["evidence"]) for row in rows]
    there = {row["id"]: row["origin"] for row in old.table().to_pylist()}
    named = [one for one in evidence if one["stands"]["source"] == f"{old.ref} o"]
    assert {"b.jsonl:37", "b.jsonl:38"} < {row["origin"] for row in rows}
    assert len(named) == sum(version.manifest.duplicates[0]["against"][0]["dropped"].values()) > 5
    assert all(one["stands"]["origin"] == there[one["stands"]["id"]] for one in named)
    assert all(one["cluster"] == one["stands"]["id"] for one in named)
    assert held(version).isdisjoint(held(old))
    said = typed("review", "m", "--clusters", "--json", "--reason", "any").stdout
    likes = [pair["like"] for pair in json.loads(said) if pair["like"]["source"] == f"{old.ref} o"]
    assert len(likes) == len(named)
    assert all(like["texts"][1]["text"] == "Yes." for like in likes)
    query = "SELECT count(*) AS n FROM clusters WHERE source LIKE 'old@%'"
    (counted,) = json.loads(typed("sql", query, "m", "--json").stdout)
    assert counted["n"] == len({one["cluster"] for one in named})


def test_card_and_show_name_the_versions(place: Place) -> None:
    version, old = place.mix(NEW, steps=against("old@latest")), place.store.resolve("old")
    count = sum(version.manifest.duplicates[0]["against"][0]["dropped"].values())
    assert f" contained); {old.ref} holds {count} of them. " in (version.path / "README.md").read_text()
    assert f"{old.ref} (15 records) holds {count} of them\n" in typed("show", "m").stdout
    (told,) = version.manifest.duplicates
    pairs = told["search"]["compared"] + told["against"][0]["compared"]
    assert pairs > told["search"]["compared"]
    assert f"{pairs} pairs compared in 1 round" in typed("show", "m").stdout
    assert f"; {pairs} pairs compared in 1 round" in (version.path / "README.md").read_text()


def test_the_order_of_versions_changes_nothing(place: Place) -> None:
    file = place.spec(NEW, steps=against("old@latest", "more@latest"))
    first = mix(file, place.settings())
    file = place.spec(NEW, steps=against("more@latest", "old", "old@latest"))
    again = mix(file, place.settings(workers=2))
    assert (first.existed, again.existed) == (False, True)
    before = clusters(first.version.path)
    shutil.rmtree(first.version.path)
    assert mix(file, place.settings(workers=2)).version.content_id == first.version.content_id
    assert clusters(first.version.path) == before


def test_the_spec_inside_the_version_names_whole_ids_and_builds_it_again(place: Place) -> None:
    version, old = place.mix(NEW, steps=against("old@latest")), place.store.resolve("old")
    spec = read_spec(Mixture, version.path / "spec.yaml")
    assert spec.steps[0].against == (f"old@{old.content_id}",)  # type: ignore[union-attr]
    locked = yaml.safe_load((version.path / "lock.yaml").read_text())
    assert locked["versions"] == {"old@latest": old.content_id}
    text = (version.path / "spec.yaml").read_text()
    place.write("o.jsonl", chats(4))
    place.mix({"o": {"uri": "o.jsonl"}}, name="old")
    Path("mixtures/again.yaml").write_text(text)
    again = json.loads(typed("mix", "mixtures/again.yaml", "--json").stdout)
    assert (again["content_id"], again["existed"]) == (version.content_id, True)


def moved(place: Place) -> Version:
    """Build another version of `old`, with more records."""
    rows = [*map(json.loads, (place.root / "o.jsonl").read_text().splitlines()), *chats(3, "other")]
    place.write("o.jsonl", [*rows, chat(families(12, seed=1)[30])])
    return place.mix({"o": {"uri": "o.jsonl"}}, name="old")


def test_a_latest_that_moves_builds_anew_and_moves_the_lock(place: Place) -> None:
    before, old = place.mix(NEW, steps=against("old@latest")), place.store.resolve("old")
    file = place.spec(NEW, steps=against("old@latest"))
    lock = lock_path(file.path)
    assert read_spec(Lock, lock).versions == {"old@latest": old.content_id}
    new = moved(place)
    inputs = resolve_inputs(file, place.root, place.store)
    assert find_existing(file, inputs, place.settings()) is None
    assert read_spec(Lock, lock).versions == {"old@latest": new.content_id}
    assert mix(file, place.settings()).version.num_rows < before.num_rows
    # The version that was, by its id, is what was built first.
    pinned = place.spec(NEW, steps=against(f"old@{old.content_id[:10]}"))
    assert mix(pinned, place.settings()).version.content_id == before.content_id
    assert read_spec(Lock, lock).versions == {f"old@{old.content_id[:10]}": old.content_id}


def test_frozen_refuses_versions_that_moved_or_are_not_in_the_lock(place: Place) -> None:
    file = place.spec(NEW | {"c": {"uri": "more@latest"}}, steps=against("old@latest"))

    def frozen() -> str:
        with pytest.raises(LockError) as error:
            resolve_inputs(file, place.root, place.store, frozen=True)
        assert str(error.value).startswith(f"{lock_path(file.path)}: ")
        return str(error.value).partition("yaml: ")[2].partition("; run `tulu-data lock ")[0]

    assert frozen() == "no lock, and --frozen resolves nothing"
    old, more = (place.store.resolve(name) for name in ("old", "more"))
    said = typed("lock", "mixtures/m.yaml").stdout
    assert said == f"more@latest: {more.content_id[:12]} new\nold@latest: {old.content_id[:12]} new\n"
    resolve_inputs(file, place.root, place.store, frozen=True)
    text, new = lock_path(file.path).read_text(), moved(place)
    assert frozen() == f"stale: old@latest is {new.content_id[:8]} now, not {old.content_id[:8]}"
    assert lock_path(file.path).read_text() == text
    said = typed("lock", "mixtures/m.yaml").stdout
    assert f"old@latest: {new.content_id[:12]} moved from {old.content_id[:12]}\n" in said
    resolve_inputs(file, place.root, place.store, frozen=True)
    file = place.spec(NEW, steps=against("old@latest", "more"))
    assert frozen() == ("stale: no fitting pin for more; pins for more@latest, which the spec does not have")


def test_without_stored_versions_a_spec_has_no_lock_and_a_lock_loses_them(place: Place) -> None:
    place.mix(NEW, steps=against("old@latest"))
    lock = lock_path(place.spec(NEW).path)
    assert "versions" in lock.read_text()
    place.mix(NEW)
    assert yaml.safe_load(lock.read_text()) == {"version": 1, "sources": {}}
    lock.unlink()
    place.mix(NEW)
    assert not lock.exists()


def refused(place: Place, *versions: str, **more: object) -> str:
    file = place.spec(more.pop("sources", NEW), steps=against(*versions), **more)  # type: ignore[arg-type]
    with pytest.raises((StoreError, SpecError)) as error:
        resolve_inputs(file, place.root, place.store)
    lines = str(error.value).splitlines()
    assert all(line.startswith(f"{file.path}:") for line in lines)
    return "\n".join(line.partition(" ")[2] for line in lines)


def test_versions_that_are_not_there_or_cannot_be_compared_are_refused_at_their_places(place: Place) -> None:
    store, (old, more) = place.store, (place.store.resolve(name).ref for name in ("old", "more"))
    assert refused(place, "more@latest", "odl@latest") == (
        f"steps[0].against[1]: {store.root}: no dataset 'odl'; did you mean 'old'? "
        "(the store holds more, old)"
    )
    assert refused(place, "old@ffffffff") == (
        f"steps[0].against[0]: old@ffffffff: no such version of 'old' (the store holds {old})"
    )
    row = {"prompt": "q", "chosen": "Yes.", "rejected": "No."}
    place.write("c.jsonl", [row])
    assert refused(place, old, "more", kind="preference", sources={"c": {"uri": "c.jsonl"}}) == "\n".join(
        f"steps[0].against[{j}]: {ref} holds sft records and the mixture is of kind 'preference'; "
        "records are compared with those of their own kind alone, so remove it"
        for j, ref in enumerate((old, more))
    )
    both = NEW | {"all": {"uri": "old@latest", "where": "source = 'o'"}}
    assert refused(place, "old", sources=both) == (
        f"steps[0].against[0]: {old} is source 'all' too, so every record of it would be a duplicate; "
        "remove one of the two"
    )
    assert refused(place, sources={"all": {"uri": "odl@latest"}}).startswith("sources.all.uri: ")


def test_a_mixture_may_leave_out_what_an_earlier_version_of_it_holds(place: Place) -> None:
    first = place.mix({"a": {"uri": "a.jsonl"}}, steps=against("old"))
    second = place.mix(NEW, steps=against("old", f"m@{first.content_id}"))
    assert account(second, "a")["kept"] == 0
    assert {key(row)[1] for row in second.table().to_pylist()} == {"b"}
    assert held(second).isdisjoint(held(first))
    # What was found before is found again, whatever is the newest now.
    file = place.spec(NEW, steps=against("old", f"m@{first.content_id}"))
    assert mix(file, place.settings()).existed
