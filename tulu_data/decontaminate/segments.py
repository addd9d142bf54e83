"""The texts of one suite as words and tokens: what reading them costs, and all that an index takes of them.

The one idea: a segment depends on one suite alone, so an index over other suites is joined from segments
without reading any text again. Words are few and come often: each is kept once, and the texts as numbers.
It knows no rule and no other suite.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tulu_data.decontaminate.suites import Suite
from tulu_data.kernels.buffers import text_of
from tulu_data.kernels.folding import folding
from tulu_data.kernels.numbering import Numbers, numbered
from tulu_data.kernels.tokens import tokens_of
from tulu_data.kernels.words import Hashes, Ints, fixed, hash_all

FIELDS = ("question", "passage")
"""Texts of an instance that are compared, each on its own."""

_MIX, _FOLD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


class Coded(NamedTuple):
    """The words of some texts."""

    known: Hashes
    """Hashes of each different word, one row a word."""
    ids: Numbers
    """Place in `known` of every word."""
    at: Ints
    """Where the words of each text start, and their total at the end."""


class Segment(NamedTuple):
    """The texts of a suite, in the order of field and instance."""

    field: Ints
    """Field of each text: position in FIELDS."""
    row: Ints
    """Instance of each text: row in its suite's table."""
    words: Coded
    """As n-grams are made of them (`kernels.words`): one hash each."""
    tokens: Coded
    """As wordings are made of them (`kernels.tokens`): key and exact key each."""
    digests: Hashes
    """Of each text: of its tokens' exact keys in order."""


def read_segment(suite: Suite) -> Segment:
    """Read every text of a suite."""
    texts, rows = zip(*(_texts(suite, name) for name in FIELDS), strict=True)
    view = text_of(pa.concat_arrays(texts))
    begin, end = fixed(view.offsets[:-1]), fixed(view.offsets[1:])
    hashes, at = hash_all(view.bytes, begin, end, folding())
    tokens = tokens_of(view.bytes, begin, end)
    return Segment(
        field=np.repeat(np.arange(len(FIELDS)), [len(each) for each in rows]), row=np.concatenate(rows),
        words=_coded(hashes[:, None], at),
        tokens=_coded(np.stack([tokens.keys, tokens.exact], axis=1), tokens.at),
        digests=digests_of(tokens.exact, tokens.at),
    )  # fmt: skip


def text_array(suites: Sequence[Suite]) -> pa.Array:
    """Return the texts of suites, in the order of their segments."""
    texts = [_texts(suite, name)[0] for suite in suites for name in FIELDS]
    return pa.concat_arrays(texts) if texts else pa.array([], pa.large_string())


def _texts(suite: Suite, field: str) -> tuple[pa.Array, Ints]:
    """Return what instances have in a field, and the rows of those that have something."""
    column = suite.instances[field].combine_chunks()
    return column.drop_null(), np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))


def _coded(hashes: Hashes, at: Ints) -> Coded:
    """Give numbers to words by their hashes, one row a word."""
    with np.errstate(over="ignore"):
        first, ids = numbered(hashes[:, -1] ^ (hashes[:, 0] * _FOLD if hashes.shape[1] > 1 else np.uint64(0)))
    return Coded(known=hashes[first], ids=ids, at=at.astype(np.int64))


def digests_of(keys: Hashes, at: Ints) -> Hashes:
    """Return the digest of each text, whose keys start at `at`."""
    with np.errstate(over="ignore"):
        place = np.arange(len(keys)) - np.repeat(at[:-1], np.diff(at))
        mixed = (keys + place.astype(np.uint64) * _FOLD) * _MIX
        mixed = (mixed ^ mixed >> np.uint64(32)) * _FOLD
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed ^ mixed >> np.uint64(29))])
        digests: Hashes = sums[at[1:]] - sums[at[:-1]] + np.diff(at).astype(np.uint64)
    return digests


def joined(parts: Sequence[Coded], column: int) -> tuple[Hashes, Ints]:
    """Return one of the hashes of every word of several segments, and where each text's start."""
    hashes = [part.known[:, column][part.ids] for part in parts]
    sizes = [np.diff(part.at) for part in parts]
    at = np.concatenate([np.zeros(1, np.int64), *sizes]).cumsum()
    return np.concatenate([np.zeros(0, np.uint64), *hashes]), at
