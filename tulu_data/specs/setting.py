"""Settings of a command line, `--set a.b=c`: one value each, laid over a spec as its last overlay.

The one idea: the path is written as messages write it (`sources.web.take`, `steps[0].drop`,
`columns['a.b']`), the value as in a spec, by the same scalar rules. A mistake in it is shown with the setting
itself in the place of a file.
"""

import ast
import re

from tulu_data.errors import SpecError, nearest
from tulu_data.specs.base import shown
from tulu_data.specs.document import KeyPath, Place, dotted, parse_document
from tulu_data.specs.tree import NoPlaceError, Tree, Whole, put, tree_of

_PART = re.compile(
    r"(?P<dot>\.?)(?P<key>[\w-]+)|\[(?P<index>[0-9]{1,6})\]|\[(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\]"
)
_FORM = "write a path and a value, as in sources.web.take={rows: 100}, steps[0].drop=[refusal] or size=5000"


def put_setting(tree: Tree, setting: str, whole: Whole, layer: int) -> Tree:
    """Lay a setting over a spec; raise SpecError where it cannot be read or has no place to go."""
    origin = f"--set {shown(setting)[1:-1]}:"
    path, value = _parsed(setting, origin, layer)
    if path[0] == "extends":
        raise SpecError([f"{origin} a setting comes after what a spec extends; write extends in the spec"])
    try:
        return put(tree, path, value, whole)
    except NoPlaceError as error:
        where, part = dotted(error.path) or "the spec", path[len(error.path)]
        raise SpecError([f"{origin} {_no_place(where, part, error.found)}"]) from None


def _no_place(where: str, part: str | int, found: Tree) -> str:
    """Say why a path does not lead on from `where`."""
    if isinstance(part, str) and found.items is not None:
        return f"{where}: nothing to remove, {part!r} is not there{nearest(part, found.items)}"
    if isinstance(part, str):
        hint = (
            "a list; name an entry by its number, as in [0]"
            if found.entries is not None
            else shown(found.data)
        )
        return f"{where}: has no keys, so no {part!r}; found {hint}"
    if found.entries is None:
        what = "keys and values" if found.items is not None else shown(found.data)
        return f"{where}: [{part}] counts the entries of a list, found {what}"
    count = len(found.entries)
    there = f"the last is [{count - 1}]" if count else "the list is empty"
    return f"{where}: no entry [{part}], {there}; to make it longer write the whole list, {where}=[...]"


def _parsed(setting: str, origin: str, layer: int) -> tuple[KeyPath, Tree]:
    """Read a setting as a path and a value that stands at no line."""
    path: list[str | int] = []
    end = 0
    while part := _PART.match(setting, end):
        if part["key"] is not None and bool(part["dot"]) != bool(path):
            break
        text = part["text"]
        path.append(part["key"] or (int(part["index"]) if text is None else str(ast.literal_eval(text))))
        end = part.end()
    if not path or setting[end : end + 1] != "=":
        raise SpecError([f"{origin} expected a path, '=' and a value; {_FORM}"])
    try:
        document = parse_document(setting[end + 1 :], "")
    except SpecError as error:
        raise SpecError([f"{origin} {problem.partition(' ')[2]}" for problem in error.problems]) from None
    return tuple(path), tree_of(document, lambda _: Place(0, 0, origin, layer))
