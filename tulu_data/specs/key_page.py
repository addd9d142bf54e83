"""The page of all keys of a mixture spec, for people: what each means, its default, and an example.

The one idea: it is made of the JSON Schema, which is made of the models, so whoever changes a docstring
changes the page. An example is the last sentence under a field, "Example: `VALUE`."; a test reads each one as
its model does.
"""

import re
from collections.abc import Iterator
from typing import Any

from tulu_data.specs.base import EXAMPLE
from tulu_data.specs.editor_schema import Schema, mixture_schema

_OPENING = """\
# Keys of a mixture spec

Written by `make docs` from the docstrings of the models that read specs. `tulu-data check` names a key that
is misspelt, a value that does not fit and keys that contradict each other, each at its line and column; the
JSON Schema beside the specs, `mixture.schema.json`, completes keys in an editor.
[mixtures/README.md](../mixtures/README.md) derives a mixture step by step.

A spec is YAML 1.2: `no` and `on` are words, dates are text, and a text that holds `: ` is written in
quotes. A key that is not given has its default. Paths are relative to the workspace, the nearest folder
above the spec with a `tulu-data.yaml`, else the current one; only `extends` is relative to the spec itself.

A spec with `extends` says what differs: mappings merge key by key, sources by their names; a list, a `take`
and a `size` replace the one below; `null` removes. `--set PATH=VALUE` is one more such layer, as in
`--set size=5000`, `--set sources.chat.take.rows=5` or `--set 'steps[0].drop=[refusal]'`. Where two layers
contradict each other, the later one is named as the place. `tulu-data check --merged SPEC` prints what all
of them come to.
"""
_WORDS = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
_BOUNDS = {
    "minimum": "at least {}", "exclusiveMinimum": "above {}", "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}  # fmt: skip
_LARGE = 1 << 31
"""A bound from which on it only says that a number is one of a machine."""


def spec_page() -> str:
    """Return the page for the models as they are now."""
    definitions: dict[str, Schema] = mixture_schema()["$defs"]
    titles: dict[str, list[str]] = {}
    _walk(definitions, "Mixture", "", titles)
    return "\n".join([_OPENING, *(_section(definitions, name, titles) for name in titles)])


def _walk(definitions: dict[str, Schema], name: str, path: str, titles: dict[str, list[str]]) -> None:
    """Note where each model stands, in the order of the keys; one without keys has no section."""
    model = definitions[name]
    if not model["properties"]:
        return
    tag = model["properties"].get("step", {}).get("const")
    titles.setdefault(name, []).append(
        f"`{path}`" + (f", step: {tag}" if tag else "") if path else "The spec"
    )
    if len(titles[name]) > 1:
        return
    for key, schema in model["properties"].items():
        for below, suffix in _models(schema):
            _walk(definitions, below, f"{path}.{key}".lstrip(".") + suffix, titles)


def _section(definitions: dict[str, Schema], name: str, titles: dict[str, list[str]]) -> str:
    """Return the section of a model."""
    model = definitions[name]
    rows = [
        _row(key, schema, titles, required=key in model.get("required", ()))
        for key, schema in model["properties"].items()
    ]
    head = ["| key | value | default | meaning | example |", "|---|---|---|---|---|"]
    return "\n".join([f"## {', '.join(titles[name])}", "", model["description"], "", *head, *rows, ""])


def _row(key: str, schema: Schema, titles: dict[str, list[str]], *, required: bool) -> str:
    """Return the line of one key."""
    said = schema["description"]
    found = EXAMPLE.search(said)
    example = f"`{key}: {found[1]}`" if found else ""
    meaning = EXAMPLE.sub("", said)
    default = "required" if required else _default(schema.get("default"))
    cells = [f"`{key}`", _value(schema, titles), default, meaning, example]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(value: Any) -> str:
    """Return a default as YAML has it."""
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _value(schema: Schema, titles: dict[str, list[str]]) -> str:
    """Say what a key may hold."""
    forms: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return " or ".join(dict.fromkeys(_form(form, titles) for form in forms if form.get("type") != "null"))


def _form(form: Schema, titles: dict[str, list[str]]) -> str:
    """Say what one form of a value is."""
    if "const" in form:
        return f"`{str(form['const']).lower() if isinstance(form['const'], bool) else form['const']}`"
    if "enum" in form:
        return ", ".join(f"`{word}`" for word in form["enum"])
    if "$ref" in form:
        title = ", ".join(titles.get(form["$ref"].rpartition("/")[2], []))
        return f"[keys](#{re.sub(r'[^a-z0-9_ -]', '', title.lower()).replace(' ', '-')})" if title else "`{}`"
    if form["type"] == "array":
        return f"a list: {_value(form['items'], titles)}"
    if form["type"] == "object":
        return f"names with {_value(form['additionalProperties'], titles)}"
    bounds = {key: form[key] for key in _BOUNDS if key in form and form[key] < _LARGE}
    if {"minimum", "maximum"} <= bounds.keys():
        return f"{_WORDS[form['type']]}, from {bounds['minimum']:g} to {bounds['maximum']:g}"
    said = [_BOUNDS[key].format(f"{bound:g}") for key, bound in bounds.items()]
    return ", ".join([_WORDS[form["type"]], *said])


def _models(schema: Schema, suffix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the models that a value may be, each with what follows the key on the way to it."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2], suffix
    for form in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _models(form, suffix)
    if "items" in schema:
        yield from _models(schema["items"], f"{suffix}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _models(schema["additionalProperties"], f"{suffix}.NAME")
