"""Paths and templates: every value of a row can be reached, and text without braces is itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.decontaminate.suites.values import walked
from tulu_data.specs.paths import Path, Template, parse_path, parse_text, paths_of

keys = st.text(st.characters(exclude_characters=".[]{}", exclude_categories=["Cs"]), min_size=1, max_size=4)
steps = st.lists(st.one_of(keys, st.integers(0, 3)), max_size=4)


@given(keys, steps)
def test_a_path_leads_to_the_value_that_was_put_there(column: str, found: list[str | int]) -> None:
    value: object = "here"
    for step in reversed(found):
        value = {step: value, "other": 0} if isinstance(step, str) else [*["not here"] * step, value]
    text = column + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in found)
    path = parse_path(text)
    assert (path.text, path.column, path.steps) == (text, column, tuple(found))
    assert walked(value, path.steps) == "here"


@given(keys, steps, steps)
def test_a_star_leads_to_every_element(column: str, before: list[str | int], after: list[str | int]) -> None:
    path = parse_path(
        column
        + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in before)
        + "[*]"
        + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in after)
    )
    inner: object = "here"
    for step in reversed(after):
        inner = {step: inner} if isinstance(step, str) else [*[None] * step, inner]
    value: object = [inner, "of another form", inner]
    for step in reversed(before):
        value = {step: value} if isinstance(step, str) else [*[None] * step, value]
    expected = ["here", "of another form", "here"] if not after else ["here", None, "here"]
    assert walked(value, path.steps) == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), keys)
def test_a_template_says_its_text_and_its_columns(text: str, column: str) -> None:
    quoted = text.replace("{", "{{").replace("}", "}}")
    parsed = parse_text(f"{quoted}{{{column}}}{quoted}")
    assert isinstance(parsed, Template)
    assert "".join(part if isinstance(part, str) else "|" for part in parsed.parts) == f"{text}|{text}"
    assert [path.column for path in parsed.paths] == [column]


def test_a_path_without_braces_is_no_template() -> None:
    assert parse_text("a.b") == Path(text="a.b", column="a", steps=("b",))
    assert [path.text for path in paths_of("{a.b}-{c[0]}")] == ["a.b", "c[0]"]


@pytest.mark.parametrize("text", ["", ".", "a.", "a..b", "[0]", "a[", "a[x]", "a]b", "a[0]b", ".a"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a path such as|must not be empty"):
        parse_path(text)


@pytest.mark.parametrize("text", ["{", "}", "{a", "a}", "{{a}", "{}", "{a..b}"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"without its other half|expected a path|must not be empty"):
        parse_text(text)
