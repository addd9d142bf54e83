"""Compare two versions: rows added, removed, kept and moved, per source, and why.

A row is (record id, source, copy); a source that was renamed is the same source. A record that left one
source and came in through another has moved; it is neither new nor gone. Why a row is in one version alone is
what became of its record in the other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from tulu_data.account.offered import offered
from tulu_data.account.tables import ID, KEY, dropped_frame, key_frame
from tulu_data.store import Store, Version

COPIES, NO_SOURCE, NOT_DRAWN, WHERE, ABSENT, UNKNOWN = (
    "other copies", "no such source", "not drawn", "left out by where", "not in the source",
    "not drawn, or not in the source",
)  # fmt: skip
"""What became of a record in the version that does not have a row of it, but for what steps dropped.

The last is said where the source's files are not kept as they were read.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """What happened to one source between two versions."""

    source: str
    kept: int
    added: int
    removed: int
    moved_in: int
    moved_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Rows of one source that are in one version alone, and what became of their records in the other."""

    source: str
    step: str | None
    """Step that dropped them in the other version."""
    why: str
    """Its reason; without a step, one of the words of this module."""
    rows: int
    examples: tuple[int, ...]
    """The first of them, as places in the version that has them, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChanges:
    """How the rows of two versions differ."""

    sources: tuple[SourceChange, ...]
    removed: tuple[Reason, ...]
    added: tuple[Reason, ...]


def compare_rows(
    old: Version,
    new: Version,
    store: Store,
    *,
    renamed: Mapping[str, str] = MappingProxyType({}),
    examples: int = 0,
) -> RowChanges:
    """Return the change of every source that either version has, by name, and reasons with a few examples.

    `renamed` gives the new names of sources by their old ones. `store` keeps the files of sources as they
    were read, which may tell more of a reason.
    """
    known = {renamed.get(s.name, s.name) for s in old.manifest.sources}
    names = sorted(known | {s.name for s in new.manifest.sources})
    in_old = {name: was for was, name in renamed.items()}
    old_names = [in_old.get(name, name) for name in names]
    before, after = key_frame(old, old_names), key_frame(new, names)
    kept = before.join(after, on=KEY, how="semi")
    gone = before.join(after, on=KEY, how="anti")
    come = after.join(before, on=KEY, how="anti")
    added, removed = come.join(gone, on=ID, how="anti"), gone.join(come, on=ID, how="anti")
    parts = {
        "kept": kept, "added": added, "removed": removed,
        "moved_in": come.join(gone, on=ID, how="semi"), "moved_out": gone.join(come, on=ID, how="semi"),
    }  # fmt: skip
    counts = {name: dict(part.group_by("source").len().iter_rows()) for name, part in parts.items()}
    return RowChanges(
        sources=tuple(
            SourceChange(source=one, **{name: found.get(at, 0) for name, found in counts.items()})
            for at, one in enumerate(names)
        ),
        removed=tuple(_reasons(removed, after, new, (names, names), store, examples)),
        added=tuple(_reasons(added, before, old, (old_names, names), store, examples)),
    )


def _reasons(
    rows: pl.DataFrame,
    others: pl.DataFrame,
    other: Version,
    called: tuple[list[str], list[str]],
    store: Store,
    examples: int,
) -> Iterator[Reason]:
    """Yield what became of the records of rows in a version that does not have these rows.

    `called` holds what sources are called in that version, and now.
    """
    names, labels = called
    if not rows.height:
        return
    told = _by_steps(rows, others, other, names)
    parts = [told.filter(pl.col("why").is_not_null())]
    parts += [
        part.with_columns(why=_not_taken(part, names[at], other, store))
        for (at,), part in told.filter(pl.col("why").is_null()).partition_by("source", as_dict=True).items()
    ]
    grouped = (
        pl.concat(parts).sort("row").group_by("source", "step", "why", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("row").head(examples).alias("examples"))
        .sort("source", "rows", "step", "why", descending=[False, True, False, False])
    )  # fmt: skip
    for one in grouped.iter_rows(named=True):
        yield Reason(
            source=labels[one["source"]], step=one["step"], why=one["why"], rows=one["rows"],
            examples=tuple(one["examples"]),
        )  # fmt: skip


def _by_steps(rows: pl.DataFrame, others: pl.DataFrame, other: Version, names: list[str]) -> pl.DataFrame:
    """Add `step` and `why` as far as a version's rows and what its steps dropped tell; the rest is null.

    Where it has no such source, what became of the record as one of another source.
    """
    known = [at for at, name in enumerate(names) if any(s.name == name for s in other.manifest.sources)]
    dropped = dropped_frame(other, names)
    elsewhere = dropped.unique(ID, keep="first", maintain_order=True).rename(
        {"step": "step_there", "reason": "reason_there"}
    )
    has = others.select(*ID, "source").unique().with_columns(is_there=True)
    is_there, is_known = pl.col("is_there").is_not_null(), pl.col("source").is_in(known)
    return (
        rows.join(has, on=[*ID, "source"], how="left")
        .join(dropped, on=[*ID, "source"], how="left")
        .join(elsewhere.drop("source"), on=ID, how="left")
        .select(
            *rows.columns,
            step=pl.when(is_there).then(None).when(is_known).then("step").otherwise("step_there"),
            why=pl.when(is_there).then(pl.lit(COPIES)).when(is_known).then("reason")
            .otherwise(pl.coalesce("reason_there", pl.lit(NO_SOURCE))),
        )
    )  # fmt: skip


def _not_taken(rows: pl.DataFrame, name: str, other: Version, store: Store) -> pl.Series:
    """Tell of records that no step of a version dropped why they are not in it."""
    entry = next(source for source in other.manifest.sources if source.name == name)
    if not entry.not_drawn and not entry.dropped.get("where"):
        return pl.Series([ABSENT]).new_from_index(0, rows.height)
    found = offered(other, name, store)
    if found is None:
        return pl.Series([UNKNOWN]).new_from_index(0, rows.height)
    held = found.group_by(ID).agg(pl.col("held").any())
    return rows.join(held, on=ID, how="left", maintain_order="left").select(
        pl.when(pl.col("held").is_null()).then(pl.lit(ABSENT))
        .when("held").then(pl.lit(NOT_DRAWN)).otherwise(pl.lit(WHERE))
    ).to_series()  # fmt: skip
