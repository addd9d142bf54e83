"""A plan in numbers that people ask about: what is left of each source, how much of it is taken, how often.

Everything follows from the entries of the plan; nothing is counted anew.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tulu_data.mix.plan import Plan
from tulu_data.store import SourceEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A source, a group or the whole plan."""

    name: str
    read: int
    quarantined: dict[str, int]
    dropped: dict[str, int]
    """Rows that `where` or a step left out, by reason."""
    left: int
    """Rows that may be drawn: read - quarantined - dropped."""
    rows: int
    """Rows in the version, copies counted."""
    repetition: float | None
    """Rows for each different record that a source brings; None where it brings none."""
    share: float
    """Part of the version's rows."""
    tokens: int | None
    """Tokens in the version; None without a tokenizer."""
    licences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A plan, source by source, group by group and altogether."""

    sources: tuple[Line, ...]
    groups: tuple[Line, ...]
    total: Line
    splits: dict[str, int]
    """Rows of each split; empty where the version is not split."""

    def to_dict(self) -> dict[str, object]:
        """Return it as plain data."""
        return asdict(self)


def summarise(plan: Plan) -> Summary:
    """Put a plan into numbers."""
    groups = {
        group: [entry for entry in plan.sources if plan.mixture.sources[entry.name].group == group]
        for group in plan.mixture.groups or {}
    }
    return Summary(
        sources=tuple(_line(entry.name, [entry], plan) for entry in plan.sources),
        groups=tuple(_line(group, entries, plan) for group, entries in groups.items()),
        total=_line("total", plan.sources, plan),
        splits=plan.splits,
    )


def _line(name: str, entries: Sequence[SourceEntry], plan: Plan) -> Line:
    """Add up entries."""
    read, quarantined, dropped = sum(e.read for e in entries), Counter[str](), Counter[str]()
    for entry in entries:
        quarantined.update(entry.quarantined)
        dropped.update(entry.dropped)
    rows, different = sum(e.rows for e in entries), sum(plan.different[e.name] for e in entries)
    tokens = None if any(e.tokens is None for e in entries) else sum(e.tokens or 0 for e in entries)
    return Line(
        name=name, read=read, quarantined=dict(quarantined), dropped=dict(dropped),
        left=read - quarantined.total() - dropped.total(),
        rows=rows, repetition=rows / different if different else None,
        share=rows / plan.rows if plan.rows else 0.0,
        tokens=tokens, licences=tuple(sorted({one for e in entries for one in e.licences})),
    )  # fmt: skip
