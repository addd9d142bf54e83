"""Drop records in other languages than those that stay.

The one idea: what assistants say is one text and what users say another, each with a language of its own, so
a question in English that asks for a French poem is both. A record goes where one of the texts that are
looked at is in another language. A text with few letters, or whose language is not sure, is undetermined.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from tulu_data.filters.detector import NO_LANGUAGE, detect, languages
from tulu_data.filters.evidence import evidence
from tulu_data.filters.turns import Marks, Turns, turns_of
from tulu_data.schema import Kind
from tulu_data.specs.base import Spec
from tulu_data.specs.filters import Language

_COMPLETIONS = {0: "answers", 1: "chosen", 2: "rejected"}


def language(batch: pa.RecordBatch, kind: Kind, settings: Spec) -> pa.Array:
    """Find records with a text in another language."""
    assert isinstance(settings, Language)
    turns = turns_of(batch, kind)
    found: dict[int, dict[str, Any]] = {}
    for name, chosen in _voices(turns, settings):
        for record, what in _others(turns.at(chosen), settings):
            found.setdefault(record, what | {"of": name})
    return evidence(turns.rows, found.items())


def _voices(turns: Turns, settings: Language) -> Iterator[tuple[str, Marks]]:
    """Yield the turns of each text of a record; chosen and rejected are texts of their own."""
    if settings.of != "prompts" and turns.kind != "rlvr":
        columns = (1, 2) if turns.kind == "preference" else (0,)
        for column in columns:
            yield _COMPLETIONS[column], turns.answers & (turns.column == column)
    if settings.of != "answers" or turns.kind == "rlvr":
        yield "prompts", turns.spoken_by("user")


def _others(turns: Turns, settings: Language) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the records whose text goes, with the language that it is in."""
    order = np.lexsort((turns.number, turns.record))
    is_sorted = bool((np.diff(order) > 0).all())
    content = turns.content if is_sorted else turns.content.take(pa.array(order))
    records, owner = np.unique(turns.record[order], return_inverse=True)
    found = detect(content, owner, len(records))
    known = np.array(languages())
    unsure = (found.letters < settings.min_letters) | (found.confidence < settings.min_confidence)
    unsure |= known[found.language] == NO_LANGUAGE
    kept = np.isin(known[found.language], settings.keep)
    gone = unsure if settings.undetermined == "drop" else np.zeros(len(records), np.bool_)
    for at in np.flatnonzero(gone | (~unsure & ~kept)).tolist():
        code = None if unsure[at] else str(known[found.language[at]])
        yield int(records[at]), {"language": code, "confidence": round(float(found.confidence[at]), 4)}
