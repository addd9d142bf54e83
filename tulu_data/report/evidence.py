"""Why a step left a record out, in words: the same ones wherever it is told.

The one idea: evidence is JSON of a few known forms and of numbers by name; each form is one line. Turns are
counted from 1, over all columns of a record, and of a preference it is said which answer that is. It reads no
records.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tulu_data.report.spans import safe_text

_OF_HIT = frozenset({"suite", "split", "instance", "field", "rule", "overlap", "match", "decision"})
CUT = 160
"""Characters of a text that are shown."""


def dropped_by(step: str | None, reason: str) -> str:
    """Say which step left a record out and for what."""
    return f"dropped by {step}: {reason}"


def evidence_lines(evidence: Mapping[str, Any], columns: Sequence[str] = ()) -> Iterator[str]:
    """Yield evidence as lines; what stands for a record comes last. `columns` are those of its turns."""
    told = dict(evidence)
    where = _turn(told.pop("turn", None), columns)
    text, stands = told.pop("matched", None), told.pop("stands", None)
    if text is not None:
        yield f"matched: {one_line(text)}{f' ({where})' if where else ''}"
        where = ""
    if "instances_hit" in told:
        of = f"{told.pop('suite')}/{told.pop('split')}"
        hit, every = told.pop("instances_hit"), told.pop("instances")
        yield f"its source holds {hit:,} of {every:,} instances of {of}"
    if {"instance", "overlap", "match"} <= told.keys():
        yield hit_line(told)
        told = {key: value for key, value in told.items() if key not in _OF_HIT}
    shares = _shares(told) if stands else ""
    if stands and told.get("cluster") == stands["id"]:
        del told["cluster"]
    rest = [*_flat(told), *([where] if where else [])]
    if rest:
        yield ", ".join(rest)
    if stands:
        yield f"like {stands['id']}  {stands['source']}  {stands['origin']}{shares}"


def hit_line(hit: Mapping[str, Any]) -> str:
    """Say which eval instance a record holds, by which rule and how much of it."""
    decided = f", decided: {hit['decision']}" if hit.get("decision") else ""
    return (
        f"hit: {hit['suite']}/{hit['split']} {hit['instance']} ({hit['field']}) by {hit['rule']}, "
        f"overlap {hit['overlap']:.0%}, {hit['match']}{decided}"
    )


def one_line(text: str) -> str:
    """Shorten a text to one line."""
    line = safe_text(" ".join(text.split()))
    return line if len(line) <= CUT else f"{line[:CUT]}... ({len(text):,} characters)"


def _turn(number: int | None, columns: Sequence[str]) -> str:
    """Name a turn that is counted from 0."""
    if number is None:
        return ""
    column = columns[number] if number < len(columns) else "messages"
    return f"turn {number + 1}" + ("" if column == "messages" else f", {column}")


def _shares(told: dict[str, Any]) -> str:
    """Say how much of a record stands in the one that stands for it, where that was counted."""
    of = {"jaccard": "either", "containment": "its own"}
    found = [f"{told.pop(key):.0%} of {whose}" for key, whose in of.items() if told.get(key) is not None]
    return f"  (shares {', '.join(found)})" if found else ""


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield the values of nested evidence, each with its place."""
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif value is not None:
            shown = f"{value:.3g}" if isinstance(value, float) else one_line(str(value))
            yield f"{name.replace('_', ' ')} {shown}"
