"""New records against stored versions: brute force, other orders, disks and kinds."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_reference import batch
from store_fixtures import batch_of, draft_of, in_batches, written

from tulu_data.dedup import against, frames, signatures
from tulu_data.dedup.against import Against
from tulu_data.dedup.finder import LARGEST, Finder
from tulu_data.dedup.likeness import Search
from tulu_data.dedup.pile import Piled
from tulu_data.dedup.reasons import REASONS
from tulu_data.dedup.signatures import SIGNING, Signed, sign_version
from tulu_data.dedup.standing import settle
from tulu_data.kernels.bands import band_keys
from tulu_data.kernels.frames import UNIT
from tulu_data.kernels.sketch import sign
from tulu_data.kernels.units import units_of
from tulu_data.schema import CONTENT
from tulu_data.specs.near import Near
from tulu_data.store import Store, Version, write_version, writer
from tulu_data.store.saved import arrays_of
from tulu_data.store.version import SIGNATURES

NEAR = Near(jaccard_threshold=0.6, words_threshold=0.5, containment_threshold=0.65, frames=0.1, num_perm=64)
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]

sentences = st.tuples(
    st.sampled_from(["", "", "please be brief and kind "]), st.lists(st.sampled_from(WORDS), max_size=12)
).map(lambda parts: parts[0] + " ".join(parts[1]))


@st.composite
def old_and_new(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Draw texts of a version and new ones, some of which are edited copies."""
    old = draw(st.lists(sentences, max_size=14))
    new = draw(st.lists(sentences, max_size=5))
    for text in draw(st.lists(st.sampled_from(old), max_size=6)) if old else ():
        words = text.split()
        at = draw(st.integers(0, len(words)))
        words[at : at + draw(st.integers(0, 2))] = draw(st.lists(st.sampled_from(WORDS), max_size=2))
        new.append(" ".join(words).swapcase() if draw(st.booleans()) else " ".join(words))
    return old, new


def said(text: str) -> list[str]:
    """Return the words that are compared of a record of the fixtures."""
    return [*text.casefold().split(), "yes"]


def pairs_of_words(text: str) -> set[tuple[str, ...]]:
    words = said(text)
    return {tuple(words[k : k + 2]) for k in range(max(len(words) - 1, 1))}


def weights(old: list[str], near: Near) -> dict[tuple[str, ...], int]:
    """Return what each shingle weighs among the different texts of a version."""
    texts = [set(pairs_of_words(text)) for text in {" ".join(said(text)): text for text in old}.values()]
    most = max(near.frames * len(texts), frames.FEWEST)
    found = {}
    for shingle in set().union(*texts):
        held = sum(shingle in text for text in texts)
        found[shingle] = UNIT >> sum(held > most * 2 ** (k + 0.5) for k in range(4))
    return found


def candidate(old: str, new: str, search: Search, levels: np.ndarray) -> bool:
    """Tell whether signatures name a pair: a band in common, and enough lanes by their last byte."""
    units = units_of(batch([[old, "Yes."], [new, "Yes."]]), "words", np.array([0, 1, 0, 1], np.uint8))
    left, right = sign(units, search.near.n, search.scheme, levels)
    one, other = band_keys(np.stack([left, right]), search.bands)
    return bool((one == other).any()) and int(((left ^ right) % 256 == 0).sum()) >= search.agreeing


def judged(old: list[str], new: str, near: Near, levels: np.ndarray) -> tuple[int, str, float, float]:
    """Return what becomes of a new text: the row that stands for it, reason, Jaccard and containment."""
    for reason, told in (("duplicate_record", str), ("duplicate_text", lambda text: " ".join(said(text)))):
        same = [row for row, text in enumerate(old) if told(text) == told(new)]
        if same:
            return same[0], reason, 1.0, 1.0
    weigh, mine, best = weights(old, near), pairs_of_words(new), (-1, "", 0.0, 0.0)
    for row, text in enumerate(old):
        theirs = pairs_of_words(text)
        both, either, own = (
            sum(weigh.get(shingle, UNIT) for shingle in part) for part in (mine & theirs, mine | theirs, mine)
        )
        jaccard, containment = both / either, both / own
        one, other = set(said(text)), set(said(new))
        same_words = len(one & other) >= near.words_threshold * len(one | other)
        near_enough = jaccard >= near.jaccard_threshold and same_words
        alike = near_enough or containment >= near.containment_threshold
        if alike and jaccard > best[2] and candidate(text, new, Search(near), levels):
            reason = "near_duplicate" if near_enough else "contained"
            best = row, reason, jaccard, containment
    return best


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let frames be found among a handful of texts, records be looked up a few at a time, and disks rest."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(frames, "FEWEST", 2)
    monkeypatch.setattr(against, "_RUN", 100)
    monkeypatch.setattr(against, "_GATHERED", 60)
    monkeypatch.setattr(against, "_ADDED", 3)


