"""The views of a version for SQL: its records, what was left out, what was found, and its account.

The one idea: what lies there as Arrow or parquet is mapped and scanned, and what the manifest says becomes
small tables. It runs no query.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tulu_data.decontaminate.query import verdict_views
from tulu_data.schema import TEXT
from tulu_data.sources.views import View, side_views
from tulu_data.specs.decisions import Decisions
from tulu_data.store import Version

WHERE = "where"
"""Counts in a manifest beside the reasons of steps; no table lists what it left out."""
SOURCES = pa.schema(
    [
        *((name, TEXT) for name in ("source", "uri", "revision")),
        ("licences", pa.list_(TEXT)),
        *((name, pa.int64()) for name in ("files", "read", "quarantined", "by_where", "dropped")),
        *((name, pa.int64()) for name in ("not_drawn", "kept")),
        *((name, pa.int64()) for name in ("rows", "tokens")),
    ]
)
"""Of each source: read = quarantined + by_where + dropped + not_drawn + kept; steps drop, `where` chooses."""
REASONS = pa.schema([("source", TEXT), ("what", TEXT), ("reason", TEXT), ("rows", pa.int64())])
"""Of each source and reason, how many rows were left out.

`what` is quarantined, where, dropped (by a step) or not drawn.
"""


def version_views(version: Version, decisions: Decisions) -> dict[str, View]:
    """Name the views of a version."""
    report = version.manifest.decontamination or {}
    return {
        "records": lambda: _records(version), **side_views(version.path),
        "sources": lambda: pa.Table.from_pylist(list(_sources(version)), schema=SOURCES),
        "reasons": lambda: pa.Table.from_pylist(list(_reasons(version)), schema=REASONS),
        **({"splits": lambda: _splits(version)} if version.splits else {}),
        **verdict_views(report, decisions),
    }  # fmt: skip


def _records(version: Version) -> pa.Table:
    """Return the records, mapped; those of a version in splits with the name of theirs."""
    if not version.splits:
        return version.table()
    parts = [version.table(split=split) for split in version.splits]
    return pa.concat_tables(
        part.append_column("split", pa.repeat(pa.scalar(split, TEXT), len(part)))
        for split, part in zip(version.splits, parts, strict=True)
    )


def _splits(version: Version) -> pa.Table:
    rows = [
        {
            "split": split, "rows": count, "shards": len(version.shards(split)),
            "bytes": sum(shard.bytes for shard in version.shards(split)),
        }
        for split, count in version.manifest.splits.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


def _sources(version: Version) -> Iterator[dict[str, Any]]:
    for one in version.manifest.sources:
        yield {
            "source": one.name, "uri": one.uri, "revision": one.revision, "licences": list(one.licences),
            "files": len(one.files), "read": one.read, "quarantined": sum(one.quarantined.values()),
            "by_where": one.dropped.get(WHERE, 0),
            "dropped": sum(count for reason, count in one.dropped.items() if reason != WHERE),
            "not_drawn": one.not_drawn, "kept": one.kept,
            "rows": one.rows, "tokens": one.tokens,
        }  # fmt: skip


def _reasons(version: Version) -> Iterator[dict[str, Any]]:
    for one in version.manifest.sources:
        by_steps = {reason: count for reason, count in one.dropped.items() if reason != WHERE}
        for what, counts in (
            ("quarantined", one.quarantined), (WHERE, {None: one.dropped.get(WHERE, 0)}),
            ("dropped", by_steps), ("not drawn", {None: one.not_drawn}),
        ):  # fmt: skip
            for reason, rows in counts.items():
                if rows:
                    yield {"source": one.name, "what": what, "reason": reason, "rows": rows}
