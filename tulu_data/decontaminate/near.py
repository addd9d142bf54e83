"""Wordings that records are like, by a rule that compares whole texts.

The one idea: such a rule names pairs of a record and a wording, each with a number between 0 and 1; which
window of the record it is and what it is worth is found out as for any other rule. It finds nothing itself.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.coverage import Turns
from tulu_data.kernels.words import Ints


class Near(NamedTuple):
    """Wordings that records are like."""

    pairs: Ints
    """(record, wording) rows, in the order of both, each once."""
    overlap: NDArray[np.float64]
    """What the rule measures."""


class Neighbours(Protocol):
    """The wordings, ready for looking records up; several threads may do so at once."""

    def find(self, turns: Turns) -> Near:
        """Return the wordings that records are like, above the rule's threshold."""
        ...