def version_of(folder: Path, texts: list[str], name: str = "old") -> Version:
    return written(Store(folder / "store"), texts, name=name)


def opened(version: Version, folder: Path, near: Near | None = NEAR, workers: int = 1) -> Against:
    heard: list[str] = []
    return Against.open(
        version, "conversation", near, cache=folder / "cache", workers=workers, told=heard.append
    )


def met_by(
    version: Version, new: list[str], folder: Path, near: Near | None = NEAR, workers: int = 1
) -> list:
    """Return what a version says of new texts, row by row."""
    with Finder(key="conversation", near=near, folder=folder) as finder:
        finder.read(in_batches(new, 3), "sft")
        met = opened(version, folder, near, workers).meet(finder.aside())
    reasons = [REASONS[k] for k in met.reason.tolist()]
    return list(zip(met.rows.tolist(), reasons, met.jaccard.tolist(), met.containment.tolist(), strict=True))


@pytest.mark.usefixtures("few")
@settings(max_examples=30, deadline=None)
@given(old_and_new(), st.integers(1, 3))
def test_a_version_says_what_comparing_each_pair_says(tmp_path_factory, texts, workers):
    old, new = texts
    folder = tmp_path_factory.mktemp("a")
    version = version_of(folder, old)
    levels = sign_version(version, "conversation", NEAR, folder=folder, workers=1).levels
    expected = [judged(old, text, NEAR, levels) for text in new]
    assert met_by(version, new, folder, workers=workers) == expected
    # Out of the file too, in another order, and without the others.
    assert met_by(version, new[::-2], folder) == expected[::-2]


OLD = ["one two three four five", "please be brief and kind six", "seven eight one two", "", "four"]
NEW = ["one two three four five", "One two  three four five", "one two three four five six", "two", "", "x y"]


def outcome_of(versions: list[Version], new: list[str], folder: Path, workers: int = 1) -> list[tuple]:
    """Return what becomes of new texts: the record that each is like, reason and shares."""
    with Finder(key="conversation", near=NEAR, folder=folder, workers=workers) as finder:
        finder.read(in_batches(new, 2), "sft")
        zeros = np.zeros(len(new), np.int64)
        asked = [opened(version, folder, workers=workers) for version in versions]
        settled = settle(finder, asked, zeros, None, zeros, lambda _: None)
    names = [*(["new"] * len(new)), *settled.standing.places["dataset"].to_pylist()]
    found, ids = settled.outcome, [tuple(row) for row in settled.ids.tolist()]
    assert len(names) == len(ids) == len(found.alike) == len(found.stays)
    assert len(set(ids[len(new) :])) == len(ids) - len(new)
    assert (found.stays[found.stays] == found.stays).all()
    told = [None if row < 0 else f"{names[row]} {ids[row]}" for row in range(-1, len(ids))]
    columns = [
        *([told[row + 1] for row in rows[: len(new)]] for rows in (found.alike, found.stays)),
        [REASONS[k] for k in found.reason[: len(new)]], found.jaccard.tolist(), found.containment.tolist(),
    ]  # fmt: skip
    return list(zip(ids[: len(new)], *columns, strict=False))


