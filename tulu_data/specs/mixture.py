"""A mixture spec: which sources, how much of each, and the steps on the way to a version."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from tulu_data.errors import SuiteError, nearest
from tulu_data.schema import Kind
from tulu_data.specs.base import Mistake, Spec, listed, refuse, shown, validate
from tulu_data.specs.document import Document, read_document
from tulu_data.specs.near import Key, Near
from tulu_data.specs.rules import Scope, rules_named
from tulu_data.specs.source import Source
from tulu_data.specs.uris import uri_mistakes

DropFilter = Literal["empty_turn", "identity", "refusal"]
DROP_FILTERS: tuple[DropFilter, ...] = get_args(DropFilter)

Action = Literal["drop", "drop_source", "flag"]
ACTIONS: tuple[Action, ...] = get_args(Action)

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_SOURCE_NAME = re.compile(r"\w[\w.-]{0,99}")
_STORED = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}(@[a-z0-9]+)?")


class FilterStep(Spec):
    """Drop records by what they say, each for a named reason."""

    step: Literal["filter"]
    """Name of the step."""
    drop: tuple[DropFilter, ...] = ()
    """Kinds of record to drop."""
    min_tokens: Annotated[int, Field(ge=1)] | None = None
    """Fewest tokens over all turns (needs `tokenizer`); default: no bound."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens over all turns (needs `tokenizer`); default: no bound."""

    @model_validator(mode="after")
    def _does_something(self) -> "FilterStep":
        if not self.drop and self.min_tokens is None and self.max_tokens is None:
            kinds = ", ".join(DROP_FILTERS)
            raise refuse(Mistake(text=f"drops nothing; give drop (of {kinds}), min_tokens or max_tokens"))
        if self.min_tokens and self.max_tokens and self.min_tokens > self.max_tokens:
            text = f"{self.min_tokens} is above max_tokens, {self.max_tokens}, so nothing would be left"
            raise refuse(Mistake(text=text, path=("min_tokens",)))
        return self


class DedupStep(Spec):
    """Keep one of the records that are the same, or nearly."""

    step: Literal["dedup"]
    """Name of the step."""
    key: Key = "conversation"
    """What is compared: the text of the `conversation`, of the `prompt` (all before the first answer) or of
    the `answer`; or the `record` itself, so that only the very same record is a duplicate.

    Texts are the same that differ in nothing but case, width and white space, with the same words asked and
    the same answered.
    """
    near: Near | None = None
    """How near-duplicates are looked for; `true` or {}: by the defaults. Default: not at all."""
    prefer: tuple[str, ...] = ()
    """Sources whose record is kept, best first; then the highest `quality`, the longer text, the lower id."""
    against: tuple[str, ...] = ()
    """Stored versions, `name@version`: records that are there already go first. Their order does not matter;
    `name@latest` is the newest of its name."""

    @field_validator("near", mode="before")
    @classmethod
    def _says_how(cls, near: object) -> object:
        if isinstance(near, dict | Near) or near is True:
            return {} if near is True else near
        of_number = f"write {{jaccard_threshold: {near}}}" if isinstance(near, float) else "write true"
        would_do = "remove the key to drop none of them" if not near else of_number
        text = f"expected true or keys and values, found {shown(near)}; {would_do}"
        raise refuse(Mistake(text=text))

    @model_validator(mode="after")
    def _compares_texts(self) -> "DedupStep":
        if self.near is not None and self.key == "record":
            text = "key: record compares no texts; choose conversation, prompt or answer, or remove near"
            raise refuse(Mistake(text=text, path=("near",), on_key=True))
        return self

    @field_validator("against")
    @classmethod
    def _names_versions(cls, against: tuple[str, ...]) -> tuple[str, ...]:
        forms = "expected name@version of the store (a name has small letters, digits, '_', '.' and '-')"
        mistakes = [
            Mistake(text=f"{forms}, found {shown(ref)}", path=(j,))
            for j, ref in enumerate(against)
            if _STORED.fullmatch(ref) is None
        ]
        if mistakes:
            raise refuse(*mistakes)
        return against

    _is_a_list = field_validator("prefer", "against", mode="before")(listed)


