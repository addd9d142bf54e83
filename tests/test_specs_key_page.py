"""The page of keys: it is what the models say, and every key has an example that its model reads."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tulu_data.specs.base import EXAMPLE, Spec, validate
from tulu_data.specs.document import parse_document
from tulu_data.specs.editor_schema import mixture_schema
from tulu_data.specs.key_page import spec_page

ROOT = Path(__file__).parents[1]
SCHEMA: dict[str, Any] = {
    name: one for name, one in mixture_schema()["$defs"].items() if not name.endswith("Overlay")
}
BESIDE = {
    "Keyword": ["words"], "Dated": ["before"], "ShareOf": ["tag"], "FilterStep": ["max_turns"],
    "Mixture": ["decontaminate"],
}  # fmt: skip
"""Keys of which a model needs one, besides those that it always needs."""
NEEDS = {
    "size": {"sources": "{chat: {uri: data/chat.jsonl, take: {weight: 1}}}", "tokenizer": "models/tiny"},
    "temperature": {"sources": "{chat: {uri: data/chat.jsonl, take: {weight: 1}}}", "size": "9"},
    "groups": {
        "sources": "{chat: {uri: data/chat.jsonl, take: {weight: 1}, group: everyday}}", "size": "9"
    },
}  # fmt: skip
"""What a key of a mixture does not do without."""


def models(above: type[Spec] = Spec) -> dict[str, type[Spec]]:
    found = {above.__name__: above}
    for below in above.__subclasses__():
        if below.__module__.startswith("tulu_data.specs"):
            found |= models(below)
    return found


KEYS = [(name, key) for name, one in SCHEMA.items() for key in one["properties"]]


def example(model: str, key: str) -> str:
    found = EXAMPLE.search(SCHEMA[model]["properties"][key]["description"])
    assert found, f"{model}.{key}: say an example at the end of its docstring: Example: `VALUE`."
    return found[1]


def test_the_page_that_ships_is_what_the_models_say() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "reference.py"))["spec_page"]()
    assert written == spec_page()
    assert (ROOT / "docs" / "spec.md").read_text("utf-8") == written, "type: make docs"


@pytest.mark.parametrize(("model", "key"), KEYS, ids=[f"{model}.{key}" for model, key in KEYS])
def test_the_example_of_a_key_is_read_by_its_model_and_stands_on_the_page(model: str, key: str) -> None:
    assert f"`{key}: {example(model, key).replace('|', chr(92) + '|')}` |" in spec_page()
    needed = [
        *SCHEMA[model].get("required", []),
        *(BESIDE.get(model, []) if key != "of" else ["before", "tag"]),
    ]
    beside = {one: example(model, one) for one in needed if one in SCHEMA[model]["properties"]}
    if model == "ShareOf" and key in ("source", "tag", "group"):
        beside.pop("tag")
    said = beside | (NEEDS.get(key, {}) if model == "Mixture" else {}) | {key: example(model, key)}
    text = "".join(f"{one}: {value}\n" for one, value in said.items())
    read = validate(models()[model], parse_document(text, "x.yaml"))
    field = next(n for n, f in models()[model].model_fields.items() if (f.alias or n) == key)
    assert getattr(read, field) != models()[model].model_fields[field].default or key == "revision"


def test_every_model_has_a_section_and_every_link_one_to_lead_to() -> None:
    page = spec_page()
    titles = re.findall(r"^## (.*)$", page, re.MULTILINE)
    anchors = [re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert len({*anchors}) == len(anchors)
    links = set(re.findall(r"\(#([^)]*)\)", page))
    assert links <= {*anchors}
    assert {*anchors} - links == {"the-spec"}
    without_keys = [name for name, one in SCHEMA.items() if not one["properties"]]
    assert len(titles) == len(SCHEMA) - len(without_keys)


def test_the_page_has_each_key_of_each_model_once() -> None:
    on_page = re.findall(r"^\| `(\w+)` \|", spec_page(), re.MULTILINE)
    assert sorted(on_page) == sorted(key for _, key in KEYS)
