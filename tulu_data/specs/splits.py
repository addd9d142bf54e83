"""Splits of a version: which part of the records is kept apart, under which name."""

import re
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from tulu_data.specs.base import Mistake, Spec, shown

TRAIN = "train"
"""Name of the split that holds all records which no other split takes."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


class Split(Spec):
    """One part of the records, chosen by their ids alone."""

    fraction: Annotated[float, Field(gt=0, lt=1)]
    """Share of the records, above 0 and below 1. Which they are does not depend on the mixture; how many of a
    version they come to differs by chance. Example: `0.01`."""

    @property
    def exact(self) -> Fraction:
        """Return the fraction as it is written, not as a binary number comes near it."""
        return Fraction(str(self.fraction))


def split_mistakes(splits: dict[str, Split]) -> list[Mistake]:
    """Return what is wrong with splits as a whole: their names, and fractions that leave nothing."""
    found = []
    for name in splits:
        if _NAME.fullmatch(name) is None or name == TRAIN:
            text = "must be small letters, digits and '_', beginning with a letter"
            text = f"a split's name {text}, found {shown(name)}"
            if name == TRAIN:
                text = f"{TRAIN!r} is what the splits leave; name those that are taken from it"
            found.append(Mistake(text=text, path=("splits", name), on_key=True))
    total = sum(split.exact for split in splits.values())
    if total >= 1:
        text = (
            f"the fractions add up to {float(total):g}, so nothing is left for {TRAIN!r}; make them smaller"
        )
        found.append(Mistake(text=text, path=("splits",), on_key=True))
    return found
