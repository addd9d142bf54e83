"""How a size is shared out: among groups and sources by weight, and by how much each of them has."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from tulu_data.errors import nearest
from tulu_data.specs.base import Mistake, Spec, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tulu_data.specs.mixture import Mixture

Temperature = Annotated[float, Field(ge=0, le=1)]
Repetition = Annotated[int, Field(ge=1, le=100)]


class Size(Spec):
    """What is shared out among sources with a weight. Exactly one key is given."""

    rows: Annotated[int, Field(ge=1)] | None = None
    """This many rows; a number alone means the same. Example: `100000`."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """At most this many tokens (needs `tokenizer`): of each source as many records, in draw order, as fit.
    Example: `5000000`."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Size":
        given = [name for name in ("rows", "tokens") if getattr(self, name) is not None]
        if len(given) != 1:
            raise refuse(
                Mistake(text=f"give exactly one of rows, tokens (found {', '.join(given) or 'none'})")
            )
        return self

    @property
    def unit(self) -> str:
        """Return what is counted: rows or tokens."""
        return "rows" if self.tokens is None else "tokens"

    @property
    def amount(self) -> int:
        """Return how many of them."""
        return self.rows or self.tokens or 0


class Group(Spec):
    """Sources that share one weight; they name the group, and their own weights hold within it."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    """Share of `size`, in proportion to the weights of other groups and of sources outside of groups.
    Example: `2`."""
    temperature: Temperature | None = None
    """How much it counts within the group how much a source has. Default: 0, its weight alone counts.
    Example: `1`."""


def share_mistakes(mixture: "Mixture") -> "Iterator[Mistake]":
    """Yield what does not hold together in weights, groups, size and repetition."""
    yield from _sizes(mixture)
    yield from _groups(mixture)
    yield from _repetitions(mixture)


def _sizes(mixture: "Mixture") -> "Iterator[Mistake]":
    """Refuse weights without a size, and a size or temperature without weights."""
    weighted = [name for name, source in mixture.sources.items() if source.take.weight is not None]
    if weighted and mixture.size is None:
        text = f"a weight needs `size` (rows to share out among {', '.join(weighted)})"
        yield Mistake(text=text, path=("sources", weighted[0], "take"), against=(("size",),))
    if mixture.size is not None and not weighted:
        text = "no source takes a weight, so there is nothing to share out; remove size"
        yield Mistake(text=text, path=("size",), on_key=True)
    if mixture.temperature is not None and not weighted:
        text = "no source takes a weight, so there is nothing to share out; remove temperature"
        yield Mistake(text=text, path=("temperature",), on_key=True)
    if mixture.size is not None and mixture.size.tokens is not None and mixture.tokenizer is None:
        text = "a token budget needs `tokenizer` (a folder or hub id)"
        yield Mistake(text=text, path=("size",), against=(("tokenizer",),))


def _groups(mixture: "Mixture") -> "Iterator[Mistake]":
    """Refuse groups that do not exist or are empty, and members that take no weight."""
    groups = mixture.groups or {}
    for name, source in mixture.sources.items():
        if source.group is None:
            continue
        if source.group not in groups:
            known = f"(groups: {', '.join(sorted(groups)) or 'none'})"
            text = f"no group {source.group!r}{nearest(source.group, groups)} {known}"
            gone = ("groups", source.group)
            yield Mistake(text=text, path=("sources", name, "group"), against=(gone, gone[:1]))
        elif source.take.weight is None:
            text = f"a source of a group takes a weight, its share of {source.group!r}; write {{weight: 1}}"
            yield Mistake(text=text, path=("sources", name, "take"), against=(("sources", name, "group"),))
    for name in groups:
        if not any(source.group == name for source in mixture.sources.values()):
            near = nearest(name, [other for other in groups if other != name])
            text = f"no source is of this group{near or f'; give one `group: {name}`, or remove it'}"
            yield Mistake(text=text, path=("groups", name), on_key=True)


def _repetitions(mixture: "Mixture") -> "Iterator[Mistake]":
    """Refuse epochs beyond what may be repeated, and a bound where nothing repeats."""
    for name, source in mixture.sources.items():
        bound, epochs = source.max_repetition or mixture.max_repetition, source.take.epochs
        if epochs is not None and bound is not None and epochs > bound:
            text = (
                f"epochs {epochs:g} repeat more often than max_repetition, {bound}; {{epochs: {bound}}} fits"
            )
            bounds = (("sources", name, "max_repetition"), ("max_repetition",))
            yield Mistake(text=text, path=("sources", name, "take", "epochs"), against=bounds)
        if source.max_repetition is not None and epochs is None and source.take.weight is None:
            text = "only a weight and epochs repeat records, this take does not; remove it"
            path, take = ("sources", name, "max_repetition"), ("sources", name, "take")
            yield Mistake(text=text, path=path, on_key=True, against=(take,))
