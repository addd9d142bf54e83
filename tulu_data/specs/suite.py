"""A suite spec: where the instances of each eval suite are, and which columns hold them.

The one idea: a benchmark in a layout of its own becomes a suite by a field map, not by a program. A
known layout is a map that has a name (`specs/layouts.py`). What a map finds in a row is decided where
suites are read, not here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from tulu_data.errors import nearest
from tulu_data.specs.base import Mistake, Spec, listed, refuse, shown, validate
from tulu_data.specs.document import Document, read_document
from tulu_data.specs.paths import parse_path, parse_text, paths_of
from tulu_data.specs.uris import HUB, uri_mistakes

Role = Literal["development", "unseen"]
ROLES: tuple[Role, ...] = get_args(Role)

PSEUDO = ("file", "row")
"""Names that paths have besides columns: what tells the file from the suite's others, the row's number."""

_NAME = re.compile(r"\w[\w.+-]{0,99}")
_NAMES = "letters, digits, `_`, `.`, `+` and `-`"


class Part(Spec):
    """A field that is more than a column: a part of a text, or one of the choices."""

    text: str | None = None
    """Path or template of a text; `match` says which part of it."""
    match: str | None = None
    """Python regular expression; its first group is the value, or all that it matches."""
    choices: str | None = None
    """Path to what marks one of the choices: its number from 0, its letter, a mark for each, or its text."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "Part":
        if (self.choices is None) == (self.text is None) or (self.match is None) != (self.text is None):
            raise refuse(Mistake(text="give {text: PATH, match: REGEX} or {choices: PATH}"))
        return self

    @field_validator("match")
    @classmethod
    def _compiles(cls, match: str | None) -> str | None:
        try:
            re.compile(match or "")
        except re.error as error:
            raise refuse(Mistake(text=f"is no regular expression: {error}")) from None
        return match


def _tag(made: object) -> str:
    """Tell which form a field was given in."""
    return "(part)" if isinstance(made, dict | Part) else "(text)"


One = Annotated[Annotated[str, Tag("(text)")] | Annotated[Part, Tag("(part)")], Discriminator(_tag)]
"""Path, template, or part."""
Made = Annotated[
    Annotated[One, Tag("(one)")] | Annotated[tuple[One, ...], Tag("(list)")],
    Discriminator(lambda made: "(list)" if isinstance(made, tuple) else "(one)"),
]
"""One of them, or several that are tried in order."""


class Fields(Spec):
    """What each field of an instance is made of. A list is tried in order, but for `choices`."""

    id: Made | None = None
    """Name of the instance; where there is none: `{row}`, or `{file}/{row}` of several files."""
    question: Made | None = None
    """What a model is asked."""
    passage: Made | None = None
    """Text that the question is about."""
    answer: Made | None = None
    """The expected answer; `{choices: PATH}` where a row only marks it among the choices."""
    choices: str | tuple[str, ...] | None = None
    """A list of answers to choose from: one path, or one path for each choice."""
    split: Made | None = None
    """Split of the instance; default: the suite's `split`."""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}

    @model_validator(mode="after")
    def _paths_are_paths(self) -> "Fields":
        mistakes = list(_path_mistakes(self))
        if mistakes:
            raise refuse(*mistakes)
        return self

    def groups(self) -> Iterator[tuple[str, ...]]:
        """Yield the paths and templates that are tried for each field, and for each of the choices."""
        found: dict[tuple[str | int, ...], list[str]] = {}
        for place, text in _texts(self):
            found.setdefault(place[:2] if place[0] == "choices" else place[:1], []).append(text)
        yield from (tuple(texts) for texts in found.values())

    def columns(self) -> frozenset[str]:
        """Return the columns that the map may read."""
        paths = (path for _, text in _texts(self) for path in paths_of(text))
        # A column whose name has dots is a column all the same.
        return frozenset(name for path in paths for name in (path.column, path.text))


