"""What an error suggests instead of a word."""

from itertools import product

import pytest

from tulu_data.errors import _edits, nearest


@pytest.mark.parametrize(
    ("word", "choice"),
    [
        ("mesages", "messages"),
        ("dorp", "drop"),
        ("wrd", "words"),
        ("../dpo", "dpo"),
        ("112298", "112299"),
        ("jacard", "jaccard_threshold"),
        ("prompt", "prompt_tokens"),
    ],
)
def test_a_word_with_a_slip_is_told_the_right_one(word, choice):
    assert nearest(word, ["something else", choice]) == f"; did you mean {choice!r}?"


@pytest.mark.parametrize(
    ("word", "choice"),
    [
        ("nofile.jsonl", "bin.jsonl"),
        ("112299", "2299"),
        ("gsm8k", "mmlu"),
        ("12", "21345"),
        ("max", "max_tokens"),
        ("prompt", "max_prompt_tokens"),
    ],
)
def test_another_word_is_not_suggested(word, choice):
    assert not nearest(word, [choice])


def test_slips_are_counted_as_by_trying_them_all():
    def one_slip(word):
        cut = [(word[:k], word[k:]) for k in range(len(word) + 1)]
        yield from (a + b[1:] for a, b in cut if b)
        yield from (a + c + rest for a, b in cut for c in "ab" for rest in {b, b[1:]})
        yield from (a + b[1] + b[0] + b[2:] for a, b in cut if len(b) > 1)

    words = ["".join(letters) for size in range(5) for letters in product("ab", repeat=size)]
    for word in words:
        near = {*one_slip(word)} - {word}
        assert {other for other in words if _edits(word, other) == 1} == {w for w in near if len(w) < 5}
        assert _edits(word, word) == 0
