"""A source as a spec names it, and how much of it to take."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from tulu_data.specs.base import Mistake, Spec, refuse

Adapter = Literal["auto", "messages", "alpaca", "sharegpt", "prompt_completion", "hh", "preference", "rlvr"]
ADAPTERS: tuple[Adapter, ...] = get_args(Adapter)

TAKES = ("all", "epochs", "fraction", "rows", "tokens", "weight")


class Take(Spec):
    """How much of a source goes into the version. Exactly one key is given."""

    all: Literal[True] | None = None
    """Every record once."""
    epochs: Annotated[float, Field(gt=0, le=100)] | None = None
    """Every record this many times; 2.5 is two copies of all and a third of half of them."""
    fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """This share of the records, between 0 and 1."""
    rows: Annotated[int, Field(ge=0)] | None = None
    """This many records."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """As many records, in draw order, as fit into this many tokens (needs `tokenizer`)."""
    weight: Annotated[float, Field(gt=0)] | None = None
    """A share of `size`, in proportion to the weights of the other sources."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Take":
        given = [name for name in TAKES if getattr(self, name) is not None]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise refuse(Mistake(text=f"give exactly one of {', '.join(TAKES)} (found {found})"))
        return self

    @property
    def mode(self) -> str:
        """Name of the key that is given."""
        return next(name for name in TAKES if getattr(self, name) is not None)


class Source(Spec):
    """One named input of a mixture."""

    uri: Annotated[str, Field(min_length=1)]
    """`hf://owner/name`, a path or glob relative to the workspace, or `name@version` of the store."""
    revision: str | None = None
    """Branch, tag or commit of a hub dataset, pinned to a commit in the lock; default: main."""
    config: str | None = None
    """Configuration (subset) of a hub dataset. Default: the dataset's own default."""
    split: Annotated[str, Field(min_length=1)] = "train"
    """Split of a hub dataset."""
    adapter: Adapter = "auto"
    """Layout of the rows; `auto` decides by column names and says what it chose."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column that plays each part, where names differ; dots reach into structs (`prompt: a.question`)."""
    verifier: str | None = None
    """Verifier of rlvr records that carry none of their own."""
    licence: str | None = None
    """Licence of the source, recorded in the version."""
    where: Annotated[str, Field(min_length=1)] | None = None
    """DuckDB SQL condition over the source's own columns; rows for which it is not true are left out."""
    take: Take = Take(all=True)
    """How much to take; default: all."""
    tags: tuple[str, ...] = ()
    """Words for grouping sources in reports."""
