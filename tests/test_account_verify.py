"""`verify`: a version that is whole, one that is wrong, and one that cannot be built again are told apart."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from mixture_fixtures import Place, chat, chats

from tulu_data.account.contents import Fault
from tulu_data.account.verify import Verified, verify
from tulu_data.cli.verify import command
from tulu_data.filters import FILTERS
from tulu_data.mix import recipe
from tulu_data.store import Version
from tulu_data.store.manifest import MANIFEST

SOURCES = {
    "web": {"uri": "data/web/*.jsonl", "take": {"rows": 30}, "where": "messages IS NOT NULL"},
    "math": {"uri": "data/math.jsonl", "take": {"epochs": 1.5}},
}
STEPS = [
    {"step": "filter", "drop": ["identity"]},
    {"step": "dedup", "prefer": ["math"]},
    {"step": "decontaminate", "against": ["evals/"]},
]
LEAK = "How many eggs does the red hen lay on a rainy Tuesday in the month of May?"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\n")
    place.write(
        "data/web/a.jsonl", [*chats(40, "web"), {"messages": []}, chat("Who are you?", "I am ChatGPT.")]
    )
    place.write("data/web/b.jsonl", [*chats(5, "web"), chat(LEAK)])
    place.write("data/math.jsonl", chats(10, "math"))
    place.write("evals/eggs.jsonl", [{"question": LEAK, "answer": "3"}])
    return place


@pytest.fixture
def version(place: Place) -> Version:
    return place.mix(SOURCES, steps=STEPS)


def verified(place: Place, version: Version, *, fast: bool = False) -> Verified:
    return verify(version.path, place.root, place.store, workers=1, fast=fast, say=place.said.append)


def faults(place: Place, version: Version) -> list[str]:
    found = verified(place, version, fast=True)
    assert found.verdict == "wrong"
    return [str(fault) for fault in (*found.contents, *found.books)]


def change_manifest(version: Version, change: Callable[[Any], None]) -> None:
    path = version.path / MANIFEST
    data = json.loads(path.read_bytes())
    change(data)
    path.write_text(json.dumps(data))


def rewrite(version: Version, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Write other records into the only shard, and make the manifest believe that they belong there."""
    from tulu_data.sources.digests import sha256_of

    path = version.path / version.manifest.shards[0].file
    rows = change(version.table().to_pylist())
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, version.schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(rows, version.schema))

    def told(data: Any) -> None:
        data["shards"][0] |= {"bytes": path.stat().st_size, "sha256": sha256_of(path)}

    change_manifest(version, told)


def test_a_version_is_what_its_spec_makes_of_its_inputs(place: Place, version: Version) -> None:
    found = verified(place, version)
    assert (found.verdict, found.contents, found.books) == ("same", (), ())
    assert found.rebuilt is not None
    assert found.rebuilt.content_id == version.content_id
    assert verified(place, version, fast=True).verdict == "whole"
    assert [p.name for p in (place.root / "store" / "cache").iterdir() if p.name.startswith(".verify")] == []


def test_a_version_in_splits_is_verified_too(place: Place) -> None:
    version = place.mix(SOURCES, steps=STEPS, splits={"validation": {"fraction": 0.3}})
    found = verified(place, version)
    assert (found.verdict, found.contents, found.books) == ("same", (), ())


def test_a_flipped_byte_is_found_with_the_record_that_it_is_in(place: Place, version: Version) -> None:
    shard = version.path / version.manifest.shards[0].file
    first = version.table()["messages"][0].as_py()[0]["content"].encode()
    data = bytearray(shard.read_bytes())
    at = data.index(first)
    data[at] ^= 1
    shard.write_bytes(data)
    damage, record = faults(place, version)
    assert damage.startswith(f"{shard.name}: its sha256 is ")
    assert record.startswith(f"{shard.name}: 1 of its records do not say what their ids name: row 1 (")


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_torn_shard_is_a_fault_and_no_crash(place: Place, version: Version, keep: int) -> None:
    shard = version.path / version.manifest.shards[0].file
    shard.write_bytes(shard.read_bytes()[:keep])
    assert any("bytes, " in fault for fault in faults(place, version))


def test_a_missing_shard_is_a_fault(place: Place, version: Version) -> None:
    shard = version.path / version.manifest.shards[0].file
    shard.unlink()
    assert faults(place, version) == [f"{shard.name}: is missing"]


