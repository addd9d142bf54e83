"""Drop records whose answer opens with a refusal.

Only the opening counts: "I'm sorry, but I can't ..." at the start refuses, the same words in a
story do not.
"""

import pyarrow as pa

from tulu_data.filters.evidence import matched
from tulu_data.filters.turns import turns_of
from tulu_data.schema import Kind
from tulu_data.specs.base import Spec

_HELP = r"(?:assist|help|provide|fulfil|fulfill|comply|answer|complete|create|generate)"
_WILL_NOT = r"(?:won['\u2019]t|will not)\s+"
# What somebody "won't be able to attend" is the story of an answer, not a refusal.
_WILL_NOT_HELP = rf"{_WILL_NOT}(?:be able to\s+)?(?:{_HELP}|do|engage|participate|write|share|support)"
_CANNOT = r"(?:can ?not|can['\u2019]t|am unable to|am not able to|must decline|decline to)"
_I_CANNOT = rf"(?:i|we)\s*(?:{_CANNOT}|{_WILL_NOT_HELP})\b"
REFUSAL = (
    r"^\s*(?:i['\u2019]?m |i am )?(?:really |very |so )?(?:sorry|afraid)[^.!?\n]{0,40}" + _I_CANNOT
    + r"|^\s*(?:i apologi[sz]e|my apologies|unfortunately)[^.!?\n]{0,40}" + _I_CANNOT
    + rf"|^\s*(?:i|we)\s*(?:{_CANNOT}\s+|{_WILL_NOT}){_HELP}"
).replace(r"\u2019", "\u2019")  # fmt: skip


def refusal(batch: pa.RecordBatch, kind: Kind, _: Spec) -> pa.Array:
    """Find records with an answer that opens with a refusal."""
    turns = turns_of(batch, kind)
    return matched(turns, REFUSAL, among=turns.answers)
