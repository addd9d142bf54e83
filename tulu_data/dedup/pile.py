"""The texts that are compared, on disk: what a search may look up again in any order.

The one idea: what is compared of each record is appended to one file without a name, which is then mapped, so
that the system decides what of it lies in memory; of a record itself a few numbers stay. It compares nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

import numpy as np

from tulu_data.errors import StoreError
from tulu_data.kernels.shingles import Texts
from tulu_data.kernels.words import Bytes, Ints, fixed


class Pile:
    """Texts in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        """Open a file in a folder, which is made where it is not."""
        self._folder = folder
        self._ends: list[Ints] = []
        self._written = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Texts come in large parts; what a full disk refused would stay in a buffer, and be tried again.
            self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - lives as long as the pile
        except OSError as error:
            raise self._refused(error) from None

    def __enter__(self) -> Self:
        """Return the pile."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the disk its room back."""
        self._file.close()

    def append(self, text: Bytes, ends: Ints) -> None:
        """Add the texts that end at these places of a run of bytes; raise StoreError on a full disk."""
        left = text.data
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._refused(error) from None
        self._ends.append(ends + self._written)
        self._written += len(text)

    def _refused(self, error: OSError) -> StoreError:
        why = error.strerror or error
        return StoreError(
            f"{self._folder}: cannot hold the texts that are compared ({why}); make room, or choose another "
            "store with --store"
        )

    def cut(self, count: int) -> None:
        """Forget all but the first texts, whose number was the length of the pile before the others came."""
        kept, total = [], 0
        for ends in self._ends:
            kept.append(ends[: max(0, count - total)])
            total += len(ends)
        self._ends = kept
        self._written = int(next((ends[-1] for ends in reversed(kept) if len(ends)), 0))
        self._file.seek(self._written)
        self._file.truncate()

    def __len__(self) -> int:
        """Return how many texts there are."""
        return sum(map(len, self._ends))

    def texts(self) -> Texts:
        """Map all texts, one piece each."""
        ends = np.concatenate([np.zeros(1, np.int64), *self._ends])
        text = np.memmap(self._file, np.uint8, "r") if self._written else np.zeros(0, np.uint8)
        return Texts(fixed(np.asarray(text)), fixed(ends[:-1]), fixed(ends[1:]), fixed(np.arange(len(ends))))


def chosen(texts: Texts, rows: Ints) -> Texts:
    """Return some of the texts of a pile."""
    return Texts(
        texts.text, fixed(texts.begin[rows]), fixed(texts.end[rows]), fixed(np.arange(len(rows) + 1))
    )


def runs(texts: Texts, rows: Ints, size: int) -> Iterator[tuple[int, int]]:
    """Cut rows into runs whose texts have about so many bytes; yield where each begins and ends."""
    total = np.cumsum((texts.end - texts.begin)[rows])
    at = 0
    while at < len(rows):
        start = total[at - 1] if at else 0
        stop = max(at + 1, int(np.searchsorted(total, start + size)))
        yield at, min(stop, len(rows))
        at = min(stop, len(rows))
