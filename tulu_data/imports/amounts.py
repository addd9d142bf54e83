"""How much of a dataset other tools take, as takes of a mixture.

The one idea: they cut a number down, or repeat rows, by how many rows there are, and a mixture says which of
these is meant. So where a number needs it the rows of local files are counted; of what lies elsewhere, which
is not fetched, the number stays as it is. It knows no format of another tool.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tulu_data.errors import SourceError

Take = dict[str, Any]
MOST_EPOCHS = 100
"""As often as a mixture may repeat a record."""
_CUT = re.compile(r"(-?\d+)?(%)?:(-?\d+)?(%)?")


def rows_of(uri: str, base: Path) -> int | None:
    """Count the rows of local files; None of what lies elsewhere, is not there or cannot be read."""
    from tulu_data.sources.files import SourceFile, data_files, file_format
    from tulu_data.sources.readers import read_raw

    if "://" in uri:
        return None
    rows = 0
    try:
        for origin, path in data_files(uri, base):
            form = file_format(path.name)
            assert form is not None, "data_files gives data files alone"
            file = SourceFile(origin=origin, path=path, sha256="", format=form[0], compression=form[1])
            rows += sum(len(batch.rows) for batch in read_raw(file))
    except (SourceError, OSError):
        return None
    return rows


def at_most(number: int, rows: int | None) -> Take:
    """Return the take of so many rows, or of all where there are no more."""
    return {"all": True} if rows is not None and rows <= number else {"rows": number}


def exactly(number: int, rows: int | None) -> Take:
    """Return the take of so many rows; where there are fewer they are repeated."""
    if not rows or number <= rows:
        return {"rows": number}
    return {"epochs": min(round(number / rows, 12), float(MOST_EPOCHS))}


def part_of(cut: str) -> Take | None:
    """Return how much a slice such as `:10%` or `100:300` takes, None where that depends on the rows."""
    found = _CUT.fullmatch(cut.replace(" ", "").replace("_", ""))
    if found is None:
        return None
    low, high = (None if text is None else int(text) for text in (found[1], found[3]))
    signs = {bool(found[at + 1]) for at, end in ((1, low), (3, high)) if end is not None}
    if signs == {True}:
        start, stop = (0 if low is None else low % 100 if low < 0 else low), (100 if high is None else high)
        share = (min(stop % 100 if stop < 0 else stop, 100) - start) / 100
        return {"fraction": share} if 0 < share <= 1 else None
    if signs != {False}:
        return None
    if high is None:
        return {"rows": -low} if low is not None and low < 0 else None
    rows = high - (low or 0)
    return {"rows": rows} if high >= 0 and (low or 0) >= 0 and rows > 0 else None


def narrowed(take: Take, part: Take) -> Take | None:
    """Return a take of a part of the rows as one of all of them, None where there is none."""
    (how, much), (unit, size) = next(iter(take.items())), next(iter(part.items()))
    if how == "all":
        return part
    if how == "rows":
        return take if unit == "fraction" or much <= size else None
    share = round(much * size, 12)
    if how != "fraction":
        return None
    # A part that holds less than a row is none that could be asked for.
    return {"fraction": share} if unit == "fraction" else {"rows": int(share)} if int(share) else None


def interleaved(
    rows: Sequence[int], taken: Sequence[int], weights: Sequence[float], *, all_used: bool
) -> tuple[int, list[int]] | None:
    """Return the rows that interleaving by weights comes to, and how often it repeats those of each dataset.

    Of each so many rows are `taken`, which may be more than there are. It ends when those of the first
    dataset are used up, or of the last. None where no mixture repeats so often.
    """
    whole = sum(weights)
    shares = [weight / whole for weight in weights] if whole > 0 else []
    if not shares or min(*shares, *rows, *taken) <= 0:
        return None
    ends = [have / share for have, share in zip(taken, shares, strict=True)]
    # A sum of decimal fractions may be a hair less than it is.
    size = int((max(ends) if all_used else min(ends)) + 1e-9)
    copies = [-(-int(size * share) // have) for have, share in zip(rows, shares, strict=True)]
    return (size, copies) if size > 0 and max(copies) <= MOST_EPOCHS else None


def take_of(keys: Mapping[str, Any]) -> Take:
    """Return the take of a source."""
    return keys.get("take") or {"all": True}


def counted_rows(take: Take, rows: int | None) -> int | None:
    """Return how many of some rows a take is, None where these are not known, as they may be fewer."""
    (how, much) = next(iter(take.items()))
    if rows is None:
        return None
    return int(much) if how == "rows" else int(much * rows + 0.5)
