"""Shares of a size: groups first, then within them; temperature, repetition and budgets of tokens."""

from collections import Counter
from fractions import Fraction
from math import isclose
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mixture_fixtures import Place, chat, chats

from tulu_data.errors import PlanError
from tulu_data.mix.apportion import apportion
from tulu_data.mix.shares import Stock, scaled_weight, share_out
from tulu_data.specs.base import validate
from tulu_data.specs.document import Document
from tulu_data.specs.mixture import Mixture

TOKENIZER = Path(__file__).parents[1] / "tulu_data" / "workspace" / "files" / "models" / "tiny"
TEMPERATURE = st.none() | st.sampled_from([0.0, 0.3, 0.5, 1.0])


def mixture(size: int, sources: dict[str, dict], **more: object) -> Mixture:
    data = {"version": 1, "name": "m", "kind": "sft", "decontaminate": "none", "size": size}
    data |= {"sources": {n: {"uri": "x.jsonl", **s} for n, s in sources.items()}, **more}
    return validate(Mixture, Document(name="m.yaml", data=data, values={}, keys={}))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Mixture, dict[str, Stock]]:
    """Draw sources in and out of up to three groups, each of a size, a weight and a bound of repetition."""
    numbers = st.tuples(
        st.sampled_from([None, "g", "h", "i"]), st.floats(0.1, 9), st.integers(0, 300), st.integers(1, 3)
    )
    drawn = draw(st.dictionaries(st.sampled_from("abcdef"), numbers, min_size=1))
    sources = {
        name: {"take": {"weight": w}, "max_repetition": r} | ({"group": g} if g else {})
        for name, (g, w, _, r) in drawn.items()
    }
    used = {g for g, _, _, _ in drawn.values() if g}
    groups = {
        g: {"weight": draw(st.floats(0.1, 9))}
        | ({} if (t := draw(TEMPERATURE)) is None else {"temperature": t})
        for g in sorted(used)
    }
    stocks = {name: Stock(have=n, most=n * r) for name, (_, _, n, r) in drawn.items()}
    most = sum(stock.most for stock in stocks.values())
    assume(most > 0)
    top = draw(TEMPERATURE)
    more = {"groups": groups} if groups else {}
    more |= {} if top is None else {"temperature": top}
    return mixture(draw(st.integers(1, most)), sources, **more), stocks


@given(cases())
def test_shares_add_up_and_none_is_above_what_may_be_repeated(case: tuple[Mixture, dict[str, Stock]]) -> None:
    spec, stocks = case
    shares = share_out(spec, stocks)
    assert sorted(shares) == sorted(stocks)
    assert sum(share.amount for share in shares.values()) == spec.size.amount
    assert all(0 <= shares[name].amount <= stock.most for name, stock in stocks.items())


@given(cases())
def test_groups_are_served_as_sources_would_be_and_then_their_own(
    case: tuple[Mixture, dict[str, Stock]],
) -> None:
    spec, stocks = case
    shares = share_out(spec, stocks)
    inside: dict[str, list[str]] = {g: [] for g in spec.groups or {}}
    for name, source in spec.sources.items():
        if source.group:
            inside[source.group].append(name)
    weights: dict[str, Fraction] = {}
    most: dict[str, int] = {}
    for g, names in inside.items():
        have = sum(stocks[n].have for n in names)
        weights[f"group {g}"] = scaled_weight(spec.groups[g].weight, have, spec.temperature)
        most[f"group {g}"] = sum(stocks[n].most for n in names)
    for name, source in spec.sources.items():
        if source.group is None:
            weights[name] = scaled_weight(source.take.weight, stocks[name].have, spec.temperature)
            most[name] = stocks[name].most
    top = apportion(spec.size.amount, weights, most)
    for name, source in spec.sources.items():
        if source.group is None:
            assert shares[name].amount == top[name]
    for g, names in inside.items():
        assert sum(shares[n].amount for n in names) == top[f"group {g}"]


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_in_which_sources_stand_changes_nothing(case: tuple[Mixture, dict], random) -> None:
    spec, stocks = case
    names = random.sample(sorted(stocks), len(stocks))
    turned = spec.model_copy(update={"sources": {n: spec.sources[n] for n in names}})
    shares = share_out(spec, stocks)
    again = share_out(turned, {n: stocks[n] for n in names})
    assert {n: s.amount for n, s in shares.items()} == {n: s.amount for n, s in again.items()}


@pytest.mark.parametrize(
    ("temperature", "expected"),
    # By hand at 0.5: square roots 10, 14.142, 26.458 of 50.6 give 35.57, 50.31, 94.12.
    [(None, [60, 60, 60]), (0.0, [60, 60, 60]), (0.5, [36, 50, 94]), (1.0, [18, 36, 126])],
)
def test_a_temperature_leads_from_equal_parts_to_parts_of_their_sizes(
    temperature: float | None, expected: list[int]
) -> None:
    more = {} if temperature is None else {"temperature": temperature}
    spec = mixture(180, {n: {"take": {"weight": 1}} for n in "abc"}, **more)
    sizes = {"a": 100, "b": 200, "c": 700}
    shares = share_out(spec, {n: Stock(have=size, most=size) for n, size in sizes.items()})
    assert [shares[n].amount for n in "abc"] == expected


