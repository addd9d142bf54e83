"""The same records have the same content id, whatever the way; an edit never goes unseen."""

import json
import os
import shutil
from pathlib import Path

import pytest
from mixture_fixtures import Place, chat, chats, key

from tulu_data.mix import build, building, find_existing, mix, prepare, resolve_inputs

STEPS = [
    {"step": "filter", "drop": ["empty_turn"]},
    {"step": "dedup", "key": "prompt"},
    {"step": "decontaminate", "against": ["evals/"]},
]
SPEC = {
    "a": {"uri": "a.jsonl", "take": {"rows": 30}},
    "b": {"uri": "b/*.jsonl", "take": {"epochs": 1.5}},
    "c": {"uri": "c.jsonl", "where": "messages[1].content <> 'c 3'", "take": {"fraction": 0.5}},
}
QUESTION = "How many grams of flour does the old recipe for the village bread ask for"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path)
    found.write("a.jsonl", [*chats(40, "a"), chat("a 0", "No."), chat(QUESTION), chat("x", "")])
    found.write("b/1.jsonl", chats(20, "b"))
    found.write("b/2.jsonl", [*chats(5, "a"), *chats(9, "z")])
    found.write("c.jsonl", chats(20, "c"))
    found.write("evals/e.jsonl", [{"id": "1", "question": QUESTION}, {"id": "2", "question": "none of them"}])
    return found


def built(place: Place, sources: dict | None = None, **more) -> str:
    return place.mix(sources or SPEC, **({"steps": STEPS} | more)).content_id


def test_texts_that_are_read_and_texts_that_are_mapped_are_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = {"a": {"uri": "a.jsonl"}, "long": {"uri": "long.jsonl"}}
    place.write("long.jsonl", chats(20, "a long question " * 20))
    mapped = place.mix(long, name="mapped")
    monkeypatch.setattr(building, "MAPPED_BYTES", 0)
    read = place.mix(long, name="read")
    assert read.content_id == mapped.content_id
    assert read.table().equals(mapped.table())


def reordered(place: Place, name: str) -> None:
    path = place.root / name
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[::-1][3:] + lines[::-1][:3]))


def test_workers_do_not_change_the_version(place: Place) -> None:
    file = place.spec(SPEC, steps=STEPS)
    found = set()
    for workers in (1, 2):
        shutil.rmtree(place.root / "store", ignore_errors=True)
        version = mix(file, place.settings(workers=workers)).version
        found.add((version.content_id, *(shard.sha256 for shard in version.manifest.shards)))
    assert len(found) == 1


def test_rows_shuffled_within_files_give_the_same_version(place: Place) -> None:
    before = built(place)
    for name in ("a.jsonl", "b/1.jsonl", "b/2.jsonl", "c.jsonl"):
        reordered(place, name)
    assert built(place) == before


def test_files_renamed_split_and_joined_give_the_same_version(place: Place) -> None:
    before = built(place)
    (place.root / "a.jsonl").rename(place.root / "other name \u5b57.jsonl")
    lines = [
        line for n in (1, 2) for line in (place.root / f"b/{n}.jsonl").read_text().splitlines(keepends=True)
    ]
    shutil.rmtree(place.root / "b")
    (place.root / "b").mkdir()
    for n, part in enumerate((lines[:3], lines[3:20], lines[20:])):
        (place.root / f"b/part {n}.jsonl").write_text("".join(part))
    other = SPEC | {"a": SPEC["a"] | {"uri": "other name \u5b57.jsonl"}}
    assert built(place, other) == before


def test_the_order_of_sources_in_the_spec_does_not_matter(place: Place) -> None:
    assert built(place, dict(reversed(SPEC.items()))) == built(place)


def test_deleting_the_cache_or_the_version_gives_the_same_version(place: Place) -> None:
    before = built(place)
    shutil.rmtree(place.root / "store" / "cache")
    shutil.rmtree(place.root / "store" / "m")
    assert place.store.names() == []
    assert built(place) == before
    assert place.store.ids("m") == [before]


def test_the_name_of_a_source_and_the_seed_do_matter(place: Place) -> None:
    renamed = {("d" if name == "a" else name): source for name, source in SPEC.items()}
    assert len({built(place), built(place, renamed), built(place, seed=7)}) == 3


def existing(place: Place, **more) -> object:
    file = place.spec(SPEC, **({"steps": STEPS} | more))
    return find_existing(file, resolve_inputs(file, place.root, place.store), place.settings())


def test_a_plain_rerun_finds_the_version_already_built(place: Place) -> None:
    assert existing(place) is None
    file = place.spec(SPEC, steps=STEPS)
    first, second = (mix(file, place.settings()) for _ in range(2))
    assert (first.existed, second.existed) == (False, True)
    assert first.version == second.version
    assert existing(place, description="Prose changes nothing.") is not None


