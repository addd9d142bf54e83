"""A line chart as SVG text: recall against flags, a point per threshold.

The one idea: a chart is a function of its series to text, with no library; it knows nothing of what it shows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 40, 24, 52
COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#666666")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A named line: (x, y, what stands at the point)."""

    name: str
    points: list[tuple[float, float, str]]


def chart(series: list[Series], across: str, up: str, most: float) -> str:
    """Draw lines; x goes from 0 to the largest, y from 0 to `most`."""
    widest = max(x for line in series for x, _, _ in line.points) or 1.0
    step = _step(widest)

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + x / widest * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y / most * (HEIGHT - TOP - BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for k in range(6):
        x, y = at(0, most * k / 5)
        parts.append(f'<path d="M{x:.0f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 8:.0f}" y="{y + 4:.1f}" text-anchor="end">{most * k / 5:.1f}</text>')
    for k in range(int(widest / step) + 1):
        x, y = at(k * step, 0)
        parts.append(f'<path d="M{x:.1f} {y:.0f}v5" stroke="#333"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 19:.0f}" text-anchor="middle">{k * step:,.0f}</text>')
    middle, low = (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10
    parts.append(f'<text x="{middle:.0f}" y="{low}" text-anchor="middle">{escape(across)}</text>')
    turned = f'transform="translate(16 {HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle"'
    parts.append(f"<text {turned}>{escape(up)}</text>")
    for number, line in enumerate(series):
        parts += _line(line, COLOURS[number % len(COLOURS)], number, at)
    return "\n".join([*parts, "</g></svg>", ""])


def _line(
    line: Series, colour: str, number: int, at: Callable[[float, float], tuple[float, float]]
) -> list[str]:
    places = [(*at(x, y), said) for x, y, said in line.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
    parts = [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for x, y, said in places:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        parts.append(f'<text x="{x + 5:.1f}" y="{y + 14:.1f}" fill="{colour}" font-size="10">{said}</text>')
    y = HEIGHT - BOTTOM - 16 - 18 * number
    place = f'x="{WIDTH - RIGHT - 8}" y="{y}" text-anchor="end" fill="{colour}"'
    parts.append(f"<text {place}>{escape(line.name)}</text>")
    return parts


def _step(widest: float) -> float:
    """Return a round distance between marks, for about six of them."""
    size = 10.0 ** (len(str(int(widest))) - 1)
    return next(size * part for part in (0.1, 0.2, 0.5, 1, 2, 5) if widest / (size * part) <= 8)
