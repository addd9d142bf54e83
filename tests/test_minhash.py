"""MinHash against datasketch: over hashes, and over texts with its own hash function."""

import numpy as np
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_reference import batch, batches, grams, units

from tulu_data.kernels.minhash import new_permutations, sign_datasketch, signatures
from tulu_data.kernels.shingles import Sets, Shingling


def spelled(text, unit, n):
    """Return the shingles of a text as datasketch is given them."""
    return [(" " if unit == "words" else "").join(gram).encode() for gram in grams(units(text, unit), n)]


def theirs(shingled, lanes, seed):
    made = MinHash(lanes, seed=seed)
    made.update_batch(shingled)
    return made


@settings(max_examples=60)
@given(
    texts=batches,
    unit=st.sampled_from(["words", "characters"]),
    n=st.integers(1, 6),
    lanes=st.sampled_from([1, 7, 16, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_signatures_of_texts_are_those_of_datasketch(texts, unit, n, lanes, seed):
    ours = sign_datasketch(batch(texts), Shingling(unit, n), new_permutations(lanes, seed))
    for row, text in zip(ours, texts, strict=True):
        made = theirs(spelled(text, unit, n), lanes, seed)
        assert row.dtype == made.hashvalues.dtype
        assert row.tolist() == made.hashvalues.tolist()


def test_a_long_text_of_long_words_is_signed_as_by_datasketch():
    text = [" ".join(f"W{k % 97}{'ordé' * (k % 40)}" for k in range(3000))]
    for unit, n in (("words", 5), ("characters", 90)):
        (row,) = sign_datasketch(batch([text]), Shingling(unit, n), new_permutations())
        assert row.tolist() == theirs(spelled(text, unit, n), 128, 1).hashvalues.tolist()


def test_a_row_is_a_signature_that_datasketch_goes_on_with():
    texts = [[f"the traveller number {k % 7} has crossed {k % 5} hills by noon"] for k in range(35)]
    rows = sign_datasketch(batch(texts), Shingling("words", 2), new_permutations(64, 3))
    ours, own = MinHashLSH(0.5, 64), MinHashLSH(0.5, 64)
    for k, text in enumerate(texts):
        row = MinHash(64, seed=3, hashvalues=rows[k], scheme="affine32")
        made = theirs(spelled(text, "words", 2), 64, 3)
        assert row.jaccard(made) == 1
        ours.insert(k, row)
        own.insert(k, made)
    answers = [
        (sorted(ours.query(own_row)), sorted(own.query(own_row)))
        for own_row in (theirs(spelled(text, "words", 2), 64, 3) for text in texts)
    ]
    assert all(one == other for one, other in answers)
    assert sum(len(one) for one, _ in answers) > len(texts)


@settings(max_examples=40)
@given(
    texts=st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=30), max_size=5),
    lanes=st.sampled_from([7, 16, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_signatures_of_hashes_are_those_of_datasketch(texts, lanes, seed):
    hashes, at = np.array([h for text in texts for h in text], np.uint64), np.cumsum([0, *map(len, texts)])
    ours = signatures(Sets(hashes, at), new_permutations(lanes, seed))
    for k, text in enumerate(texts):
        made = MinHash(lanes, seed=seed, scheme="affine32", hashfunc=lambda h: h & 0xFFFFFFFF)
        for word in text:
            made.update(word)
        assert ours[k].dtype == made.hashvalues.dtype
        assert ours[k].tolist() == made.hashvalues.tolist()


def test_signatures_hold_for_the_largest_and_smallest_hashes():
    edges = [0, 1, 2**31, 2**32 - 1]
    ours = signatures(Sets(np.array(edges, np.uint64), np.arange(5)), new_permutations(256))
    for k, edge in enumerate(edges):
        made = MinHash(256, scheme="affine32", hashfunc=int)
        made.update(edge)
        assert ours[k].tolist() == made.hashvalues.tolist()
