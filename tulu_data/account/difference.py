"""All that differs between two versions: specs, what was read, code, rows with reasons, shares and tokens.

The one idea: each part is a plain value made from the two accounts, or from ids, sources and copies of the
records; no text is read but that of examples that are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tulu_data.account.changes import KeyChange, key_changes, renamed
from tulu_data.account.inputs import InputChange, changed, files_of
from tulu_data.account.rows import Reason, RowChanges, compare_rows
from tulu_data.specs.document import read_document
from tulu_data.store import SourceEntry, Store, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How much of a version a source was and is; None where a version does not have it, or did not count."""

    source: str
    rows: tuple[int | None, int | None]
    share: tuple[float | None, float | None]
    """Of the rows."""
    tokens: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs between two versions."""

    old: Version
    new: Version
    spec: tuple[KeyChange, ...]
    inputs: tuple[InputChange, ...]
    code: tuple[str, ...]
    """Steps of another code version."""
    shares: tuple[Shares, ...]
    """By source, in the order of names; the last is the whole, named `total`."""
    rows: RowChanges
    records: dict[tuple[str, int], dict[str, Any]]
    """Records that were asked for as examples, by (`removed` or `added`, place)."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        changes = {change.source: asdict(change) for change in self.rows.sources}
        return {
            "old": _named(self.old), "new": _named(self.new),
            "spec": [change.to_dict() for change in self.spec],
            "inputs": [asdict(change) for change in self.inputs], "code": list(self.code),
            "sources": [
                {**changes[one.source], **_sides(one)} for one in self.shares if one.source in changes
            ],
            "total": _sides(self.shares[-1]),
            "removed": [self._told("removed", reason) for reason in self.rows.removed],
            "added": [self._told("added", reason) for reason in self.rows.added],
        }  # fmt: skip

    def _told(self, side: str, reason: Reason) -> dict[str, Any]:
        records = [self.records[side, place] for place in reason.examples]
        return {
            "source": reason.source, "step": reason.step, "why": reason.why, "rows": reason.rows,
            "records": records,
        }  # fmt: skip


def compare(old: Version, new: Version, store: Store, *, examples: int = 0) -> Difference:
    """Compare two versions; with so many examples of rows removed and added for each reason."""
    before, after = (read_document(version.path / "spec.yaml").data for version in (old, new))
    spec = tuple(key_changes(before, after))
    names = renamed(spec)
    rows = compare_rows(old, new, store, renamed=names, examples=examples)
    records = {
        (side, place): record
        for side, version, reasons in (("removed", old, rows.removed), ("added", new, rows.added))
        for place, record in _records(version, [at for reason in reasons for at in reason.examples])
    }
    return Difference(
        old=old, new=new, spec=spec, inputs=tuple(_inputs(old, new, names)),
        code=tuple(_code(old, new)), shares=tuple(_shares(old, new, names)), rows=rows, records=records,
    )  # fmt: skip


def _records(version: Version, places: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the records at some places of a version."""
    wanted = sorted(set(places))
    yield from zip(wanted, version.table().take(wanted).to_pylist() if wanted else (), strict=True)


def _inputs(old: Version, new: Version, names: Mapping[str, str]) -> Iterator[InputChange]:
    """Yield the files that are others: of sources that both have, and what was read besides."""
    before = {names.get(source.name, source.name): source for source in old.manifest.sources}
    for source in new.manifest.sources:
        if source.name in before:
            was, now = files_of(before[source.name]), files_of(source)
            yield from changed(f"source {source.name}", was, now)
    others = [{(i.role, i.origin): i.sha256 for i in version.manifest.inputs} for version in (old, new)]
    for role in sorted({role for one in others for role, _ in one}):
        was, now = ({origin: key for (of, origin), key in one.items() if of == role} for one in others)
        yield from changed(role, was, now)


def _code(old: Version, new: Version) -> Iterator[str]:
    """Yield the steps whose code gives other results in one than in the other."""
    before, after = old.manifest.step_versions, new.manifest.step_versions
    for name in sorted({*before, *after} if before and after else ()):
        if before.get(name) != after.get(name):
            yield f"{name} {before.get(name, 'absent')} -> {after.get(name, 'absent')}"


def _shares(old: Version, new: Version, names: Mapping[str, str]) -> Iterator[Shares]:
    """Yield what each source was and is of the whole, and the whole."""
    entries = [
        {names.get(source.name, source.name): source for source in old.manifest.sources},
        {source.name: source for source in new.manifest.sources},
    ]
    totals = old.manifest.rows, new.manifest.rows
    for name in sorted({*entries[0], *entries[1]}):
        pair = [one.get(name) for one in entries]
        rows = _pair([entry.rows if entry else None for entry in pair])
        share = [
            None if count is None else count / max(total, 1)
            for count, total in zip(rows, totals, strict=True)
        ]
        tokens = _pair([entry.tokens if entry else None for entry in pair])
        yield Shares(source=name, rows=rows, share=_pair(share), tokens=tokens)
    tokens = _pair([_sum(list(one.values())) for one in entries])
    yield Shares(source="total", rows=totals, share=(1.0, 1.0), tokens=tokens)


def _pair(values: Sequence[Any]) -> tuple[Any, Any]:
    return values[0], values[1]


def _sum(entries: Sequence[SourceEntry]) -> int | None:
    """Add up tokens, where they were counted."""
    counts = [entry.tokens for entry in entries if entry.tokens is not None]
    return sum(counts) if len(counts) == len(entries) else None


def _sides(one: Shares) -> dict[str, Any]:
    """Return what a source was and is, as JSON values."""
    return {
        f"{name}_{side}": getattr(one, name)[i]
        for name in ("rows", "share", "tokens")
        for i, side in enumerate(("before", "after"))
    }


def _named(version: Version) -> dict[str, Any]:
    return {"version": version.ref, "content_id": version.content_id, "rows": version.num_rows}
