"""The decontamination step's actions and decisions, from the spec to the side tables of a version."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from mixture_fixtures import Place, account, assert_adds_up, chat

from tulu_data.cli.show import command as show
from tulu_data.errors import PlanError, SpecError
from tulu_data.specs.decisions import Decision, Decisions, write_decisions

QUESTIONS = [" ".join(f"w{k}x{j}" for j in range(12)) for k in range(40)]
STEP = {"step": "decontaminate", "against": ["evals/"]}
SOURCES = {"dirty": {"uri": "dirty.jsonl"}, "clean": {"uri": "clean.jsonl"}}
FILE = "decontamination.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Make a source with 4 of 100 instances of a suite, and one with a single one of them."""
    made = Place(tmp_path)
    rows = [{"id": f"i{k}", "question": q} for k, q in enumerate(QUESTIONS)]
    more = [{"id": f"m{k}", "question": f"and {q} too"} for k, q in enumerate(QUESTIONS)] + [
        {"id": f"n{k}", "question": f"never asked before number {k} of all"} for k in range(20)
    ]
    made.write("evals/town.jsonl", rows + more)
    made.write("dirty.jsonl", [*map(chat, QUESTIONS[:4]), *(chat(f"harmless {k}") for k in range(6))])
    made.write("clean.jsonl", [chat(QUESTIONS[9]), *(chat(f"fine {k}") for k in range(5))])
    return made


def side(version, name):
    import pyarrow.parquet as pq

    return pq.read_table(version.path / f"{name}.parquet").to_pylist()


def decide(place, *decisions):
    write_decisions(place.root / FILE, Decisions(version=1, decisions=decisions))


def hits(place):
    return side(place.mix(SOURCES, name="before", steps=[STEP | {"action": "flag"}]), "hits")


def of(hit, decision, **more):
    keys = {key: hit[key] for key in ("suite", "split", "instance")}
    return Decision(decision=decision, **keys, record=hit["id"], **more)


def test_drop_source_drops_contaminated_sources_whole_and_only_the_hits_of_the_others(place):
    version = place.mix(SOURCES, steps=[STEP | {"action": "drop_source"}])
    assert_adds_up(version)
    assert account(version, "dirty")["dropped"] == {"contaminated": 4, "source_contaminated": 6}
    assert account(version, "clean")["dropped"] == {"contaminated": 1, "source_contaminated": 0}
    assert version.num_rows == 5
    rows = side(version, "dropped")
    (evidence,) = {row["evidence"] for row in rows if row["reason"] == "source_contaminated"}
    share = json.loads(evidence)
    assert (share["suite"], share["instances"], share["share"] > 0.02) == ("town", 100, True)
    assert version.manifest.decontamination["action"] == "drop_source"


@pytest.mark.parametrize(
    ("sources", "more"),
    [
        ({"dirty": SOURCES["dirty"] | {"take": {"rows": 5}}}, {}),
        ({name: one | {"take": {"weight": 1}} for name, one in SOURCES.items()}, {"size": 9}),
        ({"dirty": SOURCES["dirty"]}, {}),
    ],
    ids=["rows", "weights", "nothing"],
)
def test_a_shortfall_says_which_step_dropped_the_source_for_which_suite(place, sources, more):
    with pytest.raises(PlanError) as caught:
        place.mix(sources, steps=[STEP | {"action": "drop_source"}], **more)
    dropped = (
        r"step decontaminate dropped the whole source, which holds (\d+) of 100 instances \((.*)%\) of suite "
    )
    hit, share = re.search(dropped + "town/test", str(caught.value)).groups()
    assert (int(hit) >= 4, float(share)) == (True, int(hit))
    if "size" not in more:
        return
    version = place.mix(sources, steps=[STEP | {"action": "drop_source"}], size=5)
    assert "brings no rows (step decontaminate dropped the whole source" in version.manifest.warnings[0]


def test_a_development_suite_costs_no_source_and_another_role_is_another_version(place):
    step = STEP | {"action": "drop_source", "against": ["roles.yaml"]}
    kept = {}
    for role in ("unseen", "development"):
        town = f"{{uri: evals/town.jsonl, role: {role}, fields: {{question: question}}}}"
        (place.root / "roles.yaml").write_text(f"version: 1\nsuites: {{town: {town}}}", "utf-8")
        version = place.mix(SOURCES, steps=[step])
        rows = [row for row in version.manifest.decontamination["table"] if row["source"] == "dirty"]
        assert [(row["role"], row["contaminated"]) for row in rows] == [(role, True)]
        kept[role] = version.num_rows
    assert kept == {"unseen": 5, "development": 11}


def test_drop_takes_the_records_alone(place):
    version = place.mix(SOURCES, steps=[STEP])
    assert account(version, "dirty")["dropped"] == {"contaminated": 4}
    assert version.num_rows == 11


