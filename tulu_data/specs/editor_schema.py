"""The JSON Schema of a mixture spec, by which editors complete keys, show what they mean and mark mistakes.

The one idea: it is made of the models, so it says what they say, with the docstring under every field. What
it adds is what a schema of models cannot know: the short forms that validators take, and that a spec which
extends another says only what differs and removes with null. It marks less than `check` finds.
"""

import json
from collections.abc import Mapping
from typing import Any

from tulu_data.specs.filters import BARE
from tulu_data.specs.mixture import Mixture

SCHEMA_FILE = "mixture.schema.json"
"""Name of the schema beside specs, which name it: `# yaml-language-server: $schema=mixture.schema.json`."""

Schema = dict[str, Any]

_SHORT_FORMS: Mapping[tuple[str, str], Schema] = {
    ("Mixture", "size"): {"type": "integer", "minimum": 1},
    ("Source", "licence"): {"type": "string", "minLength": 1},
    ("DedupStep", "near"): {"const": True},
    ("Assertion", "min_rows"): {"type": "integer", "minimum": 0},
    ("Assertion", "max_rows"): {"type": "integer", "minimum": 0},
    ("Assertion", "min_tokens"): {"type": "integer", "minimum": 0},
    ("Assertion", "max_tokens"): {"type": "integer", "minimum": 0},
}
"""(Model, key) -> what may stand there in short."""
_ONE_KEY = ("Take", "Size", "Assertion", "Dropped")
"""Models of which exactly one key is given."""
_MERGED = ("Mixture", "Source", "Card", "Group", "Licences")
"""Models whose keys an overlay merges, so that it may leave each of them out."""


def mixture_schema() -> Schema:
    """Return the JSON Schema of mixture specs."""
    found = Mixture.model_json_schema(by_alias=True)
    definitions: dict[str, Schema] = {name: _plain(one) for name, one in found.pop("$defs").items()}
    definitions["Mixture"] = _plain(found)
    for (model, key), form in _SHORT_FORMS.items():
        _allow(definitions[model]["properties"], key, form)
    drop = definitions["FilterStep"]["properties"]["drop"]
    drop["items"] = {"anyOf": [{"enum": list(BARE)}, drop["items"]]}
    for model in _ONE_KEY:
        definitions[model] |= {"minProperties": 1, "maxProperties": 1}
    for model in _MERGED:
        definitions[f"{model}Overlay"] = _overlay(definitions[model])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mixture spec of tulu-data",
        "description": "Which sources become one dataset version, and how much of each.",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"$ref": "#/$defs/MixtureOverlay"},
        "else": {"$ref": "#/$defs/Mixture"},
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(mixture_schema(), indent=1, ensure_ascii=False) + "\n"


def _plain(schema: Any) -> Any:
    """Leave out titles and empty defaults, which say nothing, and write descriptions in one line."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: _plain(one) for name, one in value.items()}
        elif key == "description":
            kept[key] = " ".join(value.split())
        elif not (key == "title" or (key == "default" and (value is None or isinstance(value, dict)))):
            kept[key] = _plain(value)
    return kept


def _allow(properties: dict[str, Schema], key: str, form: Schema) -> None:
    """Let a key hold something else too."""
    schema = dict(properties[key])
    about: Schema = {name: schema.pop(name) for name in ("description", "default") if name in schema}
    forms = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    properties[key] = {"anyOf": [form, *forms], **about}


def _overlay(schema: Schema) -> Schema:
    """Make of a whole mapping one that says what differs: no key is needed, and null removes."""
    text = json.dumps({key: value for key, value in schema.items() if key != "required"})
    for model in _MERGED:
        text = text.replace(f'"#/$defs/{model}"', f'"#/$defs/{model}Overlay"')
    overlay: Schema = json.loads(text)
    for key, one in overlay["properties"].items():
        if key not in schema.get("required", ()) and {"type": "null"} not in one.get("anyOf", []):
            _allow(overlay["properties"], key, {"type": "null"})
        _allow_null_entries(overlay["properties"][key])
    return overlay


def _allow_null_entries(schema: Schema) -> None:
    """Let entries of mappings by name (sources, groups, splits) be null, which removes them."""
    for form in schema.get("anyOf", [schema]):
        entries = form.get("additionalProperties")
        if isinstance(entries, dict):
            form["additionalProperties"] = {"anyOf": [entries, {"type": "null"}]}
