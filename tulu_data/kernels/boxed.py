r"""Where an answer says what it comes to: inside its last `\boxed{...}`.

The one idea: the mark is looked for backwards from the end, and its braces are counted forwards. It does not
compare what is inside.
"""

import numpy as np
from numpy.typing import NDArray

from tulu_data.kernels.jit import kernel
from tulu_data.kernels.words import Bytes, Ints, fixed

_MARK = fixed(np.frombuffer(b"\\boxed{", np.uint8))
_OPEN, _CLOSE = np.uint8(0x7B), np.uint8(0x7D)


def boxed(text: Bytes, begin: Ints, end: Ints, reach: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return the first and end byte of what each text has in its last box, and whether it has one.

    A box opens in the last `reach` bytes, and closes. Without one it is all of the text.
    """
    first, last, found = begin.copy(), end.copy(), np.zeros(len(begin), np.bool_)
    find_boxes(fixed(text), fixed(begin), fixed(end), reach, _MARK, first, last, found)
    return first, last, found


@kernel
def find_boxes(
    text: Bytes, begin: Ints, end: Ints, reach: int, mark: Bytes, first: Ints, last: Ints,
    found: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Write where boxes begin and end."""
    for k in range(len(begin)):
        at = end[k] - len(mark)
        low = max(begin[k], end[k] - reach)
        while at >= low and not found[k]:
            same = 0
            while same < len(mark) and text[at + same] == mark[same]:
                same += 1
            if same == len(mark):
                depth, inside = 1, at + same
                while inside < end[k] and depth:
                    depth += (text[inside] == _OPEN) - (text[inside] == _CLOSE)
                    inside += 1
                if depth:
                    break
                first[k], last[k], found[k] = at + same, inside - 1, True
            at -= 1
