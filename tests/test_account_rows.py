"""The difference of two versions: kept, added, removed, moved, per source, and why."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture_fixtures import Place, chat, chats
from store_fixtures import batch_of, draft_of

from tulu_data.account.changes import ABSENT, KeyChange, key_changes
from tulu_data.account.difference import compare
from tulu_data.account.rows import Reason, RowChanges, SourceChange, compare_rows
from tulu_data.cli.diff import command
from tulu_data.store import Store, Version, write_version

ROWS = st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["x", "y"])), min_size=1)


def version_of(store: Store, rows: set[tuple[str, str]]) -> Version:
    batches = [batch_of(sorted(t for t, s in rows if s == name), name) for name in ("x", "y")]
    return write_version(
        store, draft_of([b for b in batches if b.num_rows]), [b for b in batches if b.num_rows]
    )


def why(reasons: tuple[Reason, ...]) -> list[tuple[str, str | None, str, int]]:
    return [(one.source, one.step, one.why, one.rows) for one in reasons]


def changes(place: Place, old: Version, new: Version) -> RowChanges:
    return compare_rows(old, new, place.store)


def test_every_row_is_kept_added_removed_or_moved(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = version_of(store, {("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")})
    new = version_of(store, {("a", "x"), ("b", "y"), ("e", "x"), ("d", "y")})
    assert compare_rows(old, new, store).sources == (
        SourceChange(source="x", kept=1, added=1, removed=1, moved_in=0, moved_out=1),
        SourceChange(source="y", kept=1, added=0, removed=0, moved_in=1, moved_out=0),
    )


@settings(max_examples=20, deadline=None)
@given(ROWS, ROWS)
def test_the_parts_make_up_both_versions(tmp_path_factory, before, after) -> None:
    store = Store(tmp_path_factory.mktemp("diff"))
    found = compare_rows(version_of(store, before), version_of(store, after), store)
    for change in found.sources:
        mine = [{t for t, s in rows if s == change.source} for rows in (before, after)]
        assert change.kept == len(mine[0] & mine[1])
        assert change.kept + change.removed + change.moved_out == len(mine[0])
        assert change.kept + change.added + change.moved_in == len(mine[1])
        assert change.removed == sum(one.rows for one in found.removed if one.source == change.source)
        assert change.added == sum(one.rows for one in found.added if one.source == change.source)


def test_a_version_does_not_differ_from_itself(tmp_path: Path) -> None:
    store = Store(tmp_path)
    version = version_of(store, {("a", "x"), ("b", "y")})
    found = compare_rows(version, version, store)
    assert {(c.added, c.removed, c.moved_in, c.moved_out) for c in found.sources} == {(0,) * 4}
    assert found.added == found.removed == ()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\n")
    said = chat("Who are you?", "I am ChatGPT, a large language model trained by OpenAI.")
    place.write("web.jsonl", [*chats(20, "web"), said])
    place.write("math.jsonl", chats(10, "math"))
    return place


def test_a_smaller_take_is_rows_not_drawn_and_a_larger_one_the_same_backwards(place: Place) -> None:
    old = place.mix({"web": {"uri": "web.jsonl", "take": {"rows": 20}}})
    new = place.mix({"web": {"uri": "web.jsonl", "take": {"rows": 12}}})
    assert why(changes(place, old, new).removed) == [("web", None, "not drawn", 8)]
    assert why(changes(place, new, old).added) == [("web", None, "not drawn", 8)]
    assert changes(place, old, new).added == ()


def test_what_a_step_drops_is_told_with_step_and_reason(place: Place) -> None:
    old = place.mix({"web": {"uri": "web.jsonl"}, "math": {"uri": "math.jsonl"}})
    steps = [{"step": "filter", "drop": ["identity"]}]
    new = place.mix({"web": {"uri": "web.jsonl"}, "math": {"uri": "math.jsonl"}}, steps=steps)
    assert why(changes(place, old, new).removed) == [("web", "filter", "identity", 1)]


def test_a_source_that_comes_and_goes_and_one_that_is_renamed(place: Place) -> None:
    old = place.mix({"web": {"uri": "web.jsonl"}, "math": {"uri": "math.jsonl"}})
    new = place.mix({"sums": {"uri": "math.jsonl"}})
    found = changes(place, old, new)
    assert why(found.removed) == [("web", None, "no such source", 21)]
    moved = {(c.source, c.moved_in, c.moved_out) for c in found.sources}
    assert moved == {("web", 0, 0), ("math", 0, 10), ("sums", 10, 0)}
    assert why(changes(place, new, old).added) == [("web", None, "no such source", 21)]


def test_of_a_renamed_source_the_record_that_a_step_dropped_is_told(place: Place) -> None:
    old = place.mix({"web": {"uri": "web.jsonl"}})
    new = place.mix({"net": {"uri": "web.jsonl"}}, steps=[{"step": "filter", "drop": ["identity"]}])
    assert why(changes(place, old, new).removed) == [("web", "filter", "identity", 1)]


def test_epochs_are_other_copies(place: Place) -> None:
    old = place.mix({"math": {"uri": "math.jsonl", "take": {"epochs": 2}}})
    new = place.mix({"math": {"uri": "math.jsonl", "take": {"epochs": 1.5}}})
    assert why(changes(place, old, new).removed) == [("math", None, "other copies", 5)]


def test_rows_that_left_the_file_are_told_from_rows_that_were_not_drawn(place: Place) -> None:
    take = {"math": {"uri": "math.jsonl", "take": {"rows": 8}}}
    old = place.mix(take)
    place.write("math.jsonl", chats(30, "math")[5:])
    new = place.mix(take)
    texts = {row["id"]: row["messages"][0]["content"] for row in old.table().to_pylist()}
    kept = {row["id"] for row in new.table().to_pylist()}
    gone = [text for key, text in texts.items() if key not in kept]
    lost = [text for text in gone if text in {f"math {i}" for i in range(5)}]
    expected = {("not in the source", len(lost)), ("not drawn", len(gone) - len(lost))}
    found = why(changes(place, old, new).removed)
    assert {(word, rows) for _, _, word, rows in found} == {pair for pair in expected if pair[1]}
    for one in (place.root / "store/cache/normalised").iterdir():
        one.rename(one.with_name(f"{one.name}x"))
    assert {one[2] for one in why(changes(place, old, new).removed)} == {"not drawn, or not in the source"}


def test_where_is_told_from_the_draw(place: Place) -> None:
    old = place.mix({"math": {"uri": "math.jsonl"}})
    where = "messages[1].content in ('math 1', 'math 2', 'math 3')"
    new = place.mix({"math": {"uri": "math.jsonl", "where": where, "take": {"rows": 2}}})
    assert why(changes(place, old, new).removed) == [
        ("math", None, "left out by where", 7), ("math", None, "not drawn", 1)
    ]  # fmt: skip


def test_steps_are_compared_with_those_of_their_name() -> None:
    old = {"seed": 1, "steps": [{"step": "filter", "max": 3}, {"step": "dedup", "key": "prompt"}]}
    new = {"steps": [{"step": "dedup", "key": "answer"}, {"step": "late"}], "size": 5}
    assert list(key_changes(old, new)) == [
        KeyChange(path=("seed",), before=1, after=ABSENT),
        KeyChange(path=("steps", 0, "key"), before="prompt", after="answer"),
        KeyChange(path=("steps", 0), before={"step": "filter", "max": 3}, after=ABSENT),
        KeyChange(path=("steps", 1), before=ABSENT, after={"step": "late"}),
        KeyChange(path=("size",), before=ABSENT, after=5),
    ]


PLAIN = st.recursive(
    st.none() | st.integers(0, 3) | st.booleans() | st.text("ab", max_size=2),
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_a_spec_with_the_changes_put_in_is_the_other(before: object, after: object) -> None:
    def put(data: object, change: KeyChange) -> object:
        if not change.path:
            return change.after
        assert isinstance(data, dict)
        (key, *rest) = change.path
        found = put(data.get(key), KeyChange(path=tuple(rest), before=None, after=change.after))
        return {k: v for k, v in {**data, key: found}.items() if v is not ABSENT}

    data = before
    for change in key_changes(before, after):
        data = put(data, change)
    assert json.dumps(data, sort_keys=True) == json.dumps(after, sort_keys=True)


def test_the_command_tells_spec_inputs_shares_and_examples(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {"web": {"uri": "web.jsonl", "take": {"rows": 20}}, "math": {"uri": "math.jsonl"}}
    old = place.mix(sources)
    place.write("math.jsonl", chats(11, "math"))
    new = place.mix({**sources, "web": {"uri": "web.jsonl", "take": {"rows": 9}}})
    monkeypatch.chdir(place.root)
    done = CliRunner().invoke(command, [old.ref, new.ref, "--records", "2"])
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "spec: sources.web.take.rows: 20 -> 9" in lines
    assert any(line.startswith("source math: math.jsonl changed (") for line in lines)
    assert "web 20 9 66.67% 45.00% 9 0 11 0 0" in lines
    assert "total 30 20 100.00% 100.00% 19 1 11 0 0" in lines
    assert "web 11 not drawn" in lines
    assert "math 1 not in the source" in lines
    assert sum(line.startswith("removed ") and "web.jsonl:" in line for line in lines) == 2
    told = json.loads(CliRunner().invoke(command, [old.ref, new.ref, "--records", "1", "--json"]).stdout)
    assert told["spec"] == [{"path": "sources.web.take.rows", "before": 20, "after": 9}]
    assert [len(one["records"]) for one in told["removed"]] == [1]
    assert told["total"]["rows_after"] == 20
    same = CliRunner().invoke(command, [new.ref, new.ref])
    assert "spec, inputs and code: no change" in same.stdout


def test_versions_of_different_names_are_compared(place: Place) -> None:
    old = place.mix({"web": {"uri": "web.jsonl"}}, name="one")
    new = place.mix({"web": {"uri": "web.jsonl"}}, name="two")
    found = compare(old, new, place.store)
    assert [change.to_dict() for change in found.spec] == [{"path": "name", "before": "one", "after": "two"}]
    assert (found.rows.added, found.rows.removed, found.inputs, found.code) == ((), (), (), ())


def test_a_source_that_reads_the_same_under_another_name_is_one_source(place: Place) -> None:
    old = place.mix({"web": {"uri": "web.jsonl", "take": {"rows": 8}}, "math": {"uri": "math.jsonl"}})
    new = place.mix({"net": {"uri": "web.jsonl", "take": {"rows": 9}}, "math": {"uri": "math.jsonl"}})
    ids = [{r["id"] for r in one.table().to_pylist() if "web" in r["origin"]} for one in (old, new)]
    found = compare(old, new, place.store)
    assert [str(change) for change in found.spec] == [
        "source web is called net; names enter draw and order, so rows may change",
        "sources.net.take.rows: 8 -> 9",
    ]
    (change,) = [one for one in found.rows.sources if one.source != "math"]
    assert (change.source, change.kept) == ("net", len(ids[0] & ids[1]))
    gone, come = len(ids[0] - ids[1]), len(ids[1] - ids[0])
    assert gone
    assert why(found.rows.removed) == [("net", None, "not drawn", gone)]
    assert why(found.rows.added) == [("net", None, "not drawn", come)]
    assert {one.source: one.rows for one in found.shares} == {
        "net": (8, 9), "math": (10, 10), "total": (18, 19),
    }  # fmt: skip


def test_renamed_sources_are_paired_by_what_they_read() -> None:
    same = {"uri": "a.jsonl", "take": {"all": True}}
    other = {"uri": "a.jsonl", "where": "n > 1"}
    before, after = (
        {"sources": {"a": same, "b": other}},
        {"sources": {"c": other, "d": {**same, "tags": ["x"]}}},
    )
    assert [str(change).partition(";")[0] for change in key_changes(before, after)] == [
        "source b is called c", "source a is called d", 'sources.d.tags: - -> ["x"]',
    ]  # fmt: skip
    twice = {"sources": {"c": same, "d": same}}
    (named, new) = key_changes({"sources": {"a": same}}, twice)
    assert (named.before, named.after, named.renamed) == ("a", "c", True)
    assert (new.path, new.before) == (("sources", "d"), ABSENT)
    assert str(new) == 'sources.d: - -> a.jsonl, take {"all": true}'


def test_of_rows_that_say_the_same_the_one_that_stayed_is_what_became_of_the_record(place: Place) -> None:
    place.write("web.jsonl", [*chats(20, "web"), *chats(20, "web"), *chats(3, "web")])
    place.write("math.jsonl", [*chats(10, "math"), chat("web 3")])
    steps = [{"step": "dedup", "prefer": ["web"]}]
    take = {"web": {"uri": "web.jsonl", "take": {"rows": 18}}, "math": {"uri": "math.jsonl"}}
    old = place.mix(take, steps=steps)
    new = place.mix({**take, "web": {"uri": "web.jsonl", "take": {"rows": 5}}}, steps=steps)
    assert why(changes(place, old, new).removed) == [("web", None, "not drawn", 13)]
    steps = [*steps, {"step": "filter", "drop": [{"keyword": {"words": ["web"]}}]}]
    new = place.mix(take | {"web": {"uri": "web.jsonl"}}, steps=steps)
    assert why(changes(place, old, new).removed) == [("web", "filter", "keyword", 18)]
    unpreferred = place.mix({"web": {"uri": "web.jsonl"}, "math": {"uri": "math.jsonl"}}, steps=[
        {"step": "dedup", "prefer": ["math"]}
    ])  # fmt: skip
    whole = place.mix({"web": {"uri": "web.jsonl"}, "math": {"uri": "math.jsonl"}}, steps=[
        {"step": "dedup", "prefer": ["web"]}
    ])  # fmt: skip
    moved = {(one.source, one.moved_in, one.moved_out) for one in changes(place, whole, unpreferred).sources}
    assert moved == {("web", 0, 1), ("math", 1, 0)}
