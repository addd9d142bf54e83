"""The views of what a scan found.

The one idea: beside the tables that lie there, the verdicts, the decisions and the records are views too. It
runs no query.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from tulu_data.decontaminate.findings import open_findings
from tulu_data.schema import TEXT
from tulu_data.sources.reports import read_report
from tulu_data.sources.views import View, side_views
from tulu_data.specs.decisions import Decision, Decisions
from tulu_data.store import Store


def views(found: Path, name: str, base: Path, store: Store, decisions: Decisions) -> dict[str, View]:
    """Name the views of a report's folder."""

    def records() -> pa.Table:
        return open_findings(found, name, base, store).shelves.records()

    return {"records": records, **side_views(found), **verdict_views(read_report(found), decisions)}


def verdict_views(report: Mapping[str, Any], decisions: Decisions) -> dict[str, View]:
    """Name what is no file of its own: the verdicts of a report, and the decisions."""
    found: dict[str, View] = {}
    if report.get("table"):
        found["verdicts"] = lambda: pa.Table.from_pylist(report["table"])
    rows = [one.model_dump() for one in decisions.decisions]
    schema = pa.schema([(name, TEXT) for name in Decision.model_fields])
    found["decisions"] = lambda: pa.Table.from_pylist(rows, schema=schema)
    return found
