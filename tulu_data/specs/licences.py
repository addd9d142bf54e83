"""Licences: how sources state them, and which of them a mixture lets in.

The one idea: a licence is an identifier (of SPDX or of the hub), compared without regard to case. `unknown`
and `other`, which cards say, name none, so they count as no licence at all.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tulu_data.specs.base import Mistake, Spec, listed, refuse

UNKNOWN = "unknown"
"""Stands for the licence of records whose source states none."""
_NAMES_NONE = frozenset({"", "unknown", "other", "none"})

LicenceId = Annotated[str, Field(min_length=1)]


def licence_ids(said: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the licences that are named, in small letters, each once; none where none is known.

    A text may hold several, divided by commas, as cards of datasets and older manifests write them.
    """
    texts = said.split(",") if isinstance(said, str) else [] if said is None else list(said)
    found = [text.strip().lower() for text in texts]
    return tuple(dict.fromkeys(one for one in found if one not in _NAMES_NONE))


class Licences(Spec):
    """Which licences the sources of a mixture may have; checked before anything is read or written."""

    allow: Annotated[tuple[LicenceId, ...], Field(min_length=1)] | None = None
    """Licences that may stand in the version. Default: all that are not denied. Example: `[mit, apache-2.0]`.
    """
    deny: tuple[LicenceId, ...] = ()
    """Licences that may not. Example: `[cc-by-nc-4.0]`."""
    unknown: Literal["error", "warn"] = "error"
    """What a source without a known licence is. Example: `warn`."""

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> "Licences":
        denied = licence_ids(self.deny)
        text = "is allowed and denied; keep one of the two"
        mistakes = [
            Mistake(text=f"{one} {text}", path=("allow", i), against=(("deny",),))
            for i, one in enumerate(self.allow or ())
            if one.strip().lower() in denied
        ]
        if mistakes:
            raise refuse(*mistakes)
        return self

    def refuses(self, licence: str) -> str | None:
        """Say why a licence may not stand in the version, or None."""
        if licence in licence_ids(self.deny):
            return "is denied"
        if self.allow is not None and licence not in (allowed := licence_ids(self.allow)):
            return f"is not among those allowed ({', '.join(sorted(allowed))})"
        return None

    _is_a_list = field_validator("allow", "deny", mode="before")(listed)
