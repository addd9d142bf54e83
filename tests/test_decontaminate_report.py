"""The report's counts and verdicts, and the index's name by content."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from decontaminate_fixtures import batch, suite

from tulu_data.decontaminate import HITS, RULES, build_index, make_report, rules_named
from tulu_data.decontaminate.scan import scan
from tulu_data.errors import SuiteError
from tulu_data.schema import TEXT

QUESTIONS = [" ".join(f"w{k}x{j}" for j in range(12)) for k in range(100)]


def report_of(leaks):
    index = build_index([suite(QUESTIONS, "town"), suite(["Another thing?"], "other")])
    parts, records = [], {}
    for source, turns in leaks.items():
        found = scan([batch([[turn] for turn in turns])], "sft", index)
        names = pa.repeat(pa.scalar(source, TEXT), found.table.num_rows)
        parts.append(found.table.append_column("source", names))
        records[source] = found.records
    return make_report(index, pa.concat_tables(parts), records)


def no_hits():
    return HITS.empty_table().append_column("source", pa.array([], TEXT))


def test_a_source_is_contaminated_above_two_percent_and_not_at_it():
    report = report_of({"at": QUESTIONS[:2], "above": QUESTIONS[:3], "clean": ["hello"]})
    town = {row.source: row for row in report.rows if row.suite == "town"}
    assert [(town[s].share, town[s].contaminated) for s in ("at", "above", "clean")] == [
        (0.02, False), (0.03, True), (0.0, False),
    ]  # fmt: skip
    assert [town[s].verdict for s in ("at", "above")] == ["at most 2%", "contaminated"]
    assert report.contaminated == (town["above"],)
    assert report.records_hit == {"at": 2, "above": 3, "clean": 0}


def test_an_instance_hit_by_many_records_counts_once():
    report = report_of({"a": [QUESTIONS[5]] * 4})
    row = next(row for row in report.rows if row.suite == "town")
    assert (row.instances_hit, row.records_hit, report.hits) == (1, 4, 4)


def test_only_items_are_hits_and_other_matches_are_counted_beside_them():
    index = build_index([suite(QUESTIONS, "town")])
    found = scan([batch([[turn] for turn in QUESTIONS[:10]])], "sft", index).table
    assert found["match"].to_pylist() == ["item"] * 10
    words = ["item"] * 3 + ["template"] * 4 + ["partial"] * 2 + ["common"]
    at = found.schema.get_field_index("match")
    found = found.set_column(at, found.schema.field(at), pa.chunked_array([words], TEXT))
    found = found.append_column("source", pa.repeat(pa.scalar("a", TEXT), 10))
    report = make_report(index, found, {"a": 10})
    (row,) = report.rows
    assert (row.instances_hit, row.records_hit, row.templates, row.partials, row.common) == (3, 3, 4, 2, 1)
    assert (row.share, row.contaminated, report.records_hit) == (0.03, True, {"a": 3})
    assert (report.hits, report.other_matches) == (3, {"template": 4, "partial": 2, "common": 1, "keep": 0})


@pytest.mark.parametrize(
    ("role", "verdict", "whole"),
    [
        (None, "contaminated", True), ("unseen", "contaminated", True),
        ("development", "contaminated: drop matches", False),
    ],
)  # fmt: skip
def test_a_development_suite_costs_no_whole_source(role, verdict, whole):
    index = build_index([replace(suite(QUESTIONS, "town"), role=role)])
    found = scan([batch([[turn] for turn in QUESTIONS[:3]])], "sft", index).table
    report = make_report(index, found.append_column("source", pa.repeat(pa.scalar("a", TEXT), 3)), {"a": 3})
    (row,) = report.rows
    assert (row.role, row.verdict, row.contaminated, row.drops_source) == (role, verdict, True, whole)
    assert report.contaminated == (row,)
    assert report.sources_to_drop == ((row,) if whole else ())
    assert report.suites[0].role == role


def test_a_report_is_plain_json():
    values = report_of({"a": QUESTIONS[:1]}).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["rule"] == "tulu3"
    assert values["suites"][1] == {
        "name": "other", "role": None, "path": "evals/other.jsonl", "sha256": "0" * 64,
        "key": suite(["x"], "other").key,
        "files": {"evals/other.jsonl": "0" * 64}, "splits": {"test": 1},
        "instances": 1, "unmatchable": 0, "whole_turn_only": 1, "bad_rows": {},
    }  # fmt: skip


def test_instances_below_four_words_are_counted_unless_their_passage_has_more():
    questions = [
        "?", "Who won?", "One, two, three?", "One, two, three, four?",
        {"question": "Why?", "passage": "It rained all day long."},
        {"question": "Why?", "passage": "It rained."},
        {"question": "...", "passage": "It."},
    ]  # fmt: skip
    report = make_report(build_index([suite(QUESTIONS, "a"), suite(questions, "b")]), no_hits(), {})
    assert [(s.unmatchable, s.whole_turn_only) for s in report.suites] == [(0, 0), (1, 4)]


def test_the_index_is_named_by_its_content():
    one, other = suite(QUESTIONS, "town"), suite(QUESTIONS, "city")
    keys = {build_index([s], rule).key for s in (one, other) for rule in ("tulu3", "any-13")}
    assert len(keys) == 4
    assert build_index([one]).key == build_index([one], RULES["tulu3"]).key


def test_an_unknown_rule_is_refused_with_the_nearest_name():
    with pytest.raises(SuiteError) as caught:
        rules_named("tulu2")
    assert str(caught.value) == (
        "no rule 'tulu2'; did you mean 'tulu3'? "
        "(rules: any-10, any-13, any-8, auto, coverage, embedding, idf, lexical, longest, minhash, tulu3)"
    )