def test_other_words_under_an_old_id_are_found_though_every_hash_of_a_file_fits(
    place: Place, version: Version
) -> None:
    def reword(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[4]["messages"][1]["content"] = "No."
        return rows

    rewrite(version, reword)
    (fault,) = faults(place, version)
    assert "1 of its records do not say what their ids name: row 5 (" in fault


def test_rows_in_another_order_and_rows_left_out_change_the_content_id(
    place: Place, version: Version
) -> None:
    rewrite(version, lambda rows: rows[::-1])
    (fault,) = faults(place, version)
    assert fault.startswith("content id: the records make it ")
    rewrite(version, lambda rows: rows[:-1])
    found = faults(place, version)
    assert "rows: 44 are there, the manifest says 45" in found


def test_an_account_that_does_not_add_up_is_wrong(place: Place, version: Version) -> None:
    def miscount(data: Any) -> None:
        data["sources"][0]["dropped"]["contaminated"] += 2

    change_manifest(version, miscount)
    assert faults(place, version) == [
        "source web: 48 read, but 50 quarantined, dropped, not drawn and kept",
        "dropped.parquet: 1 rows of source web for 'contaminated', the manifest counts 3",
    ]


@pytest.mark.parametrize("name", ["dropped", "quarantined", "clusters", "hits"])
def test_a_side_table_that_is_gone_or_torn_or_short_is_wrong(
    place: Place, version: Version, name: str
) -> None:
    path = version.path / f"{name}.parquet"
    table, whole = pq.read_table(path), path.read_bytes()
    assert table.num_rows > 0
    pq.write_table(table.slice(0, 0), path)
    assert all(fault.startswith(f"{name}.parquet: ") for fault in faults(place, version))
    path.write_bytes(whole[: len(whole) // 2])
    assert [fault.partition(" (")[0] for fault in faults(place, version)] == [f"{name}.parquet: not readable"]
    path.unlink()
    assert faults(place, version) == [f"{name}.parquet: is missing"]


def test_a_spec_that_was_edited_is_wrong(place: Place, version: Version) -> None:
    path = version.path / "spec.yaml"
    path.write_text(path.read_text().replace("rows: 30", "rows: 31"))
    assert faults(place, version) == [
        "spec.yaml: is not the spec that the version was built from (its hash differs)"
    ]


def test_inputs_that_are_gone_changed_or_new_do_not_make_a_version_wrong(
    place: Place, version: Version
) -> None:
    place.write("data/web/a.jsonl", chats(41, "web"))
    place.write("data/web/c.jsonl", chats(1, "more"))
    (place.root / "data/web/b.jsonl").unlink()
    (place.root / "data/math.jsonl").unlink()
    place.write("evals/eggs.jsonl", [{"question": LEAK, "answer": "4"}])
    found = verified(place, version)
    assert found.verdict == "unrepeatable"
    assert found.rebuilt is not None
    assert found.rebuilt.content_id is None
    lines = [str(change).partition(" (")[0] for change in found.rebuilt.inputs]
    assert lines == [
        "source web: data/web/a.jsonl changed", "source web: data/web/b.jsonl is gone",
        "source web: data/web/c.jsonl is new", "source math: data/math.jsonl is gone",
        "suite: evals/eggs.jsonl changed",
    ]  # fmt: skip
    assert "no such file" in str(found.rebuilt.inputs[3])


def test_a_version_that_its_inputs_do_not_give_is_wrong_and_the_code_that_moved_is_named(
    place: Place, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(data: Any) -> None:
        data["step_versions"] |= {"dedup": 1}
        data["recipe_id"] = recipe.recipe_hash(
            recipe.resolved_spec(place.spec(SOURCES, steps=STEPS).mixture, {}, {}), data["step_versions"]
        )

    change_manifest(version, moved)
    blind = replace(FILTERS["identity"], find=lambda batch, *_: pa.nulls(len(batch), pa.large_string()))
    monkeypatch.setitem(FILTERS, "identity", blind)
    found = verified(place, version)
    assert found.verdict == "wrong"
    assert found.rebuilt is not None
    assert found.rebuilt.steps == (f"dedup 1 -> {recipe.STEP_VERSIONS['dedup']}",)
    assert Fault(
        where="dropped.parquet", what="1 of its rows are not found again, 0 are found that it does not have"
    ) in (found.rebuilt.differences)


def test_the_command_tells_and_exits_by_the_verdict(
    place: Place, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.root)
    done = CliRunner().invoke(command, ["m"])
    assert (done.exit_code, done.stdout.splitlines()[-1].partition(":")[0]) == (0, "same")
    assert CliRunner().invoke(command, ["m", "--fast"]).stdout.splitlines()[-1].startswith("whole:")
    (place.root / "data/math.jsonl").unlink()
    gone = CliRunner().invoke(command, [version.ref])
    assert gone.exit_code == 1
    assert "inputs: source math: data/math.jsonl is gone" in gone.stdout
    told = CliRunner().invoke(command, [version.ref, "--json"])
    assert (told.exit_code, json.loads(told.stdout)["verdict"]) == (1, "unrepeatable")
    (version.path / version.manifest.shards[0].file).unlink()
    wrong = CliRunner().invoke(command, [version.ref])
    assert (wrong.exit_code, wrong.stdout.splitlines()[-1].partition(":")[0]) == (1, "wrong")
