"""Records that a sentence-embedding model finds like an eval instance.

The one idea: every turn is cut into windows about as long as the instances, each half over the next, and
window and wording are compared as vectors, by their cosine. Lengths are powers of two, and a wording is
compared with windows of its own length only. It asks no model by name: an `Encoder` is given.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tulu_data.decontaminate.encoder import Encoder, Vectors
from tulu_data.decontaminate.near import Near
from tulu_data.decontaminate.wording import Wording
from tulu_data.kernels.coverage import Turns
from tulu_data.kernels.tokens import tokens_of
from tulu_data.kernels.words import Ints
from tulu_data.specs.rules import EmbeddingRule

SHORTEST, LONGEST = 4, 8
"""Powers of two that windows are long, in words."""
LEAST = 0.25
"""Share of a window's length that a text has at least: a shorter one is like no text of that length."""
_AT_ONCE, _TOGETHER = 256, 4_096
"""Windows that are compared at once, and those whose vectors are kept at once."""
_ROUGH = 1e-3
"""Far more than what the order of a sum changes in a cosine."""


class Embedded(NamedTuple):
    """Texts as vectors."""

    vectors: Vectors
    """One row a text; of texts that say nothing too."""


class _Cut(NamedTuple):
    """Windows of turns."""

    power: Ints
    """The power of two that each is long."""
    turn: Ints
    begin: Ints
    end: Ints
    """Bytes of each."""


def embed(texts: pa.Array, encoder: Encoder) -> Embedded:
    """Encode texts."""
    return Embedded(_encoded(texts.to_pylist(), encoder))


class EmbeddedWordings:
    """The wordings as vectors, by length."""

    def __init__(
        self, rule: EmbeddingRule, wording: Wording, texts: Sequence[Embedded], encoder: Encoder
    ) -> None:
        """Take the vectors of the wordings from those of all texts that were indexed, in order."""
        self._rule, self._encoder = rule, encoder
        sizes = np.diff(wording.at)
        powers = np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.int64).clip(SHORTEST, LONGEST)
        powers[sizes == 0] = 0
        lengths = {power: np.flatnonzero(powers == power) for power in range(SHORTEST, LONGEST + 1)}
        vectors = np.concatenate([each.vectors for each in texts]) if texts else np.empty((0, 0), np.float32)
        self._lengths = {
            power: (chosen, vectors[wording.sample[chosen]])
            for power, chosen in lengths.items()
            if len(chosen)
        }

    def find(self, turns: Turns) -> Near:
        """Return the wordings that a window of a record is like, by the largest cosine."""
        record = np.searchsorted(turns.first, np.arange(len(turns.begin)), "right") - 1
        cut = self._cut(turns)
        rows, cosines = [np.empty((0, 2), np.int64)], [np.empty(0)]
        for start in range(0, len(cut.turn), _TOGETHER):
            some = _Cut(*(each[start : start + _TOGETHER] for each in cut))
            ranges = zip(some.begin, some.end, strict=True)
            said = [turns.text[low:high].tobytes().decode("utf-8", "replace") for low, high in ranges]
            vectors = _encoded(said, self._encoder)
            for power, (wordings, theirs) in self._lengths.items():
                mine = np.flatnonzero(some.power == power)
                for at, ours, cosine in _alike(vectors[mine], theirs, self._rule.threshold):
                    rows.append(np.column_stack([record[some.turn[mine[at]]], wordings[ours]]))
                    cosines.append(cosine)
        return _best(np.concatenate(rows), np.concatenate(cosines))

    def _cut(self, turns: Turns) -> _Cut:
        """Cut turns into windows of the lengths that wordings have, those of a turn together."""
        tokens = tokens_of(turns.text, turns.begin, turns.end)
        # A window ends where the next one could begin, so that it has the punctuation of its last word.
        follow = np.append(tokens.places[:, 0], 0)
        cuts = [_Cut(*(np.empty(0, np.int64) for _ in _Cut._fields))]
        for power in self._lengths:
            turn, first, last = _windows(tokens.at, 1 << power)
            begin = np.where(first == tokens.at[turn], turns.begin[turn], tokens.places[first, 0])
            end = np.where(last == tokens.at[turn + 1], turns.end[turn], follow[last])
            cuts.append(_Cut(np.full(len(turn), power), turn, begin, end))
        cut = _Cut(*(np.concatenate(each) for each in zip(*cuts, strict=True)))
        order = np.argsort(cut.turn, kind="stable")
        return _Cut(*(each[order] for each in cut))


def _encoded(texts: list[str], encoder: Encoder) -> Vectors:
    """Encode texts, equal ones once."""
    known = {one: k for k, one in enumerate(dict.fromkeys(texts))}
    return encoder.encode(list(known))[[known[one] for one in texts]]


def _windows(at: Ints, length: int) -> tuple[Ints, Ints, Ints]:
    """Cut texts into windows: the text of each, its first token, and the one after its last."""
    sizes = np.diff(at)
    step = length // 2
    counts = np.where(sizes >= LEAST * length, 1 + np.maximum(-(-(sizes - length) // step), 0), 0)
    counts[sizes == 0] = 0
    text = np.repeat(np.arange(len(sizes)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    # The last window ends with its text.
    start = np.minimum(number * step, np.maximum(sizes[text] - length, 0))
    return text, at[text] + start, at[text] + np.minimum(start + length, sizes[text])


def _alike(windows: Vectors, wordings: Vectors, threshold: float) -> Iterator[tuple[Ints, Ints, np.ndarray]]:
    """Yield windows, wordings and their cosines above a threshold."""
    for start in range(0, len(windows), _AT_ONCE):
        some = windows[start : start + _AT_ONCE]
        near, ours = np.nonzero(some @ wordings.T > threshold - _ROUGH)
        # Summed pair by pair, so that it depends on no other pair.
        cosine = (some[near].astype(np.float64) * wordings[ours]).sum(axis=1)
        kept = cosine > threshold
        yield start + near[kept], ours[kept], np.minimum(cosine[kept], 1.0)


def _best(pairs: Ints, cosine: np.ndarray) -> Near:
    """Keep the largest cosine of each pair."""
    order = np.lexsort((-cosine, pairs[:, 1], pairs[:, 0]))
    pairs, cosine = pairs[order], cosine[order]
    fresh = np.ones(len(pairs), np.bool_)
    fresh[1:] = (np.diff(pairs, axis=0) != 0).any(axis=1)
    return Near(pairs[fresh], cosine[fresh])
