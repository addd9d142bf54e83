"""The draw: which records of each source, in how many copies, and in which order.

A draw takes the lowest ranks, so it does not depend on input order; a smaller draw lies inside a
larger one, and new records elsewhere leave it alone. Pure: numbers in, numbers out.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tulu_data.kernels.ranks import rank_key, ranks

Index = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Amount:
    """How often a source is taken: whole copies of everything, and so many records once more."""

    copies: int
    extra: int

    def rows(self, available: int) -> int:
        """Return the rows that this makes of the records there are."""
        return self.copies * available + self.extra


class Drawn(NamedTuple):
    """What is drawn from a source."""

    rows: Index
    """A row of the source for each record drawn, every copy one."""
    copies: Index
    """The copy that it is."""
    kept: int
    """Different rows among them."""
    different: int
    """Different ids among them."""


def occurrences(ids: Words) -> tuple[Index, Index]:
    """Return for every row its number among the rows of the same id, and how many those are."""
    if not may_repeat(ids[:, 0]):
        return np.zeros(len(ids), np.int64), np.ones(len(ids), np.int64)
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    ordered = ids[order]
    new = np.ones(len(ids), np.bool_)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    sizes = np.diff(np.append(starts, len(ids)))
    number, count = np.empty(len(ids), np.int64), np.empty(len(ids), np.int64)
    number[order] = np.arange(len(ids)) - np.repeat(starts, sizes)
    count[order] = np.repeat(sizes, sizes)
    return number, count


def draw_order(seed: int, source: str, ids: Words, copies: Index) -> Index:
    """Return the rows of a source in draw order: by rank, then by id and copy."""
    return by_rank(ranks(rank_key(seed, "draw", source), ids, copies), (copies, ids[:, 1], ids[:, 0]))


def fitting(seed: int, source: str, ids: Words, tokens: Index, budget: int) -> Amount:
    """Return what fits into a budget of tokens: all records as often as they do, then more in draw order."""
    whole, rest = divmod(budget, total) if (total := int(tokens.sum())) else (0, 0)
    if whole and not rest:
        return Amount(whole, 0)
    number, count = occurrences(ids)
    sums = np.cumsum(tokens[draw_order(seed, source, ids, whole * count + number)])
    return Amount(whole, int(np.searchsorted(sums, rest, side="right")))


def draw(seed: int, source: str, ids: Words, amount: Amount) -> Drawn:
    """Draw from a source of `ids`.

    Records that a source holds several times are told apart by their copy number: the j-th of m
    equal records is copy j of the first epoch, m + j of the second, and so on.
    """
    number, count = occurrences(ids)
    whole = [(np.arange(len(ids)), epoch * count + number) for epoch in range(amount.copies)]
    copies = amount.copies * count + number
    none_or_all = amount.extra in (0, len(ids))
    order = np.arange(len(ids)) if none_or_all else draw_order(seed, source, ids, copies)
    chosen = np.sort(order[: amount.extra])
    rows, numbers = zip(*whole, (chosen, copies[chosen]), strict=True)
    kept = np.arange(len(ids)) if amount.copies else chosen
    different = len(kept) if not len(ids) or count.max() == 1 else len(np.unique(ids[kept], axis=0))
    return Drawn(np.concatenate(rows), np.concatenate(numbers), kept=len(kept), different=different)


def final_order(seed: int, names: list[str], source: Index, ids: Words, copies: Index) -> Index:
    """Return the order of a version: by a rank of its own, then by id, source name and copy."""
    rank = np.empty(len(ids), np.uint64)
    for number, name in enumerate(names):
        mine = np.flatnonzero(source == number)
        rank[mine] = ranks(rank_key(seed, "order", name), ids[mine], copies[mine])
    by_name = np.argsort(np.argsort(names)) if names else np.zeros(0, np.int64)
    return by_rank(rank, (copies, by_name[source], ids[:, 1], ids[:, 0]))


def by_rank(rank: Words, further: tuple[npt.NDArray[np.integer], ...]) -> Index:
    """Return the order by rank, ties by `further` keys, the last one first."""
    order = _radix_order(rank)
    ordered = rank[order]
    # The upper halves decide but for a few; sorting by all keys costs many times as much.
    tied = np.flatnonzero(ordered[1:] >> _HALF == ordered[:-1] >> _HALF)
    if len(tied):
        at = np.union1d(tied, tied + 1)
        among = order[at]
        order[at] = among[np.lexsort((*(key[among] for key in further), rank[among]))]
    return order


def _radix_order(rank: Words) -> Index:
    """Return the order by the upper 32 bits, 16 at a time, for which numpy sorts by counting."""
    upper = (rank >> _HALF).astype(np.uint32)
    order: Index = np.argsort(upper.astype(np.uint16), kind="stable")
    return order[np.argsort((upper >> np.uint32(16)).astype(np.uint16)[order], kind="stable")]


def may_repeat(words: Words) -> bool:
    """Tell whether a value is there twice; all but those that meet another in a table are there once."""
    slots = (words >> np.uint64(64 - min(25, max(8, len(words).bit_length() + 4)))).astype(np.int64)
    count = np.bincount(slots)
    met = np.sort(words[count[slots] > 1])
    return bool((met[1:] == met[:-1]).any())
