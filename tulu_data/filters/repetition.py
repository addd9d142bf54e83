"""Drop records with an answer that repeats itself.

How much of an answer is said again the kernel measures; here is what is too much. Prompts are not looked at:
a text to work on may repeat what it will.
"""

import numpy as np
import pyarrow as pa

from tulu_data.filters.evidence import evidence
from tulu_data.filters.turns import turns_of
from tulu_data.kernels.buffers import text_of
from tulu_data.kernels.repetition import MEASURES, repetition
from tulu_data.schema import Kind
from tulu_data.specs.base import Spec
from tulu_data.specs.filters import Repetition


def repeats(batch: pa.RecordBatch, kind: Kind, settings: Spec) -> pa.Array:
    """Find records with an answer that repeats itself too much."""
    assert isinstance(settings, Repetition)
    turns = turns_of(batch, kind)
    looked = np.flatnonzero(turns.answers)
    text, limits = text_of(turns.content), limits_of(settings)
    begin, end = text.offsets[:-1][looked], text.offsets[1:][looked]
    words, shares = repetition(text.bytes, begin, end, limits, settings.min_words)
    above = (shares > limits) & (words >= settings.min_words)[:, None]
    found = np.zeros(len(turns.record), np.bool_)
    found[looked] = above.any(axis=1)
    first = turns.first_of_each(found)
    at = np.searchsorted(looked, first)
    measure = above[at].argmax(axis=1)
    rows = zip(
        turns.record[first].tolist(), turns.number[first].tolist(), measure.tolist(),
        shares[at, measure].round(4).tolist(), strict=True,
    )  # fmt: skip
    return evidence(
        turns.rows,
        (
            (record, {"measure": MEASURES[m], "value": value, "limit": limits[m].item(), "turn": turn})
            for record, turn, m, value in rows
        ),
    )


def limits_of(settings: Repetition) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the limit of each measure, in their order."""
    return np.array(
        [
            settings.duplicate_lines, settings.duplicate_line_characters, settings.duplicate_paragraphs,
            settings.duplicate_paragraph_characters, *settings.top_ngrams, *settings.duplicate_ngrams,
        ]
    )  # fmt: skip
