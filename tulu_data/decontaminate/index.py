"""The index of eval suites under a rule: what the scan looks training text up in.

The one idea: every text of an instance (the question, and the passage on its own) is a unit of one
flat n-gram index, and `key` names index and rule by content. It reads no training data.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tulu_data.decontaminate.evidence import Units
from tulu_data.decontaminate.rules import Rule, rule_named
from tulu_data.decontaminate.suites import Suite
from tulu_data.kernels.buffers import text_of
from tulu_data.kernels.folding import folding
from tulu_data.kernels.measure import COUNTED, Measure
from tulu_data.kernels.ngrams import Grams, index_units
from tulu_data.kernels.words import Ints, hash_all

FIELDS = ("question", "passage")
"""Texts of an instance that are compared, each on its own."""

INDEX_VERSION = 4
"""Raised whenever the same suites and rule would give another index or other hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Suites and a rule, ready to scan. Units are in the order of suite, field, instance."""

    suites: tuple[Suite, ...]
    rule: Rule
    grams: Grams
    units: Units
    """The texts that are indexed, in the order of the numbers of `grams`."""
    suite: Ints
    """Suite of each unit."""
    field: Ints
    """Field of each unit: position in FIELDS."""
    row: Ints
    """Instance of each unit: row in its suite's table."""

    @property
    def key(self) -> str:
        """Content of the index, 64 hexadecimal digits: the rule, and the keys of the suites."""
        content = [INDEX_VERSION, self.rule.to_dict(), [suite.key for suite in self.suites]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def measure(self) -> Measure:
        """The rule as the kernels take it."""
        return measure_of(self.rule)

    def unmatchable(self, suite: int) -> int:
        """Count the instances of a suite that have no word to match."""
        mine = self.suite == suite
        wordy = np.unique(self.row[mine & (self.grams.words > 0)])
        return int(self.suites[suite].instances.num_rows) - len(wordy)


def measure_of(rule: Rule) -> Measure:
    """Return a rule as the kernels take it."""
    return Measure(COUNTED.index(rule.measure), rule.threshold, rule.inclusive)


def build_index(suites: Sequence[Suite], rule: Rule | str = "tulu3", *, key_bits: int = 64) -> Index:
    """Index every question and passage of the suites; fewer `key_bits` make collisions, for tests."""
    rule = rule_named(rule) if isinstance(rule, str) else rule
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
    ids = [np.concatenate(part) if part else np.zeros(0, np.int64) for part in (suite, field, row)]
    view = text_of(text)
    units = Units(text=view.bytes, begin=view.offsets[:-1], end=view.offsets[1:])
    hashes, at = hash_all(units.text, units.begin, units.end, folding())
    grams = index_units(hashes, at, rule.n, np.uint64((1 << key_bits) - 1), measure_of(rule))
    return Index(
        suites=tuple(suites), rule=rule, grams=grams, units=units, suite=ids[0], field=ids[1], row=ids[2]
    )
