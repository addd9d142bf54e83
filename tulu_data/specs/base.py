"""The base of everything a person writes, and the translation of its mistakes.

Specs are frozen pydantic models that refuse unknown keys and never convert a type. `read_spec`
validates a whole document at once and reports every mistake at its line and column, with the
nearest name where a word is misspelt.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from tulu_data.errors import SpecError, nearest
from tulu_data.specs.document import Document, KeyPath, Place, read_document


class Spec(BaseModel):
    """A frozen model with strict types, no unknown keys, and a docstring under every field."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    @field_validator("version", mode="before", check_fields=False)
    @classmethod
    def _counts(cls, version: object) -> object:
        if isinstance(version, bool):
            # To Python true is 1, to everybody else it is not.
            raise refuse(Mistake(text=f"expected 1, found {shown(version)}"))
        return version


S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What a validator refuses: the text, and the path below its model that it points at."""

    text: str
    path: KeyPath = ()
    on_key: bool = False
    """Point at the key instead of its value."""
    against: tuple[KeyPath, ...] = ()
    """Paths of what it contradicts: one that was laid over it is the place."""


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
        found_problems = _translate_all(model, document, error.errors(include_url=False))
        raise SpecError(list(dict.fromkeys(found_problems))) from None


def type_word(value: object) -> str:
    """Name the type of a YAML value in the words of a person."""
    words = {bool: "true/false", int: "a whole number", float: "a number", str: "text", list: "a list"}
    return words.get(type(value), "a mapping" if isinstance(value, dict) else "nothing")


def listed(value: object) -> object:
    """Pass a list on as a tuple; refuse one text, which was meant as a list of one. For `mode="before"`."""
    if isinstance(value, str):
        raise refuse(Mistake(text=f"expected a list, found {shown(value)}; write [{value}]"))
    # What a validator has seen is no JSON any more, in which a list may fill a tuple.
    return tuple(value) if isinstance(value, list) else value


def shown(value: object) -> str:
    """Show a found value as a person writes it: scalars themselves, the rest by their type."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, int | float | str) else type_word(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...{text[-1]}"


_SHOWN = 80
"""Characters of a value that a message shows."""

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
_LENGTHS = {
    "too_short": ("at least", "min_length", "entries"), "too_long": ("at most", "max_length", "entries"),
    "string_too_short": ("at least", "min_length", "characters"),
    "string_too_long": ("at most", "max_length", "characters"),
}  # fmt: skip


def _translate_all(model: type[BaseModel], document: Document, details: list[ErrorDetails]) -> list[str]:
    """Turn pydantic's errors into problems, in the order of the file."""
    problems: list[tuple[Place, str]] = []
    expected: dict[KeyPath, list[str]] = {}
    for detail in details:
        path = _document_path(document.data, detail["loc"])
        if detail["type"] in _EXPECTED:
            expected.setdefault(path, []).append(_EXPECTED[detail["type"]])
        elif detail["type"] == "mistakes":
            # A validator may refuse several things at once, each at its own place.
            mistakes: tuple[Mistake, ...] = detail["ctx"]["mistakes"]
            problems += [_contradiction(document, path, mistake) for mistake in mistakes]
        elif not _only_entries_fail(detail, _value_at(document.data, path)):
            problems.append(_translate(model, document, path, detail))
    for path, words in expected.items():
        # The members of a union each say what they expected; a person reads one sentence.
        text = f"expected {' or '.join(dict.fromkeys(words))}, found {shown(_value_at(document.data, path))}"
        problems.append(_problem(document, path, text + _as_in(model, document.data, path, words)))
    return [text for _, text in sorted(problems, key=lambda problem: (problem[0].origin, problem))]


def _problem(document: Document, path: KeyPath, text: str, *, key: bool = False) -> tuple[Place, str]:
    """Return a problem with the place that it is sorted by: the document's own file comes first."""
    return document.place(path, key=key), document.problem(path, text, key=key)


EXAMPLE = re.compile(r"\s?Example: `([^`]*)`\.\s*$")
"""The end of a docstring under a field: a value as YAML has it."""


def _as_in(model: type[BaseModel], data: object, path: KeyPath, expected: list[str]) -> str:
    """Return an example of the key at or above a path, where something with parts was expected."""
    if not any(word.startswith(("a list", "a mapping")) for word in expected):
        return ""
    for end in range(len(path), 0, -1):
        types = [t for t in _types_at(model, data, path[: end - 1]) if _is_model(t)]
        fields = [_fields(t)[key] for t in types if (key := str(path[end - 1])) in _fields(t)]
        examples = [found for field in fields if (found := EXAMPLE.search(field.description or ""))]
        if examples:
            return f"; write it as in {path[end - 1]}: {examples[0][1]}"
    return ""


def _contradiction(document: Document, path: KeyPath, mistake: Mistake) -> tuple[Place, str]:
    """Return a mistake below a path as a problem with the place that it is sorted by."""
    place, key = (*path, *mistake.path), mistake.on_key
    against = [(*path, *other) for other in mistake.against]
    culprit = document.culprit(place, key=key, against=against)
    text = document.problem(place, mistake.text, key=key, against=against)
    return document.place(culprit, key=key), text


