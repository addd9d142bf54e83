"""Assertions of a mixture: held against the plan, all failures at once, before anything is written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixture_fixtures import Place, assert_adds_up, chats

from tulu_data.errors import PlanError
from tulu_data.mix.assertions import check_assertions
from tulu_data.mix.summary import summarise
from tulu_data.specs.base import validate
from tulu_data.specs.document import Document
from tulu_data.specs.mixture import Mixture, MixtureFile, read_mixture
from tulu_data.store import SourceEntry

SOURCES = {
    "a": {"uri": "a.jsonl", "tags": ["math", "synthetic"]},
    "b": {"uri": "b.jsonl", "tags": ["chat"], "take": {"epochs": 2.5}},
    "c": {"uri": "c.jsonl", "tags": ["math"], "group": "g", "take": {"weight": 1}},
}
MORE = {"size": 4, "groups": {"g": {}}}


@pytest.fixture
def place(workspace: Place) -> Place:
    for name in "abc":
        workspace.write(f"{name}.jsonl", chats(10, name))
    return workspace


def failures(place: Place, *said: dict, **more: object) -> list[str]:
    with pytest.raises(PlanError) as caught:
        place.plan(SOURCES, **MORE, **{"assert": list(said)}, **more)
    # Places are those of the fixture's YAML and are tested where specs are read.
    return [line.split(" ", 1)[1] for line in str(caught.value).splitlines()]


def test_every_failure_is_told_with_what_was_expected_and_found(place: Place) -> None:
    assert failures(
        place,
        {"min_rows": 40},
        {"max_rows": 38},
        {"min_rows": {"source": "a", "rows": 11}},
        {"max_rows": {"tag": "math", "rows": 13}},
        {"min_rows": {"group": "g", "rows": 5}},
        {"max_share": {"tag": "math", "fraction": 0.3}},
        {"min_share": {"source": "b", "fraction": 0.65}},
        {"max_repetition": 2},
    ) == [
        "assert[0].min_rows: expected at least 40 rows, found 39",
        "assert[1].max_rows: expected at most 38 rows, found 39",
        "assert[2].min_rows: expected at least 11 rows of source 'a', found 10",
        "assert[3].max_rows: expected at most 13 rows of tag 'math', found 14",
        "assert[4].min_rows: expected at least 5 rows of group 'g', found 4",
        "assert[5].max_share: expected at most 30.00% of tag 'math', found 35.90% (14 of 39 rows)",
        "assert[6].min_share: expected at least 65.00% of source 'b', found 64.10% (25 of 39 rows)",
        "assert[7].max_repetition: expected at most 2 of each record, found 3 of source 'b'",
    ]


def test_assertions_that_hold_let_the_build_through(place: Place) -> None:
    bounds = [
        {"min_rows": 39},
        {"max_rows": 39},
        {"max_share": {"source": "a", "fraction": 0.2565}},
        {"max_repetition": 3},
    ]
    version = place.mix(SOURCES, **MORE, **{"assert": bounds})
    assert version.num_rows == 39
    again = read_mixture(version.path / "spec.yaml").mixture
    assert [one.bound[0] for one in again.assertions] == [
        "min_rows",
        "max_rows",
        "max_share",
        "max_repetition",
    ]


def test_a_version_that_is_there_does_not_pass_for_one_that_keeps_an_assertion(place: Place) -> None:
    place.mix(SOURCES, **MORE)
    with pytest.raises(PlanError, match="expected at least 40 rows, found 39"):
        place.mix(SOURCES, **MORE, **{"assert": [{"min_rows": 40}]})


def test_bounds_in_tokens(place: Place) -> None:
    tokenizer = Path(__file__).parents[1] / "tulu_data" / "workspace" / "files" / "models" / "tiny"
    counts = {s.name: s.tokens for s in place.plan(SOURCES, **MORE, tokenizer=str(tokenizer)).sources}
    total = sum(counts.values())
    assert failures(
        place,
        {"min_tokens": total + 1},
        {"max_tokens": {"source": "a", "tokens": 0}},
        {"max_share": {"source": "a", "fraction": 0, "of": "tokens"}},
        tokenizer=str(tokenizer),
    ) == [
        f"assert[0].min_tokens: expected at least {total + 1:,} tokens, found {total:,}",
        f"assert[1].max_tokens: expected at most 0 tokens of source 'a', found {counts['a']:,}",
        f"assert[2].max_share: expected at most 0.00% of source 'a', found {counts['a'] / total:.2%} "
        f"({counts['a']:,} of {total:,} tokens)",
    ]


def test_a_record_that_a_source_holds_twice_is_there_twice(place: Place) -> None:
    place.write("a.jsonl", [*chats(10, "a"), *chats(3, "a")])
    sources = {"a": {"uri": "a.jsonl"}}
    with pytest.raises(PlanError, match="expected at most 1 of each record, found 2 of source 'a'"):
        place.plan(sources, **{"assert": [{"max_repetition": 1}]})
    plan = place.plan(sources, **{"assert": [{"max_repetition": 2}]})
    assert (plan.sources[0].kept, plan.different, summarise(plan).total.repetition) == (13, {"a": 10}, 1.3)
    assert_adds_up(plan)
    steps = [{"step": "dedup"}]
    assert summarise(place.plan(sources, steps=steps)).total.repetition == 1


def test_a_record_of_two_sources_is_counted_in_both_and_in_epochs_that_a_version_holds(place: Place) -> None:
    place.write("b.jsonl", chats(2, "a"))
    sources = {name: {"uri": f"{name}.jsonl"} for name in "abc"}
    with pytest.raises(PlanError, match=r"found 2 of source 'a', 2 of source 'b'$"):
        place.plan(sources, **{"assert": [{"max_repetition": 1}]})
    place.mix({"a": {"uri": "a.jsonl", "take": {"epochs": 3}}}, name="base")
    with pytest.raises(PlanError, match="found 3 of source 'base'"):
        place.plan({"base": {"uri": "base@latest"}}, **{"assert": [{"max_repetition": 2}]})


COUNTS = st.dictionaries(
    st.sampled_from("abcd"), st.tuples(st.integers(0, 20), st.integers(1, 4)), min_size=1
)


@given(COUNTS, st.data())
def test_a_bound_is_kept_or_not_as_plain_sums_say(
    counts: dict[str, tuple[int, int]], data: st.DataObject
) -> None:
    tags = {name: data.draw(st.sets(st.sampled_from("xy"))) for name in counts}
    tag = data.draw(st.sampled_from(sorted(set().union(*tags.values())))) if any(tags.values()) else None
    part = {"tag": tag} if tag else {"source": min(counts)}
    number, hundredths = data.draw(st.integers(0, 60)), data.draw(st.integers(0, 100))
    said = [
        {"min_rows": {**part, "rows": number}},
        {"max_rows": {**part, "rows": number}},
        {"min_share": {**part, "fraction": hundredths / 100}},
        {"max_share": {**part, "fraction": hundredths / 100}},
        {"max_repetition": 1 + number % 4},
    ]
    spec = {
        "version": 1, "name": "m", "kind": "sft", "decontaminate": "none", "assert": said,
        "sources": {name: {"uri": "x", "tags": sorted(tags[name])} for name in counts},
    }  # fmt: skip
    document = Document(name="m.yaml", data=spec, values={}, keys={})
    file = MixtureFile(mixture=validate(Mixture, document), document=document, path=Path("m.yaml"))
    entries = [
        SourceEntry(name=name, uri="x", read=kept, not_drawn=0, kept=kept, rows=kept * times)
        for name, (kept, times) in counts.items()
    ]
    total = sum(kept * times for kept, times in counts.values())
    mine = sum(
        k * t for name, (k, t) in counts.items() if (tag in tags[name] if tag else name == min(counts))
    )
    kept_to = [
        mine >= number, mine <= number, mine * 100 >= hundredths * max(total, 1),
        mine * 100 <= hundredths * max(total, 1),
        all(times <= 1 + number % 4 for kept, times in counts.values() if kept),
    ]  # fmt: skip
    try:
        check_assertions(
            file, entries, lambda: {name: times if kept else 0 for name, (kept, times) in counts.items()}
        )
        failed: set[int] = set()
    except PlanError as error:
        failed = {int(line.split("assert[")[1][0]) for line in str(error).splitlines()}
    assert failed == {i for i, holds in enumerate(kept_to) if not holds}
