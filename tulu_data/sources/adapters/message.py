"""One message of any layout, read in Python: the slow path for ragged shapes.

The one idea: content is text, or parts that are all text; images, audio and parts of unknown
types make the row bad, because leaving them out would change what the text means.
"""

from typing import Any

import orjson

from tulu_data.sources.adapters.roles import CALL, role_of, unknown_role
from tulu_data.sources.adapters.tool_calls import BrokenCallError, openai_calls
from tulu_data.sources.json_values import dump, json_word
from tulu_data.sources.rows import Reason

_MEDIA = ("image", "audio", "video", "file")
_TEXT_PARTS = ("text", "input_text", "output_text")


class BadMessageError(Exception):
    """A message that cannot be read; carries the reason and a detail."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


def read_message(value: object, place: str) -> dict[str, str | None]:
    """Return a message as role, content and tool_calls; raise BadMessageError when it is not one."""
    if not isinstance(value, dict):
        raise BadMessageError("broken messages", f"{place} is {json_word(value)}, expected an object")
    role_key = "role" if value.get("role") is not None or "from" not in value else "from"
    role = role_of(value.get(role_key))
    if role is None:
        raise BadMessageError("unknown role", unknown_role(f"{place}.{role_key}", value.get(role_key)))
    content_key = "content" if value.get("content") is not None or "value" not in value else "value"
    content = value.get(content_key)
    calls = value.get("tool_calls") or value.get("function_call")
    if role == CALL:
        role, content, calls = "assistant", "", content
    elif isinstance(content, list):
        content, calls = _parts(content, calls, f"{place}.{content_key}")
    try:
        written = openai_calls(calls)
    except BrokenCallError as error:
        raise BadMessageError("broken tool call", f"{place}.tool_calls {error}") from None
    if content is None and written is None:
        raise BadMessageError("missing value", f"{place}.{content_key} is null")
    if content is not None and not isinstance(content, str):
        raise BadMessageError("not text", f"{place}.{content_key} is {json_word(content)}, expected text")
    return {"role": role, "content": content or "", "tool_calls": written}


def _parts(parts: list[Any], calls: Any, place: str) -> tuple[str, Any]:
    """Join the text parts of a content and collect its tool calls."""
    texts: list[str] = []
    found: list[Any] = list(calls) if isinstance(calls, list) else [calls] if calls else []
    for i, part in enumerate(parts):
        kind = part.get("type") if isinstance(part, dict) else "text" if isinstance(part, str) else None
        text = _part_text(part)
        if kind in _TEXT_PARTS and isinstance(text, str):
            texts.append(text)
        elif kind == "tool_call":
            found.append(text if text is not None else part)
        elif isinstance(kind, str) and any(word in kind for word in _MEDIA):
            raise BadMessageError("multimodal", f"{place}[{i}].type {kind!r}: only text can be read")
        else:
            shown = f"{place}[{i}].type {kind!r}" if kind else f"{place}[{i}] ({dump(part)[:60]})"
            raise BadMessageError("unsupported part", f"{shown}: only text and tool calls can be read")
    loaded = [_parsed(call) for call in found]
    return "".join(texts), loaded or None


def _part_text(part: object) -> object:
    """Return what a content part holds, under whichever of its usual keys."""
    if not isinstance(part, dict):
        return part
    return next((part[key] for key in ("text", "value", "content") if part.get(key) is not None), None)


def _parsed(call: object) -> object:
    """Parse a call that is JSON text, so that a list of such calls is a list of objects."""
    if not isinstance(call, str):
        return call
    try:
        return orjson.loads(call)
    except orjson.JSONDecodeError:
        return call