class DecontaminateStep(Spec):
    """Find eval instances in the records, and drop or flag the records."""

    step: Literal["decontaminate"]
    """Name of the step."""
    against: tuple[Annotated[str, Field(min_length=1)], ...]
    """Eval suite files or folders, relative to the workspace."""
    rule: str = "tulu3"
    """Rule that finds hits, or several: `auto`, `tulu3,lexical`."""
    scope: Scope = "user"
    """What is looked at: `user` turns, `all` turns, or the `conversation`, all turns as one text."""
    action: Action = "drop"
    """`drop` leaves records with a hit out of the version, `drop_source` whole contaminated sources too.

    A source is not left out whole for a suite of role `development`.
    `flag` keeps the records and reports, but for those that were decided to be dropped.
    """
    decisions: Annotated[str, Field(min_length=1)] | None = None
    """File of decisions on hits (`tulu-data review` writes it), relative to the workspace; default: none."""

    @field_validator("rule")
    @classmethod
    def _is_a_rule(cls, rule: str) -> str:
        try:
            rules_named(rule)
        except SuiteError as error:
            raise refuse(Mistake(text=f"{str(error).partition(': ')[2]}, found {shown(rule)}")) from None
        return rule

    @field_validator("against", mode="before")
    @classmethod
    def _names_suites(cls, against: object) -> object:
        if isinstance(against, str):
            text = f"expected a list, found {shown(against)}; write [{against or 'evals/'}]"
            raise refuse(Mistake(text=text))
        if against in ([], ()):
            text = "must not be empty; name suite files or folders, such as [evals/]"
            raise refuse(Mistake(text=text))
        # What a validator has seen is no JSON any more, in which a list may fill a tuple.
        return tuple(against) if isinstance(against, list) else against


Step = Annotated[FilterStep | DedupStep | DecontaminateStep, Field(discriminator="step")]


class Mixture(Spec):
    """A declarative mixture: sources in, one dataset version out."""

    version: Literal[1]
    """Version of this format."""
    name: str
    """Name of the dataset in the store: at most 100 small letters, digits, `_`, `.` and `-`."""
    kind: Kind
    """Kind of the records."""
    description: str | None = None
    """Prose for people; it changes no id."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42
    """Seed of draws and order."""
    tokenizer: str | None = None
    """Folder with a tokenizer.json, or a hub id, for token budgets and token filters."""
    size: Annotated[int, Field(ge=1)] | None = None
    """Rows to share out among sources with a `weight`."""
    sources: dict[str, Source]
    """Named inputs; the name enters ranks and the content id."""
    steps: tuple[Step, ...] = ()
    """What happens to the records, in order, before the draw."""
    decontaminate: Literal["none"] | None = None
    """`none` says on purpose that this mixture has no decontamination step."""

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

    @model_validator(mode="after")
    def _holds_together(self) -> "Mixture":
        checks = (
            _source_names, _decontamination, _weights, _token_bounds, _preferred, _against_itself, _qualities,
            _kinds, _uris,
        )  # fmt: skip
        mistakes = [mistake for check in checks for mistake in check(self)]
        if mistakes:
            raise refuse(*mistakes)
        return self


def _source_names(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse source names that tables, origins and cards could not show."""
    for name in mixture.sources:
        if _SOURCE_NAME.fullmatch(name) is None:
            text = (
                "a source's name must be letters, digits, '_', '.' and '-', beginning with a letter or digit"
            )
            yield Mistake(text=f"{text}, found {shown(name)}", path=("sources", name), on_key=True)


