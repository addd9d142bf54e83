"""Prompt and completion, each as text or as messages.

The one idea: text is one turn (user for a prompt, assistant for a completion), messages are
themselves, and a record is the one after the other.
"""

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import Kind, Role
from tulu_data.sources.adapters.chats import read_chats
from tulu_data.sources.adapters.faults import Faults
from tulu_data.sources.adapters.layout import Content, Layout
from tulu_data.sources.adapters.messages import read_tools, with_system
from tulu_data.sources.adapters.parts import Parts, filled, is_text, text_column
from tulu_data.sources.adapters.turns import join, single_turns

_FEW = 16


def read_prompt_completion(parts: Parts, faults: Faults, kind: Kind) -> Content:  # noqa: ARG001 - as adapters are
    """Read prompt and completion into chats."""
    prompt = turns_or_text(parts.need("prompt"), parts.shown("prompt"), "user", faults)
    completion = turns_or_text(parts.need("completion"), parts.shown("completion"), "assistant", faults)
    return {
        "messages": with_system(join(prompt, completion), parts, faults),
        "tools": read_tools(parts, faults),
    }


def turns_or_text(array: pa.Array, place: str, role: Role, faults: Faults) -> pa.Array:
    """Read a column that holds plain text, messages, or messages as JSON text."""
    if not is_text(array.type) and not pa.types.is_null(array.type):
        return read_chats(array, place, faults)
    text = text_column(array, place, faults)
    if _is_json_chats(text):
        return read_chats(text, place, faults)
    if role == "user":
        faults.mark(~filled(text), "empty prompt", f"{place} is blank")
    return single_turns(role, text)


def _is_json_chats(text: pa.Array) -> bool:
    """Tell whether every text of a column looks like JSON messages; half of them would be a guess."""
    # The first few nearly always tell.
    return len(text) > text.null_count and all(_all_json_chats(some) for some in (text.slice(0, _FEW), text))


def _all_json_chats(text: pa.Array) -> bool:
    """Tell whether all texts that are there begin like JSON messages."""
    head = pc.match_substring_regex(text, r'^\s*\[\s*\{\s*"(role|content|from|value)"\s*:')
    return bool(pc.all(pc.fill_null(head, True)).as_py())  # noqa: FBT003


PROMPT_COMPLETION_LAYOUT = Layout(name="prompt_completion", read=read_prompt_completion)
