"""What answers come to, and records that stay because of it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_dedup_finder import batch_of

from tulu_data.dedup.finder import Finder
from tulu_data.dedup.heard import heard
from tulu_data.dedup.reasons import REASONS
from tulu_data.dedup.results import differ
from tulu_data.schema import CONTENT
from tulu_data.specs.near import Near

QUESTION = (
    "Ann has {} in her garden and picks three each day for a week; how many of them are left on Sunday?"
)


ROSES = QUESTION.format("some roses")


def chat(answer, question=ROSES):
    return {
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
    }


def results(rows, kind="sft", key="conversation", unit="words"):
    batch = pa.RecordBatch.from_pylist(rows, CONTENT[kind])
    return heard(batch, kind, key, unit).texts.results


def told_apart(one, other, **where):
    first, second = results([chat(one), chat(other)], **where)
    return bool(differ(np.array([first]), np.array([second]))[0])


@pytest.mark.parametrize("unit", ["words", "characters"])
@pytest.mark.parametrize("key", ["conversation", "answer"])
@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("She picks 21.\n#### 12", "She picks 3 * 7.\n#### 14", True),
        ("She picks 21.\n#### 12", "So there are twelve of them left in it: \\boxed{12}.", False),
        ("There are 12 left in the garden of hers", "There are 14 left in the garden of hers", False),
        ("Yes.", "No.", True),
        ("Yes.", " yes ", False),
        ("Half of it is $\\boxed{\\frac{1}{2}}$ now.", "So it is \\boxed{\\frac{3}{2}}", True),
        ("Half of it is $\\boxed{\\frac{1}{2}}$ now.", "Her share is \\boxed{\\frac{1}{2}} , done 7", False),
        ("First \\boxed{1}, then \\boxed{x+1}", "At the end of it all there is \\boxed{x-1}.", True),
        ("This one never ends: \\boxed{x+1", "And neither does this one here: \\boxed{x-1", False),
        ("The answer is: yes", "The answer is: no", False),
        ("(A)", "(B)", True),
        ("12", "twelve", False),
        ("-", "+", True),
        ("", "No.", False),
        (None, "No.", False),
    ],
)
def test_an_answer_comes_to_its_last_number_or_to_its_few_words(one, other, apart, key, unit):
    for left, right in ((one, other), (other, one)):
        assert told_apart(left, right, key=key, unit=unit) == apart


def test_what_is_not_answered_comes_to_nothing():
    assert not results([chat("12")], key="prompt").any()
    asked = [*chat("12")["messages"], {"role": "user", "content": "13"}]
    assert not results([{"messages": asked}]).any()
    sides = {"prompt": asked[:1], "chosen": asked[1:2], "rejected": asked[1:2]}
    assert not results([sides], "preference").any()


def truths(*told):
    asked = chat("")["messages"][:1]
    rows = [{"messages": asked, "ground_truth": truth, "verifier": "math"} for truth in told]
    return results(rows, "rlvr")


def test_of_rlvr_it_is_all_of_a_short_ground_truth():
    found = truths("\\frac{1}{6}", "\\FRAC{1}{6} ", "\\frac{5}{6}", "-\\frac{1}{6}", None)
    assert differ(found[[0, 0, 0, 0]], found[1:]).tolist() == [False, True, True, False]


def test_of_a_ground_truth_that_is_a_solution_it_is_the_box():
    solution = "There are {} ways to choose the first flower, and then few are left, so we get \\boxed{{{}}}."
    found = truths(
        *(solution.format(*each) for each in (("33", "12"), ("three times eleven", "12"), ("33", "14")))
    )
    assert differ(found[[0, 0]], found[1:]).tolist() == [False, True]


@given(st.lists(st.text("ab 12.é\n", max_size=90), max_size=8), st.data())
def test_records_do_not_depend_on_their_batch(answers, data):
    rows = [chat(answer) for answer in answers]
    every = results(rows)
    for k, row in enumerate(rows):
        assert results([row]).tolist() == [every[k]]


def reasons(folder, rows, **near):
    with Finder(key="conversation", near=Near(**near), folder=folder) as finder:
        finder.read([batch_of(rows)], "sft")
        zeros = np.zeros(len(rows), np.int64)
        outcome = finder.settle(zeros, None, zeros, lambda _: None)
    return sorted(REASONS[number] for number in outcome.reason), outcome.near.templates > 0


def test_a_question_asked_backwards_stays(tmp_path):
    once, backwards = (
        chat("#### 12", QUESTION.format("33 roses")),
        chat("#### 33", QUESTION.format("few roses")),
    )
    again = chat("#### 12", QUESTION.format("red roses"))
    assert reasons(tmp_path, [once, backwards]) == (["", ""], True)
    assert reasons(tmp_path, [once, again]) == (["", "near_duplicate"], False)
    assert reasons(tmp_path, [once, backwards], swapped_numbers=True) == (["", "near_duplicate"], False)
