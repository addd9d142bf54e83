"""The report: per source, suite and split, how many eval instances were found.

The one idea: a report is a plain value made from hits, the same for the command line, a version's
manifest and a card; `to_dict` is its JSON form. Only an `item` in a record is a hit that counts and
judges a source; other matches are counted beside it, and so are hits that a person decided to keep,
while a decision to drop makes an item of any match. A suite that its spec calls `development` never costs a
whole source, as in the recipe of Tulu 3: only the records that match. It scans nothing and prints nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from json import dumps
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.decontaminate.index import Index
from tulu_data.decontaminate.settling import MATCHES
from tulu_data.decontaminate.suites import Suite, bad_counts
from tulu_data.kernels.ngrams import WHOLE
from tulu_data.schema import TEXT
from tulu_data.specs.rules import Rules
from tulu_data.specs.steps import Action
from tulu_data.specs.suite import Role

_KEYS = ("source", "suite", "split")
_EVIDENCE = ["suite", "split", "instance", "field", "rule", "overlap", "match", "decision"]
K = TypeVar("K")
Counts = Mapping[tuple[Any, ...], tuple[int, int]]
"""Instances and records by source, suite, split and what hits count as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSummary:
    """A suite, as far as a report names it."""

    name: str
    role: Role | None
    path: str
    sha256: str
    key: str
    """Its content: name, files, and how they are read."""
    files: Mapping[str, str]
    """Sha256 of each of its files, by path."""
    splits: Mapping[str, int]
    """Instances of each split."""
    instances: int
    unmatchable: int
    """Instances without a single word, which no rule can find."""
    whole_turn_only: int
    """Instances with words, but fewer than an indexed phrase has; they match nothing but a whole turn."""
    bad_rows: Mapping[str, int]
    """Rows of its files that could not be read, by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One source against one split of one suite."""

    source: str
    suite: str
    role: Role | None
    """What a spec says that the suite is for."""
    split: str
    instances: int
    instances_hit: int
    records_hit: int
    templates: int
    """Instances of which a record holds the wording with other numbers."""
    partials: int
    """Instances of which a record holds a part only."""
    common: int
    """Instances of which a record holds a common phrase only."""
    kept: int
    """Instances of which a decision says that some hit is none."""
    share: float
    """Instances hit, of all instances."""
    contaminated: bool
    """Whether the share is above the source threshold."""
    drops_source: bool
    """Whether it is so contaminated that `drop_source` leaves the source out: not by a development suite."""
    verdict: str
    """Both in words, for tables: `contaminated`, `contaminated: drop matches`, or `at most 2%`."""

    @property
    def evidence(self) -> str:
        """What tells why a whole source is dropped, as JSON."""
        keys = ("suite", "split", "instances", "instances_hit", "share")
        return dumps({key: getattr(self, key) for key in keys}, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a scan of some sources found."""

    rules: Rules
    suites: tuple[SuiteSummary, ...]
    records: Mapping[str, int]
    """Records scanned of each source."""
    records_hit: Mapping[str, int]
    """Records of each source with at least one hit that counts."""
    hits: int
    """Rows of the table of hits that count: items but for those decided to be kept, and what to drop."""
    other_matches: Mapping[str, int]
    """The rest of its rows, by match, or `keep` where a decision says so."""
    rows: tuple[ReportRow, ...]
    """Every source with every split of every suite, found or not, in that order."""

    @property
    def contaminated(self) -> tuple[ReportRow, ...]:
        """Rows above the source threshold."""
        return tuple(row for row in self.rows if row.contaminated)

    @property
    def sources_to_drop(self) -> tuple[ReportRow, ...]:
        """Rows that leave their sources out, the largest share last."""
        return tuple(sorted((row for row in self.rows if row.drops_source), key=lambda row: row.share))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "rule": self.rules.name,
            "parameters": {k: v for k, v in self.rules.to_dict().items() if k != "name"},
            "suites": [asdict(suite) for suite in self.suites],
            "records": dict(self.records),
            "records_hit": dict(self.records_hit),
            "hits": self.hits,
            "other_matches": dict(self.other_matches),
            "table": [asdict(row) for row in self.rows],
        }


def make_report(index: Index, hits: pa.Table, records: Mapping[str, int]) -> Report:
    """Count hits per source, suite and split.

    `hits` has schema HITS and a column `source`, and `decision` where people decided; `records` names
    every source and the records scanned of it. A record's position must be unique within its source.
    """
    hits = hits.append_column("counted_as", counted_as(hits))
    counts = _counts(hits)
    items = hits.filter(pc.equal(hits["counted_as"], "item"))
    per_source = items.group_by("source").aggregate([("record", "count_distinct")])
    by_match = {row["values"]: row["counts"] for row in pc.value_counts(hits["counted_as"]).to_pylist()}
    hit = {row["source"]: row["record_count_distinct"] for row in per_source.to_pylist()}
    suites = tuple(_summary(index, number, suite) for number, suite in enumerate(index.suites))
    rows = tuple(
        _row(index.rules, (source, suite.name, split), suite.role, instances, counts)
        for source in records
        for suite in suites
        for split, instances in suite.splits.items()
    )
    return Report(
        rules=index.rules, suites=suites, records=dict(records), hits=items.num_rows, rows=rows,
        records_hit={source: hit.get(source, 0) for source in records},
        other_matches={match: by_match.get(match, 0) for match in (*MATCHES, "keep") if match != "item"},
    )  # fmt: skip


def counted_as(hits: pa.Table) -> pa.ChunkedArray:
    """Return what each hit counts as: its match, unless it is decided; `item` to drop it, or `keep`."""
    if "decision" not in hits.column_names:
        return hits["match"]
    decision = hits["decision"]
    return pc.coalesce(
        pc.if_else(pc.equal(decision, "drop"), pa.scalar("item", TEXT), decision), hits["match"]
    )


def to_drop(hits: pa.Table, action: Action) -> pa.ChunkedArray:
    """Tell which hits drop their records: those that count, or by `flag` only those decided so."""
    gone = pc.equal(hits["decision"], "drop") if action == "flag" else pc.equal(counted_as(hits), "item")
    return pc.fill_null(gone, False)  # noqa: FBT003 - undecided


def strongest(hits: pa.Table, keys: Sequence[K]) -> dict[K, str]:
    """Return by key, of which each hit has one, the strongest hit as JSON: why a record is dropped."""
    rows = hits.select(_EVIDENCE).to_pylist()
    ordered = sorted(zip(keys, rows, strict=True), key=lambda pair: pair[1]["overlap"])
    return {
        key: dumps({name: value for name, value in row.items() if value is not None}, ensure_ascii=False)
        for key, row in ordered
    }


def _counts(hits: pa.Table) -> Counts:
    """Count distinct instances and records per source, suite, split and what hits count as."""
    distinct = hits.group_by([*_KEYS, "counted_as"]).aggregate(
        [("instance", "count_distinct"), ("record", "count_distinct")]
    )
    return {
        tuple(row[key] for key in (*_KEYS, "counted_as")): (
            row["instance_count_distinct"],
            row["record_count_distinct"],
        )
        for row in distinct.to_pylist()
    }


def _row(
    rules: Rules, key: tuple[str, str, str], role: Role | None, instances: int, counts: Counts
) -> ReportRow:
    """Judge one source against one split."""
    found = {match: counts.get((*key, match), (0, 0)) for match in (*MATCHES, "keep")}
    instances_hit, records_hit = found["item"]
    share = instances_hit / instances
    contaminated = share > rules.source_threshold
    drops_source = contaminated and role != "development"
    verdict = "contaminated" if drops_source else "contaminated: drop matches"
    return ReportRow(
        source=key[0], suite=key[1], role=role, split=key[2], instances=instances,
        instances_hit=instances_hit, records_hit=records_hit, templates=found["template"][0],
        partials=found["partial"][0], common=found["common"][0], kept=found["keep"][0], share=share,
        contaminated=contaminated, drops_source=drops_source,
        verdict=verdict if contaminated else f"at most {rules.source_threshold:.0%}",
    )  # fmt: skip


def _summary(index: Index, number: int, suite: Suite) -> SuiteSummary:
    """Describe one suite."""
    splits = {row["values"]: row["counts"] for row in pc.value_counts(suite.instances["split"]).to_pylist()}
    return SuiteSummary(
        name=suite.name, role=suite.role, path=suite.path, sha256=suite.sha256, key=suite.key,
        files=dict(suite.files),
        splits=dict(sorted(splits.items())),
        instances=suite.instances.num_rows, unmatchable=index.unmatchable(number),
        whole_turn_only=_whole_turn_only(index, number), bad_rows=dict(bad_counts(suite)),
    )  # fmt: skip


def _whole_turn_only(index: Index, number: int) -> int:
    """Count the instances of a suite of which every text with words has fewer than `WHOLE`."""
    mine = index.suite == number
    longest = np.zeros(index.suites[number].instances.num_rows, np.int64)
    np.maximum.at(longest, index.row[mine], index.words[mine])
    return int(
        np.count_nonzero((longest > 0) & (longest < min([WHOLE, *(rule.n for rule in index.rules.grams)])))
    )
