"""The search for near-duplicates against one that compares each text with every kept one before it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from near_fixtures import corpora, search_of, texts_and_keys

from tulu_data.dedup import frames, search
from tulu_data.dedup.frames import Frames
from tulu_data.dedup.likeness import Search
from tulu_data.dedup.search import find_near
from tulu_data.kernels.bands import Bands, band_keys
from tulu_data.kernels.frames import PLAIN
from tulu_data.kernels.kept import find_among, marks_of

NEARS = st.fixed_dictionaries(
    {
        "n": st.integers(1, 2), "jaccard_threshold": st.sampled_from([0.3, 0.5, 0.7]),
        "words_threshold": st.sampled_from([0, 0.6]), "frames": st.sampled_from([0, 0.2, 0.5]),
        "swapped_numbers": st.booleans(),
        "shingles": st.sampled_from(["words", "words", "characters"]),
    }
)  # fmt: skip


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Let a shingle of a few texts be a frame, and sample where there are eight texts and more."""
    monkeypatch.setattr(frames, "FEWEST", 2)
    monkeypatch.setattr(frames, "ENOUGH", 4)


@pytest.fixture
def _thorough(monkeypatch):
    """Compare whatever shares a lane, so that signatures overlook nothing."""
    monkeypatch.setattr(Search, "bands", Bands(1024, 1))
    monkeypatch.setattr(Search, "agreeing", 1)


def find(texts, settings_, workers=1, told=lambda _: None):
    return find_near(*texts_and_keys(texts, settings_.near.shingles), settings_, workers, told)


def first_alike(corpus, rows, others, left, settings_):
    """Return, of rows in order, the text among others before them or at all that each is most like."""
    some, keys = corpus
    levels = Frames(some.chosen(left), keys[left], settings_, 1).levels
    pairs = [(a, b) for a in rows for b in others if b < a or others is not rows]
    judged = settings_.judge(some, some, np.array(pairs, np.int64).reshape(-1, 2), levels)
    best: dict = {}
    for (a, b), share, near in zip(pairs, judged.jaccard.tolist(), judged.near, strict=True):
        if near and not (others is rows and b in best):
            best[a] = min(best.get(a, (0, 0)), (-share, b))
    return {a: (b, -share) for a, (share, b) in best.items()}


def until_nothing_goes(corpus, left, alike, settings_):
    """Drop round by round; return what is left."""
    while best := first_alike(corpus, left, left, left, settings_):
        alike |= best
        left = [text for text in left if text not in best]
    return left


def brute(texts, settings_):
    """Return the text that each is like, with how much; those that are kept are left out."""
    corpus, alike = texts_and_keys(texts, settings_.near.shingles), {}
    left = until_nothing_goes(corpus, list(range(len(texts))), alike, settings_)
    for _ in range(search._LOOKS):
        lost = sorted(text for text, (stands, _) in alike.items() if stands in alike)
        if not lost:
            break
        found = first_alike(corpus, lost, left, left, settings_)
        rest = [text for text in lost if text not in found]
        found |= first_alike(corpus, rest, rest, left, settings_)
        alike = {text: one for text, one in alike.items() if text not in lost} | found
        left = sorted({*left, *rest} - {*found})
        left = until_nothing_goes(corpus, left, alike, settings_)
    return alike


def kept(found):
    return np.flatnonzero(found.alike < 0).tolist()


@pytest.mark.usefixtures("_thorough")
@settings(max_examples=60)
@given(corpora(), NEARS)
def test_the_outcome_is_that_of_comparing_all_with_all_that_is_kept(texts, near):
    settings_ = search_of(num_perm=1024, **near)
    found, expected = find(texts, settings_), brute(texts, settings_)
    gone = np.flatnonzero(found.alike >= 0).tolist()
    assert gone == sorted(expected)
    assert {a: (int(found.alike[a]), float(found.jaccard[a])) for a in gone} == expected
    assert found.crowds.sum() == found.candidates
    assert not found.jaccard[kept(found)].any()


