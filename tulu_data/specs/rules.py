"""Rules: what in a record points to an eval instance.

The one idea: a rule is data, its name and numbers; several may be asked for together, and each hit says
which rule found it. An n-gram rule measures overlap exactly; the others weigh words by their rarity. What
a hit is worth, an item or a common phrase, is judged alike for all. A rule does no work itself.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from tulu_data.errors import SuiteError, nearest

SOURCE_THRESHOLD = 0.02
"""A source is contaminated by a suite when more than this share of its instances is hit (Tulu 3)."""

Scope = Literal["user", "all", "conversation"]
"""What of a record is looked at: user turns, all turns, or all turns as one text across their borders.

Of a preference the first is the prompt's user turns; the others hold prompt, chosen and rejected.
"""
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Any rule."""

    name: str
    threshold: float
    """What it measures lies between 0 and 1; a hit is above the threshold."""

    def to_dict(self) -> dict[str, Any]:
        """Return the rule's name and numbers, for reports and recipe ids."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GramRule(Rule):
    """A rule of n-gram overlap, exact by definition.

    An instance shorter than n words is one phrase, so its overlap is 0 or 1.
    """

    n: int
    """Words per n-gram."""
    measure: Literal["words", "grams", "run"]
    """What is counted: words of the instance inside shared n-grams, shared n-grams themselves, or words of
    the longest run of words inside shared n-grams."""
    inclusive: bool = False
    """Whether meeting the threshold is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdfRule(Rule):
    """Share of an instance's 3-grams found in one window of the record, each weighed by its rarity.

    Rarity is measured over suites and records together. Text whose words are only cut differently, by other
    punctuation, line breaks or none, is compared by runs of letters.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalRule(Rule):
    """Likeness of an instance and a window of the record as bags of weighed words, numbers as a multiset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinHashRule(Rule):
    """Jaccard similarity of the whole record and the whole instance, as sets of word n-grams.

    Pairs to compare are found by MinHash, which overlooks some just above the threshold: by its formula 6 in
    100 at a similarity of 0.40, 2 at 0.45, fewer than 1 at 0.50.
    """

    n: int
    """Words per n-gram."""
    permutations: int = 128
    """Numbers of a signature; more overlook less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRule(Rule):
    """Cosine of the vectors that a sentence-embedding model gives the instance and a window of the record.

    The model comes with the extra `embedding`.
    """


NearRule = MinHashRule | EmbeddingRule
"""A rule that compares whole texts."""
AnyRule = GramRule | IdfRule | LexicalRule | NearRule

RULES: dict[str, AnyRule] = {
    "tulu3": GramRule(name="tulu3", n=8, measure="words", threshold=0.5),
    "coverage": GramRule(name="coverage", n=8, measure="grams", threshold=0.7, inclusive=True),
    "longest": GramRule(name="longest", n=8, measure="run", threshold=0.5),
    **{f"any-{n}": GramRule(name=f"any-{n}", n=n, measure="grams", threshold=0.0) for n in (8, 10, 13)},
    "idf": IdfRule(name="idf", threshold=0.3),
    "lexical": LexicalRule(name="lexical", threshold=0.3),
    "minhash": MinHashRule(name="minhash", n=2, threshold=0.4),
    "embedding": EmbeddingRule(name="embedding", threshold=0.8),
}
"""`tulu3`: the Tulu 3 paper. `coverage`: PaLM, at least 70% of 8-grams. `longest`: one run of shared words
that is more than half of the instance. `any-13`: GPT-3, any 13-gram. `idf`: edited copies. `lexical`:
rephrased ones. `minhash`: records that are nearly the whole instance and little else. `embedding`:
what a sentence-embedding model finds alike."""

COMBINATIONS = {"auto": ("tulu3", "idf", "lexical")}
"""Names for rules that are asked for together. `auto` finds exact, edited and rephrased copies."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Rules that are asked for together."""

    name: str
    """What they were asked for by."""
    rules: tuple[AnyRule, ...]
    source_threshold: float = SOURCE_THRESHOLD

    @cached_property
    def grams(self) -> tuple[GramRule, ...]:
        """The rules of n-gram overlap."""
        return tuple(rule for rule in self.rules if isinstance(rule, GramRule))

    @cached_property
    def search(self) -> bool:
        """Whether a rule looks for instances in other words."""
        return any(isinstance(rule, IdfRule | LexicalRule) for rule in self.rules)

    @cached_property
    def near(self) -> tuple[NearRule, ...]:
        """The rules that compare whole texts."""
        return tuple(rule for rule in self.rules if isinstance(rule, NearRule))

    def to_dict(self) -> dict[str, Any]:
        """Return names and numbers, for reports and recipe ids."""
        rules = [rule.to_dict() for rule in self.rules]
        return {"name": self.name, "rules": rules, "source_threshold": self.source_threshold}


def rules_named(text: str) -> Rules:
    """Return the rules of one name or several, `tulu3,lexical`; raise SuiteError for a name that is none."""
    names: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        names += COMBINATIONS.get(name, (name,))
    known = [*RULES, *COMBINATIONS]
    for name in names:
        if name not in RULES:
            raise SuiteError(f"no rule {name!r}{nearest(name, known)} (rules: {', '.join(sorted(known))})")
    rules = tuple(RULES[name] for name in dict.fromkeys(names))
    return Rules(name=text if text in known else ",".join(rule.name for rule in rules), rules=rules)


def as_rules(given: Rules | AnyRule | str) -> Rules:
    """Return rules, however they are given."""
    if isinstance(given, str):
        return rules_named(given)
    return given if isinstance(given, Rules) else Rules(name=given.name, rules=(given,))
