"""Versions in splits: a part of the records that is kept apart, wherever the version goes."""

import datasets
import pytest
from mixture_fixtures import Place, chats, key

from tulu_data.account.contents import content_faults
from tulu_data.errors import SourceError, StoreError
from tulu_data.store.content_id import content_id

HALF = {"validation": {"fraction": 0.5}}


@pytest.fixture
def place(tmp_path) -> Place:
    place = Place(tmp_path)
    place.write("a.jsonl", chats(40, "a"))
    return place


def ids(version, split=None) -> list[str]:
    return version.table(["id"], split)["id"].to_pylist()


def test_the_splits_hold_all_records_and_none_twice(place):
    whole = place.mix({"a": {"uri": "a.jsonl"}})
    version = place.mix({"a": {"uri": "a.jsonl"}}, splits=HALF)
    assert version.splits == ("train", "validation")
    assert version.manifest.splits == {name: len(ids(version, name)) for name in version.splits}
    assert ids(version, "train") + ids(version, "validation") == ids(version)
    assert all(len(ids(version, name)) > 5 for name in version.splits)
    # The order of a split is the order of the whole.
    for name in version.splits:
        mine = set(ids(version, name))
        assert ids(version, name) == [one for one in ids(whole) if one in mine]
    assert version.content_id != whole.content_id
    assert list(content_faults(version.path, version.manifest, 1)) == []


def test_copies_of_a_record_are_on_one_side_and_so_is_it_in_every_mixture(place):
    once = place.mix({"a": {"uri": "a.jsonl"}}, splits=HALF)
    more = place.mix({"b": {"uri": "a.jsonl", "take": {"epochs": 2}}}, name="n", splits=HALF, seed=7)
    for name in once.splits:
        assert sorted(ids(more, name)) == sorted(ids(once, name) * 2)


def test_datasets_opens_every_split(place):
    version = place.mix({"a": {"uri": "a.jsonl"}}, splits={**HALF, "test": {"fraction": 0.2}})
    found = datasets.load_from_disk(str(version.path))
    assert {name: part["id"][:] for name, part in found.items()} == {
        name: ids(version, name) for name in ("train", "test", "validation")
    }
    assert version.dataset()["id"][:] == ids(version, "train")
    assert version.dataset("test")["id"][:] == ids(version, "test")


def test_a_version_in_splits_is_a_source_by_its_train_split_alone(place):
    version = place.mix({"a": {"uri": "a.jsonl"}}, splits=HALF)
    after = place.mix({"s": {"uri": version.ref}}, name="after")
    assert sorted(ids(after)) == sorted(ids(version, "train"))
    held = place.mix({"s": {"uri": version.ref, "split": "validation"}}, name="held")
    assert sorted(ids(held)) == sorted(ids(version, "validation"))


def test_a_split_that_is_not_there_is_told(place):
    version = place.mix({"a": {"uri": "a.jsonl"}}, splits=HALF)
    with pytest.raises(StoreError) as caught:
        version.table(split="validaton")
    assert str(caught.value) == (
        f"{version.ref}: no split 'validaton'; did you mean 'validation'? (it has train, validation)"
    )
    whole = place.mix({"a": {"uri": "a.jsonl"}})
    with pytest.raises((StoreError, SourceError), match=r"no split 'test' \(it is not split\)"):
        place.mix({"s": {"uri": whole.ref, "split": "test"}}, name="after")


def test_the_account_is_renewed_and_the_records_stay(place):
    place.write("b.jsonl", chats(1, "b"))
    sources = {"a": {"uri": "a.jsonl"}, "b": {"uri": "b.jsonl", "take": {"rows": 0}}}
    first = place.mix({"a": {"uri": "a.jsonl"}}, splits=HALF)
    shards = {shard.file: (first.path / shard.file).stat().st_ino for shard in first.manifest.shards}
    again = place.mix(
        {"a": {"uri": "a.jsonl", "where": "true"}}, splits=HALF, description="the same, said otherwise"
    )
    assert again.content_id == first.content_id
    assert again.manifest.recipe_id != first.manifest.recipe_id
    assert {s.file: (again.path / s.file).stat().st_ino for s in again.manifest.shards} == shards
    other = place.mix(sources, splits=HALF)
    assert other.content_id == first.content_id
    assert len(datasets.load_from_disk(str(other.path))["train"]) == other.manifest.splits["train"]


def test_a_split_without_rows_is_reported_and_can_be_opened(place):
    place.write("one.jsonl", chats(1))
    version = place.mix({"a": {"uri": "one.jsonl"}}, splits={"validation": {"fraction": 0.000001}})
    assert version.manifest.splits == {"train": 1, "validation": 0}
    assert version.manifest.warnings == (
        "split 'validation' has no rows; so few records may all fall on one side",
    )
    assert len(datasets.load_from_disk(str(version.path))["validation"]) == 0


def test_the_content_id_is_that_of_the_splits_in_order(place):
    from hashlib import sha256

    from tulu_data.kernels.id_words import id_words

    version = place.mix({"a": {"uri": "a.jsonl", "take": {"epochs": 2}}}, splits=HALF)
    root = sha256(b"tulu-data splits 1\0")
    for name in version.splits:
        table = version.table(["id", "source", "copy"], name)
        source = [0] * len(table)
        part = content_id("sft", id_words(table["id"]), ["a"], source, table["copy"].to_numpy())
        root.update(name.encode() + b"\0" + bytes.fromhex(part))
    assert version.content_id == root.hexdigest()
    assert {key(row)[1] for row in version.table().to_pylist()} == {"a"}


def test_reading_train_alone_is_said_unless_the_spec_says_it(place):
    version = place.mix({"a": {"uri": "a.jsonl"}}, splits=HALF)
    after = place.mix({"s": {"uri": version.ref}}, name="after")
    assert after.manifest.warnings == (
        f"source 's': {version.ref} is in splits, and train alone is read; split: names another, "
        "or say split: train",
    )
    assert place.mix({"s": {"uri": version.ref, "split": "train"}}, name="said").manifest.warnings == ()
