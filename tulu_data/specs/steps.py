"""The steps of a mixture: what happens to the records between their sources and the draw.

The one idea: a step is a model of its own, told by its key `step`; what it may say about the rest of the
mixture (sources, a tokenizer) is checked where the whole is known, in `mixture_checks`.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from tulu_data.errors import SuiteError
from tulu_data.specs.base import Mistake, Spec, listed, refuse, shown
from tulu_data.specs.filters import FILTER_NAMES, Dropped
from tulu_data.specs.near import Key, Near
from tulu_data.specs.rules import Scope, rules_named

Action = Literal["drop", "drop_source", "flag"]
ACTIONS: tuple[Action, ...] = get_args(Action)

_STORED = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}(@[a-z0-9]+)?")


Bound = Annotated[int, Field(ge=1)] | None
MEASURES = ("turns", "characters", "prompt_characters", "answer_characters", "tokens", "prompt_tokens",
            "answer_tokens")  # fmt: skip
"""What a filter step may bound, each by a key `min_...` and one `max_...`, in the order of the reasons."""
BOUNDS = tuple(f"{side}_{measure}" for measure in MEASURES for side in ("min", "max"))


class FilterStep(Spec):
    """Drop records by what they say and how long they are, each for a named reason."""

    step: Literal["filter"]
    """Name of the step. Example: `filter`."""
    drop: tuple[Dropped, ...] = ()
    """Filters, by name or with their settings: [refusal, {language: {keep: [en]}}]. A record goes for the
    first that finds something. Example: `[refusal, {language: {keep: [en]}}]`."""
    min_turns: Bound = None
    """Fewest turns; of a preference, those of the prompt and of the shorter completion. Example: `2`."""
    max_turns: Bound = None
    """Most turns; of a preference, those of the prompt and of the longer completion. Example: `20`."""
    min_characters: Bound = None
    """Fewest characters over all turns. Example: `20`."""
    max_characters: Bound = None
    """Most characters over all turns. Example: `60000`."""
    min_prompt_characters: Bound = None
    """Fewest characters before the first answer; of a preference, in its prompt. Example: `5`."""
    max_prompt_characters: Bound = None
    """Most characters before the first answer; of a preference, in its prompt. Example: `20000`."""
    min_answer_characters: Bound = None
    """Fewest characters of every answer; of a preference, of the chosen and of the rejected completion.
    Example: `10`."""
    max_answer_characters: Bound = None
    """Most characters of any answer. Example: `20000`."""
    min_tokens: Bound = None
    """Fewest tokens over all turns (needs `tokenizer`); default of all bounds: none. Example: `10`."""
    max_tokens: Bound = None
    """Most tokens over all turns (needs `tokenizer`). Example: `8192`."""
    min_prompt_tokens: Bound = None
    """Fewest tokens before the first answer (needs `tokenizer`). Example: `3`."""
    max_prompt_tokens: Bound = None
    """Most tokens before the first answer (needs `tokenizer`). Example: `4096`."""
    min_answer_tokens: Bound = None
    """Fewest tokens of every answer (needs `tokenizer`). Example: `5`."""
    max_answer_tokens: Bound = None
    """Most tokens of any answer (needs `tokenizer`). Example: `4096`."""

    _is_a_list = field_validator("drop", mode="before")(listed)

    @property
    def bounds(self) -> dict[str, int]:
        """Return the bounds that are given, by key."""
        given = ((name, getattr(self, name)) for name in BOUNDS)
        return {name: bound for name, bound in given if bound is not None}

    @property
    def counts_tokens(self) -> bool:
        """Tell whether a bound is in tokens."""
        return any(name.endswith("tokens") for name in self.bounds)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return the reasons for which the step may drop, in the order in which it looks."""
        named = [reason for entry in self.drop for reason in entry.reasons]
        return tuple(dict.fromkeys([*named, *self.bounds]))

    @model_validator(mode="after")
    def _does_something(self) -> "FilterStep":
        if not self.drop and not self.bounds:
            names = ", ".join(FILTER_NAMES)
            raise refuse(
                Mistake(text=f"drops nothing; give drop (of {names}), or a bound such as max_tokens")
            )
        mistakes = [*_repeated(self.drop), *_crossed(self.bounds)]
        if mistakes:
            raise refuse(*mistakes)
        return self


def _repeated(drop: tuple[Dropped, ...]) -> Iterator[Mistake]:
    """Refuse a filter that stands there twice with the same settings, and so does nothing."""
    for i, entry in enumerate(drop):
        if entry in drop[:i]:
            yield Mistake(text=f"{entry.name} stands there already; remove one", path=("drop", i))


def _crossed(bounds: dict[str, int]) -> Iterator[Mistake]:
    """Refuse bounds that no record keeps."""
    for measure in MEASURES:
        low, high = bounds.get(f"min_{measure}"), bounds.get(f"max_{measure}")
        if low is not None and high is not None and low > high:
            text = f"{low} is above max_{measure}, {high}, so nothing would be left"
            yield Mistake(text=text, path=(f"min_{measure}",), against=((f"max_{measure}",),))


class DedupStep(Spec):
    """Keep one of the records that are the same, or nearly."""

    step: Literal["dedup"]
    """Name of the step. Example: `dedup`."""
    key: Key = "conversation"
    """What is compared: the text of the `conversation`, of the `prompt` (all before the first answer) or of
    the `answer`; or the `record` itself, so that only the very same record is a duplicate.

    Texts are the same that differ in nothing but case, width and white space, with the same words asked and
    the same answered. Example: `prompt`.
    """
    near: Near | None = None
    """How near-duplicates are looked for; `true` or {}: by the defaults. Default: not at all.
    Example: `{jaccard_threshold: 0.6}`."""
    prefer: tuple[str, ...] = ()
    """Sources whose record is kept, best first; then the highest `quality`, the longer text, the lower id.
    Example: `[chat, web]`."""
    against: tuple[str, ...] = ()
    """Stored versions, `name@version`: records that are there already go first. Their order does not matter;
    `name@latest` is the newest of its name. Example: `[sft_v3@latest]`."""

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
            raise refuse(Mistake(text=text, path=("near",), on_key=True, against=(("key",),)))
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
    """Name of the step. Example: `decontaminate`."""
    against: tuple[Annotated[str, Field(min_length=1)], ...]
    """Eval suite files or folders, relative to the workspace. Example: `[evals/]`."""
    rule: str = "tulu3"
    """Rule that finds hits, or several: `auto`, `tulu3,lexical`. Example: `'tulu3,lexical'`."""
    scope: Scope = "user"
    """What is looked at: `user` turns, `all` turns, or the `conversation`, all turns as one text.
    Example: `all`."""
    action: Action = "drop"
    """`drop` leaves records with a hit out of the version, `drop_source` whole contaminated sources too.

    A source is not left out whole for a suite of role `development`. `flag` keeps the records and reports,
    but for those that were decided to be dropped. Example: `drop_source`.
    """
    decisions: Annotated[str, Field(min_length=1)] | None = None
    """File of decisions on hits (`tulu-data review` writes it), relative to the workspace; default: none.
    Example: `decisions.yaml`."""

    @field_validator("rule")
    @classmethod
    def _is_a_rule(cls, rule: str) -> str:
        try:
            rules_named(rule)
        except SuiteError as error:
            raise refuse(Mistake(text=str(error))) from None
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
