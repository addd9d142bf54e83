"""Parts of a version in percent, the same wherever they are shown.

The one idea: the parts of a whole are rounded together, by largest remainders, so that they make a hundred;
what holds several of them (a tag, a group) has the sum of what is shown of each. It counts nothing.
"""

from collections.abc import Iterable, Mapping, Sequence


def parts_in_percent(counts: Sequence[int]) -> list[float]:
    """Return each count in percent with two decimals, so that they add up to 100 (largest remainders)."""
    total = sum(counts)
    if not total:
        return [0.0] * len(counts)
    parts = [divmod(count * 10_000, total) for count in counts]
    missing = 10_000 - sum(whole for whole, _ in parts)
    order = sorted(range(len(parts)), key=lambda k: (-parts[k][1], k))
    up = set(order[:missing])
    return [(whole + (k in up)) / 100 for k, (whole, _) in enumerate(parts)]


class Parts:
    """The parts of one whole, by name."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        """Round them together; equal remainders go by name, not by the order in which they are listed."""
        names = sorted(counts)
        rounded = parts_in_percent([counts[name] for name in names])
        self._percent = dict(zip(names, rounded, strict=True))

    def of(self, names: Iterable[str]) -> float:
        """Return what some parts make together, in percent."""
        return round(sum(self._percent[name] for name in names), 2)

    def text(self, *names: str) -> str:
        """Write what some parts make together."""
        return f"{self.of(names):.2f}%"

    @property
    def whole(self) -> str:
        """Write what all parts make together."""
        return self.text(*self._percent)
