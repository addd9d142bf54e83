"""Chats in one column: OpenAI messages and ShareGPT conversations.

The one idea: both are lists of turns that differ in names alone (`roles` and `chats` know them),
so one function reads both. A `system` column goes before the chat.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import TEXT, Kind
from tulu_data.sources.adapters.chats import read_chats
from tulu_data.sources.adapters.faults import Faults
from tulu_data.sources.adapters.layout import Content, Layout
from tulu_data.sources.adapters.parts import Parts, filled, text_column
from tulu_data.sources.adapters.tool_calls import tool_definitions
from tulu_data.sources.adapters.turns import join, role_at, single_turns


def read_messages(parts: Parts, faults: Faults, kind: Kind) -> Content:  # noqa: ARG001 - the signature of adapters
    """Read chats with their optional system text and tool definitions."""
    chats = read_chats(parts.need("messages"), parts.shown("messages"), faults)
    return {"messages": with_system(chats, parts, faults), "tools": read_tools(parts, faults)}


def with_system(chats: pa.Array, parts: Parts, faults: Faults) -> pa.Array:
    """Put the text of a system column before the chats; blank text is no turn."""
    column = parts.find("system")
    if column is None or pa.types.is_null(column.type):
        return chats
    text = text_column(column, parts.shown("system"), faults, required=False)
    present = filled(text)
    return join(single_turns("system", text, present), chats) if present.any() else chats


def read_tools(parts: Parts, faults: Faults) -> pa.Array:
    """Return the tool definitions as JSON text, null where there are none."""
    column = parts.find("tools")
    if column is None or column.null_count == len(column):
        return pa.nulls(faults.rows, TEXT)
    return pa.array(tool_definitions(column.to_pylist(), faults, parts.shown("tools")), TEXT)


MESSAGES_LAYOUT = Layout(name="messages", read=read_messages)

SHAREGPT_LAYOUT = Layout(name="sharegpt", read=read_messages)


def read_threads(parts: Parts, faults: Faults, kind: Kind) -> Content:
    """Read threads that were joined from messages of trees; one that ends in a question has no answer."""
    content = read_messages(parts, faults, kind)
    asked = pc.equal(role_at(content["messages"], last=True), "user")
    unanswered = np.asarray(pc.fill_null(asked, False).to_numpy(zero_copy_only=False), dtype=bool)  # noqa: FBT003
    faults.mark(unanswered, "no answer", "nobody answered this message")
    return content


THREADS_LAYOUT = Layout(name="threads", read=read_threads)
