"""Tables that do not fit on the terminal: what stands in which of several.

The one idea: a cut number is worse than none, so numbers and their headings are never cut or wrapped. Names
are wrapped first; then columns go on in a table below, under the same names. It prints nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Column, Table
from rich.text import Text

GAP = 2
"""Spaces between two columns."""
NARROW = 12
"""Width below which a column of words is not wrapped."""


class Fitted(NamedTuple):
    """A table as it fits."""

    parts: tuple[Table, ...]
    """Tables that stand one below the other, each with the names in its first column."""
    zeros: tuple[str, ...]
    """Columns that were left out, since there is nothing but 0 in them."""


def natural_width(made: Table) -> int:
    """Return how wide a table is where nothing is wrapped."""
    return _sum([_width(column) for column in made.columns])


def least_width(made: Table) -> int:
    """Return how wide a table is at least: with its words wrapped, and its numbers whole."""
    return _sum([_least(column) for column in made.columns])


def fit(made: Table, width: int, *, without_zeros: bool) -> Fitted:
    """Make a table fit, by columns of zeros left out and by further tables."""
    if natural_width(made) <= width or not made.columns:
        return Fitted((made,), ())
    first, *rest = made.columns
    zeros = [column for column in rest if without_zeros and _is_zero(column)]
    rest = [column for column in rest if column not in zeros]
    parts, taken = [[first]], _least(first)
    for column in rest:
        if taken + GAP + _least(column) > width and len(parts[-1]) > 1:
            parts.append([first])
            taken = _least(first)
        parts[-1].append(column)
        taken += GAP + _least(column)
    return Fitted(
        tuple(_with(made, columns) for columns in parts), tuple(str(column.header) for column in zeros)
    )


def _sum(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _width(column: Column) -> int:
    """Return how wide a column is where nothing is wrapped."""
    cells = [str(column.header), *map(str, column.cells)]
    return max(Text.from_markup(line).cell_len for cell in cells for line in (cell.splitlines() or [""]))


def _least(column: Column) -> int:
    """Return how wide a column is at least."""
    return _width(column) if column.no_wrap else min(_width(column), NARROW)


def _is_zero(column: Column) -> bool:
    return column.no_wrap and all(cell == "0" for cell in column.cells)


def _with(made: Table, columns: Sequence[Column]) -> Table:
    """Return a table of some of the columns of another."""
    part = Table(box=None, pad_edge=False, header_style=made.header_style)
    for column in columns:
        part.add_column(
            column.header, justify=column.justify, no_wrap=column.no_wrap, overflow=column.overflow
        )
    cells = [list(column.cells) for column in columns]
    for number, row in enumerate(made.rows):
        part.add_row(*(column[number] for column in cells), style=row.style)
    return part
