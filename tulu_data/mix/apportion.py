"""Turn weights into whole numbers of rows: largest remainder, with capacities."""

from collections.abc import Mapping
from fractions import Fraction

from tulu_data.errors import PlanError


def apportion(
    size: int, weights: Mapping[str, float | Fraction], capacities: Mapping[str, int]
) -> dict[str, int]:
    """Share out `size` rows by weight, none above its capacity; raise PlanError when they do not fit.

    Sources whose share passes their capacity are filled, and the rest is shared out again among
    the others. Within a round: floors first, then the largest remainders (Hamilton's method), ties
    by name. Exact: weights are compared as fractions.
    """
    if sum(capacities[name] for name in weights) < size:
        raise PlanError(f"size {size} is more than the {sum(capacities.values())} rows there are")
    open_weights = {name: Fraction(weight) for name, weight in weights.items()}
    shares: dict[str, int] = {}
    left = size
    while True:
        total = sum(open_weights.values())
        # Nothing weighs anything only where nothing is there, and so nothing is left to share out.
        quotas = {name: left * weight / (total or 1) for name, weight in open_weights.items()}
        full = [name for name, quota in quotas.items() if quota >= capacities[name]]
        if not full:
            break
        for name in full:
            shares[name] = capacities[name]
            left -= capacities[name]
            del open_weights[name]
        if not open_weights:
            return shares
    floors = {name: int(quota) for name, quota in quotas.items()}
    short = left - sum(floors.values())
    by_remainder = sorted(quotas, key=lambda name: (floors[name] - quotas[name], name))
    return shares | {name: floors[name] + (name in by_remainder[:short]) for name in quotas}
