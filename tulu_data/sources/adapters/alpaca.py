"""Alpaca rows: instruction, input and output, with an optional history and system text.

The one idea: the user turn is the instruction, then a blank line and the input where there is one;
no template of words is put around them.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import MESSAGES, TEXT, Kind
from tulu_data.sources.adapters.faults import Faults
from tulu_data.sources.adapters.layout import Content, Layout
from tulu_data.sources.adapters.messages import read_tools, with_system
from tulu_data.sources.adapters.parts import Parts, filled, is_text, text_column
from tulu_data.sources.adapters.turns import join, lengths_of, single_turns


def read_alpaca(parts: Parts, faults: Faults, kind: Kind) -> Content:  # noqa: ARG001 - the signature of adapters
    """Read instruction, input and output into chats."""
    prompt = instruction_text(parts, faults)
    output = text_column(parts.need("output"), parts.shown("output"), faults)
    chats = join(single_turns("user", prompt), single_turns("assistant", output))
    history = _history(parts, faults)
    chats = join(history, chats) if history is not None else chats
    return {"messages": with_system(chats, parts, faults), "tools": read_tools(parts, faults)}


def instruction_text(parts: Parts, faults: Faults) -> pa.Array:
    """Return instruction and input as one text; a row where both are blank has no prompt."""
    text = text_column(parts.need("instruction"), parts.shown("instruction"), faults)
    column = parts.find("input")
    if column is not None and not pa.types.is_null(column.type):
        extra = text_column(column, parts.shown("input"), faults, required=False)
        some, asked = filled(extra), filled(text)
        both = pc.binary_join_element_wise(
            pc.fill_null(text, ""), pc.fill_null(extra, ""), pa.scalar("\n\n", TEXT)
        )
        text = pc.if_else(pa.array(some & asked), both, pc.if_else(pa.array(some & ~asked), extra, text))
    faults.mark(~filled(text), "empty prompt", f"{parts.shown('instruction')} is blank")
    return text


def _history(parts: Parts, faults: Faults) -> pa.Array | None:
    """Return earlier turns, given as pairs of question and answer, or None when no row has any."""
    column = parts.find("history")
    if column is None or pa.types.is_null(column.type):
        return None
    if not is_text(column.type) and not np.any(lengths_of(column)):
        return None
    place = parts.shown("history")
    return pa.array([_pairs(v, i, place, faults) for i, v in enumerate(column.to_pylist())], MESSAGES)


def _pairs(value: Any, row: int, place: str, faults: Faults) -> list[dict[str, str | None]]:
    """Turn pairs into user and assistant turns."""
    chat: list[dict[str, str | None]] = []
    for i, pair in enumerate(value if isinstance(value, list) else []):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(t, str) for t in pair):
            faults.add(row, "broken messages", f"{place}[{i}] is not a pair of question and answer")
            return []
        chat += [
            {"role": role, "content": text, "tool_calls": None}
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
    if value and not isinstance(value, list):
        faults.add(row, "broken messages", f"{place} is not a list of pairs")
    return chat


ALPACA_LAYOUT = Layout(name="alpaca", read=read_alpaca)
