"""Duplicates among records: which one stays, why the others go, and that no order of reading matters."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from near_fixtures import corpora

from tulu_data.dedup import finder as module
from tulu_data.dedup import frames
from tulu_data.dedup.finder import Finder
from tulu_data.dedup.likeness import Search
from tulu_data.dedup.reasons import REASONS
from tulu_data.kernels.bands import Bands
from tulu_data.kernels.record_ids import record_ids
from tulu_data.schema import CONTENT
from tulu_data.specs.near import Near

NEAR = Near(n=1, jaccard_threshold=0.6, words_threshold=0, containment_threshold=0.9)


def batch_of(rows, kind="sft"):
    content = pa.RecordBatch.from_pylist(rows, CONTENT[kind])
    return pa.RecordBatch.from_arrays(
        [record_ids(content, kind), *content.columns], names=["id", *content.schema.names]
    )


def said(text, role="user"):
    return {"messages": [{"role": role, "content": text}]}


def find(folder, records, near=None, key="conversation", batches=1, workers=1):
    """Find duplicates among (row, priority, quality, source); return the outcome and the ids of all."""
    rows, *ranks = zip(*records, strict=True) if records else ([], [], [], [])
    priority, quality, source = (np.array(each, np.float64) for each in ranks)
    with Finder(key=key, near=near, folder=folder, workers=workers) as finder:
        parts = [part for part in np.array_split(np.arange(len(rows)), batches) if len(part)]
        finder.read((batch_of([rows[k] for k in part]) for part in parts), "sft")
        assert len(finder) == len(rows)
        outcome = finder.settle(priority.astype(np.int64), quality, source.astype(np.int64), lambda _: None)
        ids = [f"{high:016x}{low:016x}" for part in finder.ids for high, low in part.tolist()]
    return outcome, ids


def told(outcome):
    """Return the reason of each record."""
    return [REASONS[number] for number in outcome.reason]


ROLES = st.sampled_from(["user", "user", "assistant"])
RANKS = (st.integers(0, 1), st.sampled_from([0.0, 0.5, np.nan]), st.integers(0, 2))


@st.composite
def records(draw, texts):
    """Draw records over some texts: copies, in other letters, of other roles and ranks."""
    texts = draw(texts)
    forms = st.sampled_from([*texts, *map(str.upper, texts), *(f" {t}\n" for t in texts), "", " ", "?!"])
    return draw(st.lists(st.tuples(st.builds(said, forms, ROLES), *RANKS), max_size=24))


WORDS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4)


def rank(record, name):
    """Return what says which of several equal texts stays."""
    row, priority, quality, source = record
    worth = -np.inf if np.isnan(quality) else quality
    return priority, -worth, -len(row["messages"][0]["content"]), name, source


@settings(max_examples=60)
@given(records(WORDS))
def test_of_equal_texts_the_preferred_stays(tmp_path_factory, drawn):
    outcome, ids = find(tmp_path_factory.mktemp("f"), drawn)
    groups: dict = {}
    for k, (record, name) in enumerate(zip(drawn, ids, strict=True)):
        (message,) = record[0]["messages"]
        text = " ".join(message["content"].casefold().split())
        groups.setdefault((text, message["role"]) if text else name, []).append(k)
    for rows in groups.values():
        best = min(rows, key=lambda k: (*rank(drawn[k], ids[k]), k))
        for k in rows:
            assert outcome.stays[k] == best
            same = "duplicate_record" if ids[k] == ids[best] else "duplicate_text"
            assert REASONS[outcome.reason[k]] == ("" if k == best else same)
            assert outcome.alike[k] == (-1 if k == best else best)
            assert outcome.jaccard[k] == outcome.containment[k] == (k != best)
    assert outcome.wordless == sum(not r[0]["messages"][0]["content"].strip() for r in drawn)
    assert outcome.near is None


def account(records, outcome, ids):
    """Return what became of every record, whatever its place."""
    like = [ids[k] if k >= 0 else "" for k in outcome.alike]
    shares = zip(outcome.jaccard.tolist(), outcome.containment.tolist(), strict=True)
    stays = [(ids[k], str(records[k][1:])) for k in outcome.stays]
    ranks = [str(record[1:]) for record in records]
    return sorted(zip(ids, ranks, told(outcome), stays, like, shares, strict=True))


@settings(max_examples=25)
@given(
    records(corpora(10).filter(bool)), st.randoms(use_true_random=False), st.integers(1, 4),
    st.integers(1, 3), st.integers(1, 30),
)  # fmt: skip
def test_order_batches_and_workers_do_not_matter(tmp_path_factory, drawn, rnd, batches, workers, piece):
    folder = tmp_path_factory.mktemp("f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "FEWEST", 2)
        expected = account(drawn, *find(folder, drawn, NEAR))
        shuffled = list(drawn)
        rnd.shuffle(shuffled)
        patch.setattr(module, "_PIECE", piece)
        found = find(folder, shuffled, NEAR, batches=batches, workers=workers)
    assert account(shuffled, *found) == expected


@settings(max_examples=25)
@given(records(corpora(12).filter(bool)))
def test_among_what_is_kept_there_are_no_duplicates(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("f")
    outcome, _ = find(folder, drawn, NEAR)
    left = [record for record, alike in zip(drawn, outcome.alike, strict=True) if alike < 0]
    assert not find(folder, left, NEAR)[0].reason.any()
    assert all(outcome.alike[stays] == -1 for stays in outcome.stays)


def plain(*texts):
    return [(said(text), 0, np.nan, 0) for text in texts]


LONG = "the quick brown fox jumps over the lazy dog while seven wizards make toxic brew for the evil queen"


def test_what_is_said_in_a_kept_record_is_contained(tmp_path, monkeypatch):
    # Signatures overlook nothing here.
    monkeypatch.setattr(Search, "bands", Bands(128, 1))
    monkeypatch.setattr(Search, "agreeing", 1)
    part = " ".join(LONG.split()[:10])
    outcome, _ = find(tmp_path, plain(part, LONG), NEAR)
    assert told(outcome) == ["contained", ""]
    assert outcome.containment[0] == 1
    assert 0 < outcome.jaccard[0] < NEAR.jaccard_threshold


def test_a_longer_record_stays_before_a_better_one_only_where_neither_is_better(tmp_path):
    longer = f"{LONG} jack"
    assert told(find(tmp_path, plain(LONG, longer), NEAR)[0]) == ["near_duplicate", ""]
    rated = [(said(LONG), 0, 2.0, 0), (said(longer), 0, 1.0, 0)]
    assert told(find(tmp_path, rated, NEAR)[0]) == ["", "near_duplicate"]
    preferred = [(said(LONG), 1, 2.0, 0), (said(longer), 0, 1.0, 1)]
    assert told(find(tmp_path, preferred, NEAR)[0]) == ["near_duplicate", ""]


def test_records_that_differ_in_their_numbers_stay_unless_they_are_to_go(tmp_path):
    rows = plain(*(f"{LONG} gives {k} coins" for k in (12, 35)))
    outcome, _ = find(tmp_path, rows, NEAR)
    assert told(outcome) == ["", ""]
    assert outcome.near.templates == 1
    assert sorted(told(find(tmp_path, rows, NEAR.model_copy(update={"swapped_numbers": True}))[0])) == [
        "", "near_duplicate",
    ]  # fmt: skip


def test_of_records_without_text_only_the_same_is_a_duplicate(tmp_path):
    outcome, ids = find(tmp_path, [(said(text), 0, np.nan, 0) for text in ("", " ", "", "\u200b")], NEAR)
    assert told(outcome).count("duplicate_record") == 1
    assert told(outcome).count("") == 3
    assert (outcome.wordless, len(set(ids))) == (4, 3)


def test_texts_without_words_are_not_near_one_another(tmp_path):
    outcome, _ = find(tmp_path, plain("?!", "!?", "...", "+ -", "?!", "\U0001f600"), NEAR)
    assert sorted(told(outcome)) == ["", "", "", "", "", "duplicate_record"]
    assert outcome.near.candidates == 0


def test_what_is_too_large_for_a_search_is_compared_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 60)
    rows = plain(LONG, f"{LONG} jack", LONG.upper(), "a b c d e", "a b c d e f")
    outcome, _ = find(tmp_path, rows, NEAR)
    assert outcome.too_large == 2
    assert sorted(told(outcome)) == ["", "", "", "duplicate_text", "near_duplicate"]


def test_the_key_says_what_is_compared(tmp_path):
    def row(question, answer):
        return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}

    rows = [(row(*said), 0, np.nan, 0) for said in (("One?", "A."), ("one?", "B."), ("Two?", "a."))]
    for key, expected in (
        ("record", 0), ("conversation", 0), ("prompt", 1), ("answer", 1),
    ):  # fmt: skip
        outcome, _ = find(tmp_path, rows, key=key)
        assert np.count_nonzero(outcome.reason) == expected, key


def test_no_record_stands_for_one_of_another_kind(tmp_path):
    """Else a prompt of rlvr would be dropped for the conversation of sft that holds it."""
    longer = [said(f"{LONG} jack")]
    truths = [{**said(LONG), "ground_truth": truth, "verifier": "math"} for truth in ("4", " 4", None)]
    sides = [{"role": "assistant", "content": "Yes."}]
    with Finder(key="conversation", near=NEAR, folder=tmp_path, workers=1) as finder:
        finder.read([batch_of([said(f"{LONG} 4"), said(LONG), *longer])], "sft")
        finder.read([batch_of(truths, "rlvr")], "rlvr")
        finder.read(
            [batch_of([{"prompt": said(LONG)["messages"], "chosen": sides, "rejected": []}], "preference")],
            "preference",
        )
        zeros = np.zeros(len(finder), np.int64)
        outcome = finder.settle(zeros, None, zeros, lambda _: None)
    kinds = np.array([0] * 3 + [1] * 3 + [2])
    assert (kinds[outcome.stays] == kinds).all()
    assert [told(outcome)[rows].count("") for rows in (slice(3), slice(3, 6), slice(6, 7))] == [1, 1, 1]
    assert outcome.near.rounds == 1


def test_where_reading_fails_none_of_the_records_is_kept(tmp_path):
    def torn():
        yield batch_of([said("one"), said("three")])
        raise OSError

    with Finder(key="conversation", near=NEAR, folder=tmp_path, workers=2) as finder:
        assert finder.read([batch_of([said("one"), said("two")])], "sft") == 2
        with pytest.raises(OSError, match=r"^$"):
            finder.read(torn(), "sft")
        assert len(finder) == 2
        assert finder.read([batch_of([said("two"), said("ONE")])], "sft") == 2
        zeros = np.zeros(4, np.int64)
        outcome = finder.settle(zeros, None, zeros, lambda _: None)
    assert sorted(told(outcome)) == ["", "", "duplicate_record", "duplicate_text"]
    assert list(tmp_path.iterdir()) == []


def test_there_may_be_no_record(tmp_path):
    for near in (None, NEAR):
        outcome, _ = find(tmp_path, [], near)
        assert (len(outcome.alike), outcome.wordless) == (0, 0)
