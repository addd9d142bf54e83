"""The near-duplicate benchmark's oracle and scores: known cases, and plain code beside them."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
oracles = pytest.importorskip("near_oracle")
scores = pytest.importorskip("near_score")

PAIRS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda p: p[0] < p[1]), max_size=30)
QUESTION = "Is the following statement something that you would say?"


def distance(one: list[int], other: list[int]) -> int:
    if not one or not other:
        return len(one) + len(other)
    return min(
        distance(one[1:], other) + 1, distance(one, other[1:]) + 1,
        distance(one[1:], other[1:]) + (one[0] != other[0]),
    )  # fmt: skip


@given(st.lists(st.integers(1, 4), max_size=5), st.lists(st.integers(1, 4), max_size=6))
def test_edits_are_the_fewest_to_the_whole_and_to_any_stretch(one: list[int], other: list[int]) -> None:
    a, b = np.array(one, np.int64), np.array(other, np.int64)
    assert oracles.edits(a, b, anywhere=False)[-1] == distance(one, other)
    stretches = [other[i:j] for i in range(len(other) + 1) for j in range(i, len(other) + 1)]
    assert oracles.edits(a, b, anywhere=True).min() == min(distance(one, part) for part in stretches)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("The cat sat on the mat.", "the CAT sat, on the mat", "same"),
        ("one two three four five six seven", "zero one two three four six seven", "edited"),
        ("a boat with red sails", "we saw a boat with red sails far out at sea one day", "contained"),
        ("Tom has 3 apples and eats 2", "Tom has 14 apples and eats 9", "template"),
        (f"{QUESTION} I like cake", f"{QUESTION} Mondays bore everyone", "frame"),
        ("a long passage that says much. Who came?", "a long passage that says much. Why there?", "stretch"),
        ("one two three four", "five six seven eight", "false"),
        ("", "five six seven eight", "false"),
    ],
)
def test_the_oracle_tells_copies_from_patterns(one: str, other: str, kind: str) -> None:
    many = [f"{QUESTION} Number {chr(97 + k % 26) * (k // 26 + 1)} said so" for k in range(oracles.COMMON)]
    oracle = oracles.Oracle(many)
    assert oracle.judged(one, other).kind == kind
    assert oracle.judged(other, one).kind == kind


@given(PAIRS)
def test_what_pairs_join_is_one_group(pairs: set[tuple[int, int]]) -> None:
    groups = scores.joined(pairs)
    reach = {k: {k} for pair in pairs for k in pair}
    for _ in reach:
        for a, b in pairs:
            reach[a] |= reach[b]
            reach[b] |= reach[a]
    assert groups.keys() == reach.keys()
    for a, reached in reach.items():
        assert {b for b, group in groups.items() if group == groups[a]} == reached


@given(PAIRS)
def test_documents_are_dropped_for_kept_ones_before_them_and_only_then(pairs: set[tuple[int, int]]) -> None:
    stands = scores.keep_first(range(13), pairs)
    for one in range(13):
        before = [k for k in range(one) if (k, one) in pairs and k not in stands]
        assert stands.get(one) == (before[0] if before else None)


def test_planted_pairs_are_counted_and_other_drops_judged(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path)
    first = "a.jsonl:1"
    rows = [(first, None), ("b.jsonl:1", first), ("a.jsonl:2", first), ("b.jsonl:2", first)]
    table = [
        {"cluster": "k", "origin": f"train/{row}", "kept": not stands, "stands": stands and f"train/{stands}"}
        for row, stands in rows
    ]
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "clusters.parquet")
    answer = scores.own_answer(corpus, tmp_path / "clusters.parquet")
    assert answer.stands == {"copy-1": "host-1", "host-2": "host-1", "copy-2": "host-1"}
    made = scores.score(corpus, answer, oracles.Oracle([]), corpus.texts())
    assert (made.recall, made.together, made.parted) == (1, 1, 1), "all four are one group"
    assert (made.dropped, made.planted) == (3, 1)
    assert made.kinds == {"false": 2}
    assert made.by_share == [(1, 1), (1, 1), (0, 0)]
    assert made.by_length == [(1, 1), (1, 1), (0, 0), (0, 0)]
    assert [made.precision, made.strict] == pytest.approx([1 / 3, 1 / 3])


def small_corpus(folder: Path) -> object:
    texts = {
        "a.jsonl": {"host-1": "one two three four five six", "host-2": "red blue green black"},
        "b.jsonl": {"copy-1": "one two three four five ten", "copy-2": "red blue green white"},
    }
    (folder / "peer").mkdir()
    for name, part in texts.items():
        lines = [json.dumps({"id": k, "text": f"{text}\nThank you."}) for k, text in part.items()]
        (folder / "peer" / name).write_text("\n".join(lines), "utf-8")
    labels = [
        {"id": f"copy-{k}", "original": f"host-{k}", "share": 0.1, "edits": 1, "words": words}
        for k, words in ((1, 21), (2, 9))
    ]
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, labels)), "utf-8")
    (folder / "about.json").write_text("{}", "utf-8")
    return scores.open_corpus(folder)
