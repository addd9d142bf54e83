"""From a document to a model: every mistake at its place, word for word."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from tulu_data.errors import SpecError
from tulu_data.specs.base import Mistake, Spec, read_spec, refuse, shown, type_word, validate
from tulu_data.specs.document import parse_document


class Cut(Spec):
    step: Literal["cut"]
    """Tag."""
    size: Annotated[int, Field(ge=1, le=9)] = 1
    """Bounded on both sides."""
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Bounded, both ends open."""


class Paint(Spec):
    step: Literal["paint"]
    """Tag."""
    colour: Literal["red", "blue", "green or white"] = "red"
    """A closed set of words."""


class Inner(Spec):
    on: bool = True
    """A switch."""
    words: tuple[str, ...] = ()
    """A list of text."""
    low: int = 0
    """At most `high`."""
    high: int = 9
    """At least `low`."""

    @model_validator(mode="after")
    def _ordered(self) -> "Inner":
        if self.low > self.high:
            text = f"is above high, which is {self.high}"
            raise refuse(
                Mistake(text=text, path=("low",)), Mistake(text="is below low", path=("high",), on_key=True)
            )
        if self.high == 100:
            raise refuse(Mistake(text="is too much", path=("high",), on_key=True))
        if self.high == 101:
            raise refuse(Mistake(text="is a bad mix"))
        return self


class Root(Spec):
    name: Annotated[str, Field(min_length=1, max_length=5, pattern="^[a-z]+$")]
    """The one key that is needed."""
    inner: Inner = Inner()
    """A model in a model."""
    boxes: dict[str, Inner] = Field(default_factory=dict)
    """Names to models."""
    steps: tuple[Annotated[Cut | Paint, Field(discriminator="step")], ...] = ()
    """A tagged union."""
    either: int | str | None = None
    """An untagged union."""
    other: Inner | None = None
    """A model or nothing."""
    grid: tuple[tuple[int, ...], ...] = ()
    """Lists of lists."""
    pair: tuple[int, str] | None = None
    """A list of two."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Names to numbers."""
    some: Annotated[tuple[int, ...], Field(min_length=2, max_length=3)] = (1, 2)
    """A list of two or three."""
    version: Literal[1] = 1
    """One choice alone."""
    half: Annotated[float, Field(multiple_of=0.5)] = 1.0
    """A rule that has no sentence of its own."""


KNOWN = "boxes, counts, either, grid, half, inner, name, other, pair, some, steps, version"


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        validate(Root, parse_document(text, "x.yaml"))
    return list(caught.value.problems)


