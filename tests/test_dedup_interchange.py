"""A pipeline of one's own in datasketch and ours say the same of the same shingles."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from store_fixtures import in_batches, written

from tulu_data import dedup
from tulu_data.dedup import from_datasketch, lsh_of, to_datasketch
from tulu_data.dedup.against import Against, _Lookup
from tulu_data.dedup.finder import Finder
from tulu_data.dedup.likeness import Search
from tulu_data.errors import MissingExtraError
from tulu_data.specs.near import Near
from tulu_data.store import Store, Version

NEAR = Near(scheme="datasketch", jaccard_threshold=0.5, recall=0.95, num_perm=64, seed=7)
TEXTS = [f"the traveller {k % 9} has crossed {k % 5} hills by {('dawn', 'noon')[k % 2]}" for k in range(40)]

signatures = st.integers(1, 20).flatmap(
    lambda lanes: st.lists(st.lists(st.integers(0, 2**32 - 1), min_size=lanes, max_size=lanes), min_size=1)
)


def minhash(text: str, near: Near = NEAR) -> MinHash:
    """Sign what is compared of a record of the fixtures as somebody does who knows only datasketch."""
    words = [*text.casefold().split(), "yes"]
    made = MinHash(near.num_perm, seed=near.seed)
    for k in range(max(len(words) - near.n + 1, 1)):
        made.update(" ".join(words[k : k + near.n]).encode())
    return made


def version_of(store: Store) -> Version:
    return written(store, TEXTS, name="old")


@settings(max_examples=40)
@given(signatures, st.integers(0, 2**32 - 1), st.lists(st.binary(max_size=5), max_size=5))
def test_signatures_go_to_datasketch_and_back(rows, seed, shingles):
    given_ = np.array(rows, np.uint32)
    made = to_datasketch(given_, seed)
    back = from_datasketch(made)
    assert back.dtype == np.uint32
    assert back.tolist() == rows
    # They are whole: an update goes on where the row ended, with the permutations of the seed.
    for row, each in zip(rows, made, strict=True):
        fresh = MinHash(len(row), seed=seed)
        fresh.update_batch(shingles)
        each.update_batch(shingles)
        assert each.hashvalues.tolist() == np.minimum(np.array(row, np.uint32), fresh.hashvalues).tolist()
        assert each.jaccard(fresh) <= 1
    assert given_.tolist() == rows


def test_only_signatures_of_one_scheme_seed_and_size_are_taken():
    assert from_datasketch([]).shape == (0, 0)
    for other, text in (
        (MinHash(16, scheme="legacy"), "minhash 1: scheme: found 'legacy', expected 'affine32'"),
        (MinHash(16, seed=2), "minhash 1: seed: found 2, expected 1"),
        (MinHash(32), "minhash 1: num_perm: found 32, expected 16"),
    ):
        with pytest.raises(ValueError, match=f"^{text}$"):
            from_datasketch([MinHash(16), other])


@pytest.mark.parametrize("from_disk", [False, True])
def test_an_index_of_a_version_answers_as_one_that_is_filled_by_hand(tmp_path, from_disk):
    version = version_of(Store(tmp_path / "store"))
    if from_disk:
        lsh_of(version, NEAR)
    heard: list[str] = []
    ours, bands = lsh_of(version, NEAR, told=heard.append), Search(NEAR).bands
    assert bool(heard) is not from_disk
    own, first = MinHashLSH(num_perm=64, params=(bands.number, bands.rows)), dict[str, int]()
    for row, text in enumerate(TEXTS):
        if first.setdefault(text, row) == row:
            own.insert(row, minhash(text))
    asked = [*TEXTS, "the traveller 5 has passed 2 hills by noon", "quite another text"]
    answers = [(sorted(ours.query(minhash(text))), sorted(own.query(minhash(text)))) for text in asked]
    assert all(mine == theirs for mine, theirs in answers)
    assert answers[-1] == ([], [])
    assert sum(len(mine) for mine, _ in answers) > len(asked)


def test_the_search_against_a_version_looks_where_the_index_does(tmp_path):
    """But for lanes: what agrees in too few of them is not even counted."""
    version = version_of(Store(tmp_path / "store"))
    lsh, new = lsh_of(version, NEAR), [text.replace("has", "had") for text in TEXTS[::3]]
    with Finder(key="conversation", near=NEAR, folder=tmp_path, workers=1) as finder:
        finder.read(in_batches(new), "sft")
        one = Against.open(version, "conversation", NEAR, cache=tmp_path, workers=1, told=print)
        texts = finder.aside().texts
        assert texts is not None
        pairs = _Lookup(one, Search(NEAR), texts)._pairs(np.arange(len(new)))
    made = [minhash(text) for text in new]
    stored = {row: minhash(text) for row, text in enumerate(TEXTS)}
    expected = {
        (k, row)
        for k, each in enumerate(made)
        for row in lsh.query(each)
        if np.count_nonzero((stored[row].hashvalues ^ each.hashvalues) % 256 == 0) >= Search(NEAR).agreeing
    }
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    assert len(expected) > len(new)


def test_other_signatures_are_no_minhashes(tmp_path):
    version = version_of(Store(tmp_path / "store"))
    with pytest.raises(ValueError, match=r"^near: scheme: found 'fast', expected 'datasketch'$"):
        lsh_of(version, Near())
    with pytest.raises(ValueError, match=r"^key: found 'record', expected a text"):
        lsh_of(version, NEAR, "record")


def test_without_datasketch_the_extra_is_named(tmp_path, monkeypatch):
    version = version_of(Store(tmp_path / "store"))
    monkeypatch.setitem(sys.modules, "datasketch", None)
    told = r": needs the 'datasketch' extra .* install it with: pip install 'tulu-data\[datasketch\]'$"
    with pytest.raises(MissingExtraError, match=f"^to_datasketch{told}"):
        to_datasketch(np.zeros((1, 16), np.uint32))
    with pytest.raises(MissingExtraError, match=f"^lsh_of{told}"):
        lsh_of(version, NEAR)


def test_the_public_names_are_what_their_module_defines_and_load_nothing_before():
    assert (
        dir(dedup)
        == sorted(dedup.__all__)
        == sorted(name for each in dedup._EXPORTS.values() for name in each)
    )
    for module, names in dedup._EXPORTS.items():
        for name in names:
            assert getattr(dedup, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match="no attribute 'to_datasketsch'"):
        dedup.to_datasketsch  # noqa: B018
    code = "import sys, tulu_data.dedup; print('numba' in sys.modules, end=' ');"
    code += (
        "import tulu_data.dedup.duplicates, tulu_data.dedup.interchange; print('datasketch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
