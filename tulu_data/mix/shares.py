"""Shares of a size: among groups and sources outside of groups first, then within each group.

The one idea: a part is asked for in proportion to weight * n^temperature, n being what it has (a group: what
its sources have), and for no more than it has as often as it may be repeated; what one cannot give the others
give. The sums are exact. Pure: numbers in, numbers out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tulu_data.mix.apportion import apportion
from tulu_data.specs.mixture import Mixture


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What there is of a source or of a group, in rows or tokens."""

    have: int
    most: int
    """All of it, as often as it may be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a source is to give, and what its weight alone asked of it."""

    amount: int
    asked: Fraction


def share_out(mixture: Mixture, stocks: Mapping[str, Stock]) -> dict[str, Share]:
    """Share out the size of a mixture among its weighted sources, none above its most.

    Raises PlanError when all of them together cannot give it.
    """
    assert mixture.size is not None
    groups, members = mixture.groups or {}, _members(mixture, stocks)
    parts = {f"group {name}": _sum([stocks[one] for one in members[name]]) for name in groups}
    weights = {f"group {name}": groups[name].weight for name in groups}
    for name in members[None]:
        parts[name], weights[name] = stocks[name], _weight(mixture, name)
    top = _among(Fraction(mixture.size.amount), mixture.size.amount, weights, parts, mixture.temperature)
    found = {name: top[name] for name in members[None]}
    for name, group in groups.items():
        within = {one: _weight(mixture, one) for one in members[name]}
        share = top[f"group {name}"]
        found |= _among(share.asked, share.amount, within, stocks, group.temperature)
    return found


def _among(
    asked: Fraction,
    amount: int,
    weights: Mapping[str, float],
    stocks: Mapping[str, Stock],
    temperature: float | None,
) -> dict[str, Share]:
    """Share out one amount among parts."""
    scaled = {name: scaled_weight(weight, stocks[name].have, temperature) for name, weight in weights.items()}
    total = sum(scaled.values()) or 1
    given = apportion(amount, scaled, {name: stocks[name].most for name in weights})
    return {name: Share(amount=given[name], asked=asked * scaled[name] / total) for name in weights}


def scaled_weight(weight: float, have: int, temperature: float | None) -> Fraction:
    """Return weight * have^temperature, to twelve digits: libraries differ in the last ones of a power."""
    if not temperature:
        return Fraction(weight)
    power = have if temperature == 1 else Fraction(f"{have**temperature:.11e}")
    return Fraction(weight) * power


def _members(mixture: Mixture, stocks: Mapping[str, Stock]) -> dict[str | None, list[str]]:
    """Return the weighted sources of each group, and under None those outside of groups."""
    found: dict[str | None, list[str]] = {None: [], **{name: [] for name in mixture.groups or {}}}
    for name in stocks:
        found[mixture.sources[name].group].append(name)
    return found


def _weight(mixture: Mixture, name: str) -> float:
    weight = mixture.sources[name].take.weight
    assert weight is not None
    return weight


def _sum(stocks: list[Stock]) -> Stock:
    """Put together what a group has."""
    return Stock(have=sum(stock.have for stock in stocks), most=sum(stock.most for stock in stocks))
