"""The base of everything a person writes, and the translation of its mistakes.

Specs are frozen pydantic models that refuse unknown keys and never convert a type. `read_spec`
validates a whole document at once and reports every mistake at its line and column, with the
nearest name where a word is misspelt.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from tulu_data.errors import SpecError, nearest
from tulu_data.specs.document import Document, KeyPath, read_document


class Spec(BaseModel):
    """A frozen model with strict types, no unknown keys, and a docstring under every field."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What a validator refuses: the text, and the path below its model that it points at."""

    text: str
    path: KeyPath = ()
    on_key: bool = False
    """Point at the key instead of its value."""


def refuse(*mistakes: Mistake) -> PydanticCustomError:
    """Make the error that a validator raises for one or more mistakes at their own places."""
    text = "; ".join(mistake.text for mistake in mistakes)
    return PydanticCustomError("mistakes", "{text}", {"text": text, "mistakes": mistakes})


def read_spec(model: type[S], path: Path, *, name: str | None = None) -> S:
    """Read a YAML file as `model`; raise SpecError with every mistake at its place."""
    return validate(model, read_document(path, name))


def validate(model: type[S], document: Document) -> S:
    """Check a document against `model`; raise SpecError with every mistake at its place."""
    if not isinstance(document.data, dict):
        found = "nothing" if document.data is None else type_word(document.data)
        raise SpecError([document.problem((), f"expected keys and values, found {found}")])
    try:
        # JSON mode: strict types, yet a YAML list may fill a tuple.
        return model.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [text for detail in details for text in _translate_all(model, document, detail)]
        raise SpecError(list(dict.fromkeys(problems))) from None


def type_word(value: object) -> str:
    """Name the type of a YAML value in the words of a person."""
    words = {bool: "true/false", int: "a whole number", float: "a number", str: "text", list: "a list"}
    return words.get(type(value), "a mapping" if isinstance(value, dict) else "nothing")


def shown(value: object) -> str:
    """Show a found value: scalars by repr, the rest by their type."""
    if value is None:
        return "nothing"
    return repr(value) if isinstance(value, bool | int | float | str) else type_word(value)


_EXPECTED = {
    "int_type": "a whole number", "int_from_float": "a whole number", "int_parsing": "a whole number",
    "float_type": "a number", "float_parsing": "a number",
    "string_type": "text", "bool_type": "true or false", "bool_parsing": "true or false",
    "tuple_type": "a list", "list_type": "a list", "dict_type": "a mapping of names to values",
    "model_type": "a mapping of keys to values", "model_attributes_type": "a mapping of keys to values",
}  # fmt: skip
_BOUNDS = {
    "greater_than": ("above", "gt"), "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"), "less_than_equal": ("at most", "le"),
}  # fmt: skip


def _translate_all(model: type[BaseModel], document: Document, detail: ErrorDetails) -> list[str]:
    """Turn one pydantic error into its problems; a validator may refuse several things at once."""
    if detail["type"] != "mistakes":
        return [_translate(model, document, detail)]
    above = _document_path(document.data, detail["loc"])
    return [document.problem((*above, *m.path), m.text, key=m.on_key) for m in detail["ctx"]["mistakes"]]


def _translate(model: type[BaseModel], document: Document, detail: ErrorDetails) -> str:
    """Turn one pydantic error into `file:line:column path: text`."""
    kind = detail["type"]
    path = _document_path(document.data, detail["loc"], names_key=kind in ("missing", "extra_forbidden"))
    value, context = _value_at(document.data, path), detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = _keys_at(model, document.data, path[:-1])
        word = path[-1]
        text = f"unknown key {word!r}{nearest(str(word), known)} (known: {', '.join(sorted(known))})"
        return document.problem(path, text, key=True)
    if kind == "missing":
        return document.problem(path[:-1], f"key {path[-1]!r} is missing")
    if kind in ("literal_error", "union_tag_invalid"):
        return _wrong_word(model, document, path, detail)
    if kind == "union_tag_not_found":
        key = str(context["discriminator"]).strip("'")
        return document.problem(path, f"key {key!r} is missing")
    if kind in _EXPECTED:
        return document.problem(path, f"expected {_EXPECTED[kind]}, found {shown(value)}")
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return document.problem(path, f"must be {word} {context[key]}, found {shown(value)}")
    if kind == "string_pattern_mismatch":
        return document.problem(path, f"must match {context['pattern']}, found {shown(value)}")
    if kind in ("too_short", "string_too_short"):
        return document.problem(path, "must not be empty")
    text = detail["msg"].removeprefix("Value error, ")
    return document.problem(path, text)


def _wrong_word(model: type[BaseModel], document: Document, path: KeyPath, detail: ErrorDetails) -> str:
    """Describe a word outside a closed set, with the set and the nearest of it."""
    if detail["type"] == "union_tag_invalid":
        context = detail["ctx"]
        key = str(context["discriminator"]).strip("'")
        path, choices = (*path, key), str(context["expected_tags"])
    else:
        choices = str(detail["ctx"]["expected"]).replace(" or ", ", ")
    words = [part.strip().strip("'") for part in choices.split(",")]
    value = _value_at(document.data, path)
    text = f"expected one of {', '.join(words)}, found {shown(value)}{nearest(str(value), words)}"
    return document.problem(path, text)


def _document_path(data: object, loc: tuple[int | str, ...], *, names_key: bool = False) -> KeyPath:
    """Drop from a pydantic location the parts that name union members, not keys."""
    path: list[str | int] = []
    for i, part in enumerate(loc):
        last = names_key and i == len(loc) - 1
        if isinstance(data, dict) and isinstance(part, str) and (part in data or last):
            data = data.get(part)
            path.append(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
            path.append(part)
    return tuple(path)


def _value_at(data: object, path: KeyPath) -> object:
    """Return the value at a path, or None where there is none."""
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part]
    return data


def _keys_at(model: type[BaseModel], data: object, path: KeyPath) -> list[str]:
    """Return the keys that a spec knows at a path."""
    types: list[Any] = [model]
    for part in path:
        types = [member for t in types for member in _below(t, part)]
        data = _value_at(data, (part,))
        types = [t for t in types if _tag_fits(t, data)]
    return [name for t in types if _is_model(t) for name in t.model_fields]


def _below(annotation: Any, part: str | int) -> list[Any]:
    """Return the types that stand under one key or index of a type."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return _members(field.annotation) if field else []
    arguments = get_args(annotation)
    if get_origin(annotation) is dict and arguments:
        return _members(arguments[1])
    return _members(arguments[0]) if arguments else []


def _members(annotation: Any) -> list[Any]:
    """Flatten unions and Annotated into their members."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return [m for a in get_args(annotation) for m in _members(a)]
    if hasattr(annotation, "__metadata__"):
        return _members(annotation.__origin__)
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tag_fits(annotation: Any, data: object) -> bool:
    """Tell whether a mapping can be this member of a tagged union."""
    if not _is_model(annotation) or not isinstance(data, dict):
        return True
    for name, field in annotation.model_fields.items():
        if get_origin(field.annotation) is Literal and name in data and len(get_args(field.annotation)) == 1:
            return bool(data[name] in get_args(field.annotation))
    return True
