"""A mixture spec: which sources, how much of each, and the steps on the way to a version."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from tulu_data.kinds import Kind
from tulu_data.specs.assertions import Assertion
from tulu_data.specs.base import Mistake, Spec, refuse, shown, validate
from tulu_data.specs.card import Card
from tulu_data.specs.document import Document, KeyPath
from tulu_data.specs.licences import Licences
from tulu_data.specs.mixture_checks import mistakes_of
from tulu_data.specs.overlay import read_layered
from tulu_data.specs.shares import Group, Repetition, Size, Temperature
from tulu_data.specs.source import Source
from tulu_data.specs.splits import Split
from tulu_data.specs.steps import Step
from tulu_data.specs.uris import HUB_ONLY

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")


class Mixture(Spec):
    """A declarative mixture: sources in, one dataset version out."""

    version: Literal[1]
    """Version of this format. Example: `1`."""
    extends: str | tuple[str, ...] | None = None
    """Specs to build on, relative to this file: merged in order, this one last. Keys merge, sources by their
    names; a list and a take replace; null removes. Example: `demo.yaml`."""
    name: str
    """Name of the dataset in the store: at most 100 small letters, digits, `_`, `.` and `-`.
    Example: `my_mix`."""
    kind: Kind
    """Kind of the records. Example: `sft`."""
    description: str | None = None
    """Prose for people; it changes no id. Example: `Chats without code.`."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42
    """Seed of draws and order; splits do not depend on it. Example: `7`."""
    tokenizer: str | None = None
    """Folder with a tokenizer.json, or a hub id, for token budgets and token filters. Example: `models/tiny`.
    """
    size: Size | None = None
    """Rows, or {tokens: N}, to share out among sources with a `weight`. Example: `{tokens: 5000000}`."""
    temperature: Temperature | None = None
    """From 0 to 1: a weight counts times what the source or group has left, to this power. Default: 0, the
    weights alone count; at 1, equal weights take the same part of each. Example: `0.5`."""
    groups: dict[str, Group] | None = None
    """Named groups of sources that share out their part of `size` among themselves. Default: none.
    Example: `{everyday: {weight: 2}}`."""
    max_repetition: Repetition | None = None
    """Most copies of one record, for weights and epochs. Default: 1 for weights, no bound for epochs.
    Example: `3`."""
    licences: Licences | None = None
    """Which licences sources may have. Default: any. Example: `{allow: [mit, apache-2.0], unknown: warn}`."""
    sources: dict[str, Source]
    """Named inputs; the name enters ranks and the content id. Under another name a source is drawn anew.
    Example: `{chat: {uri: data/chat.jsonl}}`."""
    steps: tuple[Step, ...] = ()
    """What happens to the records, in order, before the draw.
    Example: `[{step: filter, drop: [empty_turn]}, {step: dedup}]`."""
    assertions: tuple[Assertion, ...] = Field(default=(), alias="assert")
    """Bounds on rows, tokens, shares and copies; a plan that does not keep to them is not built.
    Example: `[{min_rows: 1000}, {max_repetition: 2}]`."""
    splits: dict[str, Split] | None = None
    """Parts of the version that are kept apart, chosen by record id; the rest is `train`. Default: none.
    Example: `{validation: {fraction: 0.01}}`."""
    decontaminate: Literal["none"] | None = None
    """`none` says on purpose that this mixture has no decontamination step. Example: `none`."""
    card: Card | None = None
    """What the card of the version says at its head. Default: only what follows from the version.
    Example: `{language: [en]}`."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if _NAME.fullmatch(name) is None:
            fitting = re.sub(r"[^a-z0-9_.-]+", "_", name.lower()).lstrip("_.-")[:100]
            near = f"; {fitting!r} would do" if fitting else ""
            text = "must be small letters, digits, '_', '.' and '-', beginning with a letter or digit"
            raise refuse(Mistake(text=f"{text}, found {shown(name)}{near}"))
        if name in ("refs", "cache"):
            raise refuse(Mistake(text=f"{name!r} is a folder of the store itself; choose another"))
        return name

    @field_validator("size", mode="before")
    @classmethod
    def _counts_rows(cls, size: object) -> object:
        if isinstance(size, int) and not isinstance(size, bool):
            return {"rows": size}
        if size is not None and not isinstance(size, dict | Size):
            text = f"expected a whole number of rows, or {{tokens: N}}, found {shown(size)}"
            raise refuse(Mistake(text=text))
        return size

    @field_validator("sources", mode="before")
    @classmethod
    def _names_sources(cls, sources: object) -> object:
        if isinstance(sources, list):
            text = "expected a mapping of names to sources, found a list; give each a name: {web: {uri: ...}}"
            raise refuse(Mistake(text=text))
        if sources is None or sources == {}:
            text = "must not be empty; name a source: {web: {uri: data/web.jsonl}}"
            raise refuse(Mistake(text=text))
        return sources

    def repetition(self, source: str) -> int:
        """Return how many copies of a record of a source a weight may take."""
        return self.sources[source].max_repetition or self.max_repetition or 1

    @model_validator(mode="after")
    def _holds_together(self) -> "Mixture":
        mistakes = list(mistakes_of(self))
        if mistakes:
            raise refuse(*mistakes)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureFile:
    """A mixture with the document it was read from, so that later checks can name a place."""

    mixture: Mixture
    document: Document
    path: Path
    bases: tuple[Path, ...] = ()
    """Specs that it builds on, the nearest first."""
    settings: tuple[str, ...] = ()
    """What the command line set over the file."""


def read_mixture(path: Path, settings: Sequence[str] = ()) -> MixtureFile:
    """Read a mixture, what it extends and settings; raise SpecError with every mistake at its place."""
    found = read_layered(path, settings, _replaced_whole)
    return MixtureFile(
        mixture=validate(Mixture, found.document), document=found.document, path=path, bases=found.bases,
        settings=tuple(settings),
    )  # fmt: skip


def merged_text(mixture: Mixture) -> str:
    """Write a mixture as one spec: what it extends and what was set merged, defaults filled."""
    data = mixture.model_dump(mode="json", exclude={"extends"}, exclude_none=True, by_alias=True)
    for source in data["sources"].values():
        for key in () if source["uri"].startswith("hf://") else HUB_ONLY:
            source.pop(key, None)
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110))


def _replaced_whole(path: KeyPath) -> bool:
    """Tell the mappings of which exactly one key is given: an overlay means its own."""
    return path == ("size",) or (len(path) == 3 and (path[0], path[2]) == ("sources", "take"))
