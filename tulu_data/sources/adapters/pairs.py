"""Two answers to one prompt: where the shared prompt ends, and whether the answers are answers.

The one idea: when both sides repeat the conversation, the prompt is what they share from the
start, and each side keeps at least its last message.
"""

import numpy as np
import pyarrow as pa

from tulu_data.sources.adapters.faults import Faults, Mask
from tulu_data.sources.adapters.layout import Content
from tulu_data.sources.adapters.turns import cut, lengths_of, role_at, shared_prefix


def split_shared(chosen: pa.Array, rejected: pa.Array) -> Content:
    """Split two columns of whole conversations into shared prompt, chosen and rejected."""
    n_chosen, n_rejected = lengths_of(chosen), lengths_of(rejected)
    shortest = np.minimum(n_chosen, n_rejected)
    prefix = np.minimum(shared_prefix(chosen, rejected), np.maximum(shortest - 1, 0))
    return {
        "prompt": cut(chosen, np.zeros_like(prefix), prefix),
        "chosen": cut(chosen, prefix, n_chosen),
        "rejected": cut(rejected, prefix, n_rejected),
    }


def check_pairs(content: Content, faults: Faults) -> None:
    """Note pairs without a prompt, answers that are not an assistant's, and answers that are the same.

    A pair of equal answers says nothing about preference: its gradient is zero, and in practice it
    comes from ties or lost ratings. It is quarantined with its own reason instead of kept.
    """
    for side in ("chosen", "rejected"):
        starts = role_at(content[side], last=False).to_pylist()
        for row, role in enumerate(starts):
            if role is None:
                faults.add(row, "no messages", f"{side} is empty")
            elif role != "assistant":
                faults.add(row, "no shared prompt", f"{side} goes on with a {role} turn where the sides part")
    faults.mark(lengths_of(content["prompt"]) == 0, "no shared prompt", "chosen and rejected share no prompt")
    faults.mark(equal_pairs(content), "equal pair", "chosen and rejected are the same")


def equal_pairs(content: Content) -> Mask:
    """Tell which rows have the same chosen and rejected messages."""
    n_chosen, n_rejected = lengths_of(content["chosen"]), lengths_of(content["rejected"])
    shared = shared_prefix(content["chosen"], content["rejected"])
    same: Mask = (n_chosen == n_rejected) & (shared == n_chosen)
    return same
