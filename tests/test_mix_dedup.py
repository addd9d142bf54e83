"""The step dedup in a mixture: what is dropped for what, which record stays, and where that can be read."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from mixture_fixtures import Place, account, assert_adds_up, chat, chats, key

from tulu_data.cli.main import group
from tulu_data.mix import mix
from tulu_data.specs.near import Near
from tulu_data.store import Version

BREAD = (
    "The baker of the old village keeps a sour dough in the cellar, feeds it with rye flour each evening,\n\n"
    "and bakes twelve round loaves before the market opens on Saturday morning."
)
EDITED = BREAD.replace("old", "small").replace("twelve", "thirteen").replace("sour dough", "leaven of wheat")
"""A near-duplicate: other words here and there."""
SPACED = " ".join(BREAD.upper().split())
"""The same text, set otherwise."""
TRAIN = (
    "A train leaves the harbour town at {} in the morning with {} passengers on board and stops {} times "
    "before it reaches the capital; how many passengers get off at each stop if they share the stops evenly?"
)
OTHER = (
    "Nobody knows who painted the blue ceiling of the chapel, though a letter from the abbot to his brother "
    "speaks of a travelling master and his two pupils who stayed for a winter."
)
LONGER = (
    f"{BREAD} Customers come from three valleys, and nobody remembers a Saturday without a queue. {OTHER} "
    f"{TRAIN.format(8, 90, 3)}"
)
"""Holds BREAD whole, and much else."""
NEAR = [{"step": "dedup", "near": True}]
TWO = {"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl"}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path)
    found.write(
        "a.jsonl", [chat(BREAD), chat(TRAIN.format(9, 240, 6)), chat(OTHER), chat("Same"), chat("Same")]
    )
    found.write(
        "b.jsonl",
        [chat(EDITED), chat(SPACED), chat(TRAIN.format(7, 180, 4)), chat("Same"), chat("Something else")],
    )
    return found


def side(version: Version, name: str) -> list[dict]:
    return pq.read_table(version.path / f"{name}.parquet").to_pylist()


def dropped(version: Version) -> dict[str, str]:
    return {row["origin"]: row["reason"] for row in side(version, "dropped")}


def prompts(version: Version) -> set[str]:
    return {key(row)[0] for row in version.table().to_pylist()}


def test_equal_records_and_texts_go_and_the_evidence_names_what_they_are_like(place: Place) -> None:
    version = place.mix(TWO, steps=[{"step": "dedup"}])
    assert account(version, "a")["dropped"] == {"duplicate_record": 1, "duplicate_text": 0}
    assert account(version, "b")["dropped"] == {"duplicate_record": 1, "duplicate_text": 1}
    assert_adds_up(version)
    rows = {row["origin"]: row for row in side(version, "dropped")}
    assert {origin: row["reason"] for origin, row in rows.items()} == {
        "a.jsonl:5": "duplicate_record", "b.jsonl:4": "duplicate_record", "b.jsonl:2": "duplicate_text",
    }  # fmt: skip
    row = rows["b.jsonl:4"]
    assert (row["source"], row["step"]) == ("b", "dedup")
    assert json.loads(row["evidence"]) == {
        "cluster": row["id"], "stands": {"id": row["id"], "source": "a", "origin": "a.jsonl:4"},
        "jaccard": 1.0, "containment": 1.0,
    }  # fmt: skip
    assert row["id"] in version.table()["id"].to_pylist()


def test_the_key_record_leaves_the_same_text_in(place: Place) -> None:
    version = place.mix(TWO, steps=[{"step": "dedup", "key": "record"}])
    assert dropped(version) == {"a.jsonl:5": "duplicate_record", "b.jsonl:4": "duplicate_record"}
    assert account(version, "b")["dropped"] == {"duplicate_record": 1}


def test_near_duplicates_go_and_the_same_problem_with_other_numbers_stays(place: Place) -> None:
    version = place.mix(TWO, steps=NEAR)
    assert dropped(version) == {
        "a.jsonl:5": "duplicate_record", "b.jsonl:4": "duplicate_record", "b.jsonl:2": "duplicate_text",
        "a.jsonl:1": "near_duplicate",
    }  # fmt: skip
    assert_adds_up(version)
    assert {TRAIN.format(9, 240, 6), TRAIN.format(7, 180, 4), EDITED} < prompts(version)
    found = next(row for row in side(version, "dropped") if row["reason"] == "near_duplicate")
    evidence = json.loads(found["evidence"])
    assert evidence["stands"]["origin"] == "b.jsonl:1"
    assert Near().jaccard_threshold <= evidence["jaccard"] < evidence["containment"] < 1
    swapped = place.mix(TWO, steps=[{"step": "dedup", "near": {"swapped_numbers": True}}], name="swapped")
    assert len(prompts(swapped) & {TRAIN.format(9, 240, 6), TRAIN.format(7, 180, 4)}) == 1


def test_a_record_that_lies_inside_another_goes_as_contained(place: Place) -> None:
    place.write("c.jsonl", [chat(LONGER), chat(BREAD)])
    steps = [{"step": "dedup", "near": {"jaccard_threshold": 0.36, "containment_threshold": 0.9}}]
    version = place.mix({"c": {"uri": "c.jsonl"}}, steps=steps)
    assert dropped(version) == {"c.jsonl:2": "contained"}
    assert json.loads(side(version, "dropped")[0]["evidence"])["containment"] > 0.9


@pytest.mark.parametrize(("preferred", "stays"), [((), EDITED), (("a",), BREAD), (("b", "a"), EDITED)])
def test_of_a_preferred_source_the_record_stays_else_the_longer_one(
    place: Place, preferred: tuple[str, ...], stays: str
) -> None:
    place.write("b.jsonl", [chat(EDITED)])
    version = place.mix(TWO, steps=[{"step": "dedup", "near": {}, "prefer": list(preferred)}])
    assert prompts(version) & {BREAD, EDITED} == {stays}
    assert len(EDITED) > len(BREAD)


@pytest.mark.parametrize(("by", "left"), [("conversation", 3), ("prompt", 2), ("answer", 2)])
def test_the_key_says_which_text_is_compared(place: Place, by: str, left: int) -> None:
    place.write("c.jsonl", [chat("q", "One."), chat("Q", "Two."), chat("other", "ONE.")])
    version = place.mix({"c": {"uri": "c.jsonl"}}, steps=[{"step": "dedup", "key": by}])
    assert version.num_rows == left


def test_clusters_lie_beside_the_version_and_sql_reads_them(place: Place) -> None:
    version = place.mix(TWO, steps=[{"step": "filter", "drop": ["empty_turn"]}, *NEAR])
    rows = side(version, "clusters")
    assert {row["origin"]: (row["source"], row["reason"], row["stands"], row["size"]) for row in rows} == {
        "b.jsonl:1": ("b", None, None, 3),
        "a.jsonl:1": ("a", "near_duplicate", "b.jsonl:1", 3),
        "b.jsonl:2": ("b", "duplicate_text", "a.jsonl:1", 3),
        "a.jsonl:4": ("a", None, None, 3),
        "a.jsonl:5": ("a", "duplicate_record", "a.jsonl:4", 3),
        "b.jsonl:4": ("b", "duplicate_record", "a.jsonl:4", 3),
    }
    assert [row["kept"] for row in rows] == [True, False, False] * 2
    assert len({row["cluster"] for row in rows[:3]}) == len({row["cluster"] for row in rows[3:]}) == 1
    assert {row["step"] for row in rows} == {1}
    assert all((row["id"] == row["cluster"]) for row in rows if row["kept"])
    query = "SELECT count(*) AS n, sum(kept::int) AS kept FROM clusters"
    run = CliRunner().invoke(group, ["sql", query, version.ref, "--store", str(place.store.root), "--json"])
    assert json.loads(run.output) == [{"n": 6, "kept": 2}]


def test_manifest_card_and_show_tell_what_was_found(place: Place) -> None:
    version = place.mix(TWO, steps=NEAR)
    (told,) = version.manifest.duplicates
    assert told | {"near": 0, "search": 0} == {
        "step": 0, "key": "conversation", "near": 0, "prefer": [], "against": [], "records": 10, "kept": 6,
        "dropped": {"duplicate_record": 2, "duplicate_text": 1, "near_duplicate": 1, "contained": 0},
        "clusters": 2, "largest": 3, "wordless": 0, "too_large": 0, "search": 0,
    }  # fmt: skip
    assert told["near"] == Near().model_dump()
    assert told["search"] == {"compared": 2, "templates": 1, "rounds": 1}
    line = (
        "Step 0 (key `conversation`, near ones too): of 10 records 4 left out "
        "(2 duplicate_record, 1 duplicate_text, 1 near_duplicate, 0 contained). Near-duplicates share 0.4 of "
        "what either holds, contained ones 0.95 of their own; 2 pairs compared in 1 round, 1 of them alike "
        "but for numbers or results, and kept. "
        "2 clusters, the largest of 3 records, listed in `clusters.parquet`.\n"
    )
    assert line in (version.path / "README.md").read_text()
    shown = CliRunner().invoke(group, ["show", version.ref, "--store", str(place.store.root)]).output
    assert (
        "duplicates (step 0, key conversation, near ones too): 10 records, 4 dropped (2 duplicate_rec"
        in shown
    )
    assert "2 pairs compared in 1 round, 1 of them alike but for numbers or results, and kept\n" in shown
    exact = place.mix(TWO, steps=[{"step": "dedup"}], name="exact")
    assert exact.manifest.duplicates[0]["search"] is None
    assert "Step 0 (key `conversation`, exact ones): of 10" in (exact.path / "README.md").read_text()
    assert place.mix(TWO, name="none").manifest.duplicates == ()


def test_two_steps_each_tell_their_own_clusters(place: Place) -> None:
    steps = [{"step": "dedup", "key": "record"}, {"step": "dedup", "key": "prompt", "near": {}}]
    version = place.mix(TWO, steps=steps)
    assert [found["clusters"] for found in version.manifest.duplicates] == [1, 1]
    assert Counter(row["step"] for row in side(version, "clusters")) == {0: 3, 1: 3}
    assert account(version, "a")["dropped"] == {
        "duplicate_record": 1, "duplicate_text": 0, "near_duplicate": 1, "contained": 0,
    }  # fmt: skip
    assert len(side(version, "dropped")) == 4
    assert all(json.loads(row["evidence"])["stands"] for row in side(version, "dropped"))


def test_sources_that_share_a_row_are_told_apart(place: Place) -> None:
    sources = {"x": {"uri": "a.jsonl"}, "y": {"uri": "a.jsonl", "where": "length(messages[1].content) > 20"}}
    version = place.mix(sources, steps=[{"step": "dedup", "prefer": ["y"]}])
    assert account(version, "y")["kept"] == 3
    assert account(version, "x")["dropped"] == {"duplicate_record": 4, "duplicate_text": 0}
    assert {key(row) for row in version.table().to_pylist() if row["source"] == "x"} == {("Same", "x")}
    assert_adds_up(version)


def test_what_is_left_holds_no_duplicates(place: Place) -> None:
    rows = [chat(text) for text in mutants(40)]
    place.write("c.jsonl", rows)
    first = place.mix({"c": {"uri": "c.jsonl"}}, steps=NEAR)
    assert 10 < first.num_rows < 200
    again = place.mix({"c": {"uri": f"m@{first.content_id}"}}, steps=NEAR, name="again")
    assert again.num_rows == first.num_rows
    assert side(again, "clusters") == []


def mutants(families: int) -> list[str]:
    """Write families of texts, each with edited copies."""
    draw = np.random.default_rng(5)
    ends = ("a", "te", "sso", "ring")
    words = np.array([f"{a}{b}{c}" for a in "bdfgk" for b in ("an", "el", "ir", "ou") for c in ends])
    made = []
    for _ in range(families):
        text = draw.choice(words, 40)
        edited = [np.where(draw.random(40) < 0.06 * k, draw.choice(words, 40), text) for k in range(5)]
        made += [" ".join(one) for one in edited]
    draw.shuffle(made)
    return made


def test_neither_order_nor_files_nor_workers_change_the_version(place: Place) -> None:
    texts = mutants(30)
    steps = [{"step": "dedup", "near": {}, "prefer": ["a"]}]
    take = {"take": {"fraction": 0.8}}
    ids = set()
    for seed in range(3):
        draw = np.random.default_rng(seed)
        half = [chat(text) for text in draw.permutation(texts[:70])]
        rest = [chat(text) for text in draw.permutation(texts[70:])]
        shutil.rmtree(place.root, ignore_errors=True)
        place.write("a.jsonl", half)
        place.write("b/1.jsonl", rest[: 20 + seed])
        place.write("b/2.jsonl", rest[20 + seed :])
        sources = {"a": {"uri": "a.jsonl"} | take, "b": {"uri": "b/"}}
        ordered = sources if seed else dict(reversed(sources.items()))
        file = place.spec(ordered, steps=steps)
        built = mix(file, place.settings(workers=1 + seed % 2))
        ids.add(built.version.content_id)
        assert sum(account(built.version, "b")["dropped"].values()) > 20
        assert not built.existed
        assert mix(file, place.settings()).existed
    assert len(ids) == 1


def test_settings_of_the_search_make_another_recipe(place: Place) -> None:
    place.write("c.jsonl", chats(5))
    found = {
        place.mix({"c": {"uri": "c.jsonl"}}, steps=[{"step": "dedup"} | more]).manifest.recipe_id
        for more in (
            {},
            {"near": True},
            {"near": {}},
            {"near": {"n": 3}},
            {"key": "answer"},
            {"prefer": ["c"]},
        )
    }
    assert len(found) == 5