@settings(max_examples=60)
@given(corpora(40), NEARS, st.sampled_from(["fast", "datasketch"]))
def test_a_search_in_what_is_kept_finds_nothing(texts, near, scheme):
    settings_ = search_of(scheme=scheme, num_perm=32, **near)
    found = find(texts, settings_)
    left = [texts[k] for k in kept(found)]
    again = find(left, settings_)
    assert (again.alike == -1).all()
    assert (again.rounds, again.levels.tolist()) == (1, found.levels.tolist())
    assert np.array_equal(again.signatures, found.signatures[kept(found)])


@settings(max_examples=60)
@given(corpora(40), NEARS)
def test_no_two_kept_are_candidates_that_are_alike(texts, near):
    settings_ = search_of(num_perm=64, **near)
    found = find(texts, settings_)
    some, _ = texts_and_keys([texts[k] for k in kept(found)], settings_.near.shingles)
    made = settings_.sign(some, found.levels)
    pairs = find_among(band_keys(made, settings_.bands), marks_of(made), settings_.agreeing)
    assert not settings_.judge(some, some, pairs, found.levels).near.any()


@settings(max_examples=60)
@given(corpora(40), NEARS)
def test_what_is_dropped_is_like_the_text_before_it_that_it_names(texts, near):
    settings_ = search_of(num_perm=64, **near | {"frames": 0})
    found = find(texts, settings_)
    some, _ = texts_and_keys(texts, settings_.near.shingles)
    gone = np.flatnonzero(found.alike >= 0)
    pairs = np.stack([gone, found.alike[gone]], axis=1)
    judged = settings_.judge(some, some, pairs, PLAIN)
    assert judged.near.all()
    assert (pairs[:, 1] < pairs[:, 0]).all()
    assert (found.alike[found.alike[gone]] == -1).all()
    assert judged.jaccard.tolist() == found.jaccard[gone].tolist()
    assert judged.containment.tolist() == found.containment[gone].tolist()


@settings(max_examples=40)
@given(
    corpora(40), NEARS, st.integers(1, 3), st.integers(1, 20), st.integers(1, 9),
    st.sampled_from([1, 30, 1 << 20]),
)  # fmt: skip
def test_workers_and_sizes_of_parts_do_not_matter(texts, near, workers, block, piece, run):
    settings_ = search_of(num_perm=32, **near)
    expected = find(texts, settings_)
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("_BLOCK", block), ("_PIECE", piece), ("_PAIRS", piece), ("_RUN", run)):
            patch.setattr(search, name, size)
        patch.setattr(frames, "_RUN", run)
        found = find(texts, settings_, workers)
    assert kept(found) == kept(expected)
    assert np.array_equal(found.levels, expected.levels)
    assert np.array_equal(found.signatures[kept(found)], expected.signatures[kept(found)])


def test_no_text_is_dropped_over_a_chain():
    texts = ["a b c d", "b c d e", "c d e f", "d e f g"]
    found = find(texts, search_of(jaccard_threshold=0.6, words_threshold=0, frames=0))
    assert found.alike.tolist() == [-1, 0, -1, 2]
    assert found.crowds[0] == 0
    assert found.jaccard.tolist() == [0, 0.6, 0, 0.6]


def test_texts_are_compared_again_once_what_they_share_is_rarer(monkeypatch):
    """Five texts hold `a b`, a frame; when two copies are gone it counts in full, and the last are alike."""
    monkeypatch.setattr(frames, "FEWEST", 3)
    texts = ["a b p q r", "a b p q r s", "a b p q r t", "a b c d", "a b c e f"]
    said: list = []
    found = find(texts, search_of(jaccard_threshold=0.45, words_threshold=0, frames=0.1), told=said.append)
    assert found.alike.tolist() == [-1, 0, 0, -1, 3]
    assert found.jaccard.tolist() == [0, 0.8, 0.8, 0, 0.5]
    assert found.rounds == 2
    assert said == ["comparing 5 texts", "comparing 3 texts again: frames changed"]


def test_there_may_be_no_text_and_one():
    for texts in ([], ["a b"]):
        found = find(texts, search_of())
        assert (found.alike.tolist(), found.candidates, found.rounds) == ([-1] * len(texts), 0, 1)
