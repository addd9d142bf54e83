"""Signatures of the scheme `datasketch` as objects of the library `datasketch`, and back.

The one idea: a row of a signature is what `datasketch.MinHash` holds after an update with each shingle, so
what was signed here goes into that library's indexes and files, and what was signed there comes back as rows.
A shingle is so many words (or characters) of the normalised text, with one space between words, in UTF-8. The
library is imported only when it is asked for (the extra `datasketch`); nothing is signed here.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from tulu_data.dedup.likeness import Search
from tulu_data.dedup.signatures import signed
from tulu_data.errors import MissingExtraError
from tulu_data.kernels.minhash import new_permutations
from tulu_data.kernels.sketch import Signatures
from tulu_data.specs.near import Key, Near
from tulu_data.store import Version

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

SCHEME = "affine32"
"""The scheme of these values, by datasketch's name."""


def to_datasketch(signatures: Signatures, seed: int = 1) -> "list[MinHash]":
    """Return each row of signatures as a `datasketch.MinHash`, to go on with; `seed` is that of the rows.

    Raises MissingExtraError where datasketch is not installed.
    """
    try:
        from datasketch import MinHash
    except ImportError:
        raise MissingExtraError("to_datasketch", "datasketch", "datasketch") from None
    factors, addends = new_permutations(signatures.shape[1], seed)
    return [
        MinHash(seed=seed, hashvalues=row, permutations=(factors, addends), scheme=SCHEME)
        for row in signatures
    ]


def from_datasketch(minhashes: "Iterable[MinHash]") -> Signatures:
    """Return the signatures that `datasketch.MinHash` objects hold, one a row.

    Raises ValueError where they are no values of the scheme, or not all of one seed and number.
    """
    rows, first = list[Signatures](), None
    for number, each in enumerate(minhashes):
        first = first or each
        for name, found, expected in (
            ("scheme", each.scheme, SCHEME),
            ("seed", each.seed, first.seed),
            ("num_perm", len(each), len(first)),
        ):
            if found != expected:
                raise ValueError(f"minhash {number}: {name}: found {found!r}, expected {expected!r}")
        rows.append(np.asarray(each.hashvalues, np.uint32))
    return np.stack(rows) if rows else np.zeros((0, 0), np.uint32)


def lsh_of(
    version: Version, near: Near, key: Key = "conversation", told: Callable[[str], None] = lambda _: None
) -> "MinHashLSH":
    """Return a `datasketch.MinHashLSH` of the texts of a version, by the first row that holds each.

    Its bands are those by which `--against` looks with these settings, whose scheme has to be `datasketch`;
    else it raises ValueError. Signatures are taken from where they lie beside the version, or made.
    """
    try:
        from datasketch import MinHashLSH
    except ImportError:
        raise MissingExtraError("lsh_of", "datasketch", "datasketch") from None
    if near.scheme != "datasketch":
        raise ValueError(f"near: scheme: found {near.scheme!r}, expected 'datasketch'")
    if key == "record":
        raise ValueError("key: found 'record', expected a text: conversation, prompt or answer")
    cache = version.path.parents[1] / "cache"
    kept = signed(version, key, near, cache=cache, workers=None, told=told)
    lsh = MinHashLSH(num_perm=near.num_perm, params=tuple(Search(near).bands))
    for row, each in zip(kept.rows.tolist(), to_datasketch(kept.signatures, near.seed), strict=True):
        lsh.insert(row, each, check_duplication=False)
    return lsh
