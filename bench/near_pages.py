"""Pairs of texts laid out for a person to read.

The one idea: a pair is shown where its two texts differ, with a little around it; which pairs are shown is a
draw that anyone can repeat.
"""

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

from near_oracle import KINDS
from near_score import Score

T = TypeVar("T")
EACH = 60
"""Pairs of each kind."""
SHOWN = 500
"""Characters of a text that are shown."""


def drawn(pairs: Sequence[T], count: int, seed: int = 0) -> list[T]:
    """Draw pairs, in their order."""
    rng = random.Random(seed)  # noqa: S311 - a draw that anyone can repeat is the point
    return [pairs[k] for k in sorted(rng.sample(range(len(pairs)), min(count, len(pairs))))]


def pair(title: str, one: str, other: str) -> str:
    """Show two texts from a little before their first difference."""
    size = min(len(one), len(other))
    same = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), size)
    start = 0 if max(len(one), len(other)) <= SHOWN else max(0, same - SHOWN // 5)
    return f"**{title}**\n\n{_quoted(one, start)}\n\n{_quoted(other, start)}\n"


def _quoted(text: str, start: int) -> str:
    part = " ".join(text[start : start + SHOWN].split())
    said = f"{'... ' if start else ''}{part}{' ...' if len(text) > start + SHOWN else ''}"
    return "> " + said.replace("|", "\\|")


def examples(scores: dict[str, Score], texts: dict[str, str]) -> str:
    """Lay out what each system drops and was not planted, by the oracle's verdict."""
    return "\n".join(page for name, score in scores.items() for page in _system(name, score, texts))


def _system(name: str, score: Score, texts: dict[str, str]) -> Iterable[str]:
    for kind in KINDS:
        found = sorted((row for row in score.judged if row[2].kind == kind), key=lambda row: row[:2])
        if found:
            yield f"## {name}: {kind} ({len(found):,})\n"
        for dropped, stands, verdict in drawn(found, EACH):
            title = f"{dropped} stands for {stands}: {verdict.similarity:.2f}, inside {verdict.inside:.2f}"
            yield pair(title, texts[stands], texts[dropped])