def read(text: str) -> Root:
    return validate(Root, parse_document(text, "x.yaml"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # the document itself
        ("", "x.yaml:1:1 expected keys and values, found nothing"),
        ("- a\n", "x.yaml:1:1 expected keys and values, found a list"),
        ("just text\n", "x.yaml:1:1 expected keys and values, found text"),
        ("12\n", "x.yaml:1:1 expected keys and values, found a whole number"),
        # keys
        ("{}\n", "x.yaml:1:1 key 'name' is missing; add `name:` (The one key that is needed)"),
        (
            "name: a\nstps: []\n",
            f"x.yaml:2:1 stps: unknown key 'stps'; did you mean 'steps'? (known: {KNOWN})",
        ),
        ("name: a\n1: x\n", f"x.yaml:2:1 1: unknown key '1' (known: {KNOWN})"),
        (
            "name: a\nboxes:\n  b: {wrd: [a]}\n",
            "x.yaml:3:7 boxes.b.wrd: unknown key 'wrd'; did you mean 'words'? (known: high, low, on, words)",
        ),
        (
            "name: a\nother: {wrd: [a]}\n",
            "x.yaml:2:9 other.wrd: unknown key 'wrd'; did you mean 'words'? (known: high, low, on, words)",
        ),
        (
            "name: a\nsteps:\n  - {step: cut, colour: red}\n",
            "x.yaml:3:17 steps[0].colour: unknown key 'colour' (known: ratio, size, step)",
        ),
        (
            "name: a\nsteps:\n  - step: cut\n    cut: 3\n",
            "x.yaml:4:5 steps[0].cut: unknown key 'cut' (known: ratio, size, step)",
        ),
        # types
        ("name: 5\n", "x.yaml:1:7 name: expected text, found 5"),
        ("name: true\n", "x.yaml:1:7 name: expected text, found true"),
        ("name:\n", "x.yaml:1:6 name: expected text, found nothing"),
        ("name: a\ninner: 3\n", "x.yaml:2:8 inner: expected a mapping of keys to values, found 3"),
        ("name: a\ninner: [on]\n", "x.yaml:2:8 inner: expected a mapping of keys to values, found a list"),
        ("name: a\nother: x\n", "x.yaml:2:8 other: expected a mapping of keys to values, found 'x'"),
        ("name: a\nboxes: [1]\n", "x.yaml:2:8 boxes: expected a mapping of names to values, found a list"),
        (
            "name: a\nboxes: {b: }\n",
            "x.yaml:2:11 boxes.b: expected a mapping of keys to values, found nothing",
        ),
        ("name: a\ninner: {on: yes}\n", "x.yaml:2:13 inner.on: expected true or false, found 'yes'"),
        ("name: a\ninner: {on: 1}\n", "x.yaml:2:13 inner.on: expected true or false, found 1"),
        ("name: a\ninner: {on: 'true'}\n", "x.yaml:2:13 inner.on: expected true or false, found 'true'"),
        ("name: a\ninner: {words: a}\n", "x.yaml:2:16 inner.words: expected a list, found 'a'"),
        ("name: a\ninner: {words: [a, 3]}\n", "x.yaml:2:20 inner.words[1]: expected text, found 3"),
        ("name: a\ninner: {low: 1.0}\n", "x.yaml:2:14 inner.low: expected a whole number, found 1.0"),
        ("name: a\ninner: {low: '1'}\n", "x.yaml:2:14 inner.low: expected a whole number, found '1'"),
        ("name: a\ninner: {low: true}\n", "x.yaml:2:14 inner.low: expected a whole number, found true"),
        ("name: a\nhalf: x\n", "x.yaml:2:7 half: expected a number, found 'x'"),
        ("name: a\ngrid: [[1, x]]\n", "x.yaml:2:12 grid[0][1]: expected a whole number, found 'x'"),
        ("name: a\ncounts: {a.b: x}\n", "x.yaml:2:15 counts['a.b']: expected a whole number, found 'x'"),
        ("name: a\nsteps: {a: 1}\n", "x.yaml:2:8 steps: expected a list, found a mapping"),
        # unions
        ("name: a\neither: 1.5\n", "x.yaml:2:9 either: expected a whole number or text, found 1.5"),
        ("name: a\neither: [1]\n", "x.yaml:2:9 either: expected a whole number or text, found a list"),
        (
            "name: a\nsteps: [{size: 3}]\n",
            "x.yaml:2:9 steps[0]: key 'step' is missing (found size); give one of cut, paint",
        ),
        ("name: a\nsteps: [{}]\n", "x.yaml:2:9 steps[0]: key 'step' is missing; give one of cut, paint"),
        (
            "name: a\nsteps: [{step: cat}]\n",
            "x.yaml:2:16 steps[0].step: expected one of cut, paint, found 'cat'; did you mean 'cut'?",
        ),
        (
            "name: a\nsteps: [{step: }]\n",
            "x.yaml:2:15 steps[0].step: expected one of cut, paint, found nothing",
        ),
        (
            "name: a\nsteps: [{step: [cut]}]\n",
            "x.yaml:2:16 steps[0].step: expected one of cut, paint, found a list",
        ),
        # words
        (
            "name: a\nsteps: [{step: paint, colour: gren or white}]\n",
            "x.yaml:2:31 steps[0].colour: expected one of blue, green or white, red, found 'gren or white'; "
            "did you mean 'green or white'?",
        ),
        (
            "name: a\nsteps: [{step: paint, colour: 7}]\n",
            "x.yaml:2:31 steps[0].colour: expected one of blue, green or white, red, found 7",
        ),
        ("name: a\nversion: 2\n", "x.yaml:2:10 version: expected 1, found 2"),
        ("name: a\nversion: '1'\n", "x.yaml:2:10 version: expected 1, found '1'"),
        # bounds and lengths
        (
            "name: a\nsteps: [{step: cut, size: 0}]\n",
            "x.yaml:2:27 steps[0].size: must be at least 1, found 0",
        ),
        (
            "name: a\nsteps: [{step: cut, size: 10}]\n",
            "x.yaml:2:27 steps[0].size: must be at most 9, found 10",
        ),
        ("name: a\nsteps: [{step: cut, ratio: 0}]\n", "x.yaml:2:28 steps[0].ratio: must be above 0, found 0"),
        (
            "name: a\nsteps: [{step: cut, ratio: 1e0}]\n",
            "x.yaml:2:28 steps[0].ratio: must be below 1, found 1.0",
        ),
        ("name: ''\n", "x.yaml:1:7 name: must not be empty"),
        ("name: abcdef\n", "x.yaml:1:7 name: must have at most 5 characters, found 6"),
        ("name: A1\n", "x.yaml:1:7 name: must match ^[a-z]+$, found 'A1'"),
        ("name: a\nsome: []\n", "x.yaml:2:7 some: must not be empty"),
        ("name: a\nsome: [1]\n", "x.yaml:2:7 some: must have at least 2 entries, found 1"),
        ("name: a\nsome: [1, 2, 3, 4]\n", "x.yaml:2:7 some: must have at most 3 entries, found 4"),
        ("name: a\nsome: [1, x]\n", "x.yaml:2:11 some[1]: expected a whole number, found 'x'"),
        ("name: a\npair: [1]\n", "x.yaml:2:7 pair: entry 2 is missing"),
        ("name: a\nhalf: 0.3\n", "x.yaml:2:7 half: Input should be a multiple of 0.5"),
        # what a validator refuses
        ("name: a\ninner: {high: 100}\n", "x.yaml:2:9 inner.high: is too much"),
        ("name: a\ninner: {high: 101}\n", "x.yaml:2:8 inner: is a bad mix"),
    ],
)
def test_a_mistake_is_reported_at_its_place_with_what_would_do(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_several_mistakes_are_reported_at_once_in_the_order_of_the_file() -> None:
    assert problems(
        "naem: a\n"
        "steps:\n"
        "  - {step: cut, size: 0, ratio: 1}\n"
        "  - {step: pant}\n"
        "boxes:\n"
        "  b: {low: 8, high: 7}\n"
        "inner: {on: off}\n"
    ) == [
        "x.yaml:1:1 key 'name' is missing; add `name:` (The one key that is needed)",
        f"x.yaml:1:1 naem: unknown key 'naem'; did you mean 'name'? (known: {KNOWN})",
        "x.yaml:3:23 steps[0].size: must be at least 1, found 0",
        "x.yaml:3:33 steps[0].ratio: must be below 1, found 1",
        "x.yaml:4:12 steps[1].step: expected one of cut, paint, found 'pant'; did you mean 'paint'?",
        "x.yaml:6:12 boxes.b.low: is above high, which is 7",
        "x.yaml:6:15 boxes.b.high: is below low",
        "x.yaml:7:13 inner.on: expected true or false, found 'off'",
    ]


def test_a_key_named_like_the_tag_does_not_confuse_places() -> None:
    assert problems("name: a\nsteps:\n  - {step: cut, cut: 3, size: 0}\n") == [
        "x.yaml:3:17 steps[0].cut: unknown key 'cut' (known: ratio, size, step)",
        "x.yaml:3:31 steps[0].size: must be at least 1, found 0",
    ]


def test_names_that_look_like_keys_or_indices_keep_their_places() -> None:
    assert problems("name: a\nboxes: {steps: {on: 3}, '0': {on: 4}}\n") == [
        "x.yaml:2:21 boxes.steps.on: expected true or false, found 3",
        "x.yaml:2:35 boxes.0.on: expected true or false, found 4",
    ]


def test_a_long_value_is_shown_shortened() -> None:
    (problem,) = problems(f"name: a\ninner: {{on: {'x' * 500}}}\n")
    assert problem == f"x.yaml:2:13 inner.on: expected true or false, found '{'x' * 75}...'"


def test_good_data_becomes_a_frozen_model() -> None:
    root = read(
        "name: a\nsteps: [{step: cut, ratio: 1e-1}, {step: paint}]\ngrid: [[1, 2], []]\npair: [1, b]\n"
    )
    assert root.steps == (Cut(step="cut", ratio=0.1), Paint(step="paint"))
    assert root.grid == ((1, 2), ())
    assert root.pair == (1, "b")
    with pytest.raises(ValidationError, match="frozen"):
        root.name = "b"  # type: ignore[misc]


def test_a_whole_number_may_stand_for_a_number() -> None:
    assert read("name: a\nhalf: 3\n").half == 3.0


def test_text_of_any_script_survives_the_way_to_the_model() -> None:
    assert read('name: a\neither: "\\ud83d\\ude00 \\u00e9 数据"\n').either == "\U0001f600 é 数据"


def test_docstrings_under_fields_become_their_descriptions() -> None:
    assert Cut.model_fields["size"].description == "Bounded on both sides."


def test_read_spec_names_the_file_as_it_is_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: 3\n", "utf-8")
    with pytest.raises(SpecError, match=r"^short\.yaml:1:7 name: expected text, found 3$"):
        read_spec(Root, path, name="short.yaml")
    with pytest.raises(SpecError) as caught:
        read_spec(Root, path)
    assert str(caught.value) == f"{path}:1:7 name: expected text, found 3"


def test_values_are_shown_as_a_person_writes_them() -> None:
    assert [shown(v) for v in (None, True, 3, 2.5, "a", [1], {})] == [
        "nothing", "true", "3", "2.5", "'a'", "a list", "a mapping",
    ]  # fmt: skip
    assert [type_word(v) for v in (None, True, 3, 2.5, "a", [1], {})] == [
        "nothing", "true/false", "a whole number", "a number", "text", "a list", "a mapping",
    ]  # fmt: skip
