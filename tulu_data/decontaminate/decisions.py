"""Decisions of people put on hits.

The one idea: of all decisions that fit a hit the narrowest holds, and a decision that meets no hit any
more is said, never passed over. Nothing is scanned, and nothing dropped here.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.decontaminate.suites import Suite
from tulu_data.schema import TEXT
from tulu_data.specs.decisions import ANSWERS, SCOPES, Answer, Decision, Decisions

NO_DECISIONS = Decisions(version=1)
_COLUMNS = {"record": "id"}
"""Columns of hits that have other names than the keys of a decision."""
_NOWHERE = -1


def text_digest(question: str, passage: str | None) -> str:
    """Name the text of an instance by the first digits of its sha256."""
    return hashlib.sha256(f"{question}\0{passage or ''}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Hits with the decisions on them."""

    hits: pa.Table
    """With a column `decision`: keep, drop or null."""
    unmet: tuple[str, ...]
    """Decisions that no hit met, each with the reason."""

    def count(self, answer: Answer) -> int:
        """Count the hits with an answer."""
        return int(pc.sum(pc.equal(self.hits["decision"], answer)).as_py() or 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the decisions that met nothing, as JSON values."""
        return {**{answer: self.count(answer) for answer in ANSWERS}, "unmet": list(self.unmet)}


def decide(hits: pa.Table, decisions: Decisions, suites: Sequence[Suite]) -> Decided:
    """Put decisions on hits, which need the columns source, id, suite, split and instance."""
    entries = decisions.decisions
    gone = dict(_outlived(entries, suites))
    deciding = np.full(hits.num_rows, _NOWHERE)
    met: set[int] = set()
    for scope in SCOPES:
        fitting = [i for i, d in enumerate(entries) if d.scope == scope and i not in gone]
        if fitting:
            wanted = pa.array(["\x1f".join(entries[i].about) for i in fitting], TEXT)
            at = pc.fill_null(pc.index_in(_keys(hits, scope), wanted), _NOWHERE).to_numpy()
            found = at != _NOWHERE
            deciding[found] = np.array(fitting)[at[found]]
            met.update(np.array(fitting)[np.unique(at[found])].tolist())
    answers = pa.array([d.decision for d in entries], TEXT)
    taken = answers.take(pa.array(deciding, mask=deciding == _NOWHERE))
    why = {i: gone.get(i, "no such hit here") for i in range(len(entries)) if i not in met}
    return Decided(
        hits=hits.append_column(pa.field("decision", TEXT), taken),
        unmet=tuple(f"{'/'.join(entries[i].about)}: {text}" for i, text in why.items()),
    )


def _keys(hits: pa.Table, scope: Sequence[str]) -> pa.ChunkedArray:
    """Return what each hit is about, as one text."""
    columns = [hits[_COLUMNS.get(key, key)].cast(TEXT) for key in scope]
    return pc.binary_join_element_wise(*columns, pa.scalar("\x1f", TEXT))


def _outlived(entries: Sequence[Decision], suites: Sequence[Suite]) -> Iterator[tuple[int, str]]:
    """Yield the decisions about suites that were not read, or about another text than the instance has."""
    known = {suite.name for suite in suites}
    dated = {d.about[:3] for d in entries if d.text is not None}
    texts = _digests(suites, dated)
    for i, d in enumerate(entries):
        if d.suite not in known:
            yield i, "suite not read"
        elif d.text is not None and texts.get(d.about[:3], d.text) != d.text:
            yield i, "instance has another text now"


def _digests(suites: Sequence[Suite], wanted: set[tuple[str, ...]]) -> Mapping[tuple[str, ...], str]:
    """Return the digests of some instances' texts, by suite, split and instance."""
    found: dict[tuple[str, ...], str] = {}
    for suite in suites:
        names = pa.array(sorted({key[2] for key in wanted if key[0] == suite.name}), TEXT)
        for row in suite.instances.filter(pc.is_in(suite.instances["id"], names)).to_pylist():
            key = suite.name, row["split"], row["id"]
            if key in wanted:
                found[key] = text_digest(row["question"], row["passage"])
    return found


def summed(unmet: Sequence[str]) -> str:
    """Say in a few words how many decisions met no hit, by reason."""
    counts = Counter(text.rpartition(": ")[2] for text in unmet)
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