@given(st.floats(0.1, 9), st.integers(0, 10**9), st.floats(0, 1))
def test_a_scaled_weight_is_the_power_to_twelve_digits(weight: float, have: int, temperature: float) -> None:
    assert isclose(scaled_weight(weight, have, temperature), weight * have**temperature, rel_tol=1e-11)


@pytest.fixture
def place(workspace: Place) -> Place:
    workspace.write("a.jsonl", chats(10, "a"))
    workspace.write("b.jsonl", chats(30, "b"))
    workspace.write("c.jsonl", [chat(f"c {i}", "word " * (i + 1)) for i in range(20)])
    return workspace


def weighted(**weights: float) -> dict[str, dict]:
    return {name: {"uri": f"{name}.jsonl", "take": {"weight": weight}} for name, weight in weights.items()}


def test_a_weight_repeats_records_up_to_the_bound_and_no_further(place: Place) -> None:
    version = place.mix(weighted(a=3, b=1), size=40, max_repetition=3)
    assert {s.name: (s.kept, s.rows) for s in version.manifest.sources} == {"a": (10, 30), "b": (10, 10)}
    copies = Counter(row["id"] for row in version.table().to_pylist() if row["source"] == "a")
    assert set(copies.values()) == {3}
    assert len({(row["id"], row["copy"]) for row in version.table().to_pylist()}) == 40


def test_one_copy_is_the_bound_where_nothing_else_is_said_and_it_is_told(place: Place) -> None:
    version = place.mix(weighted(a=3, b=1), size=20)
    assert {s.name: s.rows for s in version.manifest.sources} == {"a": 10, "b": 10}
    assert version.manifest.warnings == (
        "source 'a' is used up: its weight asks for 15 rows, it gives all its 10 (max_repetition 1), and the "
        "others give more",
    )


def test_a_larger_size_holds_what_a_smaller_one_did(place: Place) -> None:
    def rows(size: int) -> set[tuple]:
        table = place.mix(weighted(a=1, b=1), size=size, max_repetition=5).table()
        return {(row["source"], row["id"], row["copy"]) for row in table.to_pylist()}

    assert rows(8) < rows(18) < rows(34) < rows(60)


def test_groups_hold_their_weights_and_sources_outside_stand_beside_them(place: Place) -> None:
    sources = weighted(a=1, b=3, c=1)
    for name in "ab":
        sources[name]["group"] = "ab"
    version = place.mix(sources, size=24, groups={"ab": {"weight": 2}})
    assert {s.name: s.rows for s in version.manifest.sources} == {"a": 4, "b": 12, "c": 8}
    version = place.mix(
        weighted(a=1, b=1) | {"c": {"uri": "c.jsonl", "take": {"rows": 5}}}, size=12, temperature=1.0
    )
    assert {s.name: s.rows for s in version.manifest.sources} == {"a": 3, "b": 9, "c": 5}


def test_a_size_in_tokens_is_kept_and_missed_by_less_than_a_record_of_each_source(place: Place) -> None:
    every = {s.name: s.tokens for s in place.mix(
        {n: {"uri": f"{n}.jsonl"} for n in "bc"}, tokenizer=str(TOKENIZER)
    ).manifest.sources}  # fmt: skip
    size = (every["b"] + every["c"]) // 2
    sources = place.mix(weighted(b=1, c=1), size={"tokens": size}, tokenizer=str(TOKENIZER)).manifest.sources
    longest = 60
    assert all(size // 2 - longest < s.tokens <= size // 2 + 1 for s in sources)
    assert size - 2 * longest < sum(s.tokens for s in sources) <= size


def test_a_size_in_tokens_repeats_records_too(place: Place) -> None:
    every = place.mix({"b": {"uri": "b.jsonl"}}, tokenizer=str(TOKENIZER)).manifest.sources[0].tokens
    settings = {"tokenizer": str(TOKENIZER), "max_repetition": 3}
    whole = place.mix(weighted(b=1), size={"tokens": 3 * every}, **settings).manifest.sources[0]
    assert (whole.rows, whole.tokens, whole.kept) == (90, 3 * every, 30)
    part = place.mix(weighted(b=1), size={"tokens": 2 * every + every // 2}, **settings).manifest.sources[0]
    assert 60 < part.rows < 90
    assert part.tokens <= 2 * every + every // 2
    with pytest.raises(PlanError) as caught:
        place.plan(weighted(b=1), size={"tokens": 3 * every + 1}, **settings)
    assert str(caught.value) == (
        f"{place.root}/mixtures/m.yaml:5:3 size: asks for {3 * every + 1} tokens, the weighted sources have "
        f"{3 * every} (b {every} x 3; 1 short); size {3 * every} fits, or max_repetition: 4 to repeat records"
    )


def test_a_size_beyond_everything_names_what_would_fit(place: Place) -> None:
    with pytest.raises(PlanError) as caught:
        place.plan(weighted(a=1, b=1), size=81, max_repetition=2)
    assert str(caught.value) == (
        f"{place.root}/mixtures/m.yaml:4:7 size: asks for 81 rows, the weighted sources have 80 (a 10 x 2, "
        "b 30 x 2; 1 short); size 80 fits, or max_repetition: 3 to repeat records"
    )
