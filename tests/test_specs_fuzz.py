"""Specs broken on purpose, in one place each: read, or refused with a place, and never a traceback."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tulu_data.errors import SpecError
from tulu_data.sources.compiled import compile_sql
from tulu_data.specs.base import validate
from tulu_data.specs.document import dotted, parse_document
from tulu_data.specs.editor_schema import mixture_schema
from tulu_data.specs.mixture import Mixture, read_mixture

SPEC: dict[str, Any] = yaml.safe_load("""
version: 1
name: whole
kind: sft
description: Everything that a mixture can say.
seed: 7
tokenizer: models/tiny
size: {rows: 60}
temperature: 0.5
groups: {math: {weight: 2, temperature: 1.0}}
max_repetition: 3
licences: {allow: [mit, odc-by], deny: [gpl-3.0], unknown: warn}
sources:
  web: {uri: data/web.jsonl, licence: [mit, odc-by], take: {weight: 1}, group: math, tags: [math]}
  hub: {uri: "hf://o/n", revision: v1, config: en, split: test, adapter: messages, columns: {messages: m},
        where: "length(m) > 2", quality: score, take: {weight: 2.5}, max_repetition: 2}
  rest: {uri: data/rest.jsonl, take: {tokens: 100}}
steps:
  - {step: filter, drop: [refusal], max_tokens: 100}
  - {step: dedup, key: prompt, near: {jaccard_threshold: 0.5}, prefer: [hub]}
  - {step: decontaminate, against: [evals/], rule: auto, scope: all}
assert: [{min_rows: 5}, {max_share: {tag: math, fraction: 0.6}}, {max_tokens: {source: web, tokens: 9}}]
splits: {validation: {fraction: 0.01}}
card: {language: [en], tags: [x], homepage: "https://example.org", citation: c, pretty_name: p}
""")


def paths(data: Any, here: tuple = ()) -> Iterator[tuple]:
    yield here
    for key, below in (
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    ):
        yield from paths(below, (*here, key))


WRONG = st.sampled_from(
    [None, True, False, 0, -1, 1, 2**62, 0.5, 1e300, "", " ", "x", "\u7f51\u7edc", "a b", [], [[]], [None],
     {}, {"x": 1}, {"": 0}, {"a.b": {"c'd": []}}, "hf://", "name@version", [1, "a"], {"rows": 1},
     {"rows": 1, "all": True}]
) | st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=5), below, max_size=2),
    max_leaves=4,
)  # fmt: skip


EDITOR = Draft202012Validator(mixture_schema())
ANYWHERE = st.sampled_from(sorted(paths(SPEC), key=str))
BELOW = ANYWHERE.filter(bool)


def changed(data: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    made = copy.deepcopy(data)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return made


def assert_read_or_refused_at_places(path: Path, start: str, *sets: str) -> None:
    try:
        compile_sql(read_mixture(path, sets))
        problems: tuple[str, ...] | None = None
    except SpecError as error:
        problems = error.problems
    assert problems != ()
    assert [p for p in problems or () if not re.match(start, p) or "pydantic" in p.lower()] == []


@settings(max_examples=120, deadline=None)
@given(ANYWHERE, WRONG)
def test_a_value_of_any_type_at_any_key_is_read_or_refused_at_its_place(
    tmp_path_factory, path, value
) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "m.yaml"
    file.write_text(yaml.safe_dump(changed(SPEC, path, value), allow_unicode=True), "utf-8")
    assert_read_or_refused_at_places(file, rf"{re.escape(str(file))}:[1-9]\d*:[1-9]\d* ")


@settings(max_examples=80, deadline=None)
@given(BELOW, WRONG)
def test_a_setting_of_any_type_at_any_key_is_read_or_refused_with_a_place(
    tmp_path_factory, path, value
) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "m.yaml"
    file.write_text(yaml.safe_dump(SPEC, allow_unicode=True), "utf-8")
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).removesuffix(
        "...\n"
    )
    where = rf"({re.escape(str(file))}:[1-9]\d*:[1-9]\d* |--set )"
    assert_read_or_refused_at_places(file, where, f"{dotted(path)}={text.strip()}")


@settings(max_examples=60, deadline=None)
@given(BELOW, WRONG)
def test_an_overlay_of_any_type_at_any_key_is_read_or_refused_at_its_file(
    tmp_path_factory, path, value
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "base.yaml").write_text(yaml.safe_dump(SPEC, allow_unicode=True), "utf-8")
    names = [key for key in path if isinstance(key, str)]
    over: Any = value
    for key in reversed(names):
        over = {key: over}
    (folder / "m.yaml").write_text(
        yaml.safe_dump({"extends": "base.yaml", **over}, allow_unicode=True), "utf-8"
    )
    assert_read_or_refused_at_places(
        folder / "m.yaml", rf"{re.escape(str(folder))}/(m|base)\.yaml:[1-9]\d*:[1-9]\d* "
    )


@settings(max_examples=200, deadline=None)
@given(ANYWHERE, WRONG)
def test_what_is_read_no_editor_marks(path, value) -> None:
    data = changed(SPEC, path, value)
    try:
        validate(Mixture, parse_document(yaml.safe_dump(data, allow_unicode=True), "m.yaml"))
    except SpecError:
        return
    assert list(EDITOR.iter_errors(data)) == []


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_setting_or_refused_as_one(tmp_path_factory, text: str) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "m.yaml"
    file.write_text(yaml.safe_dump(SPEC), "utf-8")
    assert_read_or_refused_at_places(file, r"(--set |/.*m\.yaml:[1-9])", text)


def test_the_whole_spec_is_read(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(yaml.safe_dump(SPEC), "utf-8")
    compile_sql(read_mixture(file))


@pytest.mark.parametrize("name", ["\u7f51\u7edc", "\u00e9t\u00e9", "\u0645\u0635\u062f\u0631", "a.b-c_1"])
def test_a_source_may_have_a_name_in_any_script(tmp_path: Path, name: str) -> None:
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(SPEC), "utf-8")
    over = {"extends": "base.yaml", "sources": {name: {"uri": f"{name}.jsonl", "take": {"rows": 1}}}}
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(over, allow_unicode=True), "utf-8")
    found = read_mixture(tmp_path / "m.yaml", [f"{dotted(('sources', name, 'take'))}={{rows: 2}}"])
    assert found.mixture.sources[name].take.rows == 2
