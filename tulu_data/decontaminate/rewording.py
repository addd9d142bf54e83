"""Whether a window of a record says what an instance says, in other words.

The one idea: what speaks for it adds up, in doublings of the bits that window and instance share as bags of
words and numbers: how many of the numbers are the same, how many words stand in the same order, that no
part is left out. Against it speaks a long instance, which shares much by chance, a record longer than the
instance, and 3-grams in common: a text that keeps the wording and still is no copy is a variation of it,
with other numbers. The weights were fitted (logistic regression, rounded) on one half of the rephrased
questions of GSM8K, those of even number, against the training questions of GSM8K and of MATH and records of
other sources; the borders were then set on all of them. It compares no texts: it judges numbers.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.decontaminate.sighting import Likeness
from tulu_data.kernels.words import Ints

Bits = NDArray[np.float64]
Flags = NDArray[np.bool_]

NUMBERS, ORDER, THIRDS = 3.0, 4.0, 3.35
"""Doublings of bits that speak for a rephrased item: for all numbers, all words in the same order, and all of
each third of the instance."""
SIZE, LENGTH, GRAMS = 0.75, 1.6, 3.2
"""Doublings that speak against it: for each doubling of the instance's size, and of the record's length over
that; and for all its 3-grams: who says it in other words keeps few, who keeps them says another thing."""
IN_ORDER, THIRD = 0.5, 0.4
"""Shares from which on more says no more."""
EVIDENCE, LEAST_BITS, LEAST_NUMBERS = 6.25, 40.0, 0.3
"""Doublings, bits and share of numbers that a rephrased item has at least."""
LIKENESS, BITS = 0.8, 50.0
"""Of an instance without numbers instead: how alike it is, beyond chance, and the bits."""
KEPT_ORDER, KEPT_GRAMS = 0.64, 0.4
"""Shares of words in order and of 3-grams that are no rephrasing: it is a copy, or a thing of its kind."""
SHARE, LEAST_THIRD = 0.35, 0.15
"""Bits that a rephrased item shares, as a share of those of the instance and of the window's numbers, and
its least share of a third of the instance: nothing is left out altogether."""


def is_reworded(
    alike: Likeness, in_order: Bits, grams: Bits, thirds: Bits, length: Ints, sizes: Ints
) -> Flags:
    """Tell which windows hold their instance in other words.

    `in_order` are shares of words that stand in the same order, `grams` of 3-grams, `thirds` least shares of
    a third; `length` is of the records, `sizes` of the instances, in tokens.
    """
    longer = np.log2(np.maximum(length, 1) / np.maximum(sizes, 1))
    evidence = np.log2(np.maximum(alike.shared, 1.0)) - SIZE * np.log2(np.maximum(sizes, 1)) - LENGTH * longer
    evidence += NUMBERS * alike.numbers + ORDER * np.minimum(in_order, IN_ORDER) - GRAMS * grams
    evidence += THIRDS * np.minimum(thirds, THIRD)
    by_numbers = (evidence >= EVIDENCE) & (alike.numbers >= LEAST_NUMBERS) & (alike.shared >= LEAST_BITS)
    by_words = (alike.beyond_chance >= LIKENESS) & (alike.shared >= BITS)
    reworded: Flags = np.where(alike.numbered, by_numbers, by_words)
    reworded &= (alike.shared >= SHARE * alike.every) & (thirds >= LEAST_THIRD)
    return reworded & ~((in_order >= KEPT_ORDER) & (grams >= KEPT_GRAMS))
