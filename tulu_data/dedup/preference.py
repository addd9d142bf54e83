"""Which sources' records stay: those that are preferred, in that order, before all others.

The one idea: of sources that nobody prefers none is better, so quality and length decide among their records;
the names only tell equal records apart. It ranks no records.
"""

from collections.abc import Sequence

import numpy as np

from tulu_data.kernels.words import Ints


def source_ranks(names: Sequence[str], prefer: Sequence[str]) -> tuple[Ints, Ints]:
    """Return of each source how much it is preferred, 0 most, and where it stands by name."""
    given, by_name = list(dict.fromkeys(prefer)), sorted(names)
    wanted = np.array([given.index(name) if name in given else len(given) for name in names], np.int64)
    return wanted, np.array([by_name.index(name) for name in names], np.int64)
