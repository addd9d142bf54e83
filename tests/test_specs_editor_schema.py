"""The JSON Schema of mixture specs: made of the models, shipped as it is made, and true of what ships."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from tulu_data.cli.main import group
from tulu_data.errors import SpecError
from tulu_data.specs.base import validate
from tulu_data.specs.document import Document, parse_document, read_document
from tulu_data.specs.editor_schema import SCHEMA_FILE, mixture_schema, schema_text
from tulu_data.specs.mixture import Mixture

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "mixtures", ROOT / "tulu_data" / "workspace" / "files" / "mixtures")
SPECS = [p for f in FOLDERS for p in sorted(f.rglob("*.yaml")) if not p.name.endswith(".lock.yaml")]
HEAD = "version: 1\nname: m\nkind: sft\ndecontaminate: none\n"
ONE = "sources: {a: {uri: a.jsonl}}\n"
VALIDATOR = Draft202012Validator(mixture_schema())


def marks(text: str) -> list[str]:
    """Return the paths that an editor would mark."""
    found = VALIDATOR.iter_errors(parse_document(text, "m.yaml").data)
    return sorted("/".join(map(str, error.absolute_path)) for error in found)


def is_read(text: str) -> bool:
    try:
        validate(Mixture, parse_document(text, "m.yaml"))
    except SpecError:
        return False
    return True


def test_the_schema_is_one_and_says_what_every_key_means() -> None:
    schema = mixture_schema()
    Draft202012Validator.check_schema(schema)
    missing = [
        f"{name}.{key}"
        for name, definition in schema["$defs"].items()
        for key, one in definition["properties"].items()
        if not one.get("description")
    ]
    assert missing == []
    fields = {field.alias or name for name, field in Mixture.model_fields.items()}
    assert set(schema["$defs"]["Mixture"]["properties"]) == fields


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.parent.name)
def test_the_schema_that_ships_is_the_one_that_the_models_give(folder: Path) -> None:
    said = CliRunner().invoke(group, ["check", "--schema"]).output
    assert said == schema_text()
    # `make docs` writes it anew.
    assert (folder / SCHEMA_FILE).read_text("utf-8") == said


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_a_shipped_spec_names_the_schema_and_fits_it(path: Path) -> None:
    assert path.read_text("utf-8").splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA_FILE}"
    assert list(VALIDATOR.iter_errors(read_document(path).data)) == []


GOOD = [
    HEAD + ONE,
    HEAD + "size: 5\nsources: {a: {uri: a, take: {weight: 1}}}\n",
    HEAD + "size: {rows: 5}\nsources: {a: {uri: a, take: {weight: 1}, group: g}}\n"
    "groups: {g: {temperature: 0.5}}\n",
    HEAD + "sources: {a: {uri: a, licence: mit}, b: {uri: b, licence: [mit, odc-by]}}\n",
    HEAD
    + ONE
    + "steps: [{step: dedup, near: true}, {step: dedup, near: {n: 3}}, {step: filter, drop: [refusal]}]\n",
    HEAD
    + ONE
    + "steps: [{step: filter, drop: [empty_turn, {repetition: {min_words: 9}}, {language: {keep: [en]}}]}]\n",
    HEAD + ONE + "assert: [{min_rows: 5}, {max_rows: {source: a, rows: 9}}, {max_repetition: 1}]\n",
    HEAD
    + ONE
    + "licences: {allow: [mit], unknown: warn}\nsplits: {test: {fraction: 0.1}}\ncard: {language: [en]}\n",
    HEAD + ONE + "description: null\ntokenizer: null\nmax_repetition: null\n",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_models_read_no_editor_marks(text: str) -> None:
    assert is_read(text)
    assert marks(text) == []


BAD = [
    (HEAD, ""),
    (HEAD + ONE + "sede: 1\n", ""),
    (HEAD + ONE + "seed: x\n", "seed"),
    (HEAD + "sources: {a: {}}\n", "sources/a"),
    (HEAD + "sources: {a: {uri: a, take: {row: 1}}}\n", "sources/a/take"),
    (HEAD + "sources: {a: {uri: a, take: {rows: 1, all: true}}}\n", "sources/a/take"),
    (HEAD + "sources: {a: {uri: a, take: {}}}\n", "sources/a/take"),
    (HEAD + "sources: {a: {uri: a, adapter: alpacca}}\n", "sources/a/adapter"),
    (HEAD + ONE + "steps: [{step: filter, drop: [keyword]}]\n", "steps/0"),
    (HEAD + ONE + "steps: [{step: filter, drop: [{repetition: {min_word: 9}}]}]\n", "steps/0"),
    (HEAD + ONE + "licences: {unknown: warm}\n", "licences"),
    (HEAD + ONE + "splits: {test: {fraction: 1}}\n", "splits"),
    (HEAD + ONE + "assert: [{min_rows: many}]\n", "assert/0/min_rows"),
]


@pytest.mark.parametrize(("text", "path"), BAD)
def test_a_mistake_that_a_schema_can_tell_is_marked_at_its_place(text: str, path: str) -> None:
    assert not is_read(text)
    assert path in marks(text)


@pytest.mark.parametrize(
    "text",
    [
        "extends: base.yaml\n",
        "extends: [base.yaml, other.yaml]\nname: mine\nseed: null\n",
        "extends: base.yaml\nsources: {a: null, b: {take: {rows: 5}}, c: {tags: null, take: null}}\n",
        "extends: base.yaml\ngroups: {g: {weight: 2}, h: null}\nlicences: null\n"
        "splits: {test: null}\nsize: null\n",
    ],
)
def test_an_overlay_says_what_differs_and_removes_with_null(text: str) -> None:
    assert marks(text) == []
    assert marks(text.partition("\n")[2]) != []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("extends: base.yaml\nsede: 1\n", ""),
        ("extends: base.yaml\nsources: {a: {take: {row: 1}}}\n", "sources/a"),
        ("extends: 5\n", "extends"),
    ],
)
def test_an_overlay_is_marked_too(text: str, path: str) -> None:
    assert any(mark.startswith(path) for mark in marks(text))


def test_a_document_of_nothing_is_marked() -> None:
    assert list(VALIDATOR.iter_errors(Document(name="m", data=None, values={}, keys={}).data)) != []
