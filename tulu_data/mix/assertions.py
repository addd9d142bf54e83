"""The assertions of a mixture, held against the numbers of its plan.

Every assertion is looked at before any is raised; each failure says what was expected and what was found.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from tulu_data.errors import PlanError
from tulu_data.specs.assertions import Part, Rows, ShareOf, Tokens
from tulu_data.specs.mixture import Mixture, MixtureFile
from tulu_data.store.manifest import SourceEntry


def check_assertions(
    file: MixtureFile, entries: Sequence[SourceEntry], most: Callable[[], Mapping[str, int]]
) -> None:
    """Raise PlanError with every assertion that a plan does not keep.

    `most` counts, for every source, how often that record of it is in the version which is there most often,
    whichever sources and rows bring it; it is asked only where it matters.
    """
    problems = []
    for i, assertion in enumerate(file.mixture.assertions):
        key, said = assertion.bound
        if isinstance(said, int):
            text = _too_often(said, most())
        else:
            text = _failure(file.mixture, key, said, entries)
        if text is not None:
            problems.append(file.document.problem(("assert", i, key), text))
    if problems:
        raise PlanError("\n".join(problems))


def _failure(mixture: Mixture, key: str, said: Part, entries: Sequence[SourceEntry]) -> str | None:
    """Say how one bound is not kept, or None."""
    least, word = key.startswith("min"), "at least" if key.startswith("min") else "at most"
    mine, part = [entry for entry in entries if _is_of(mixture, said, entry.name)], _part(said)
    if isinstance(said, ShareOf):
        found, total = _sum(mine, said.of), _sum(entries, said.of)
        share = Fraction(found, total or 1)
        if share < said.exact if least else share > said.exact:
            counts = f"{found:,} of {total:,} {said.of}"
            return f"expected {word} {said.fraction:.2%}{part}, found {float(share):.2%} ({counts})"
        return None
    unit, bound = ("rows", said.rows) if isinstance(said, Rows) else ("tokens", _tokens(said))
    found = _sum(mine, unit)
    if found < bound if least else found > bound:
        return f"expected {word} {bound:,} {unit}{part}, found {found:,}"
    return None


def _tokens(said: Part) -> int:
    assert isinstance(said, Tokens)
    return said.tokens


def _too_often(bound: int, copies: Mapping[str, int]) -> str | None:
    """Say which sources have records that are there more often than a bound."""
    over = ", ".join(f"{count} of source {name!r}" for name, count in copies.items() if count > bound)
    return f"expected at most {bound} of each record, found {over}" if over else None


def _is_of(mixture: Mixture, said: Part, name: str) -> bool:
    """Tell whether the rows of a source are meant."""
    source = mixture.sources[name]
    if said.named is None:
        return True
    part, wanted = said.named
    return wanted in {"source": (name,), "tag": source.tags, "group": (source.group,)}[part]


def _part(said: Part) -> str:
    return "" if said.named is None else f" of {said.named[0]} {said.named[1]!r}"


def _sum(entries: Sequence[SourceEntry], unit: str) -> int:
    """Add up rows or tokens."""
    return sum(entry.rows if unit == "rows" else entry.tokens or 0 for entry in entries)
