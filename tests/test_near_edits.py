"""The near-duplicate benchmark's copies are edited as much as their labels say: counted, by plain code."""

import random
import string
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
edits = pytest.importorskip("near_edits")

WORD = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=9)
TEXTS = st.lists(st.lists(WORD, min_size=3, max_size=60).map(" ".join), min_size=1, max_size=3)
SHARE = st.floats(0.05, 0.2)
SEED = st.integers(0, 2**32)
NEW = edits.Words(spaced=("ZEBRA", "YACHT", "XENON"), characters="文字试验")


def drawn(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a draw that is repeated is the point


def distance(one: list[str], other: list[str]) -> int:
    """Count the words to insert, delete or replace, by the textbook's table."""
    row = list(range(len(other) + 1))
    for k, a in enumerate(one, 1):
        before, row[0] = row[0], k
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(TEXTS, SHARE, SEED)
def test_what_is_new_and_what_is_gone_come_to_the_number_of_edits(
    texts: list[str], share: float, seed: int
) -> None:
    done = edits.edited(texts, share, NEW, drawn(seed))
    before = [text.split() for text in texts]
    after = [text.split() for text in done.texts]
    assert done.words == sum(map(len, before))
    assert done.edits == edits.counted(share, done.words)
    new = [sum(word in NEW.spaced for word in words) for words in after]
    gone = [len(b) - len(a) + n for b, a, n in zip(before, after, new, strict=True)]
    assert max(sum(new), sum(gone)) <= done.edits <= sum(new) + sum(gone)
    for b, a in zip(before, after, strict=True):
        left = iter(b)
        assert all(word in left for word in a if word not in NEW.spaced), "what is left stands in its order"
    assert sum(map(distance, before, after)) <= done.edits


@given(SHARE, st.integers(8, 5000))
def test_a_share_of_edits_is_between_5_and_20_percent(share: float, words: int) -> None:
    count = edits.counted(share, words)
    assert count >= 1
    assert 0.05 <= count / words <= 0.2
    assert abs(count - share * words) < 1


@given(st.lists(st.sampled_from("天地人你我他"), min_size=8, max_size=80).map("".join), SHARE, SEED)
def test_in_scripts_without_spaces_a_word_is_a_character(text: str, share: float, seed: int) -> None:
    done = edits.edited([text], share, NEW, drawn(seed))
    assert done.words == edits.lettered(text) == len(text)
    assert set(done.texts[0]) <= set(text) | set(NEW.characters)
    assert 1 <= distance(list(text), list(done.texts[0])) <= done.edits


def test_each_edit_is_as_frequent_as_the_others() -> None:
    text = " ".join(f"w{k}" for k in range(1000))
    counts = {"substituted": 0, "deleted": 0, "inserted": 0}
    for seed in range(30):
        after = edits.edited([text], 0.2, NEW, drawn(seed)).texts[0]
        new = sum(word in NEW.spaced for word in after.split())
        gone = 1000 - (len(after.split()) - new)
        counts["inserted"] += 200 - gone
        counts["substituted"] += new - (200 - gone)
        counts["deleted"] += 200 - new
    assert all(0.3 < n / 6000 < 0.37 for n in counts.values())


def test_punctuation_alone_is_no_word_and_stays() -> None:
    done = edits.edited(["a - b = c -- d ... e * f / g + h"], 0.2, NEW, drawn(1))
    assert done.words == 8
    assert [c for c in done.texts[0] if c in "-=.*/+"] == list("-=--...*/+")
