"""What a spec says for the front matter of a version's card; the rest follows from the version itself."""

import re
from typing import Annotated

from pydantic import Field, field_validator

from tulu_data.specs.base import Mistake, Spec, listed, refuse, shown

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ADDRESS = re.compile(r"https?://\S+")

Words = Annotated[str, Field(min_length=1)]


class Card(Spec):
    """Front matter of the card, in the words of the hub's dataset cards."""

    pretty_name: Words | None = None
    """Name for people. Default: the name of the version. Example: `My mix`."""
    language: tuple[Words, ...] = ()
    """Languages of the records by their codes, as in [en, zh-Hant]. Example: `[en, zh-Hant]`."""
    tags: tuple[Words, ...] = ()
    """Further tags, besides `tulu-data` and the kind. Example: `[chat]`."""
    homepage: Words | None = None
    """Address of a page about the dataset. Example: `https://example.org/mix`."""
    citation: Words | None = None
    """How to cite it: text or BibTeX. Example: `'@misc{mix, title={My mix}}'`."""

    _is_a_list = field_validator("language", "tags", mode="before")(listed)

    @field_validator("language")
    @classmethod
    def _has_codes(cls, language: tuple[str, ...]) -> tuple[str, ...]:
        form = "expected the code of a language, such as en or zh-Hant"
        mistakes = [
            Mistake(text=f"{form}, found {shown(code)}", path=(i,))
            for i, code in enumerate(language)
            if _LANGUAGE.fullmatch(code) is None
        ]
        if mistakes:
            raise refuse(*mistakes)
        return language

    @field_validator("homepage")
    @classmethod
    def _is_an_address(cls, homepage: str | None) -> str | None:
        if homepage is not None and _ADDRESS.fullmatch(homepage) is None:
            text = f"expected an address that begins with https://, found {shown(homepage)}"
            raise refuse(Mistake(text=text))
        return homepage
