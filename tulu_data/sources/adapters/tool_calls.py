"""Function calls of any layout, written as a JSON array in the OpenAI form.

The one idea: a call is a name and arguments; both must be there, and nothing (an id, say) is
made up. Arguments are JSON text inside the JSON, as OpenAI has them.
"""

import json
from typing import Any

import orjson

from tulu_data.sources.adapters.faults import Faults
from tulu_data.sources.json_values import dump


class BrokenCallError(Exception):
    """A value that is no function call; the text says what is wrong."""


def openai_calls(value: object) -> str | None:
    """Write one call or a list of calls as JSON; None when there are none. Raises BrokenCallError."""
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BrokenCallError("is not JSON") from None
    calls = value if isinstance(value, list) else [] if value is None else [value]
    return dump([_call(call) for call in calls]) if calls else None


def _call(call: object) -> dict[str, Any]:
    """Return one call in the OpenAI form."""
    if not isinstance(call, dict):
        raise BrokenCallError("is not an object with a name and arguments")
    inner = call.get("function")
    body = inner if isinstance(inner, dict) else call
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise BrokenCallError("has no function name")
    arguments = body.get("arguments", body.get("parameters"))
    text = (
        arguments
        if isinstance(arguments, str)
        else dump(without_nulls(arguments if arguments is not None else {}))
    )
    found = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
    return {**found, "type": "function", "function": {"name": name, "arguments": text}}


def without_nulls(value: object) -> object:
    """Drop null members: columns give every call the arguments of all the others as nulls."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def tool_definitions(values: list[object], faults: Faults, place: str) -> list[str | None]:
    """Write tool definitions as JSON text; an empty list is none at all, what is no list is a fault."""
    found: list[str | None] = []
    for index, value in enumerate(values):
        text, parsed = value, value
        if isinstance(value, str):
            try:
                parsed = json.loads(value) if value.strip() else None
            except ValueError:
                parsed = value
        else:
            text = dump(without_nulls(value))
        if parsed is not None and not isinstance(parsed, list):
            faults.add(index, "broken tool call", f"{place} is not a JSON array of tool definitions")
        found.append(str(text) if parsed else None)
    return found
