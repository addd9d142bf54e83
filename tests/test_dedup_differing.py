"""Where two records differ: the words that have no shared run, against a plain reading."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tulu_data.dedup.differing import differing

TEXTS = st.lists(st.lists(st.sampled_from("abcdé"), max_size=8).map(" ".join), max_size=3)


def alone(mine: list[str], theirs: list[str]) -> list[list[tuple[int, int]]]:
    """Mark words one by one: each with its neighbours, `None` beyond a text, must be among theirs."""

    def runs(texts):
        rows = [[None, *re.findall(r"\w+", text), None] for text in texts]
        # The border behind a text is the one before the next.
        return {pair for row in rows for pair in pairwise(row)}

    there, found = runs(theirs), []
    for text in mine:
        words = list(re.finditer(r"\w+", text))
        said = [None, *(word[0] for word in words), None]
        marks = [
            (said[k], said[k + 1]) not in there and (said[k + 1], said[k + 2]) not in there
            for k in range(len(words))
        ]
        spans: list[tuple[int, int]] = []
        for k, word in enumerate(words):
            if marks[k] and k and marks[k - 1]:
                spans[-1] = (spans[-1][0], word.end())
            elif marks[k]:
                spans.append((word.start(), word.end()))
        found.append(spans)
    return found


@given(TEXTS, TEXTS)
def test_words_are_marked_that_have_no_shared_neighbour(mine, theirs):
    assert differing(mine, theirs) == (alone(mine, theirs), alone(theirs, mine))


@given(TEXTS)
def test_a_record_does_not_differ_from_itself(texts):
    assert differing(texts, texts[::-1]) == ([[] for _ in texts], [[] for _ in texts])


def test_case_and_punctuation_are_no_difference_and_spans_are_characters():
    left, right = differing(["Ähm, THE red fox!"], ["ähm the blue fox"])
    assert ["Ähm, THE red fox!"[low:high] for low, high in left[0]] == ["red"]
    assert ["ähm the blue fox"[low:high] for low, high in right[0]] == ["blue"]


def test_what_moved_is_not_marked():
    assert differing(["one two three", "four five six"], ["four five six one two three"]) == ([[], []], [[]])
