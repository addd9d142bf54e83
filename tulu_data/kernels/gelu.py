"""The activation of BERT's feed-forward layers, which numpy has no function for.

The one idea: x times the normal distribution's share below x, by a quotient of polynomials that is the error
function to the last digits of a float, so that several values are computed at once. It knows no model.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import kernel

_ABOVE = tuple(
    np.float32(c)
    for c in (
        -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
        -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
    )
)  # fmt: skip
_BELOW = tuple(
    np.float32(c)
    for c in (
        -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
        -1.42647390514189e-02,
    )
)  # fmt: skip
"""Of the powers of x squared, the highest first; above, all are times x."""
_A6, _A5, _A4, _A3, _A2, _A1, _A0 = _ABOVE
_B4, _B3, _B2, _B1, _B0 = _BELOW
_MOST, _ROOT, _HALF, _ONE = np.float32(4), np.float32(math.sqrt(0.5)), np.float32(0.5), np.float32(1)


@kernel
def gelu(values: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    """Add a bias to each row of a matrix, and replace each value by its activation."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            x = values[i, j] + bias[j]
            z = max(min(x * _ROOT, _MOST), -_MOST)
            s = z * z
            above = ((((((_A6 * s + _A5) * s + _A4) * s + _A3) * s + _A2) * s + _A1) * s + _A0) * z
            below = (((_B4 * s + _B3) * s + _B2) * s + _B1) * s + _B0
            values[i, j] = _HALF * x * (_ONE + np.divide(above, below))
