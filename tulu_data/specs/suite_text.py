"""Put a suite into the text of a suite spec, leaving every line that is there as it is.

The one idea: a person's file is added to, never written anew, so comments and order stay. What comes
out is parsed and compared with what was meant before anybody sees it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tulu_data.errors import SpecError
from tulu_data.specs.base import validate
from tulu_data.specs.document import Document, parse_document, read_document
from tulu_data.specs.suite import SuiteFile, SuiteSpec

_PLAIN = re.compile(r"(?:[A-Za-z_]|\.{0,2}/)(?:[\w./+*@-]|:(?=[\w/]))*(?: [\w./+-]+)*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

Entry = Mapping[str, object]
"""The keys of a suite, as YAML has them."""


def with_suite(path: Path, shown: str, name: str, entry: Entry) -> tuple[SuiteFile, str]:
    """Return a spec with one more suite, and its text; nothing is written.

    The file need not exist. Raises SpecError when the spec has the suite, or cannot be added to.
    """
    if path.is_file():
        before = read_document(path, shown)
        suites = _suites_of(before)
        if name in suites:
            line = before.place(("suites", name), key=True).line
            text = f"the suite is there already (line {line}); choose another name, or edit the file"
            raise SpecError([before.problem(("suites", name), text, key=True)])
        old = path.read_bytes().decode("utf-8-sig")
        text = _inserted(old, before, _block(name, entry, _indent(before)))
    else:
        suites, text = {}, "version: 1\nsuites:\n" + "".join(f"{line}\n" for line in _block(name, entry, 2))
    after = parse_document(text, shown)
    assert _suites_of(after) == {**suites, name: entry}
    return SuiteFile(spec=validate(SuiteSpec, after), document=after, path=path), text


def _suites_of(document: Document) -> dict[str, object]:
    """Return the suites of a document; raise SpecError where they are not one a line."""
    data = document.data
    suites = data.get("suites") if isinstance(data, dict) else None
    if not isinstance(suites, dict) or not suites:
        raise SpecError([document.problem((), "expected suites, one below the other, to add to; found none")])
    return suites


def _indent(document: Document) -> int:
    """Return the spaces before the name of a suite; raise SpecError where suites stand in braces."""
    first = next(iter(_suites_of(document)))
    place, above = document.place(("suites", first), key=True), document.place(("suites",), key=True)
    if place.line == above.line or place.column <= above.column:
        text = "is written in braces; write one suite below the other to add to it"
        raise SpecError([document.problem(("suites",), text)])
    return place.column - 1


def _inserted(text: str, document: Document, block: Sequence[str]) -> str:
    """Put lines behind the last suite."""
    end = "\r\n" if "\r\n" in text else "\n"
    # YAML knows more line breaks than one; these are the lines that its places count.
    lines = text.splitlines(keepends=True)
    start = document.place(("suites",), key=True).line
    later = [place.line for path, place in document.keys.items() if len(path) == 1 and place.line > start]
    at = min(later, default=len(lines) + 1) - 1
    while at > start and (not lines[at - 1].strip() or lines[at - 1].startswith("#")):
        at -= 1
    if lines[at - 1].strip("\r\n") == lines[at - 1]:
        lines[at - 1] += end
    return "".join([*lines[:at], *(line + end for line in block), *lines[at:]])


def _block(name: str, entry: Entry, indent: int) -> list[str]:
    """Write a suite in lines."""
    lines = [f"{' ' * indent}{_scalar(name)}:"]
    for key, value in entry.items():
        if key == "fields" and isinstance(value, Mapping):
            lines.append(f"{' ' * 2 * indent}{key}:")
            lines += [f"{' ' * 3 * indent}{field}: {_flow(made)}" for field, made in value.items()]
        else:
            lines.append(f"{' ' * 2 * indent}{key}: {_flow(value)}")
    return lines


def _flow(value: object) -> str:
    """Write a value in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    """Write text as it is where YAML cannot take it for anything else, in quotes otherwise."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    # JSON's quotes mean the same in YAML, where every escape is known.
    return text if plain else json.dumps(text, ensure_ascii=False)
