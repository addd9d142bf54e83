"""Preference pairs: a prompt with a chosen and a rejected answer.

The one idea: where the answers are messages that begin before the assistant's turn, they carry
the conversation themselves, and the prompt is what both share; a prompt column beside them only
repeats it. Otherwise the prompt comes from its own column: text, messages, conversations, or
instruction and input.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import Kind
from tulu_data.sources.adapters.alpaca import instruction_text
from tulu_data.sources.adapters.faults import Faults, Mask
from tulu_data.sources.adapters.layout import Content, Layout
from tulu_data.sources.adapters.messages import with_system
from tulu_data.sources.adapters.pairs import check_pairs, split_shared
from tulu_data.sources.adapters.parts import Parts
from tulu_data.sources.adapters.prompt_completion import turns_or_text
from tulu_data.sources.adapters.turns import role_at, single_turns


def read_preference(parts: Parts, faults: Faults, kind: Kind) -> Content:  # noqa: ARG001 - the signature of adapters
    """Read pairs of answers with their prompt."""
    sides = {
        s: turns_or_text(parts.need(s), parts.shown(s), "assistant", faults) for s in ("chosen", "rejected")
    }
    whole = _carries_prompt(sides["chosen"]) & _carries_prompt(sides["rejected"])
    content = split_shared(sides["chosen"], sides["rejected"])
    if not whole.all():
        content = _with_prompt_column(parts, faults, sides, content, whole)
    content["prompt"] = with_system(content["prompt"], parts, faults)
    check_pairs(content, faults)
    return content


def _carries_prompt(chats: pa.Array) -> Mask:
    """Tell which chats begin with a turn that is not the assistant's."""
    first = role_at(chats, last=False)
    carries = pc.fill_null(pc.not_equal(first, "assistant"), True)  # noqa: FBT003 - an empty side is a fault already
    return np.asarray(carries.to_numpy(zero_copy_only=False), dtype=bool)


def _with_prompt_column(
    parts: Parts, faults: Faults, sides: dict[str, pa.Array], shared: Content, whole: Mask
) -> Content:
    """Take the prompt from its own column for the rows whose answers do not carry it."""
    own = Faults(faults.rows)
    if parts.find("prompt") is None and parts.find("instruction") is not None:
        prompt = single_turns("user", instruction_text(parts, own))
    else:
        prompt = turns_or_text(parts.need("prompt"), parts.shown("prompt"), "user", own)
    for row, (reason, detail) in own.found.items():
        if not whole[row]:
            faults.add(row, reason, detail)
    given = {"prompt": prompt, "chosen": sides["chosen"], "rejected": sides["rejected"]}
    return {name: _choose(whole, shared[name], given[name]) for name in given}


def _choose(first: Mask, yes: pa.Array, no: pa.Array) -> pa.Array:
    """Take each row from one of two columns of chats."""
    if not first.any():
        return no
    rows = np.arange(len(first))
    index = np.where(first, rows, rows + len(first))
    return pa.concat_arrays([yes, no]).take(pa.array(index))


PREFERENCE_LAYOUT = Layout(name="preference", read=read_preference)
