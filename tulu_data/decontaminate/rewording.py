"""Whether a window of a record says what an instance says, in other words.

The one idea: what speaks for it adds up, in doublings of the bits that window and instance share as bags of
words and numbers: how alike the words are, how many of the numbers are the same, how many words stand in the
same order; and a record longer than the instance speaks against it, since more windows are alike by chance.
The weights were fitted (logistic regression, rounded) to one half of the rephrased questions of GSM8K against
its training questions and records of other sources. It compares no texts: it judges numbers.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.decontaminate.sighting import Likeness
from tulu_data.kernels.words import Ints

Bits = NDArray[np.float64]
Flags = NDArray[np.bool_]

WORDS, NUMBERS, ORDER, LENGTH = 1.15, 3.65, 3.45, 0.7
"""Doublings of bits that speak for a rephrased item: for all its words, all its numbers and all words in the
same order; and those against it, for each doubling of the record's length over the instance's."""
IN_ORDER = 0.5
"""Share of words in the same order from which on more says no more."""
EVIDENCE, LEAST_BITS, LEAST_NUMBERS = 10.2, 38.0, 0.3
"""Doublings, bits and share of numbers that a rephrased item has at least."""
LIKENESS, BITS = 0.8, 50.0
"""Of an instance without numbers instead: how alike it is, beyond chance, and the bits."""
SHARE, LEAST_THIRD = 0.35, 0.15
"""Bits that a rephrased item shares, as a share of those of the instance and of the window's numbers, and
its least share of a third of the instance: nothing is left out altogether."""


def is_reworded(alike: Likeness, in_order: Bits, thirds: Bits, length: Ints, sizes: Ints) -> Flags:
    """Tell which windows hold their instance in other words.

    `in_order` are shares of words that stand in the same order, `thirds` least shares of a third; `length`
    is of the records, `sizes` of the instances, in tokens.
    """
    longer = np.log2(np.maximum(length, 1) / np.maximum(sizes, 1))
    evidence = np.log2(np.maximum(alike.shared, 1.0)) + WORDS * alike.words + NUMBERS * alike.numbers
    evidence += ORDER * np.minimum(in_order, IN_ORDER) - LENGTH * longer
    by_numbers = (evidence >= EVIDENCE) & (alike.numbers >= LEAST_NUMBERS) & (alike.shared >= LEAST_BITS)
    by_words = (alike.beyond_chance >= LIKENESS) & (alike.shared >= BITS)
    reworded: Flags = np.where(alike.numbered, by_numbers, by_words)
    return reworded & (alike.shared >= SHARE * alike.every) & (thirds >= LEAST_THIRD)
