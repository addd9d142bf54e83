"""Drop records that hold words, phrases or patterns, or that hold none of them.

The one idea: all of them are one pattern for RE2, which reads a text once however many there are. A whole
word is one without a letter, mark, digit or underscore beside it; scripts without spaces have no such
borders, so there a word is found anywhere, and next to them.
"""

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.filters.evidence import evidence, literal, matched
from tulu_data.filters.turns import marks, turns_of
from tulu_data.kernels.folding import SINGLE, class_of
from tulu_data.schema import Kind
from tulu_data.specs.base import Spec
from tulu_data.specs.filters import Keyword

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}"
_BEYOND = rf"[{_UNSPACED}]|[^\pL\pM\pN_]"
"""What may stand beside a whole word."""


def keyword(batch: pa.RecordBatch, kind: Kind, settings: Spec) -> pa.Array:
    """Find records by the words in them."""
    assert isinstance(settings, Keyword)
    every = turns_of(batch, kind)
    turns = every.at(every.spoken_by(*settings.at))
    pattern, groups = pattern_of(settings)
    if settings.drop == "found":
        return matched(turns, pattern, case=settings.case, groups=groups)
    hit = marks(pc.match_substring_regex(turns.content, pattern, ignore_case=not settings.case))
    missing = np.ones(turns.rows, np.bool_)
    missing[turns.record[hit]] = False
    return evidence(turns.rows, ((row, {"matched": None}) for row in np.flatnonzero(missing).tolist()))


def pattern_of(settings: Keyword) -> tuple[str, int]:
    """Return what any of the words and patterns matches, and how many groups hold what was looked for."""
    parts: dict[tuple[str, str], list[str]] = {}
    for word in settings.words:
        parts.setdefault(_borders(word) if settings.whole else ("", ""), []).append(literal(word))
    groups = [f"{before}({'|'.join(words)}){after}" for (before, after), words in parts.items()]
    if settings.patterns:
        # The last group: theirs count behind it.
        groups.append(f"({'|'.join(f'(?:{pattern})' for pattern in settings.patterns)})")
    return "|".join(groups), len(groups)


def _borders(word: str) -> tuple[str, str]:
    """Return the patterns of what may stand before and behind a whole word."""
    first, last = word.strip()[0], word.strip()[-1]
    before = rf"(?:^|{_BEYOND})" if _has_border(first) else ""
    return before, rf"(?:$|{_BEYOND})" if _has_border(last) else ""


def _has_border(character: str) -> bool:
    """Tell whether a letter or digit is one of a script with spaces."""
    is_word = character == "_" or unicodedata.category(character)[0] in "LMN"
    return is_word and class_of(character) != SINGLE