@pytest.mark.usefixtures("few")
@settings(max_examples=15, deadline=None)
@given(old_and_new(), old_and_new(), st.randoms())
def test_what_versions_hold_is_dropped_first_and_the_rest_among_itself(tmp_path_factory, one, other, random):
    folder = tmp_path_factory.mktemp("a")
    versions = [version_of(folder, one[0], "b"), version_of(folder, other[0], "a")]
    new = [*one[1], *other[1]]
    rows = outcome_of(versions, new, folder)
    said_by = [met_by(version, new, folder) for version in versions]
    held = [any(row[1] for row in of_one) for of_one in zip(*said_by, strict=True)]
    assert [row[1] is not None and not row[1].startswith("new") for row in rows] == held
    left = [text for text, is_held in zip(new, held, strict=True) if not is_held]
    among = outcome_of([], left, folder)
    assert [row for row, is_held in zip(rows, held, strict=True) if not is_held] == among
    # Neither the order of versions or records nor threads change anything, and what is kept is kept again.
    mixed = random.sample(range(len(new)), len(new))
    again = outcome_of(versions[::-1], [new[k] for k in mixed], folder, workers=3)
    assert sorted(map(str, again)) == sorted(map(str, rows))
    kept = [text for text, row in zip(new, rows, strict=True) if row[1] is None]
    assert all(row[1] is None for row in outcome_of(versions, kept, folder))


def test_signatures_are_made_once_and_the_same_from_disk(tmp_path):
    version, heard = version_of(tmp_path, OLD), list[str]()

    def kept(near: Near | None = NEAR) -> Signed:
        return signatures.signed(
            version, "conversation", near, cache=tmp_path / "cache", workers=1, told=heard.append
        )

    first = kept()
    assert heard == [f"{version.ref}: signing 5 records, once"]
    made = sign_version(version, "conversation", NEAR, folder=tmp_path, workers=2)
    for (place, array), (_, other) in zip(arrays_of(made), arrays_of(first), strict=True):
        assert np.array_equal(array, other), place
    kept()
    # Thresholds enter no signature; what enters it makes others.
    kept(NEAR.model_copy(update={"jaccard_threshold": 0.9, "recall": 0.5, "swapped_numbers": True}))
    assert len(heard) == 1
    others = {
        "shingles": "characters",
        "n": 3,
        "scheme": "datasketch",
        "num_perm": 32,
        "seed": 2,
        "frames": 0,
    }
    for name, value in others.items():
        kept(NEAR.model_copy(update={name: value}))
    assert kept(None).signatures.shape[0] == 0
    assert len(heard) == 2 + len(others)
    assert set(others) == set(SIGNING)
    assert len(list((version.path / SIGNATURES).glob("*.arrow"))) == signatures._FEW


@pytest.mark.usefixtures("few")
@settings(max_examples=15, deadline=None)
@given(old_and_new(), old_and_new(), st.sampled_from([0.0, 0.1]))
def test_a_version_with_other_records_takes_over_what_is_the_same(tmp_path_factory, one, other, share):
    folder, near = tmp_path_factory.mktemp("a"), NEAR.model_copy(update={"frames": share})
    first, second = (version_of(folder, texts) for texts in (one[0] + other[0][:3], other[0] + one[0][1:]))
    signed_texts: list[int] = []
    signing = signatures.sign_all

    def noted(texts: Piled, *arguments: object) -> np.ndarray:
        signed_texts.append(len(texts.begin))
        return signing(texts, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "sign_all", noted)
        kept = [opened(each, folder, near).signed for each in (first, second, first)]
    expected = sign_version(second, "conversation", near, folder=folder, workers=1)
    for (place, array), (_, there) in zip(arrays_of(expected), arrays_of(kept[1]), strict=True):
        assert np.array_equal(array, there), place
    fresh = len({*map(tuple, kept[1].ids[kept[1].rows])} - {*map(tuple, kept[0].ids[kept[0].rows])})
    if first.content_id == second.content_id:
        return
    assert len(signed_texts) == 2
    # Without frames that is all; else also texts that hold what counts otherwise now.
    assert signed_texts[1] == fresh if share == 0 else signed_texts[1] >= fresh


def test_signatures_that_are_torn_or_of_other_records_are_made_anew(tmp_path):
    version, other = version_of(tmp_path, OLD), version_of(tmp_path, NEW, "new")
    expected = met_by(version, NEW, tmp_path)
    (path,) = (version.path / SIGNATURES).glob("*.arrow")
    met_by(other, NEW, tmp_path)
    (foreign,) = (other.path / SIGNATURES).glob("*.arrow")
    for data in (path.read_bytes()[:-100], b"", foreign.read_bytes()):
        path.write_bytes(data)
        assert met_by(version, NEW, tmp_path) == expected
        assert path.read_bytes() != data