def _texts(fields: Fields) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every path and template of a map, with its place below the map."""
    for name in Fields.model_fields:
        value = getattr(fields, name)
        several = isinstance(value, tuple)
        for i, one in enumerate(value if several else () if value is None else (value,)):
            place: tuple[str | int, ...] = (name, i) if several else (name,)
            if isinstance(one, str):
                yield place, one
            elif one.choices is not None:
                yield (*place, "choices"), one.choices
            else:
                yield (*place, "text"), one.text


def _path_mistakes(fields: Fields) -> Iterator[Mistake]:
    """Refuse paths and templates that are none, and a mark outside `answer`."""
    for place, text in _texts(fields):
        is_path = place[0] == "choices" or place[-1] == "choices"
        try:
            parse_path(text) if is_path else parse_text(text)
        except ValueError as error:
            yield Mistake(text=str(error), path=place)
        if place[-1] == "choices" and place[0] not in ("answer", "choices"):
            yield Mistake(text="only the answer is one of the choices", path=place[:-1])


class SuiteSource(Spec):
    """One eval suite: where its instances are, and how they are read."""

    uri: Annotated[str, Field(min_length=1)]
    """`hf://owner/name`, or a file, folder or glob relative to the spec."""
    revision: str | None = None
    """Branch, tag or commit of a hub dataset, pinned to a commit in the lock; default: main."""
    config: str | None = None
    """Configuration (subset) of a hub dataset. Default: the dataset's own default."""
    split: Annotated[str, Field(min_length=1)] = "test"
    """Split of a hub dataset, and of the instances, unless a field says theirs."""
    role: Role | None = None
    """`development` where results may guide choices, `unseen` where they are looked at last.

    A source that is contaminated by a development suite loses the records that match and is not left out.
    """
    layout: str | None = None
    """Known layout of the rows; default: told by the columns, where only one fits."""
    fields: Fields | None = None
    """What the fields are made of, where no layout says it; these go before the layout's."""
    each: Annotated[str, Field(min_length=1)] | None = None
    """Column with a list; every element is an instance, and stands for the list in the fields."""
    columns: tuple[Annotated[str, Field(min_length=1)], ...] | None = None
    """Names of the columns of csv or tsv files without a header line."""
    where: Annotated[str, Field(min_length=1)] | None = None
    """DuckDB SQL condition over the columns; rows for which it is not true are left out."""
    rows: Annotated[int, Field(ge=1)] | None = None
    """Read at most so many rows from the start of each file; default: all."""

    _is_a_list = field_validator("columns", mode="before")(listed)

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, data: object) -> object:
        if isinstance(data, str):
            text = f"expected keys and values, found {shown(data)}; write {{uri: {data}}}"
            raise refuse(Mistake(text=text))
        return data

    @property
    def is_hub(self) -> bool:
        """Tell whether the instances are on the hub."""
        return self.uri.startswith(HUB)


class SuiteSpec(Spec):
    """Eval suites by name."""

    version: Literal[1]
    """Version of this format."""
    description: str | None = None
    """Prose for people."""
    suites: Annotated[dict[str, SuiteSource], Field(min_length=1)]
    """Suites; the name is what reports call them."""

    @model_validator(mode="after")
    def _holds_together(self) -> "SuiteSpec":
        mistakes = [m for name, suite in self.suites.items() for m in _suite_mistakes(name, suite)]
        if mistakes:
            raise refuse(*mistakes)
        return self


def _suite_mistakes(name: str, suite: SuiteSource) -> Iterator[Mistake]:
    """Refuse names, uris and layouts that cannot be."""
    from tulu_data.specs.layouts import LAYOUTS

    if not _NAME.fullmatch(name):
        text = f"a suite's name has at most 100 {_NAMES}, found {name!r}"
        yield Mistake(text=text, path=("suites", name), on_key=True)
    if suite.layout is not None and suite.layout not in LAYOUTS:
        known = f"(layouts: {', '.join(sorted(LAYOUTS))})"
        text = f"no layout {suite.layout!r}{nearest(suite.layout, LAYOUTS)} {known}"
        yield Mistake(text=text, path=("suites", name, "layout"))
    if suite.each is not None and (suite.fields is None or suite.fields.question is None):
        text = "needs fields with a question, which says what the elements hold"
        yield Mistake(text=text, path=("suites", name, "each"), on_key=True)
    forms = "hf://owner/name, or a path"
    hub = ("revision", "config")
    for mistake in uri_mistakes(suite.uri, suite.revision, suite.model_fields_set, forms, hub):
        yield replace(mistake, path=("suites", name, *mistake.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFile:
    """A suite spec with the document it was read from, so that later checks can name a place."""

    spec: SuiteSpec
    document: Document
    path: Path


def is_suite_spec(path: Path) -> bool:
    """Tell whether a YAML file is meant as a suite spec; raise SpecError where it is no YAML."""
    data = read_document(path).data
    return isinstance(data, dict) and "suites" in data


def read_suites(path: Path, name: str | None = None) -> SuiteFile:
    """Read a suite spec; raise SpecError with every mistake at its place."""
    document = read_document(path, name)
    return SuiteFile(spec=validate(SuiteSpec, document), document=document, path=path)
