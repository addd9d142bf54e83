"""Evidence in words: every value of it is said once, turns from 1, and nothing steers a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from tulu_data.report.evidence import evidence_lines, hit_line, one_line

NAMES = st.sampled_from(["value", "limit", "measure", "language", "confidence", "of", "date", "inner"])
VALUES = st.integers(0, 10**6) | st.sampled_from(["zh", "answers", "top_ngram"])


@given(st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=2)))
def test_every_number_is_said_with_its_name(evidence):
    said = [part for line in evidence_lines(evidence) for part in line.split(", ")]
    expected = []
    for name, value in evidence.items():
        flat = {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
        expected += [f"{key} {one}" for key, one in flat.items()]
    assert said == expected


def test_known_forms_are_lines_of_their_own():
    hit = {
        "suite": "s", "split": "test", "instance": "7", "field": "question", "rule": "tulu3", "overlap": 0.5,
        "match": "item",
    }  # fmt: skip
    assert (
        list(evidence_lines(hit))
        == [hit_line(hit)]
        == ["hit: s/test 7 (question) by tulu3, overlap 50%, item"]
    )
    stands = {"id": "ab", "source": "x", "origin": "x.jsonl:1"}
    assert list(evidence_lines({"cluster": "ab", "stands": stands, "jaccard": 0.85, "containment": 1.0})) == [
        "like ab  x  x.jsonl:1  (shares 85% of either, 100% of its own)"
    ]
    whole = {"suite": "s", "split": "test", "instances_hit": 30, "instances": 1200, "share": 0.025}
    assert list(evidence_lines(whole)) == ["its source holds 30 of 1,200 instances of s/test", "share 0.025"]
    assert list(evidence_lines({"matched": "I am\nX", "turn": 2}, ["prompt", "chosen", "rejected"])) == [
        "matched: I am X (turn 3, rejected)"
    ]
    assert list(evidence_lines({"turn": 0, "role": "user"}, ["messages"])) == ["role user, turn 1"]
    assert list(evidence_lines({"matched": None})) == []


def test_long_texts_are_cut_and_escape_codes_are_not_sent():
    assert one_line("a" * 200) == "a" * 160 + "... (200 characters)"
    assert "\x1b" not in one_line("x \x1b[31m y")