def _translate(
    model: type[BaseModel], document: Document, path: KeyPath, detail: ErrorDetails
) -> tuple[Place, str]:
    """Turn one pydantic error into `file:line:column path: text`."""
    kind, context, name = detail["type"], detail.get("ctx", {}), detail["loc"][-1] if detail["loc"] else ""
    value = _value_at(document.data, path)
    if kind == "extra_forbidden":
        known = sorted(_keys_at(model, document.data, path[:-1]))
        text = f"unknown key {name!r}{nearest(str(name), known)} (known: {', '.join(known)})"
        return _problem(document, path, text, key=True)
    if kind == "missing":
        text = _missing(model, document, path, name)
    elif kind in ("literal_error", "union_tag_invalid"):
        return _wrong_word(model, document, path, detail)
    elif kind == "union_tag_not_found":
        found = f" (found {', '.join(value)})" if isinstance(value, dict) and value else ""
        tag = str(context["discriminator"]).strip("'")
        words = [str(w) for t in _types_at(model, document.data, path) for w in _words_of(t, tag)]
        text = f"key {tag!r} is missing{found}; give one of {', '.join(words)}"
    elif kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        text = f"must be {word} {_number(context[key])}, found {shown(value)}"
    elif kind in _LENGTHS:
        text = _wrong_length(kind, context, value)
    elif kind == "string_pattern_mismatch":
        text = f"must match {context['pattern']}, found {shown(value)}"
    else:
        text = detail["msg"].removeprefix("Value error, ")
    return _problem(document, path, text)


def _only_entries_fail(detail: ErrorDetails, value: object) -> bool:
    """Tell whether a list seems too short only because entries of it were refused."""
    least = detail.get("ctx", {}).get("min_length", 0)
    return detail["type"] == "too_short" and isinstance(value, list) and len(value) >= least


def _wrong_length(kind: str, context: dict[str, Any], value: object) -> str:
    """Describe text or a list that is too short or too long."""
    word, key, unit = _LENGTHS[kind]
    have = len(value) if isinstance(value, str | list | dict) else 0
    if have == 0:
        return "must not be empty"
    one = {"entries": "entry", "characters": "character"}[unit]
    return f"must have {word} {context[key]} {one if context[key] == 1 else unit}, found {have}"


def _number(bound: float) -> str:
    """Write a bound as a person would: 1 for 1.0."""
    return str(int(bound)) if bound == int(bound) else repr(bound)


def _wrong_word(
    model: type[BaseModel], document: Document, path: KeyPath, detail: ErrorDetails
) -> tuple[Place, str]:
    """Describe a word outside a closed set, with the set and the nearest of it."""
    if detail["type"] == "union_tag_invalid":
        path = (*path, str(detail["ctx"]["discriminator"]).strip("'"))
        choices = re.findall(r"'([^']*)'", str(detail["ctx"]["expected_tags"]))
    else:
        types = _types_at(model, document.data, path)
        literals = [word for t in types if get_origin(t) is Literal for word in get_args(t)]
        choices = [word if isinstance(word, str) else shown(word) for word in literals]
    value = _value_at(document.data, path)
    near = nearest(value, choices) if isinstance(value, str) and value not in choices else ""
    words = ", ".join(sorted(choices))
    text = f"expected {'one of ' if len(choices) > 1 else ''}{words}, found {shown(value)}{near}"
    return _problem(document, path, text)


def _document_path(data: object, loc: tuple[int | str, ...]) -> KeyPath:
    """Drop from a pydantic location the parts that name union members, not keys.

    A tag may be a key too (`{step: cut, cut: 3}`): where more parts follow and the key holds a
    scalar, the tag was meant.
    """
    path: list[str | int] = []
    for i, part in enumerate(loc):
        is_last = i == len(loc) - 1
        if isinstance(data, dict) and isinstance(part, str) and part in data:
            is_tag = not is_last and part in data.values() and not isinstance(data[part], dict | list)
            if not is_tag:
                data = data[part]
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


def _missing(model: type[BaseModel], document: Document, path: KeyPath, name: str | int) -> str:
    """Say what is missing, and what it means by the first sentence under its field."""
    if isinstance(name, int):
        return f"entry {name + 1} is missing"
    types = [t for t in _types_at(model, document.data, path) if _is_model(t)]
    fields = [_fields(t)[name] for t in types if name in _fields(t)]
    meanings = [re.split(r"\.\s", field.description)[0].rstrip(".") for field in fields if field.description]
    return f"key {name!r} is missing; add `{name}:`" + (f" ({meanings[0]})" if meanings else "")


def _words_of(annotation: Any, tag: str) -> tuple[Any, ...]:
    """Return the words that a field of a model allows."""
    field = _fields(annotation).get(tag) if _is_model(annotation) else None
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def _keys_at(model: type[BaseModel], data: object, path: KeyPath) -> list[str]:
    """Return the keys that a spec knows at a path."""
    types = _types_at(model, data, path)
    return list(dict.fromkeys(name for t in types if _is_model(t) for name in _fields(t)))


def _types_at(model: type[BaseModel], data: object, path: KeyPath) -> list[Any]:
    """Return the types that a spec allows at a path; of a tagged union, the tagged one."""
    types: list[Any] = [model]
    for part in path:
        types = [member for t in types for member in _below(t, part)]
        data = _value_at(data, (part,))
        types = [t for t in types if _tag_fits(t, data)]
    return types


def _below(annotation: Any, part: str | int) -> list[Any]:
    """Return the types that stand under one key or index of a type."""
    if _is_model(annotation):
        field = _fields(annotation).get(str(part))
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


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the keys that a person writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tag_fits(annotation: Any, data: object) -> bool:
    """Tell whether a mapping can be this member of a tagged union."""
    if not _is_model(annotation) or not isinstance(data, dict):
        return True
    for name, field in _fields(annotation).items():
        if get_origin(field.annotation) is Literal and name in data and len(get_args(field.annotation)) == 1:
            return bool(data[name] in get_args(field.annotation))
    return True
