"""What a mixture asserts of its plan: bounds that a build must keep to, or it is not written.

The one idea: each assertion is one bound on numbers that the plan has (rows, tokens, shares, copies), of the
whole version or of one source, tag or group.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tulu_data.errors import nearest
from tulu_data.specs.base import Mistake, Spec, refuse, shown

if TYPE_CHECKING:
    from tulu_data.specs.mixture import Mixture

PARTS = ("source", "tag", "group")
Bound = Annotated[int, Field(ge=0)]


class Part(Spec):
    """Which rows of a version are meant. Default: all."""

    source: str | None = None
    """The rows of this source. Example: `chat`."""
    tag: str | None = None
    """The rows of sources with this tag. Example: `math`."""
    group: str | None = None
    """The rows of sources of this group. Example: `everyday`."""

    @property
    def named(self) -> tuple[str, str] | None:
        """Return what is named and its name, or None for all rows."""
        return next(((part, name) for part in PARTS if (name := getattr(self, part)) is not None), None)

    @model_validator(mode="after")
    def _one_part(self) -> "Part":
        given = [part for part in PARTS if getattr(self, part) is not None]
        if len(given) > 1:
            raise refuse(Mistake(text=f"give at most one of source, tag, group (found {', '.join(given)})"))
        return self


class Rows(Part):
    """A number of rows."""

    rows: Bound
    """So many rows, copies counted. Example: `500`."""


class Tokens(Part):
    """A number of tokens."""

    tokens: Bound
    """So many tokens (needs `tokenizer`), copies counted. Example: `1000000`."""


class ShareOf(Part):
    """A part of the version."""

    fraction: Annotated[float, Field(ge=0, le=1)]
    """This share of the version, from 0 to 1. Example: `0.6`."""
    of: Literal["rows", "tokens"] = "rows"
    """What the share is counted in. Example: `tokens`."""

    @property
    def exact(self) -> Fraction:
        """Return the fraction as it is written."""
        return Fraction(str(self.fraction))

    @model_validator(mode="after")
    def _is_of_something(self) -> "ShareOf":
        if self.named is None:
            raise refuse(Mistake(text="give one of source, tag, group: a share is of something (found none)"))
        return self


class Assertion(Spec):
    """One bound. Exactly one key is given."""

    min_rows: Rows | None = None
    """At least so many rows: a number, or {source: NAME, rows: N}. Example: `{source: chat, rows: 500}`."""
    max_rows: Rows | None = None
    """At most so many rows. Example: `200000`."""
    min_tokens: Tokens | None = None
    """At least so many tokens: a number, or {tag: NAME, tokens: N}. Example: `1000000`."""
    max_tokens: Tokens | None = None
    """At most so many tokens. Example: `{tag: math, tokens: 500000}`."""
    min_share: ShareOf | None = None
    """At least this share: {tag: NAME, fraction: 0.1}. Example: `{group: everyday, fraction: 0.2}`."""
    max_share: ShareOf | None = None
    """At most this share. Example: `{tag: synthetic, fraction: 0.6}`."""
    max_repetition: Annotated[int, Field(ge=1)] | None = None
    """No record is there more often than this, whichever rows and sources bring it. Example: `1`."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Assertion":
        known = list(type(self).model_fields)
        given = [name for name in known if getattr(self, name) is not None]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise refuse(Mistake(text=f"give exactly one of {', '.join(known)} (found {found})"))
        return self

    @field_validator("min_rows", "max_rows", mode="before")
    @classmethod
    def _counts_rows(cls, said: object) -> object:
        return _counted(said, "rows", Rows)

    @field_validator("min_tokens", "max_tokens", mode="before")
    @classmethod
    def _counts_tokens(cls, said: object) -> object:
        return _counted(said, "tokens", Tokens)

    @property
    def bound(self) -> tuple[str, Part | int]:
        """Return the key that is given, and what it says."""
        return next(
            (name, said) for name in type(self).model_fields if (said := getattr(self, name)) is not None
        )


def _counted(said: object, unit: str, model: type[Part]) -> object:
    """Take a number alone as one of the whole version."""
    if isinstance(said, int) and not isinstance(said, bool):
        return {unit: said}
    if said is not None and not isinstance(said, dict | model):
        text = f"expected a number of {unit}, or {{source: NAME, {unit}: N}}, found {shown(said)}"
        raise refuse(Mistake(text=text))
    return said


def assertion_mistakes(mixture: "Mixture") -> Iterator[Mistake]:
    """Yield assertions about what the mixture does not have: parts, or tokens without a tokenizer."""
    there = {
        "source": list(mixture.sources),
        "tag": sorted({tag for source in mixture.sources.values() for tag in source.tags}),
        "group": list(mixture.groups or {}),
    }
    for i, assertion in enumerate(mixture.assertions):
        key, said = assertion.bound
        if isinstance(said, int):
            continue
        if said.named is not None and said.named[1] not in there[said.named[0]]:
            part, name = said.named
            known = f"({part}s: {', '.join(sorted(there[part])) or 'none'})"
            text = f"no {part} {name!r}{nearest(name, there[part])} {known}"
            gone = (("sources", name), ("groups", name)) if part != "tag" else ()
            yield Mistake(text=text, path=("assert", i, key, part), against=gone)
        in_tokens = isinstance(said, Tokens) or (isinstance(said, ShareOf) and said.of == "tokens")
        if in_tokens and mixture.tokenizer is None:
            text = "a bound in tokens needs `tokenizer` (a folder or hub id)"
            yield Mistake(text=text, path=("assert", i, key), against=(("tokenizer",),))
