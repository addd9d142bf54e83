"""A raw column of chats, in whatever shape it comes, to `schema.MESSAGES`.

The one idea: lists of {role, content} or {from, value} are read as columns; JSON text, content
in parts and other ragged shapes are read row by row through `message`. Every row either becomes
a chat or has a fault that names the message and what is wrong with it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import MESSAGES, ROLES, TEXT
from tulu_data.sources.adapters.faults import Faults, Indices
from tulu_data.sources.adapters.message import BadMessageError, read_message
from tulu_data.sources.adapters.parts import is_list, is_text, nulls_in, whole
from tulu_data.sources.adapters.roles import CALL, CODES, role_of, unknown_role
from tulu_data.sources.adapters.tool_calls import BrokenCallError, openai_calls
from tulu_data.sources.adapters.turns import chats_of, empty_chats, lengths_of, messages_of

_FIELDS = (("role", "content"), ("from", "value"))
_CALL_FIELDS = ("tool_calls", "function_call")


def read_chats(array: pa.Array, place: str, faults: Faults, *, empty: bool = False) -> pa.Array:
    """Return the chats of a column; null rows and, unless `empty` allows them, empty chats are faults."""
    nulls = nulls_in(array)
    if nulls.any():
        faults.mark(nulls, "missing value", f"{place} is null")
    chats = _chats(array, place, faults)
    if not empty:
        faults.mark(lengths_of(chats) == 0, "no messages", f"{place} is empty")
    return chats


def is_chat(kind: pa.DataType) -> bool:
    """Tell whether a type is messages: a list of, or one, {role, content} or {from, value}."""
    if is_list(kind):
        kind = kind.value_type
    names = {f.name for f in kind} if pa.types.is_struct(kind) else set()
    return any({role, content} <= names for role, content in _FIELDS)


def _chats(array: pa.Array, place: str, faults: Faults) -> pa.Array:
    kind = array.type
    if pa.types.is_null(kind) or (is_list(kind) and pa.types.is_null(kind.value_type)):
        return empty_chats(len(array))
    if pa.types.is_struct(kind):
        array = _wrapped(array)
    if is_list(array.type) and (fields := _plain_fields(array.type.value_type)):
        return _columnar(array, fields, place, faults)
    return _row_by_row(array, place, faults)


def _wrapped(messages: pa.Array) -> pa.Array:
    """Make a chat of every single message."""
    here = messages.is_valid()
    offsets = np.concatenate([[0], np.cumsum(here.to_numpy(zero_copy_only=False))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), messages.filter(here))


def _plain_fields(kind: pa.DataType) -> tuple[str, str] | None:
    """Return the names of role and content when both are plain text."""
    types = {f.name: f.type for f in kind} if pa.types.is_struct(kind) else {}
    for role, content in _FIELDS:
        if all(n in types and (_texty(types[n]) or pa.types.is_null(types[n])) for n in (role, content)):
            return role, content
    return None


def _texty(kind: pa.DataType) -> bool:
    return is_text(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _columnar(array: pa.Array, fields: tuple[str, str], place: str, faults: Faults) -> pa.Array:
    """Read lists of {role, content} without a Python object a row."""
    lengths = lengths_of(array)
    values = array.flatten()
    owners = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)

    def fault(index: int, reason: Any, detail: str) -> None:
        faults.add(owners[index], reason, detail)

    def at(index: int, field: str) -> str:
        return f"{place}[{places[index]}].{field}"

    role_field, content_field = fields
    codes, words = _role_codes(whole(pc.struct_field(values, role_field)))
    for index in np.flatnonzero(codes < 0):
        fault(index, "unknown role", unknown_role(at(index, role_field), words(index)))
    contents = whole(pc.struct_field(values, content_field)).cast(TEXT)
    call_turns = np.flatnonzero(codes == CODES[CALL])
    sources: list[tuple[str, pa.Array, Indices]] = [(content_field, contents, call_turns)]
    for name in sorted({f.name for f in values.type} & set(_CALL_FIELDS)):
        column = whole(pc.struct_field(values, name))
        sources.append((name, column, np.flatnonzero(~nulls_in(column))))
    calls = _calls(
        sources, lambda index, name, text: fault(index, "broken tool call", f"{at(index, name)} {text}")
    )
    if len(call_turns):
        is_call = codes == CODES[CALL]
        codes = np.where(is_call, CODES["assistant"], codes)
        contents = pc.if_else(pa.array(is_call), pa.scalar("", TEXT), contents)
    for index in np.flatnonzero(nulls_in(contents)):
        if int(index) not in calls:
            fault(index, "missing value", f"{at(index, content_field)} is null")
    roles = pa.array(list(ROLES), TEXT).take(pa.array(np.maximum(codes, 0)))
    written = pa.array([calls.get(i) for i in range(len(values))], TEXT) if calls else None
    return chats_of(lengths, messages_of(roles, pc.fill_null(contents, ""), written))


def _calls(
    sources: list[tuple[str, pa.Array, Indices]], fault: Callable[[int, str, str], None]
) -> dict[int, str]:
    """Write the calls of the messages that have some, by message."""
    calls: dict[int, str] = {}
    for name, column, turns in sources:
        for index in turns.tolist():
            try:
                text = openai_calls(column[index].as_py())
            except BrokenCallError as error:
                fault(index, name, str(error))
                continue
            if text is not None:
                calls[index] = text
    return calls


def _role_codes(roles: pa.Array) -> tuple[Indices, Any]:
    """Return the code of every role, -1 where unknown, and a function to the word as written."""
    if pa.types.is_null(roles.type):
        return np.full(len(roles), -1, dtype=np.int64), lambda _: None
    encoded = roles.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    known = np.array([CODES[r] if (r := role_of(w)) else -1 for w in words] + [-1], dtype=np.int64)
    indices = pc.fill_null(encoded.indices, len(words)).to_numpy(zero_copy_only=False)
    return known[indices], lambda i: [*words, None][indices[i]]


def _row_by_row(array: pa.Array, place: str, faults: Faults) -> pa.Array:
    """Read JSON text and ragged lists in Python."""
    rows: list[list[dict[str, str | None]]] = []
    for index, value in enumerate(array.to_pylist()):
        chat: list[dict[str, str | None]] = []
        try:
            if value is not None:
                chat = [read_message(m, f"{place}[{i}]") for i, m in enumerate(_listed(value, place))]
        except BadMessageError as error:
            faults.add(index, error.reason, error.detail)
        rows.append(chat)
    return pa.array(rows, MESSAGES)


def _listed(value: object, place: str) -> list[object]:
    """Return a list of messages out of JSON text, a list or a single message."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BadMessageError("broken messages", f"{place} is text, but not JSON messages") from None
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise BadMessageError(
            "broken messages", f"{place} is {type(value).__name__}, expected a list of messages"
        )
    return value
