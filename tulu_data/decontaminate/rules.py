"""Rules: when a record that shares words with an eval instance is a hit.

The one idea: a rule is data, its name and numbers; the index and the scan take any of them. New
rules join `RULES` by name. A rule does no work itself.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from tulu_data.errors import SuiteError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule of n-gram overlap.

    An instance shorter than n words is one phrase, so its overlap is 0 or 1.
    """

    name: str
    n: int
    """Words per n-gram."""
    measure: Literal["words", "grams", "run"]
    """What is counted: words of the instance inside shared n-grams, shared n-grams themselves, or words of
    the longest run of words inside shared n-grams."""
    threshold: float
    """Share of the instance above which it is a hit."""
    inclusive: bool = False
    """Whether meeting the threshold is enough."""
    source_threshold: float = 0.02
    """A source is contaminated by a suite when more than this share of its instances is hit."""

    def to_dict(self) -> dict[str, object]:
        """Return the rule's name and numbers, for reports and recipe ids."""
        return asdict(self)


RULES: dict[str, Rule] = {
    "tulu3": Rule(name="tulu3", n=8, measure="words", threshold=0.5),
    "coverage": Rule(name="coverage", n=8, measure="grams", threshold=0.7, inclusive=True),
    "longest": Rule(name="longest", n=8, measure="run", threshold=0.5),
    **{f"any-{n}": Rule(name=f"any-{n}", n=n, measure="grams", threshold=0.0) for n in (8, 10, 13)},
}
"""`tulu3`: the Tulu 3 paper. `coverage`: PaLM, at least 70% of 8-grams. `longest`: one run of shared words
that is more than half of the instance. `any-13`: GPT-3, any 13-gram."""


def rule_named(name: str) -> Rule:
    """Return the rule of a name; raise SuiteError, with the nearest name, when there is none."""
    if name in RULES:
        return RULES[name]
    raise SuiteError(f"rule {name!r}: no such rule{nearest(name, RULES)} (known: {', '.join(sorted(RULES))})")
