"""Drop records whose answer opens with a refusal.

Only the opening counts: "I'm sorry, but I can't ..." at the start refuses, the same words in a
story do not.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.filters.turns import matching_answers
from tulu_data.schema import Kind

_CANNOT = (
    r"(i|we)\s*(can ?not|can't|can\u2019t|am unable to|am not able to"
    r"|won't|will not|must decline|decline to)\b"
)
REFUSAL = (
    r"^\s*(i'?m |i am |i\u2019m )?(really |very |so )?(sorry|afraid)[^.!?\n]{0,40}" + _CANNOT
    + r"|^\s*(i apologi[sz]e|my apologies|unfortunately)[^.!?\n]{0,40}" + _CANNOT
    + r"|^\s*" + _CANNOT + r"\s+(assist|help|provide|fulfil|fulfill|comply|answer|complete|create|generate)"
).replace(r"\u2019", "\u2019")  # fmt: skip


def refusal(batch: pa.RecordBatch, kind: Kind) -> npt.NDArray[np.bool_]:
    """Return which records have an assistant turn that opens with a refusal."""
    return matching_answers(batch, kind, REFUSAL)
