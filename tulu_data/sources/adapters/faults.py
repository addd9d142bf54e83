"""Which rows of a batch cannot become records, and why.

The one idea: only faulty rows cost Python; a batch without faults is never walked row by row.
The first fault of a row is the one that is told.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from tulu_data.sources.rows import Reason

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


class Faults:
    """The faulty rows of one batch, by position."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.found: dict[int, tuple[Reason, str]] = {}

    def add(self, index: int, reason: Reason, detail: str) -> None:
        """Note a fault, unless the row has one already."""
        self.found.setdefault(int(index), (reason, detail))

    def mark(self, where: Mask, reason: Reason, detail: str) -> None:
        """Note the same fault for every row where the mask is true."""
        for index in np.flatnonzero(where):
            self.add(index, reason, detail)

    def each(self, indices: Iterable[int], reason: Reason, detail: Callable[[int], str]) -> None:
        """Note a fault for each index, with a detail of its own."""
        for index in indices:
            self.add(index, reason, detail(int(index)))

    def good(self) -> Mask:
        """Return the mask of rows without a fault."""
        mask = np.ones(self.rows, dtype=bool)
        mask[list(self.found)] = False
        return mask
