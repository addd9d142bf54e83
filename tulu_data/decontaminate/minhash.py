"""Near-duplicates: records whose whole prompt is nearly an eval instance.

The one idea: record and wording are compared as sets of word n-grams, numbers by their value as everywhere
(`kernels.tokens`). A record is all its turns as one text, so an instance inside a long document is none of
its business: other rules look into records. MinHash only says which pairs to compare.
"""

from tulu_data.decontaminate.near import Near
from tulu_data.decontaminate.wording import Wording
from tulu_data.kernels.alike import Buckets, Plan, fill_buckets, find_alike, make_plan
from tulu_data.kernels.coverage import Turns
from tulu_data.kernels.shingles import shingles
from tulu_data.kernels.tokens import tokens_of
from tulu_data.specs.rules import MinHashRule

MISSED = 0.9
"""What a near-duplicate that is not compared weighs, beside a pair that is compared in vain: the latter costs
a moment only."""


def shingle(rule: MinHashRule, wording: Wording) -> Buckets:
    """Index wordings as sets of n-grams."""
    words = wording.words.keys[wording.of_words]
    return fill_buckets(shingles(words, wording.at, rule.n), _plan(rule))


class ShingledWordings:
    """The wordings as sets of n-grams, ready for looking records up."""

    def __init__(self, rule: MinHashRule, buckets: Buckets) -> None:
        """Take the index of the wordings."""
        self._rule, self._plan, self._buckets = rule, _plan(rule), buckets

    def find(self, turns: Turns) -> Near:
        """Return the wordings that records are like, with the Jaccard similarity of their n-grams."""
        tokens = tokens_of(turns.text, turns.begin, turns.end)
        sets = shingles(tokens.exact, tokens.at[turns.first], self._rule.n)
        alike = find_alike(sets, self._buckets, self._plan, self._rule.threshold)
        return Near(alike.pairs, alike.jaccard)


def _plan(rule: MinHashRule) -> Plan:
    """Return how signatures are made."""
    return make_plan(rule.threshold, rule.permutations, missed=MISSED)
