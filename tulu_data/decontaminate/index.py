"""The index of eval suites under some rules: what the scan looks training text up in.

The one idea: every text of an instance (the question, and the passage on its own) is a unit of one flat
n-gram index for each rule that counts n-grams, and of one index of wordings that weighs what any rule finds;
`key` names it all by content. It reads no training data.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tulu_data.decontaminate.evidence import Units
from tulu_data.decontaminate.suites import Suite
from tulu_data.decontaminate.wording import Wording, read_wording
from tulu_data.kernels.buffers import text_of
from tulu_data.kernels.folding import folding
from tulu_data.kernels.measure import COUNTED, Measure
from tulu_data.kernels.ngrams import Grams, index_units
from tulu_data.kernels.words import Ints, fixed, hash_all
from tulu_data.specs.rules import AnyRule, GramRule, Rules, as_rules

FIELDS = ("question", "passage")
"""Texts of an instance that are compared, each on its own."""

INDEX_VERSION = 5
"""Raised whenever the same suites and rules would give another index or other hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Suites and rules, ready to scan. Units are in the order of suite, field, instance."""

    suites: tuple[Suite, ...]
    rules: Rules
    grams: tuple[Grams, ...]
    """For each rule that counts n-grams."""
    wording: Wording
    units: Units
    """The texts that are indexed, in the order of the numbers of `grams` and `wording`."""
    words: Ints
    """Words of each unit."""
    suite: Ints
    """Suite of each unit."""
    field: Ints
    """Field of each unit: position in FIELDS."""
    row: Ints
    """Instance of each unit: row in its suite's table."""

    @property
    def key(self) -> str:
        """Content of the index, 64 hexadecimal digits: rules, suites' names and files."""
        return index_key(self.suites, self.rules)

    def unmatchable(self, suite: int) -> int:
        """Count the instances of a suite that have no word to match."""
        mine = self.suite == suite
        wordy = np.unique(self.row[mine & (self.words > 0)])
        return int(self.suites[suite].instances.num_rows) - len(wordy)


def index_key(suites: Sequence[Suite], rules: Rules) -> str:
    """Name an index by all that it depends on."""
    content = [INDEX_VERSION, rules.to_dict(), [suite.key for suite in suites]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def measure_of(rule: GramRule) -> Measure:
    """Return a rule as the kernels take it."""
    return Measure(COUNTED.index(rule.measure), rule.threshold, rule.inclusive)


def build_index(
    suites: Sequence[Suite], rules: Rules | AnyRule | str = "tulu3", *, key_bits: int = 64
) -> Index:
    """Index every question and passage of the suites; fewer `key_bits` make collisions, for tests."""
    rules = as_rules(rules)
    texts, suite, field, row = [], [], [], []
    for s, one in enumerate(suites):
        for f, name in enumerate(FIELDS):
            column = one.instances[name].combine_chunks()
            rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            texts.append(column.drop_null())
            suite.append(np.full(len(rows), s))
            field.append(np.full(len(rows), f))
            row.append(rows)
    text = pa.concat_arrays(texts) if texts else pa.array([], pa.large_string())
    ids = [fixed(np.concatenate(part) if part else np.zeros(0, np.int64)) for part in (suite, field, row)]
    view = text_of(text)
    units = Units(text=view.bytes, begin=fixed(view.offsets[:-1]), end=fixed(view.offsets[1:]))
    hashes, at = hash_all(units.text, units.begin, units.end, folding())
    mask = np.uint64((1 << key_bits) - 1)
    grams = tuple(index_units(hashes, at, rule.n, mask, measure_of(rule)) for rule in rules.grams)
    return Index(
        suites=tuple(suites), rules=rules, grams=grams, units=units, words=fixed(np.diff(at)),
        wording=read_wording(units.text, units.begin, units.end), suite=ids[0], field=ids[1], row=ids[2],
    )  # fmt: skip
