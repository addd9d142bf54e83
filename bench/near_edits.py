"""The edits by which the near-duplicate benchmark makes a copy: pure functions of texts and random numbers.

The one idea: a word is what is counted as one for deduplication, a run without spaces or one character of a
script without spaces; some words are replaced, deleted, or get a new neighbour, each with equal chance, so
that the number of edits is the word-level distance at most. It knows nothing of files.
"""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Kana and ideographs."""
_PARTS = re.compile(rf"\s+|[{UNSPACED}]|[^\s{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an edit draws new words from, as often as they occur in the corpus."""

    spaced: Sequence[str]
    characters: Sequence[str]
    """For places in scripts without spaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """Texts after edits, and how many."""

    texts: list[str]
    edits: int
    words: int
    """Words of the texts before."""


def is_word(part: str) -> bool:
    """Tell whether a part holds a letter or a digit."""
    return any(c.isalnum() for c in part)


def lettered(text: str) -> int:
    """Count the words that hold a letter."""
    return sum(any(c.isalpha() for c in part) for part in _PARTS.findall(text))


def edited(texts: Sequence[str], share: float, words: Words, rng: random.Random) -> Edited:
    """Edit `share` of the words of some texts taken together: 5 to 20%, where they have 8 words or more."""
    parts = [_PARTS.findall(text) for text in texts]
    places = [(t, k) for t, text in enumerate(parts) for k, part in enumerate(text) if is_word(part)]
    count = counted(share, len(places))
    for t, k in rng.sample(places, count):
        parts[t][k] = _edit(parts[t][k], words, rng)
    return Edited(texts=["".join(text) for text in parts], edits=count, words=len(places))


def counted(share: float, words: int) -> int:
    """Round a share of words to whole words between 5 and 20%, and at least one."""
    low, high = math.ceil(words * 0.05), math.floor(words * 0.2)
    return max(1, low, min(high, round(share * words)))


def _edit(word: str, words: Words, rng: random.Random) -> str:
    apart = not _UNSPACED.fullmatch(word)
    drawn = rng.choice(words.spaced if apart else words.characters)
    while drawn.lower() == word.lower():
        drawn = rng.choice(words.spaced if apart else words.characters)
    return rng.choice((drawn, "", f"{word} {drawn}" if apart else word + drawn))