def test_a_kept_hit_stays_in_the_version_and_in_the_table_of_hits(place):
    kept = next(hit for hit in hits(place) if hit["origin"] == "clean.jsonl:1")
    others = [hit for hit in hits(place) if hit["id"] == kept["id"]]
    decide(place, *(of(hit, "keep") for hit in others))
    version = place.mix(SOURCES, steps=[STEP | {"decisions": FILE}])
    assert_adds_up(version)
    assert account(version, "clean")["dropped"] == {"contaminated": 0}
    assert kept["id"] in version.table()["id"].to_pylist()
    found = [hit["decision"] for hit in side(version, "hits") if hit["id"] == kept["id"]]
    assert found == ["keep"] * len(others)
    report = version.manifest.decontamination
    assert report["decisions"] == {"keep": len(others), "drop": 0, "unmet": []}
    assert report["records_hit"] == {"dirty": 4, "clean": 0}


def test_a_hit_decided_to_be_dropped_goes_even_where_hits_are_only_flagged(place):
    hit = next(hit for hit in hits(place) if hit["origin"] == "dirty.jsonl:2")
    decide(place, of(hit, "drop", note="verbatim"))
    version = place.mix(SOURCES, steps=[STEP | {"action": "flag", "decisions": FILE}])
    assert_adds_up(version)
    (gone,) = side(version, "dropped")
    assert (gone["origin"], gone["reason"]) == ("dirty.jsonl:2", "contaminated")
    evidence = json.loads(gone["evidence"])
    assert (evidence["decision"], evidence["match"], evidence["rule"]) == ("drop", "item", "tulu3")


def test_decisions_to_keep_can_acquit_a_source(place):
    decide(place, Decision(decision="keep", suite="town", source="dirty", note="agreed"))
    version = place.mix(SOURCES, steps=[STEP | {"action": "drop_source", "decisions": FILE}])
    assert account(version, "dirty")["dropped"] == {"contaminated": 0, "source_contaminated": 0}
    assert account(version, "clean")["dropped"] == {"contaminated": 1, "source_contaminated": 0}


def test_a_changed_decision_is_another_input_and_the_same_one_is_already_built(place):
    found = hits(place)
    decide(place, of(found[0], "keep"))
    first = place.mix(SOURCES, steps=[STEP | {"decisions": FILE}])
    place.said.clear()
    again = place.mix(SOURCES, steps=[STEP | {"decisions": FILE}])
    assert (again.content_id, place.said) == (first.content_id, [])
    decide(place, of(found[0], "drop"))
    changed = place.mix(SOURCES, steps=[STEP | {"decisions": FILE}])
    assert changed.manifest.recipe_id == first.manifest.recipe_id
    assert place.said


def test_decisions_that_met_no_hit_are_said_and_stand_in_the_manifest(place):
    decide(place, Decision(decision="keep", suite="town", split="test", instance="gone"))
    version = place.mix(SOURCES, steps=[STEP | {"decisions": FILE}])
    assert version.manifest.decontamination["decisions"]["unmet"] == ["town/test/gone: no such hit here"]
    assert "decontaminate: decisions that met no hit: 1 no such hit here" in place.said


def test_a_file_of_decisions_that_is_not_there_is_an_error_at_its_place(place):
    with pytest.raises(SpecError) as caught:
        place.mix(SOURCES, steps=[STEP | {"decisions": FILE}])
    assert str(caught.value).endswith(
        f"steps[0].decisions: no file 'decontamination.yaml' in {place.root}; "
        "tulu-data review writes it, or remove the key"
    )


def test_a_mistake_in_the_decisions_stops_the_build_before_anything_is_read(place):
    (place.root / FILE).write_text("version: 1\ndecisions:\n- {decision: kep, suite: town, source: dirty}\n")
    with pytest.raises(SpecError) as caught:
        place.mix(SOURCES, steps=[STEP | {"decisions": FILE}])
    assert str(caught.value) == (
        "decontamination.yaml:3:14 decisions[0].decision: expected one of drop, keep, found 'kep'; "
        "did you mean 'keep'?"
    )
    assert place.said == []


def test_show_tells_what_people_decided(place):
    found = hits(place)
    decide(place, of(found[0], "keep"), of(found[2], "drop"))
    version = place.mix(SOURCES, steps=[STEP | {"action": "drop_source", "decisions": FILE}])
    shown = CliRunner().invoke(show, [version.ref, "--store", str(place.store.root)]).output
    answers = version.manifest.decontamination["decisions"]
    assert (answers["keep"], answers["drop"]) == (1, 1)
    assert "decisions: 1 hit kept, 1 dropped\n" in shown
    assert "records with a hit, dropped, and contaminated sources whole" in shown
