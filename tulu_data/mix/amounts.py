"""From takes to amounts: what each source's `take` means for the records it has left.

Pure arithmetic over counts. Every shortfall is found before any is raised, and says how many rows
are short and which `epochs`, `size` or `max_repetition` would fit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tulu_data.errors import PlanError
from tulu_data.mix.draw import Amount
from tulu_data.mix.shares import Share, Stock, share_out
from tulu_data.specs.mixture import Mixture, MixtureFile
from tulu_data.specs.source import Take

_MOST = 100
"""As often as a spec may say that records are repeated."""


def _counts_no_tokens(_: int) -> Amount:
    raise AssertionError("a budget of tokens without tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the steps have left of a source."""

    rows: int
    tokens: int = 0
    """Tokens of all its records, counted where there is a budget."""
    fitting: Callable[[int], Amount] = _counts_no_tokens
    """Returns what fits into a budget of tokens: all records as often as they do, then more in draw order."""
    gone: str | None = None
    """Why a step left the whole source out, if one did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The amount of every source, and what somebody should know about them."""

    amounts: dict[str, Amount]
    warnings: tuple[str, ...] = ()


def amounts(file: MixtureFile, left: Mapping[str, Left]) -> Taken:
    """Return the amount of every source; raise PlanError with every shortfall at its place."""
    problems: list[str] = []
    found: dict[str, Amount] = {}
    for name, source in file.mixture.sources.items():
        have, take = left[name], source.take
        for unit, wanted, there in (("rows", take.rows, have.rows), ("tokens", take.tokens, have.tokens)):
            if wanted is not None and wanted > there:
                most = source.max_repetition or file.mixture.max_repetition or _MOST
                text = _short(unit, wanted, there, have.gone, most)
                problems.append(file.document.problem(("sources", name, "take"), text))
        if take.weight is None:
            found[name] = amount(take, have)
    shares: dict[str, Share] = {}
    stocks = _stocks(file.mixture, left)
    if file.mixture.size is not None and stocks:
        if sum(stock.most for stock in stocks.values()) < file.mixture.size.amount:
            problems.append(file.document.problem(("size",), _short_size(file.mixture, stocks, left)))
        else:
            shares = share_out(file.mixture, stocks)
            found |= {name: _shared(file.mixture, share.amount, left[name]) for name, share in shares.items()}
    if problems:
        raise PlanError("\n".join(problems))
    return Taken(amounts=found, warnings=tuple(_used_up(file.mixture, shares, stocks)))


def amount(take: Take, left: Left) -> Amount:
    """Return what a take other than a weight makes of the records there are."""
    if take.all:
        return Amount(1, 0)
    if take.epochs is not None:
        whole = int(take.epochs)
        return Amount(whole, int((take.epochs - whole) * left.rows + 0.5))
    if take.fraction is not None:
        return Amount(0, int(take.fraction * left.rows + 0.5))
    return Amount(0, int(take.rows or 0)) if take.tokens is None else left.fitting(take.tokens)


def _stocks(mixture: Mixture, left: Mapping[str, Left]) -> dict[str, Stock]:
    """Return what there is of every weighted source, in the unit of the size."""
    in_rows = mixture.size is None or mixture.size.unit == "rows"
    found = {}
    for name, source in mixture.sources.items():
        if source.take.weight is not None:
            have = left[name].rows if in_rows else left[name].tokens
            found[name] = Stock(have=have, most=have * mixture.repetition(name))
    return found


def _shared(mixture: Mixture, share: int, left: Left) -> Amount:
    """Return the amount that a share of the size is."""
    if mixture.size is not None and mixture.size.unit == "tokens":
        return left.fitting(share)
    return Amount(*divmod(share, left.rows)) if left.rows else Amount(0, 0)


def _used_up(mixture: Mixture, shares: Mapping[str, Share], stocks: Mapping[str, Stock]) -> list[str]:
    """Report sources that gave all they have although their weights ask for more."""
    assert mixture.size is not None or not shares
    unit = mixture.size.unit if mixture.size else ""
    return [
        f"source {name!r} is used up: its weight asks for {int(share.asked):,} {unit}, it gives all its "
        f"{stocks[name].most:,} (max_repetition {mixture.repetition(name)}), and the others give more"
        for name, share in shares.items()
        if 0 < share.amount == stocks[name].most and int(share.asked) > share.amount
    ]


def _short(unit: str, wanted: int, have: int, gone: str | None, most: int) -> str:
    """Describe a source that has fewer rows or tokens than its take asks for; `most` may each be repeated."""
    text = f"asks for {wanted} {unit}, {have} are left after the steps ({wanted - have} short)"
    if gone:
        return f"{text}: {gone}; remove the source, or drop its matching records only (action: drop)"
    if have == 0:
        return f"{text}; check where and the steps, or remove the source"
    repeated = f", or {{epochs: {_up(wanted / have)}}} to repeat records" if wanted / have <= most else ""
    return f"{text}; take {{all: true}}{repeated}"


def _short_size(mixture: Mixture, stocks: Mapping[str, Stock], left: Mapping[str, Left]) -> str:
    """Describe a size that the weighted sources cannot fill."""
    assert mixture.size is not None
    size, unit = mixture.size.amount, mixture.size.unit
    most, have = sum(one.most for one in stocks.values()), sum(one.have for one in stocks.values())
    parts = ", ".join(
        f"{name} {stock.have}" + f" x {mixture.repetition(name)}" * (mixture.repetition(name) > 1)
        for name, stock in sorted(stocks.items())
    )
    gone = "".join(f"; {name}: {left[name].gone}" for name in sorted(stocks) if left[name].gone)
    times = -(-size // have) if have else _MOST + 1
    repeated = f", or max_repetition: {times} to repeat records" if times <= _MOST else ""
    fits = (
        f"; size {most} fits{repeated}" if most else "; check where and the steps, or remove size and weights"
    )
    return (
        f"asks for {size} {unit}, the weighted sources have {most} ({parts}; {size - most} short){gone}{fits}"
    )


def _up(ratio: float) -> str:
    """Write a ratio with two decimals, rounded up, so that it is enough."""
    return f"{-(-ratio * 100 // 1) / 100:g}"
