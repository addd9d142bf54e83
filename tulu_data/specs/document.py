"""A YAML document with the place of every key and value.

The one idea: data and places come from the same parse, so a later check can say
`file:line:column` for anything it refuses. Scalars follow the YAML 1.2 core schema: `no` is a
word, `5e-6` is a number, dates stay text. What cannot be data (a key given twice, half of a
surrogate pair, an alias bomb) is refused here; what a spec means is not known here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from pathlib import Path as FilePath
from typing import NamedTuple

import yaml

from tulu_data.errors import SpecError, nearest

KeyPath = tuple[str | int, ...]
MAX_NODES = 200_000
"""More nodes than any spec has; an alias bomb meets this bound instead of the memory."""
MAX_INT = 2**63 - 1
"""The largest whole number that every reader of a spec can hold."""


class Place(NamedTuple):
    """A 1-based line and column; of a value that stands elsewhere than in the document's own file, where."""

    line: int
    column: int
    origin: str = ""
    """The other file, or the setting (`--set a=b`), which has no lines: its line is 0."""
    layer: int = 0
    """Of a document that was laid over others: which of them it is, a later one being above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain data read from YAML, with the places of its keys and values by path."""

    name: str
    data: object
    values: Mapping[KeyPath, Place]
    keys: Mapping[KeyPath, Place]
    removed: Mapping[KeyPath, Place] = field(default_factory=dict)
    """Where keys were taken away that a document below this one has."""

    def problem(self, path: KeyPath, text: str, *, key: bool = False, against: Sequence[KeyPath] = ()) -> str:
        """Format one problem as `file:line:column a.b[0]: text`; `key` points at the key itself.

        Where what is at one of the paths of `against` contradicts it and was laid over it, that is the place.
        """
        shown = dotted(path)
        culprit = self.culprit(path, key=key, against=against)
        if culprit == path:
            return f"{self.where(path, key=key)} {shown + ': ' if shown else ''}{text}"
        place = self.removed.get(culprit) or self.place(culprit)
        what = "its removal does" if culprit in self.removed else "does"
        is_part = culprit[: len(path)] == path
        other = "" if is_part else f"{what} not go with {self.where(path, key=key)} {shown}: "
        return f"{self._written(place)} {dotted(culprit)}: {other}{text}"

    def culprit(self, path: KeyPath, *, key: bool = False, against: Sequence[KeyPath] = ()) -> KeyPath:
        """Return the path, or the one of `against` that the last layer above it wrote or removed."""
        there = {one: self.removed.get(one) or self.values.get(one) for one in against}
        above = {one: place.layer for one, place in there.items() if place is not None}
        latest = max(above, key=lambda one: above[one], default=path)
        return latest if above.get(latest, -1) > self.place(path, key=key).layer else path

    def where(self, path: KeyPath, *, key: bool = False) -> str:
        """Write the place of a value (or key) as `file:line:column`; a setting is written as it was given."""
        return self._written(self.place(path, key=key))

    def _written(self, place: Place) -> str:
        name = place.origin or self.name
        return f"{name}:{place.line}:{place.column}" if place.line else name

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """Return the place of the value (or key) at `path`, or of its closest ancestor that exists."""
        if key and path in self.keys:
            return self.keys[path]
        for end in range(len(path), -1, -1):
            if path[:end] in self.values:
                return self.values[path[:end]]
        return Place(1, 1)


def dotted(path: KeyPath) -> str:
    """Write a path as `sources.persona.take`, `steps[0].drop` and `columns['a.b']`."""
    text = ""
    for part in path:
        if isinstance(part, int) or not _PLAIN_KEY.fullmatch(part):
            text += f"[{part!r}]"
        else:
            text += f".{part}" if text else part
    return text


_PLAIN_KEY = re.compile(r"[\w-]+")


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's parser with the scalar rules of YAML 1.2 instead of 1.1."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_FORMS: dict[str, re.Pattern[str]] = {}
_CONTAINER_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")

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
    _FORMS[_tag] = re.compile(f"(?:{_pattern})$")
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _FORMS[_tag], _first)


def read_document(path: FilePath, name: str | None = None) -> Document:
    """Read a YAML file; raise SpecError when it is missing, not UTF-8 or not YAML."""
    shown = name or str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SpecError([f"{shown}:1:1 no such file{_meant(path)}"]) from None
    except IsADirectoryError:
        raise SpecError([f"{shown}:1:1 is a folder; give the YAML file inside it"]) from None
    except UnicodeDecodeError as error:
        raise SpecError([f"{shown}:1:1 not UTF-8 text (byte {error.start}); save it as UTF-8"]) from None
    except OSError as error:
        raise SpecError([f"{shown}:1:1 cannot be read ({error.strerror})"]) from None
    return parse_document(text, shown)


