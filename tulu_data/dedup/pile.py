"""The texts that are compared, on disk: what a search may look up again in any order.

The one idea: what is compared of each record, its text and its units, is appended to files without a name,
which are then mapped, so that the system decides what of it lies in memory; of a record itself a few numbers
stay. It compares nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tulu_data.errors import StoreError
from tulu_data.kernels.piling import Laid
from tulu_data.kernels.texts import Texts
from tulu_data.kernels.units import Units, units_of
from tulu_data.kernels.words import Bytes, Hashes, Ints, fixed


class Piled(NamedTuple):
    """Texts, each with its units."""

    text: Bytes
    begin: Ints
    end: Ints
    """Bytes of each text."""
    units: Units
    results: Hashes
    """What the answer of each comes to, 0 where that is not told (`results.py`)."""

    @property
    def texts(self) -> Texts:
        """The texts, one piece each."""
        return Texts(self.text, self.begin, self.end, fixed(np.arange(len(self.begin) + 1)))

    def chosen(self, rows: Ints) -> "Piled":
        """Return some of the texts."""
        begin, end, results = (fixed(each[rows]) for each in (self.begin, self.end, self.results))
        return Piled(self.text, begin, end, self.units.chosen(rows), results)

    def runs(self, rows: Ints, size: int) -> Iterator[tuple[int, int]]:
        """Cut rows into runs whose texts have about so many units; yield where each begins and ends."""
        total = np.cumsum(self.units.sizes[rows])
        at = 0
        while at < len(rows):
            start = total[at - 1] if at else 0
            stop = max(at + 1, int(np.searchsorted(total, start + size)))
            yield at, min(stop, len(rows))
            at = min(stop, len(rows))


def piled(laid: Laid, unit: str, results: Hashes) -> Piled:
    """Return texts that lie one after another with their units, which are words or characters."""
    begins, units = (
        np.concatenate([np.zeros(1, np.int64), laid.ends])[:-1],
        units_of(laid.texts, unit, laid.voices),
    )
    return Piled(laid.texts.text, fixed(begins), fixed(laid.ends), units, fixed(results))


class Pile:
    """Texts in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        """Open files in a folder, which is made where it is not."""
        self._text, self._units = _File(folder, np.uint8), _File(folder, np.uint32)
        self._results: list[Hashes] = []

    def __enter__(self) -> Self:
        """Return the pile."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the disk its room back."""
        self._text.close()
        self._units.close()

    def append(self, more: Piled) -> None:
        """Add texts that lie one after another, and so do their units; raise StoreError on a full disk."""
        self._text.append(more.text, more.end)
        self._units.append(more.units.units, more.units.end)
        self._results.append(more.results)

    def cut(self, count: int) -> None:
        """Forget all but the first texts, whose number was the length of the pile before the others came."""
        self._text.cut(count)
        self._units.cut(count)
        self._results = [np.concatenate([np.zeros(0, np.uint64), *self._results])[:count]]

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self._units)

    def texts(self) -> Piled:
        """Map all texts."""
        results = np.concatenate([np.zeros(0, np.uint64), *self._results])
        return Piled(*self._text.mapped(), Units(*self._units.mapped()), fixed(results))


class _File:
    """Rows of numbers in a file without a name."""

    def __init__(self, folder: Path, number: type[np.generic]) -> None:
        self._folder, self._number = folder, np.dtype(number)
        self._ends: list[Ints] = []
        self._written = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Rows come in large parts; what a full disk refused would stay in a buffer, and be tried again.
            self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - lives as long as the pile
        except OSError as error:
            raise self._refused(error) from None

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def append(self, rows: NDArray[Any], ends: Ints) -> None:
        """Add rows that end at these places."""
        left = rows.view(np.uint8).data
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._refused(error) from None
        self._ends.append(ends + self._written)
        self._written += len(rows)

    def _refused(self, error: OSError) -> StoreError:
        why = error.strerror or error
        return StoreError(
            f"{self._folder}: cannot hold the texts that are compared ({why}); make room, or choose another "
            "store with --store"
        )

    def cut(self, count: int) -> None:
        """Forget all but the first rows."""
        kept, total = [], 0
        for ends in self._ends:
            kept.append(ends[: max(0, count - total)])
            total += len(ends)
        self._ends = kept
        self._written = int(next((ends[-1] for ends in reversed(kept) if len(ends)), 0))
        self._file.seek(self._written * self._number.itemsize)
        self._file.truncate()

    def __len__(self) -> int:
        return sum(map(len, self._ends))

    def mapped(self) -> tuple[NDArray[Any], Ints, Ints]:
        """Return all rows, and where each begins and ends."""
        ends = np.concatenate([np.zeros(1, np.int64), *self._ends])
        empty = np.zeros(0, self._number)
        rows = np.memmap(self._file, self._number, "r") if self._written else empty
        return fixed(np.asarray(rows)), fixed(ends[:-1]), fixed(ends[1:])
