"""A source as a spec names it, and how much of it to take."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from tulu_data.specs.base import Mistake, Spec, listed, refuse, shown
from tulu_data.specs.licences import LicenceId
from tulu_data.specs.shares import Repetition

Adapter = Literal[
    "auto", "messages", "alpaca", "sharegpt", "prompt_completion", "hh", "preference", "rlvr", "threads"
]
ADAPTERS: tuple[Adapter, ...] = get_args(Adapter)

TAKES = ("all", "epochs", "fraction", "rows", "tokens", "weight")


class Take(Spec):
    """How much of a source goes into the version. Exactly one key is given."""

    all: Literal[True] | None = None
    """Every record once. Example: `true`."""
    epochs: float | None = None
    """Every record this many times, at most 100; 2.5 is two copies of all and a third of half of them.
    Example: `2.5`."""
    fraction: float | None = None
    """This share of the records, above 0 and at most 1. Example: `0.1`."""
    rows: Annotated[int, Field(ge=0)] | None = None
    """This many records. Example: `5000`."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """As many records, in draw order, as fit into this many tokens (needs `tokenizer`).

    A source with fewer tokens is a shortfall. Example: `2000000`.
    """
    weight: float | None = None
    """A share of `size`, in proportion to the weights of the other sources. Example: `3`."""

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, data: object) -> object:
        if isinstance(data, int | float) and not isinstance(data, bool):
            # One number cannot say whether it counts rows or shares them out.
            text = (
                f"expected a key with a number, found {shown(data)}; write {{rows: 100}} or {{fraction: 0.5}}"
            )
            raise refuse(Mistake(text=text))
        if isinstance(data, dict) and data.get("all") is not None and data["all"] is not True:
            text = f"expected true, found {shown(data['all'])}; for a number of rows write {{rows: 100}}"
            raise refuse(Mistake(text=text, path=("all",)))
        return data

    @model_validator(mode="after")
    def _exactly_one(self) -> "Take":
        given = [name for name in TAKES if getattr(self, name) is not None]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            text = f"give exactly one of {', '.join(TAKES)} (found {found})"
            raise refuse(Mistake(text=text, against=tuple((name,) for name in TAKES)))
        mistakes = list(_out_of_bounds(self))
        if mistakes:
            raise refuse(*mistakes)
        return self


def _out_of_bounds(take: Take) -> Iterator[Mistake]:
    """Refuse amounts that cannot be meant."""
    for name, most in (("epochs", 100), ("fraction", 1), ("weight", None)):
        value = getattr(take, name)
        if value is not None and value <= 0:
            text = f"must be above 0, found {value:g}; to take nothing write {{rows: 0}}"
            yield Mistake(text=text, path=(name,))
        if value is not None and most is not None and value > most:
            repeat = f"; to repeat records write {{epochs: {value:g}}}" if name == "fraction" else ""
            yield Mistake(text=f"must be at most {most}, found {value:g}{repeat}", path=(name,))


class Source(Spec):
    """One named input of a mixture."""

    uri: Annotated[str, Field(min_length=1)]
    """`hf://owner/name`, `s3://` or `gs://bucket/key`, a path or glob of the workspace, or `name@version`.

    Or a query, `sql:SELECT ...`, over what `attach` names. Example: `data/chat.jsonl`.
    """
    attach: dict[str, str] = Field(default_factory=dict)
    """What a query (`uri: sql:SELECT ...`) sees, by name: `sqlite:FILE`, `duckdb:FILE` or `postgres:ADDRESS`
    as a database, a path or glob of data files as a table.
    Example: `{db: 'sqlite:data/t.db', notes: data/notes.parquet}`."""
    revision: str | None = None
    """Branch, tag or commit of a hub dataset, pinned to a commit in the lock; default: main. Example: `main`.
    """
    config: str | None = None
    """Configuration (subset) of a hub dataset. Default: the dataset's own default. Example: `default`."""
    split: Annotated[str, Field(min_length=1)] = "train"
    """Split of a hub dataset, or of a stored version that is in splits. Example: `test`."""
    adapter: Adapter = "auto"
    """Layout of the rows; `auto` decides by column names and says what it chose.
    Example: `prompt_completion`."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column that plays each part, where names differ; dots reach into structs (`prompt: a.question`), and of
    several (`prompt: adversarial | vanilla`) the first that is not blank is the row's.
    Example: `{prompt: question, completion: answer}`."""
    verifier: str | None = None
    """Verifier of rlvr records that carry none of their own. Example: `math`."""
    licence: Annotated[tuple[LicenceId, ...], Field(min_length=1)] | None = None
    """Licence of the source, or several that all hold, recorded in the version. Default: what the hub
    dataset's card names. Of a stored version: besides those that it carries. Example: `[cc-by-4.0, mit]`."""
    where: Annotated[str, Field(min_length=1)] | None = None
    """DuckDB SQL condition over the source's own columns; rows for which it is not true are left out.
    Example: `length(messages) <= 20`."""
    quality: Annotated[str, Field(min_length=1)] | None = None
    """DuckDB SQL expression over the source's own columns that gives a number or null for each row: of
    duplicates the record of the highest stays (step dedup), one without a number only beside such.
    Example: `rating`."""
    take: Take = Take(all=True)
    """How much to take; default: all. Example: `{rows: 5000}`."""
    group: str | None = None
    """Group that shares out its part of `size` among its sources. Default: none. Example: `everyday`."""
    max_repetition: Repetition | None = None
    """Most copies of one record, for a weight and epochs. Default: the mixture's. Example: `2`."""
    tags: tuple[str, ...] = ()
    """Words for grouping sources in reports and in `assert`. Example: `[math, synthetic]`."""

    @property
    def asked(self) -> str:
        """What the lock answers: the uri, and what a query sees."""
        seen = "".join(f"; {name} = {what}" for name, what in sorted(self.attach.items()))
        return self.uri + seen

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, data: object) -> object:
        if isinstance(data, str):
            text = f"expected keys and values, found {shown(data)}; write {{uri: {data}}}"
            raise refuse(Mistake(text=text))
        return data

    @field_validator("take", mode="before")
    @classmethod
    def _says_how_much(cls, take: object) -> object:
        if take is None:
            text = "is empty; write {all: true}, or remove the key, which means the same"
            raise refuse(Mistake(text=text))
        return take

    @field_validator("licence", mode="before")
    @classmethod
    def _names_licences(cls, licence: object) -> object:
        if isinstance(licence, str):
            return (licence,)
        if licence is not None and not isinstance(licence, list | tuple):
            raise refuse(Mistake(text=f"expected a licence or a list of them, found {shown(licence)}"))
        return listed(licence)

    _is_a_list = field_validator("tags", mode="before")(listed)