@lru_cache(maxsize=32)
def parse_document(text: str, name: str) -> Document:
    """Parse YAML text; raise SpecError with line and column of a syntax error or a repeated key.

    A file is read again to tell what kind of spec it is, and by every overlay; the same text is parsed once.
    """
    builder = _Builder(name)
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
        data = builder.build(node, (), frozenset()) if node is not None else None
    except yaml.MarkedYAMLError as error:
        raise SpecError([_syntax_problem(name, error)]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"{before.count(chr(10)) + 1}:{error.position - before.rfind(chr(10))}"
        text = f"{name}:{place} not YAML: character {chr(error.character)!r} is not allowed"
        raise SpecError([text]) from None
    except RecursionError:
        raise SpecError([f"{name}:1:1 not a spec: lists or mappings are nested too deeply"]) from None
    if builder.problems:
        raise SpecError(builder.problems)
    return Document(name=name, data=data, values=builder.values, keys=builder.keys)


def _meant(path: FilePath) -> str:
    """Return `; did you mean ...?` for the spec that was meant: beside a path, or in `mixtures/`."""
    folder, name = path.parent, path.name.removesuffix(".yaml")
    for likely in (folder / f"{name}.yaml", folder / "mixtures" / f"{name}.yaml"):
        if likely.is_file():
            return f"; did you mean {str(likely)!r}?"
    folders = (one for one in (folder / "mixtures", folder) if one.is_dir())
    there = {found.name: str(found) for one in folders for found in sorted(one.glob("*.yaml"))}
    near = nearest(f"{name}.yaml", there)
    return next(
        (near.replace(repr(one), repr(whole)) for one, whole in there.items() if repr(one) in near), ""
    )


_HINTS = {
    "mapping values are not allowed": "write a text that holds ': ' in quotes, "
    "and indent the keys of a mapping alike",
    "scanning an alias": "write a text that begins with '*' in quotes",
    "scanning an anchor": "write a text that begins with '&' in quotes",
    "'\\t' that cannot start any token": "indent with spaces, not tabs",
    "cannot start any token": "write a text that begins so in quotes",
    "<block mapping start>": "indent the keys of a mapping alike",
    "expected ',' or '}'": "write key: value in braces, and a comma between two",
    "expected ',' or ']'": "write a comma between two entries, and a bracket at the end",
}
"""What helps, by words of PyYAML's messages."""


def _syntax_problem(name: str, error: yaml.MarkedYAMLError) -> str:
    """Describe a syntax error, with the place where the broken part began when that is elsewhere."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    text = str(error.problem)
    said = f"{error.context} {error.problem}"
    hint = next((f"; {what}" for words, what in _HINTS.items() if words in said), "")
    if error.context and not error.context.startswith("while"):
        text = f"{error.context}, {text}"
    elif error.context and error.context_mark and error.context_mark.line + 1 < line:
        text += f" ({error.context} that begins on line {error.context_mark.line + 1})"
    return f"{name}:{line}:{column} not YAML: {text}{hint}"


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
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _CONTAINER_TAGS:
            self._report(node, path, f"tag {node.tag!r} is not known; write plain YAML without tags")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, i), above) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, above: frozenset[int]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(key_node, path, "a key must be a word, found a list or mapping")
                continue
            key = self._text(key_node, path)
            here = (*path, key)
            if key == "<<" and key_node.style is None:
                self._report(key_node, here, "keys are not merged here; write them out")
                continue
            if key in found:
                first = self.keys[here].line
                self._report(key_node, here, f"key {key!r} is given twice (first on line {first}); keep one")
                continue
            self.keys[here] = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            found[key] = self.build(value_node, here, above)
        return found

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        """Build a scalar; a tag that somebody wrote by hand is held to the same forms."""
        kind, text = node.tag.rpartition(":")[2], str(node.value)
        if kind not in _FORMS:
            if kind != "str":
                self._report(node, path, f"tag {node.tag!r} is not known; write plain YAML without tags")
            return self._text(node, path)
        if not _FORMS[kind].match(text):
            self._report(node, path, f"{text!r} is not of the type that its tag says; write it without a tag")
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        return self._whole(node, path, text) if kind == "int" else self._real(node, path, text)

    def _whole(self, node: yaml.Node, path: KeyPath, text: str) -> int:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        number = int(text[:64], base)  # 64 digits tell that it is too large, and bound the work
        if abs(number) > MAX_INT:
            self._report(node, path, f"a whole number of {len(text)} digits is too large; at most {MAX_INT}")
        return number

    def _real(self, node: yaml.Node, path: KeyPath, text: str) -> float:
        number = float(text.replace(".", "") if text[-1].isalpha() else text)
        if not isfinite(number):
            self._report(node, path, f"{text!r} is not a number that can be used here")
        return number

    def _text(self, node: yaml.Node, path: KeyPath) -> str:
        """Return a node's text; two escapes that make one character in JSON make one here too."""
        text = str(node.value)
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            half = next(ascii(letter)[1:-1] for letter in text if "\ud800" <= letter <= "\udfff")
            self._report(
                node, path, f"{half} is half of a character; give both halves, or the character itself"
            )
            return text.encode("utf-8", "replace").decode()

    def _report(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        shown = dotted(path)
        self.problems.append(
            f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1} "
            f"{shown + ': ' if shown else ''}{text}"
        )
