"""Compare two versions: rows added, removed, kept and moved, per source.

A row is (record id, source, copy). A record that left one source and came in through another has
moved; it is neither new nor gone.
"""

from dataclasses import dataclass

import polars as pl

from tulu_data.store.version import Version

_KEY = ["id", "source", "copy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """What happened to one source between two versions."""

    source: str
    kept: int
    added: int
    removed: int
    moved_in: int
    moved_out: int


def diff_versions(old: Version, new: Version) -> list[SourceChange]:
    """Return the change of every source that either version has, sorted by name."""
    before, after = _keys(old), _keys(new)
    kept = before.join(after, on=_KEY, how="semi", nulls_equal=True)
    gone = before.join(after, on=_KEY, how="anti", nulls_equal=True)
    come = after.join(before, on=_KEY, how="anti", nulls_equal=True)
    parts = {
        "kept": kept,
        "moved_in": come.join(gone, on="id", how="semi"),
        "moved_out": gone.join(come, on="id", how="semi"),
        "added": come.join(gone, on="id", how="anti"),
        "removed": gone.join(come, on="id", how="anti"),
    }
    counts = {name: dict(part.group_by("source").len().iter_rows()) for name, part in parts.items()}
    sources = sorted({s.name for s in (*old.manifest.sources, *new.manifest.sources)})
    return [
        SourceChange(source=source, **{name: found.get(source, 0) for name, found in counts.items()})
        for source in sources
    ]


def _keys(version: Version) -> pl.DataFrame:
    """Return the (id, source, copy) of every row."""
    frame = pl.from_arrow(version.table(_KEY))
    assert isinstance(frame, pl.DataFrame)
    return frame
