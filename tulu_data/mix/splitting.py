"""Which split a record belongs to: a pure function of its id and of the splits there are.

The one idea: every split asks each id on its own, by a hash under the split's name, and takes it below its
fraction. So a record never changes side, whatever mixture, seed, step, draw or shard it comes through, all
copies of it are on one side, and a larger fraction keeps what a smaller one had. A record that two splits ask
for goes to the first by name; the second asks for a little more of the rest, so that each gets its share.
"""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from tulu_data.kernels.ranks import rank_key, ranks
from tulu_data.specs.splits import TRAIN, Split

Words = npt.NDArray[np.uint64]


def split_names(splits: Mapping[str, Split]) -> tuple[str, ...]:
    """Return the names of the splits by their number: `train` is 0, the others follow by name."""
    return (TRAIN, *sorted(splits))


def split_of(splits: Mapping[str, Split], ids: Words) -> npt.NDArray[np.uint8]:
    """Return the number, in `split_names`, of the split of every record; `ids` is (n, 2) words."""
    found = np.zeros(len(ids), np.uint8)
    copies = np.zeros(len(ids), np.int64)
    taken = Fraction(0)
    for number, name in enumerate(split_names(splits)[1:], 1):
        below = int(splits[name].exact / (1 - taken) * 2**64)
        asks = ranks(rank_key(0, "split", name), ids, copies) < np.uint64(min(below, 2**64 - 1))
        found[asks & (found == 0)] = number
        taken += splits[name].exact
    return found