def test_an_edit_that_keeps_size_rows_and_time_is_seen(place: Place) -> None:
    before = built(place, {"a": {"uri": "a.jsonl"}})
    path = place.root / "a.jsonl"
    times = path.stat()
    path.write_text(path.read_text().replace("a 7", "a _"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert built(place, {"a": {"uri": "a.jsonl"}}) != before


def test_a_change_of_an_eval_suite_is_seen(place: Place) -> None:
    built(place)
    assert existing(place) is not None
    place.write("evals/e.jsonl", [{"id": "1", "question": "How many grams"}])
    assert existing(place) is None
    file = place.spec(SPEC, steps=STEPS)
    assert not mix(file, place.settings()).existed


def test_settings_that_change_the_result_build_anew(place: Place) -> None:
    built(place)
    for more in ({"seed": 1}, {"steps": STEPS[:2]}, {"steps": STEPS[::-1]}):
        assert existing(place, **more) is None


def test_one_percent_new_rows_change_about_one_percent_of_a_draw(place: Place) -> None:
    place.write("big.jsonl", chats(5000, "n"))
    spec = {"big": {"uri": "big.jsonl", "take": {"rows": 1000}}}
    before = set(place.mix(spec).table(["id"])["id"].to_pylist())
    place.write("big.jsonl", [*chats(50, "new"), *chats(5000, "n")])
    after = set(place.mix(spec).table(["id"])["id"].to_pylist())
    assert len(before) == len(after) == 1000
    assert 0 < len(before - after) <= 12


def test_a_smaller_draw_lies_inside_a_larger_one_and_other_sources_stay(place: Place) -> None:
    def drawn(fraction: float, **others: dict) -> set[tuple[str, str]]:
        take = {"fraction": fraction}
        version = place.mix({"a": {"uri": "a.jsonl", "take": take}, "c": {"uri": "c.jsonl"}, **others})
        return {key(row) for row in version.table().to_pylist() if row["source"] == "a"}

    assert drawn(0.1) < drawn(0.2)
    assert drawn(0.2) == drawn(0.2, b={"uri": "b/1.jsonl", "take": {"rows": 3}})


def test_going_back_to_an_older_spec_makes_its_version_the_newest_again(place: Place) -> None:
    first = built(place)
    second = built(place, seed=1)
    assert place.store.resolve("m").content_id == second
    assert built(place) == first
    assert place.store.resolve("m").content_id == first
    assert place.store.ids("m") == [second, first]
    assert place.store.latest().content_id == first  # type: ignore[union-attr]


def test_the_same_records_by_another_recipe_are_told_by_the_newer_account(place: Place) -> None:
    sources = {"c": {"uri": "c.jsonl"}}
    first = place.mix(sources)
    shards = {path: path.read_bytes() for path in first.path.glob("*.arrow")}
    second = place.mix(sources, steps=STEPS[2:])
    assert second.content_id == first.content_id
    assert (first.manifest.decontamination, place.store.ids("m")) == (None, [first.content_id])
    assert second.manifest.decontamination is not None
    assert (second.path / "hits.parquet").is_file()
    assert "Rule `tulu3` against 1 suite: e. " in (second.path / "README.md").read_text()
    assert {path: path.read_bytes() for path in second.path.glob("*.arrow")} == shards
    third = place.mix(sources)
    assert (third.content_id, third.manifest.decontamination) == (first.content_id, None)
    assert not (third.path / "hits.parquet").exists()


def test_a_damaged_version_is_built_again(place: Place) -> None:
    version = place.mix(SPEC, steps=STEPS)
    shard = version.path / version.manifest.shards[0].file
    shard.write_bytes(shard.read_bytes()[:-8])
    assert existing(place) is None
    assert built(place) == version.content_id
    assert place.store.resolve("m").table().num_rows == version.num_rows


def test_a_plan_knows_the_content_id_that_the_build_has(place: Place) -> None:
    file = place.spec(SPEC, steps=STEPS)
    inputs = resolve_inputs(file, place.root, place.store)
    prepared = prepare(file, inputs, place.settings())
    assert place.store.names() == []
    assert build(file, prepared, place.settings()).content_id == prepared.plan.content_id


def test_the_spec_inside_a_version_builds_the_same_version(place: Place) -> None:
    base = place.mix({"c": {"uri": "c.jsonl"}}, name="base")
    version = place.mix(SPEC | {"s": {"uri": "base@latest"}}, steps=STEPS)
    text = (version.path / "spec.yaml").read_text("utf-8")
    assert f"base@{base.content_id}" in text
    (place.root / "mixtures" / "again.yaml").write_text(text)
    from tulu_data.specs.mixture import read_mixture

    again = mix(read_mixture(place.root / "mixtures" / "again.yaml"), place.settings()).version
    assert again.content_id == version.content_id


def test_a_stored_version_is_a_source(place: Place) -> None:
    base = place.mix({"a": {"uri": "a.jsonl", "take": {"rows": 8}}}, name="base")
    version = place.mix({"s": {"uri": f"base@{base.content_id[:8]}"}, "c": {"uri": "c.jsonl"}})
    mine = [row for row in version.table().to_pylist() if row["source"] == "s"]
    assert sorted(r["id"] for r in mine) == sorted(base.table()["id"].to_pylist())
    assert all(r["origin"].startswith(f"base@{base.content_id[:8]}/data-00000-of-00001.arrow:") for r in mine)
    entry = json.loads((version.path / "manifest.json").read_text())["sources"][0]
    assert (entry["name"], entry["revision"]) == ("s", base.content_id)


def test_records_out_of_renamed_files_name_the_files_that_are_there(place: Place) -> None:
    place.write("x-a.jsonl", [chat("one"), chat("two")])
    before = place.mix({"s": {"uri": "x-*.jsonl"}})
    (place.root / "x-a.jsonl").unlink()
    place.write("x-b.jsonl", [chat("two"), chat("one")])
    after = place.mix({"s": {"uri": "x-*.jsonl"}})
    assert after.content_id == before.content_id
    origins = {key(row)[0]: row["origin"] for row in after.table().to_pylist()}
    assert origins == {"two": "x-b.jsonl:1", "one": "x-b.jsonl:2"}
    assert [p.name for p in after.path.parent.iterdir() if p.name.startswith(".building")] == []
