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

SOURCES = pa.schema(
    [
        *((name, TEXT) for name in ("source", "uri", "revision")),
        ("licences", pa.list_(TEXT)),
        *((name, pa.int64()) for name in ("files", "read", "quarantined", "dropped", "not_drawn", "kept")),
        *((name, pa.int64()) for name in ("rows", "tokens")),
    ]
)
"""Of each source: read = quarantined + dropped + not_drawn + kept."""
REASONS = pa.schema([("source", TEXT), ("what", TEXT), ("reason", TEXT), ("rows", pa.int64())])
"""Of each source and reason, how many rows were left out; `what` is quarantined, dropped or not drawn."""


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
            "dropped": sum(one.dropped.values()), "not_drawn": one.not_drawn, "kept": one.kept,
            "rows": one.rows, "tokens": one.tokens,
        }  # fmt: skip


def _reasons(version: Version) -> Iterator[dict[str, Any]]:
    for one in version.manifest.sources:
        for what, counts in (
            ("quarantined", one.quarantined), ("dropped", one.dropped), ("not drawn", {None: one.not_drawn})
        ):  # fmt: skip
            for reason, rows in counts.items():
                if rows:
                    yield {"source": one.name, "what": what, "reason": reason, "rows": rows}
