"""From takes to amounts: what each source's `take` means for the records it has left.

Pure arithmetic over counts. Every shortfall is found before any is raised, and says how many rows
are short and which `epochs` or `size` would fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tulu_data.errors import PlanError
from tulu_data.mix.apportion import apportion
from tulu_data.mix.draw import Amount
from tulu_data.specs.mixture import MixtureFile
from tulu_data.specs.source import Take


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the steps have left of a source."""

    rows: int
    fitting: int = 0
    """Records that fit into the source's token budget, if it has one."""
    tokens: int = 0
    """Tokens of all its records, counted where there is a budget."""
    gone: str | None = None
    """Why a step left the whole source out, if one did."""


def amounts(file: MixtureFile, left: Mapping[str, Left]) -> dict[str, Amount]:
    """Return the amount of every source; raise PlanError with every shortfall at its place."""
    problems: list[str] = []
    found: dict[str, Amount] = {}
    for name, source in file.mixture.sources.items():
        have, take = left[name], source.take
        for unit, wanted, there in (("rows", take.rows, have.rows), ("tokens", take.tokens, have.tokens)):
            if wanted is not None and wanted > there:
                text = _short(unit, wanted, there, have.gone)
                problems.append(file.document.problem(("sources", name, "take"), text))
        if take.weight is None:
            found[name] = amount(take, have.rows, have.fitting)
    weights = {n: s.take.weight for n, s in file.mixture.sources.items() if s.take.weight is not None}
    if file.mixture.size is not None and weights:
        capacity = {name: left[name].rows for name in weights}
        if sum(capacity.values()) < file.mixture.size:
            problems.append(
                file.document.problem(
                    ("size",), _short_size(file.mixture.size, {n: left[n] for n in weights})
                )
            )
        else:
            shares = apportion(file.mixture.size, weights, capacity)
            found |= {name: Amount(0, share) for name, share in shares.items()}
    if problems:
        raise PlanError("\n".join(problems))
    return found


def amount(take: Take, have: int, fitting: int) -> Amount:
    """Return what a take other than a weight makes of `have` records."""
    if take.all:
        return Amount(1, 0)
    if take.epochs is not None:
        whole = int(take.epochs)
        return Amount(whole, int((take.epochs - whole) * have + 0.5))
    if take.fraction is not None:
        return Amount(0, int(take.fraction * have + 0.5))
    return Amount(0, fitting if take.tokens is not None else int(take.rows or 0))


def _short(unit: str, wanted: int, have: int, gone: str | None) -> str:
    """Describe a source that has fewer rows or tokens than its take asks for."""
    text = f"asks for {wanted} {unit}, {have} are left after the steps ({wanted - have} short)"
    if gone:
        return f"{text}: {gone}; remove the source, or drop its matching records only (action: drop)"
    if have == 0:
        return f"{text}; check where and the steps, or remove the source"
    return f"{text}; take {{all: true}}, or {{epochs: {_up(wanted / have)}}} to repeat records"


def _short_size(size: int, left: Mapping[str, Left]) -> str:
    """Describe a size that the weighted sources cannot fill."""
    have = sum(one.rows for one in left.values())
    parts = ", ".join(f"{name} {one.rows}" for name, one in sorted(left.items()))
    gone = "".join(f"; {name}: {one.gone}" for name, one in sorted(left.items()) if one.gone)
    short = size - have
    return (
        f"asks for {size} rows, the weighted sources have {have} ({parts}; {short} short){gone}; "
        f"size {have} fits"
    )


def _up(ratio: float) -> str:
    """Write a ratio with two decimals, rounded up, so that it is enough."""
    return f"{-(-ratio * 100 // 1) / 100:g}"
