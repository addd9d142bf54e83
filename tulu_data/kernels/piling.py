"""Texts laid one after another: all that is compared of a record as one run of bytes.

The one idea: each column of a record's texts is copied to where the record's last one ended, with a line end
behind every piece, so that no word reaches over a border; what one voice says in a row is one piece then.
It does not choose what is laid down.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tulu_data.kernels.copying import copy
from tulu_data.kernels.jit import kernel
from tulu_data.kernels.texts import Texts, fixed_texts
from tulu_data.kernels.units import Voices
from tulu_data.kernels.words import Bytes, Ints, fixed

_END = np.uint8(0x0A)


class Spoken(NamedTuple):
    """A column of texts."""

    texts: Texts
    voices: Voices
    """Of each piece, whose it is."""


class Laid(NamedTuple):
    """Texts that lie one after another."""

    texts: Texts
    """Of each, a piece for all that a voice says in a row."""
    voices: Voices
    """Of each piece, whose it is."""
    ends: Ints
    """Where each text ends."""


class _Cursors(NamedTuple):
    """Where the next byte and the next piece of each text go."""

    byte: Ints
    piece: Ints


def pile(columns: Sequence[Spoken]) -> Laid:
    """Return the texts of all columns, record by record."""
    count = len(columns[0].texts.first) - 1
    sizes, pieces = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for texts, _ in columns:
        add_sizes(fixed(texts.begin), fixed(texts.end), fixed(texts.first), sizes)
        pieces += np.diff(texts.first)
    ends, last = np.cumsum(sizes), np.cumsum(pieces)
    total = int(last[-1]) if count else 0
    out, stops, voices = (
        np.empty(int(sizes.sum()), np.uint8),
        np.empty(total, np.int64),
        np.empty(total, np.uint8),
    )
    cursors = _Cursors(ends - sizes, last - pieces)
    for texts, spoken in columns:
        lay_down(fixed_texts(texts), fixed(spoken), cursors, out, stops, voices)
    first = np.empty(count + 1, np.int64)
    join_voices(fixed(last), stops, voices, first)
    stops, voices = stops[: first[-1]], voices[: first[-1]]
    begins = np.concatenate([np.zeros(1, np.int64), stops])[:-1]
    return Laid(Texts(fixed(out), fixed(begins), fixed(stops), fixed(first)), fixed(voices), fixed(ends))


@kernel
def add_sizes(begin: Ints, end: Ints, first: Ints, sizes: Ints) -> None:
    """Add to each record's size that of its pieces, with a line end each."""
    for k in range(len(sizes)):
        for t in range(first[k], first[k + 1]):
            sizes[k] += end[t] - begin[t] + 1


@kernel
def lay_down(
    texts: Texts, spoken: Voices, cursors: _Cursors, out: Bytes, stops: Ints, voices: Voices
) -> None:
    """Copy the pieces of each record to its cursor, and move the cursors on."""
    for k in range(len(cursors.byte)):
        at, piece = cursors.byte[k], cursors.piece[k]
        for t in range(texts.first[k], texts.first[k + 1]):
            begin, end = texts.begin[t], texts.end[t]
            copy(out, at, texts.text, begin, end - begin)
            at += end - begin + 1
            out[at - 1] = _END
            stops[piece], voices[piece] = at, spoken[t]
            piece += 1
        cursors.byte[k], cursors.piece[k] = at, piece


@kernel
def join_voices(last: Ints, stops: Ints, voices: Voices, first: Ints) -> None:
    """Join pieces of one voice that follow one another in a text, and write where each text starts."""
    made, t = 0, 0
    for k in range(len(last)):
        first[k] = made
        while t < last[k]:
            if made > first[k] and voices[made - 1] == voices[t]:
                stops[made - 1] = stops[t]
            else:
                stops[made], voices[made] = stops[t], voices[t]
                made += 1
            t += 1
    first[len(last)] = made