def _decontamination(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse a mixture that is neither decontaminated nor says that it is not."""
    found = [i for i, step in enumerate(mixture.steps) if step.step == "decontaminate"]
    has_step = bool(found)
    if len(found) > 1:
        text = "a second decontaminate step; name all suites in `against` of the first"
        yield Mistake(text=text, path=("steps", found[1]))
    if not has_step and mixture.decontaminate is None:
        yield Mistake(
            text="no decontamination step; add {step: decontaminate, against: [evals/]} to steps, "
            "or say `decontaminate: none`"
        )
    if has_step and mixture.decontaminate is not None:
        text = "says none, but steps has a decontaminate step; keep one of the two"
        yield Mistake(text=text, path=("decontaminate",))


def _weights(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse weights without a size, and a size without weights."""
    weighted = [name for name, source in mixture.sources.items() if source.take.weight is not None]
    if weighted and mixture.size is None:
        text = f"a weight needs `size` (rows to share out among {', '.join(weighted)})"
        yield Mistake(text=text, path=("sources", weighted[0], "take"))
    if mixture.size is not None and not weighted:
        text = "no source takes a weight, so there is nothing to share out; remove size"
        yield Mistake(text=text, path=("size",), on_key=True)


def _token_bounds(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse token counts without a tokenizer."""
    if mixture.tokenizer is not None:
        return
    for name, source in mixture.sources.items():
        if source.take.tokens is not None:
            text = "a token budget needs `tokenizer` (a folder or hub id)"
            yield Mistake(text=text, path=("sources", name, "take"))
    for i, step in enumerate(mixture.steps):
        if isinstance(step, FilterStep) and (step.min_tokens or step.max_tokens):
            yield Mistake(text="a bound in tokens needs `tokenizer` (a folder or hub id)", path=("steps", i))


def _preferred(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse preferred sources that do not exist."""
    for i, step in enumerate(mixture.steps):
        for j, name in enumerate(step.prefer if isinstance(step, DedupStep) else ()):
            if name not in mixture.sources:
                known = f"(sources: {', '.join(sorted(mixture.sources))})"
                text = f"no source {name!r}{nearest(name, mixture.sources)} {known}"
                yield Mistake(text=text, path=("steps", i, "prefer", j))


def _against_itself(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse a mixture that drops what its own newest version holds: a second build would be empty."""
    for i, step in enumerate(mixture.steps):
        for j, ref in enumerate(step.against if isinstance(step, DedupStep) else ()):
            if ref in (mixture.name, f"{mixture.name}@latest"):
                text = (
                    f"{ref!r} is what this mixture builds, so a build would drop what the one before "
                    f"kept; name one version, {mixture.name}@ID"
                )
                yield Mistake(text=text, path=("steps", i, "against", j))


def _qualities(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse a quality that nothing asks for."""
    if any(isinstance(step, DedupStep) for step in mixture.steps):
        return
    for name, source in mixture.sources.items():
        if source.quality is not None:
            text = (
                "says which of duplicates stays, and no step looks for them; add {step: dedup} to steps, "
                "or remove it"
            )
            yield Mistake(text=text, path=("sources", name, "quality"), on_key=True)


def _kinds(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse adapters and verifiers that do not fit the kind of the records."""
    for name, source in mixture.sources.items():
        if source.adapter in ("preference", "rlvr") and source.adapter != mixture.kind:
            text = (
                f"delivers {source.adapter} records, the mixture is of kind {mixture.kind!r}; "
                f"choose another adapter, or kind: {source.adapter}"
            )
            yield Mistake(text=text, path=("sources", name, "adapter"))
        if source.verifier is not None and mixture.kind != "rlvr":
            text = f"only rlvr records have a verifier, the mixture is of kind {mixture.kind!r}; remove it"
            yield Mistake(text=text, path=("sources", name, "verifier"), on_key=True)


def _uris(mixture: Mixture) -> Iterator[Mistake]:
    """Refuse unknown schemes, and hub settings at sources that are not on the hub."""
    forms = "hf://owner/name, a path, or name@version"
    for name, source in mixture.sources.items():
        for mistake in uri_mistakes(source.uri, source.revision, source.model_fields_set, forms):
            yield replace(mistake, path=("sources", name, *mistake.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureFile:
    """A mixture with the document it was read from, so that later checks can name a place."""

    mixture: Mixture
    document: Document
    path: Path


def read_mixture(path: Path) -> MixtureFile:
    """Read a mixture spec; raise SpecError with every mistake at its place."""
    document = read_document(path)
    return MixtureFile(mixture=validate(Mixture, document), document=document, path=path)
