"""Takes, shortfalls and accounts, over tiny sources."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture_fixtures import Place, account, assert_adds_up, chat, chats, key

from tulu_data.errors import PlanError
from tulu_data.mix import prepare, resolve_inputs

TOKENIZER = Path(__file__).parents[1] / "tulu_data" / "workspace" / "files" / "models" / "tiny"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path)
    found.write("a.jsonl", chats(10, "a"))
    found.write("b.jsonl", chats(6, "b"))
    return found


def rows_of(place: Place, take: dict, **more) -> list:
    return place.mix({"a": {"uri": "a.jsonl", "take": take}}, **more).table().to_pylist()


@pytest.mark.parametrize(
    ("take", "rows", "kept"),
    [
        ({"all": True}, 10, 10),
        ({"rows": 4}, 4, 4),
        ({"rows": 10}, 10, 10),
        ({"fraction": 0.25}, 3, 3),
        ({"fraction": 1.0}, 10, 10),
        ({"epochs": 2}, 20, 10),
        ({"epochs": 2.5}, 25, 10),
        ({"epochs": 0.5}, 5, 5),
    ],
)
def test_every_take_gives_exactly_its_rows(place: Place, take: dict, rows: int, kept: int) -> None:
    found = rows_of(place, take)
    copies = Counter(key(row) for row in found)
    assert (len(found), len(copies)) == (rows, kept)
    assert set(copies.values()) <= {rows // kept, rows // kept + 1}
    assert len({(row["id"], row["copy"]) for row in found}) == rows


def test_weights_share_out_the_size_and_leave_other_takes_alone(place: Place) -> None:
    place.write("c.jsonl", chats(5, "c"))
    version = place.mix(
        {
            "a": {"uri": "a.jsonl", "take": {"weight": 3}},
            "b": {"uri": "b.jsonl", "take": {"weight": 1}},
            "c": {"uri": "c.jsonl", "take": {"rows": 2}},
        },
        size=8,
    )
    assert {s.name: s.rows for s in version.manifest.sources} == {"a": 6, "b": 2, "c": 2}


def test_a_token_budget_takes_what_fits_in_draw_order(place: Place) -> None:
    settings = {"tokenizer": str(TOKENIZER)}
    every = place.mix({"a": {"uri": "a.jsonl"}}, **settings).manifest.sources[0].tokens
    assert every is not None
    small, large = (
        {key(row) for row in rows_of(place, {"tokens": budget}, **settings)}
        for budget in (every // 3, every // 2)
    )
    assert small < large
    entry = place.mix({"a": {"uri": "a.jsonl", "take": {"tokens": every // 2}}}, **settings).manifest.sources[
        0
    ]
    assert every // 2 - every // 5 < entry.tokens <= every // 2
    assert len(rows_of(place, {"tokens": every}, **settings)) == 10


def test_bounds_in_tokens_drop_what_is_outside(place: Place) -> None:
    place.write("c.jsonl", [chat("w " * n, "Yes.") for n in (1, 5, 50)])
    steps = [{"step": "filter", "min_tokens": 6, "max_tokens": 40}]
    version = place.mix({"c": {"uri": "c.jsonl"}}, steps=steps, tokenizer=str(TOKENIZER))
    assert account(version, "c")["dropped"] == {"min_tokens": 1, "max_tokens": 1}
    assert [row["messages"][0]["content"] for row in version.table().to_pylist()] == ["w " * 5]


def test_all_shortfalls_are_told_at_once_at_their_places(place: Place) -> None:
    with pytest.raises(PlanError) as caught:
        place.plan(
            {
                "a": {"uri": "a.jsonl", "take": {"rows": 12}},
                "b": {"uri": "b.jsonl", "where": "messages[1].content = 'b 77'", "take": {"rows": 1}},
                "c": {"uri": "a.jsonl", "take": {"weight": 1}},
                "d": {"uri": "b.jsonl", "take": {"weight": 1}},
            },
            size=17,
        )
    spec = place.root / "mixtures" / "m.yaml"
    assert str(caught.value).splitlines() == [
        f"{spec}:9:7 sources.a.take: asks for 12 rows, 10 are left after the steps (2 short); "
        "take {all: true}, or {epochs: 1.2} to repeat records",
        f"{spec}:14:7 sources.b.take: asks for 1 rows, 0 are left after the steps (1 short); "
        "check where and the steps, or remove the source",
        f"{spec}:4:7 size: asks for 17 rows, the weighted sources have 16 (c 10, d 6; 1 short); size 16 "
        "fits, or max_repetition: 2 to repeat records",
    ]


def test_a_shortfall_names_no_epochs_that_a_spec_may_not_say_and_no_size_that_is_nothing(
    place: Place,
) -> None:
    with pytest.raises(PlanError, match=r"take \{all: true\}$"):
        place.plan({"a": {"uri": "a.jsonl", "take": {"rows": 1001}}})
    with pytest.raises(
        PlanError, match=r"have 0 \(a 0; 5 short\); check where and the steps, or remove size"
    ):
        place.plan({"a": {"uri": "a.jsonl", "where": "1 = 2", "take": {"weight": 1}}}, size=5)


def test_a_token_budget_that_cannot_be_filled_is_a_shortfall(place: Place) -> None:
    with pytest.raises(
        PlanError, match=r"sources.a.take: asks for 100000 tokens, \d+ are left after the steps"
    ):
        rows_of(place, {"tokens": 100_000}, tokenizer=str(TOKENIZER))


def test_the_epochs_that_a_shortfall_names_are_enough(place: Place) -> None:
    place.write("c.jsonl", chats(7))
    with pytest.raises(PlanError) as caught:
        place.plan({"c": {"uri": "c.jsonl", "take": {"rows": 10}}})
    epochs = float(re.search(r"epochs: ([\d.]+)", str(caught.value))[1])  # type: ignore[index]
    assert place.plan({"c": {"uri": "c.jsonl", "take": {"epochs": epochs}}}).rows >= 10


def test_no_rows_at_all_is_an_error_that_says_where_they_went(place: Place) -> None:
    place.write("c.jsonl", [*chats(2), {"messages": []}, chat("a", ""), chat("a", "b")])
    with pytest.raises(PlanError) as caught:
        place.plan(
            {"c": {"uri": "c.jsonl", "where": "length(messages) < 9", "take": {"rows": 0}}},
            steps=[{"step": "filter", "drop": ["empty_turn"]}],
        )
    assert str(caught.value) == (
        f"{place.root}/mixtures/m.yaml: no rows are left for the version: 5 read, of them 1 quarantined, "
        "1 empty_turn, 3 not drawn; c.jsonl:3: no messages (messages is empty); check the sources, where, "
        "the steps and takes"
    )


def test_what_is_rarely_meant_is_warned_of(place: Place) -> None:
    place.write("copy of a.jsonl", chats(10, "a"))
    plan = place.plan(
        {
            "a": {"uri": "a.jsonl"},
            "again": {"uri": "copy of a.jsonl"},
            "none": {"uri": "b.jsonl", "where": "messages[1].content = '?'"},
            "zero": {"uri": "b.jsonl", "take": {"rows": 0}},
        }
    )
    assert plan.warnings == (
        "source 'none' brings no rows (6 read)",
        "source 'zero' brings no rows (6 read)",
        "sources 'a', 'again' read the same records under 2 names; each is drawn from on its own, "
        "so without a dedup step records may come twice",
    )
    assert plan.rows == 20
    both = {"a": {"uri": "a.jsonl"}, "again": {"uri": "copy of a.jsonl"}}
    assert place.plan(both, steps=[{"step": "dedup"}]).warnings == (
        "source 'again' brings no rows (10 read)",
    )


def test_a_condition_leaves_rows_out_and_counts_them(place: Place) -> None:
    sources = {
        "low": {"uri": "a.jsonl", "where": "messages[1].content < 'a 4'"},
        "high": {"uri": "a.jsonl", "where": "messages[1].content >= 'a 4'", "take": {"rows": 3}},
    }
    version = place.mix(sources)
    assert account(version, "low") == {
        "read": 10, "quarantined": {}, "dropped": {"where": 6}, "not_drawn": 0, "kept": 4, "rows": 4,
    }  # fmt: skip
    assert account(version, "high")["dropped"] == {"where": 4}
    found = [key(row) for row in version.table().to_pylist()]
    assert {text for text, source in found if source == "low"} == {f"a {i}" for i in range(4)}
    assert {text for text, source in found if source == "high"} < {f"a {i}" for i in range(4, 10)}


ROW = st.one_of(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["yes", "no", ""])).map(lambda t: chat(*t)),
    st.just({"messages": []}),
)
TAKE = st.one_of(
    st.just({"all": True}),
    st.builds(lambda n: {"epochs": n / 4}, st.integers(1, 12)),
    st.builds(lambda n: {"fraction": n / 10}, st.integers(1, 10)),
    st.just({"rows": 0}),
)
SOURCE = st.tuples(st.lists(ROW, min_size=1, max_size=8), TAKE, st.booleans())


@settings(max_examples=40)
@given(
    sources=st.lists(SOURCE, min_size=1, max_size=3),
    steps=st.lists(
        st.sampled_from(
            [
                {"step": "filter", "drop": ["empty_turn"]},
                {"step": "dedup"},
                {"step": "dedup", "key": "prompt", "prefer": ["s0"]},
            ]
        ),
        max_size=3,
    ),
)
def test_the_accounts_of_every_source_add_up(tmp_path_factory, sources, steps) -> None:
    place = Place(tmp_path_factory.mktemp("accounts"))
    spec = {"sure": {"uri": "sure.jsonl"}}
    place.write("sure.jsonl", [chat("sure")])
    for i, (rows, take, conditional) in enumerate(sources):
        place.write(f"{i}.jsonl", [*rows, chat("f")])
        where = {"where": "messages[1].content IS DISTINCT FROM 'a'"} if conditional else {}
        spec[f"s{i}"] = {"uri": f"{i}.jsonl", "take": take, **where}
    file = place.spec(spec, steps=steps)
    prepared = prepare(file, resolve_inputs(file, place.root, place.store), place.settings())
    plan = prepared.plan
    assert_adds_up(plan)
    assert plan.rows == sum(s.rows for s in plan.sources) == len(plan.entry)
    assert (prepared.pool.reason[plan.entry] == 0).all()
    for i, (rows, _, _) in enumerate(sources):
        counts = account(plan, f"s{i}")
        assert counts["read"] == len(rows) + 1
        assert sum(counts["quarantined"].values()) == sum(not r["messages"] for r in rows)
