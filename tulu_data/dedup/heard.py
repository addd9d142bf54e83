"""Records as they are compared: a batch's texts, read once.

The one idea: all that is ever asked of a text, its key, its units and what its answer comes to, follows from
one pass over the batch, for records that are searched as for those of a version that is asked. It compares
and keeps nothing.
"""

from typing import NamedTuple

import pyarrow as pa

from tulu_data.dedup.pile import Piled, piled
from tulu_data.dedup.results import results_of
from tulu_data.dedup.texts import texts_of
from tulu_data.kernels.piling import pile
from tulu_data.kernels.text_keys import text_keys
from tulu_data.kernels.voiced import joined_keys
from tulu_data.kernels.words import Hashes, Ints
from tulu_data.schema import Kind
from tulu_data.specs.near import Key


class Heard(NamedTuple):
    """What is compared of some records."""

    keys: Hashes
    """(n, 2): zeros where there is not a word."""
    ends: Ints
    """Where the text of each ends, one after another."""
    texts: Piled | None
    """None where no unit was named."""


def heard(batch: pa.RecordBatch, kind: Kind, key: Key, unit: str | None) -> Heard:
    """Read what a key names of records, in words or characters where a unit is named."""
    laid = pile(texts_of(batch, kind, key))
    said = text_keys(laid.texts.text, laid.texts.begin, laid.texts.end)
    keys = joined_keys(said, laid.voices, laid.texts.first)
    texts = None if unit is None else piled(laid, unit, results_of(laid, said, kind))
    return Heard(keys, laid.ends, texts)
