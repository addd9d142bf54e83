"""Scopes: which messages of a record are looked at, how hits count them, and what people see of it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from decontaminate_fixtures import batch, index_of, message
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture_fixtures import chat, decontaminate
from turn_fixtures import WORDS, records, said
from word_reference import overlap, words

from tulu_data.cli.review import command as review
from tulu_data.decontaminate.scan import scan
from tulu_data.errors import SpecError
from tulu_data.schema import normalised_schema
from tulu_data.specs.rules import SCOPES

FIRST, SECOND = "A train leaves the old harbour town", "at nine; how long is the ride"
ONE = f"{FIRST} {SECOND}"


@settings(max_examples=60)
@given(records, WORDS, st.sampled_from(SCOPES), st.sampled_from(["tulu3", "any-8"]))
def test_hits_are_what_brute_force_finds_in_the_messages_of_a_scope(drawn, instance, scope, rule):
    (kind, rows), instance = drawn, " ".join(instance)
    measure, least = {"tulu3": ("words", 0.5), "any-8": ("grams", 0.0)}[rule]
    joined = scope == "conversation"
    shares = [
        overlap(instance, [text for _, text in said(row, kind, scope)], joined=joined)[measure]
        for row in rows
    ]
    hits = scan([batch(rows, kind)], kind, index_of([instance], rule), scope=scope).table.to_pylist()
    assert [(hit["record"], hit["overlap"]) for hit in hits] == [
        (k, pytest.approx(share)) for k, share in enumerate(shares) if share > least
    ]
    for hit in hits:
        texts = dict(said(rows[hit["record"]], kind, scope))
        spans = [texts[span["turn"]][span["start"] : span["end"]] for span in hit["record_spans"]]
        assert all(words(span) for span in spans)
        assert overlap(instance, spans, joined=joined)["words"] >= hit["overlap"] - 1e-9


def preferences():
    """Make preferences that hold the instance in one column each, the last across two of them."""
    clean, leak = [message("user", "Hello there.")], [message("assistant", ONE)]
    yes, no = [message("assistant", "Yes.")], [message("assistant", "No.")]
    return [
        {"prompt": [message("user", ONE)], "chosen": yes, "rejected": no},
        {"prompt": clean, "chosen": leak, "rejected": yes},
        {"prompt": clean, "chosen": yes, "rejected": leak},
        {
            "prompt": [*clean, message("user", FIRST)], "chosen": [message("assistant", SECOND)],
            "rejected": yes,
        },
    ]  # fmt: skip


@pytest.mark.parametrize("rule", ["tulu3", "idf", "auto"])
def test_messages_of_preferences_are_counted_over_prompt_chosen_and_rejected(rule):
    rows = batch(preferences(), "preference")
    places = {
        scope: {
            (hit["record"], span["turn"])
            for hit in scan([rows], "preference", index_of([ONE], rule), scope=scope).table.to_pylist()
            for span in hit["record_spans"]
            if hit["match"] == "item"
        }
        for scope in SCOPES
    }
    # Half of the instance is another question: what is found across columns is asked of conversations.
    whole = {scope: {place for place in found if place[0] != 3} for scope, found in places.items()}
    assert whole["user"] == {(0, 0)}
    assert whole["all"] == whole["conversation"] == {(0, 0), (1, 1), (2, 2)}
    assert places["conversation"] - whole["conversation"] == {(3, 1), (3, 2)}


@pytest.fixture
def place(workspace):
    """Make a workspace whose answers hold an instance."""
    workspace.write("evals/trains.jsonl", [{"id": "t1", "question": ONE}])
    workspace.write("data/chat.jsonl", [chat("Hi."), chat("Ask me.", ONE), chat(FIRST, SECOND)])
    rows = pa.Table.from_pylist(preferences(), schema=pa.schema(list(normalised_schema("preference"))[1:4]))
    workspace.write("pairs/p.jsonl", rows.to_pylist())
    return workspace


def run(*arguments):
    done = decontaminate(*arguments)
    assert done.exit_code == 0, done.output
    return done


def found_in(place):
    hits = pq.read_table(place.root / "reports/decontamination/hits.parquet").to_pylist()
    report = json.loads((place.root / "reports/decontamination/report.json").read_text("utf-8"))
    return report["scope"], [hit["origin"].partition(":")[2] for hit in hits]


def test_the_command_looks_at_what_it_is_told_and_says_so(place):
    assert "no hits by rule tulu3 in user turns" in run().stdout
    assert found_in(place) == ("user", [])
    assert "hits by rule tulu3 in all turns" in run("--scope", "all").stdout
    assert found_in(place) == ("all", ["2"])
    assert "hits by rule tulu3 in whole conversations" in run("--scope", "conversation").stdout
    assert found_in(place) == ("conversation", ["2", "3"])


def test_review_shows_the_message_of_a_preference_that_a_hit_names(place):
    run("pairs/p.jsonl", "--scope", "all")
    shown = CliRunner().invoke(review, ["--list"])
    assert shown.exit_code == 0, shown.output
    cases = {case[0]: case for case in shown.stdout.split("pairs/p.jsonl:")[1:]}
    turns = ("1 user, prompt", "2 assistant, chosen", "3 assistant, rejected")
    for row, turn in zip("123", turns, strict=True):
        assert f"turn {turn}\n    [[{ONE}]]\n" in cases[row]
    told = json.loads(CliRunner().invoke(review, ["--json"]).stdout)
    columns = [message["column"] for case in told for message in case["record"]]
    assert columns[:3] == ["prompt", "chosen", "rejected"]


def test_a_mixture_looks_at_what_its_step_says(place):
    step = {"step": "decontaminate", "against": ["evals/"]}
    kept, recipes = {}, set()
    for scope in SCOPES:
        sources = {"c": {"uri": "data/chat.jsonl"}}
        version = place.mix(sources, name=f"m-{scope}", steps=[{**step, "scope": scope}])
        kept[scope] = version.num_rows
        recipes.add(version.manifest.recipe_id)
        assert version.manifest.decontamination["scope"] == scope
    assert kept == {"user": 3, "all": 2, "conversation": 1}
    assert len(recipes) == 3
    assert (
        place.mix({"c": {"uri": "data/chat.jsonl"}}, name="m-user", steps=[step]).manifest.recipe_id
        in recipes
    )


def test_a_scope_that_is_none_is_refused_at_its_place(place):
    step = {"step": "decontaminate", "against": ["evals/"], "scope": "users"}
    with pytest.raises(SpecError, match=r"steps\[0\].scope: .*user.*found 'users'"):
        place.spec({"c": {"uri": "data/chat.jsonl"}}, steps=[step])
