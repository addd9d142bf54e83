"""The planted benchmark's leaks are what their names say: counted, or undone."""

import random
import string
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
forms = pytest.importorskip("planted_forms")
corpus = pytest.importorskip("planted_corpus")

WORD = st.text(string.ascii_letters + string.digits + "'.,$-", min_size=1, max_size=9)
TEXT = st.lists(WORD, min_size=4, max_size=60).map(" ".join)
SEED = st.integers(0, 2**32)
VOCABULARY = ("ZEBRA", "YACHT", "XENON", "WALRUS")


def drawn(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a draw that is repeated is the point


@given(TEXT, st.sampled_from([0.05, 0.1, 0.2]), SEED)
def test_as_many_words_are_edited_as_the_form_says(text: str, share: float, seed: int) -> None:
    before = text.split()
    after = forms.edited(text, share, VOCABULARY, drawn(seed)).split()
    wanted = max(1, round(share * len(before)))
    own = [word for word in after if word not in VOCABULARY]
    gone, new = len(before) - len(own), len(after) - len(own)
    assert gone <= wanted
    assert new <= wanted
    assert wanted <= gone + new
    left = iter(before)
    assert all(word in left for word in own), "what is left stands in its order"


@given(TEXT, st.sampled_from([0.05, 0.1, 0.2]), SEED)
def test_characters_are_edited_at_the_rate_too(text: str, share: float, seed: int) -> None:
    others = "\u6587\u5b57\u8bd5\u9a8c"
    after = forms.edited_characters(text, share, others, drawn(seed))
    places = sum(not c.isspace() for c in text)
    own = [c for c in after if c not in others]
    changed = (len(text) - len(own)) + (len(after) - len(own))
    assert max(1, round(share * places)) <= changed <= 2 * max(1, round(share * places))


@given(TEXT, st.sampled_from(sorted(forms.PREFIXES)), st.integers(20, 50))
def test_a_wrapped_text_is_the_text_once_prefixes_are_taken_off(text: str, name: str, width: int) -> None:
    prefix = forms.PREFIXES[name]
    lines = forms.wrapped(text, prefix, width).split("\n")
    assert all(line.startswith(prefix) for line in lines)
    assert " ".join(line.removeprefix(prefix) for line in lines) == text
    assert all(len(line) <= width + len(prefix) or " " not in line.strip("-> ") for line in lines)


@given(TEXT, SEED)
def test_the_halves_of_a_text_join_to_it(text: str, seed: int) -> None:
    first, second = forms.halves(text, drawn(seed))
    assert first
    assert second
    assert f"{first} {second}" == text


@given(TEXT.filter(lambda text: not any(c in "'-" for c in text) and "..." not in text), SEED)
@pytest.mark.parametrize("name", sorted(forms.LOOKS))
def test_other_unicode_forms_fold_back_to_the_text(name: str, text: str, seed: int) -> None:
    looks = forms.LOOKS[name](text, drawn(seed))
    seen = "".join(c for c in looks if c not in "\u200b\u200c\u200d\u2060\ufeff\u00ad")
    assert unicodedata.normalize("NFKC", seen) == text


@given(TEXT, SEED)
def test_other_numbers_change_every_number_and_nothing_else(text: str, seed: int) -> None:
    digits = str.maketrans(string.digits, "0" * 10)
    after = forms.other_numbers(text, drawn(seed))
    assert after.translate(digits) == text.translate(digits)
    assert all(a != b for a, b in zip(forms.NUMBER.findall(text), forms.NUMBER.findall(after), strict=True))


@given(TEXT)
def test_a_text_without_case_and_punctuation_has_neither(text: str) -> None:
    after = forms.no_case(text)
    assert after == after.lower()
    assert not set(after) & set(string.punctuation)
    assert after.replace(" ", "") == "".join(c for c in text.lower() if c.isalnum())


def instance(suite: str, k: int) -> object:
    question = f"how many of the {k + 100} {suite} things that we saw are left over after day {k + 10}"
    return forms.Instance(
        suite=suite, split="zh" if suite == "mgsm" else "test", id=str(k), passage="", answer=f"answer {k}",
        question=f"{question} when the {k} others have been sold in the market",
    )  # fmt: skip


def planted(seed: int) -> list:
    rng = drawn(seed)
    pool = [instance(suite, k) for suite in (*corpus.WEIGHTS, "mgsm") for k in range(600)]
    soil = corpus.Soil(
        rng=rng, hosts=["a host", "another host of some words"], chinese=["\u6587\u5b57"], words=VOCABULARY,
        characters="\u6587\u5b57\u8bd5\u9a8c",
    )  # fmt: skip
    soil.pool, names = corpus.choose(pool, rng)
    return list(corpus.leaks(soil, names))


def test_every_form_is_planted_in_full_and_no_instance_twice() -> None:
    made = planted(1)
    names = [(one.label["suite"], one.label["split"], one.label["instance"]) for one in made]
    assert len(set(names)) == len(names)
    for form in list(corpus.FORMS)[:10]:
        assert sum(one.label["form"] == form for one in made) == corpus.EACH


def test_the_seed_alone_decides_what_is_planted() -> None:
    assert planted(1) == planted(1)
    assert planted(1) != planted(7)


def test_questions_that_are_equal_word_for_word_are_names_of_one_instance() -> None:
    question = "How many of the things that we saw there are left?"
    twins = [
        forms.Instance(suite=suite, split="test", id="0", question=text, passage="", answer="1")
        for suite, text in (("gsm8k", question), ("mbpp", question.lower().rstrip("?")))
    ]
    pool, names = corpus.choose(twins, drawn(1))
    assert sum(map(len, pool.values())) == 1
    assert names["gsm8k", "test", "0"] == names["mbpp", "test", "0"] == [one.label for one in twins]


def test_an_instance_inside_a_longer_document_is_there_word_for_word() -> None:
    rng = drawn(3)
    text = corpus.surround("the planted text", 12, ["a host of words"], rng)
    assert "the planted text" in text.split(corpus.JOINT)
    assert 11 * len("the planted text") <= len(text) <= 14 * len("the planted text")