def test_a_version_that_cannot_be_written_to_is_signed_elsewhere_or_in_memory(tmp_path):
    version = version_of(tmp_path, OLD)
    (version.path / SIGNATURES).write_bytes(b"no folder")
    expected, heard = met_by(version_of(tmp_path / "other", OLD), NEW, tmp_path / "other"), list[str]()
    assert met_by(version, NEW, tmp_path) == expected
    (path,) = (tmp_path / "cache" / SIGNATURES).glob("*.arrow")
    assert path.name.startswith(version.content_id[:16])
    path.unlink()
    (tmp_path / "cache" / SIGNATURES).rename(tmp_path / "away")
    (tmp_path / "cache" / SIGNATURES).write_bytes(b"no folder")
    Against.open(version, "conversation", NEAR, cache=tmp_path / "cache", workers=1, told=heard.append)
    assert heard == [
        f"{version.ref}: signing 5 records, once",
        f"{version.path}: its signatures cannot be kept; they are made again next time",
    ]
    assert met_by(version, NEW, tmp_path) == expected


def test_shards_do_not_matter(tmp_path, monkeypatch):
    texts = [" ".join(f"{word}{k}" for word in WORDS) for k in range(90)]
    new = [texts[k] + " too" for k in range(0, 90, 7)]
    expected = met_by(version_of(tmp_path / "one", texts), new, tmp_path)
    monkeypatch.setattr(writer, "SHARD_BYTES", 1000)
    many = version_of(tmp_path / "many", texts)
    assert len(many.manifest.shards) > 3
    assert met_by(many, new, tmp_path) == expected
    assert {row[1] for row in expected} >= {"near_duplicate"}


def test_a_version_without_records_holds_nothing(tmp_path):
    version = written(Store(tmp_path / "store"), [], name="empty")
    assert version.num_rows == 0
    assert met_by(version, NEW, tmp_path) == [(-1, "", 0, 0)] * len(NEW)
    assert met_by(version_of(tmp_path, OLD), [], tmp_path) == []


def copied(texts: list[str]) -> list[pa.RecordBatch]:
    """Return records and, behind them, a second copy of each."""
    once = batch_of(texts)
    at = once.schema.get_field_index("copy")
    return [once, once.set_column(at, "copy", pa.array([1] * len(texts), pa.int32()))]


def test_copies_in_a_version_change_nothing(tmp_path):
    many = ["please be brief and kind one two", "please be brief and kind three four", *OLD]
    batches = copied(many)
    twice = write_version(Store(tmp_path / "two"), draft_of(batches), batches)
    assert twice.num_rows == 2 * len(many)
    assert met_by(twice, NEW, tmp_path) == met_by(version_of(tmp_path, many), NEW, tmp_path)


def test_records_of_another_kind_are_not_compared(tmp_path):
    version = version_of(tmp_path, OLD)
    turn = [{"role": "user", "content": OLD[0], "tool_calls": None}]
    answer = [{"role": "assistant", "content": "Yes.", "tool_calls": None}]
    row = {"prompt": turn, "chosen": answer, "rejected": []}
    schema = pa.schema([("id", pa.large_string()), *CONTENT["preference"]])
    batch = pa.RecordBatch.from_pylist([row], schema)
    with Finder(key="conversation", near=NEAR, folder=tmp_path) as finder:
        finder.read([batch], "preference")
        met = opened(version, tmp_path).meet(finder.aside())
    assert (met.rows.tolist(), [REASONS[k] for k in met.reason], met.compared) == ([-1], [""], 0)


def test_only_exact_duplicates_are_told_where_only_these_are_asked_for(tmp_path):
    reasons = [row[1] for row in met_by(version_of(tmp_path, OLD), NEW, tmp_path, near=None)]
    assert reasons == ["duplicate_record", "duplicate_text", "", "", "duplicate_record", ""]


def test_a_text_that_is_too_large_is_not_looked_for(tmp_path, monkeypatch):
    version = version_of(tmp_path, OLD)
    assert met_by(version, NEW[2:3], tmp_path)[0][1] == "contained"
    assert LARGEST > 10
    monkeypatch.setattr(against, "LARGEST", 10)
    assert met_by(version, NEW[2:3], tmp_path)[0][1] == ""
