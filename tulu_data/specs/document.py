"""A YAML document with the place of every key and value.

The one idea: data and places come from the same parse, so a later check can say
`file:line:column` for anything it refuses. Scalars follow the YAML 1.2 core schema: `no` is a
word, `5e-6` is a number, dates stay text. It reads; it does not know what a spec means.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path as FilePath
from typing import NamedTuple

import yaml

from tulu_data.errors import SpecError

KeyPath = tuple[str | int, ...]
MAX_NODES = 200_000
"""More nodes than any spec has; an alias bomb meets this bound instead of the memory."""


class Place(NamedTuple):
    """A 1-based line and column."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain data read from YAML, with the places of its keys and values by path."""

    name: str
    data: object
    values: Mapping[KeyPath, Place]
    keys: Mapping[KeyPath, Place]

    def problem(self, path: KeyPath, text: str, *, key: bool = False) -> str:
        """Format one problem as `file:line:column a.b[0]: text`; `key` points at the key itself."""
        place = (self.keys.get(path) if key else None) or self._nearest(path)
        shown = dotted(path)
        return f"{self.name}:{place.line}:{place.column} {shown + ': ' if shown else ''}{text}"

    def _nearest(self, path: KeyPath) -> Place:
        """Return the place of the value at `path`, or of its closest ancestor that exists."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.values:
                return self.values[path[:end]]
        return Place(1, 1)


def dotted(path: KeyPath) -> str:
    """Write a path as `sources.persona.take` and `steps[0].drop`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's parser with the scalar rules of YAML 1.2 instead of 1.1."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def read_document(path: FilePath, name: str | None = None) -> Document:
    """Read a YAML file; raise SpecError when it is missing, not UTF-8 or not YAML."""
    shown = name or str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SpecError([f"{shown}:1:1 no such file"]) from None
    except IsADirectoryError:
        raise SpecError([f"{shown}:1:1 is a folder; give the YAML file inside it"]) from None
    except UnicodeDecodeError as error:
        raise SpecError([f"{shown}:1:1 not UTF-8 text (byte {error.start}); save it as UTF-8"]) from None
    return parse_document(text, shown)


def parse_document(text: str, name: str) -> Document:
    """Parse YAML text; raise SpecError with line and column of a syntax error or a repeated key."""
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        hint = " (indent with spaces, not tabs)" if "'\\t'" in str(error.problem) else ""
        raise SpecError([f"{name}:{line}:{column} not YAML: {error.problem}{hint}"]) from None
    except yaml.YAMLError as error:
        raise SpecError([f"{name}:1:1 not YAML: {str(error).splitlines()[0]}"]) from None
    builder = _Builder(name)
    data = builder.build(node, (), frozenset()) if node is not None else None
    if builder.problems:
        raise SpecError(builder.problems)
    return Document(name=name, data=data, values=builder.values, keys=builder.keys)


class _Builder:
    """Turn composed nodes into plain data, noting places and problems on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.problems: list[str] = []

    def build(self, node: yaml.Node, path: KeyPath, above: frozenset[int]) -> object:
        """Build the data of one node; `above` holds the nodes on the way to it."""
        if id(node) in above or len(self.values) > MAX_NODES:
            if len(self.problems) < 1:
                self._report(node, path, "aliases that contain themselves or multiply without end")
            return None
        self.values[path] = Place(node.start_mark.line + 1, node.start_mark.column + 1)
        above |= {id(node)}
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, i), above) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, above: frozenset[int]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                self._report(key_node, path, "a key must be a word, found a list or mapping")
                continue
            here = (*path, key)
            if key in found:
                first = self.keys[here].line
                self._report(key_node, here, f"key {key!r} is given twice (first on line {first}); keep one")
                continue
            self.keys[here] = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            found[key] = self.build(value_node, here, above)
        return found

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        kind, text = node.tag.rpartition(":")[2], str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if kind == "float":
            number = float(text.replace(".", "") if text[-1].isalpha() else text)
            if not isfinite(number):
                self._report(node, path, f"{text!r} is not a number that can be used here")
            return number
        if kind != "str":
            self._report(node, path, f"tag {node.tag!r} is not known; write plain YAML without tags")
        return text

    def _report(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        shown = dotted(path)
        self.problems.append(
            f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1} "
            f"{shown + ': ' if shown else ''}{text}"
        )
