"""A finished scan opened again: its hits, and both original texts of each.

The one idea: texts are read back from where they came, and shown only where they are what was scanned: a
record is known by its id, which follows from its content, and an instance by the hashes of its suite's
files. What cannot be read back is said, and is no reason to stop. Nothing is scanned or decided here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tulu_data.decontaminate.suites import Suite, load_again
from tulu_data.errors import SourceError, StoreError
from tulu_data.sources.reports import REPORT_FILE, read_report
from tulu_data.sources.shelves import Missing, Shelves, opens_datasets, opens_sources
from tulu_data.specs.base import read_spec
from tulu_data.specs.mixture import Mixture
from tulu_data.specs.steps import DecontaminateStep
from tulu_data.store import Store, Version

HITS_FILE = "hits.parquet"
Hit = Mapping[str, Any]
"""A row of hits.parquet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a scan was asked to look for."""

    suites: Sequence[Mapping[str, Any]]
    """The suites that it read, as its report tells of them."""
    against: Sequence[str]
    """Paths that they were loaded from."""
    base: Path
    """Folder where these paths start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A scan's hits, and how their texts are found."""

    name: str
    """Folder or version."""
    hits: pa.Table
    """Without the decisions that held at the time."""
    suites: tuple[Suite, ...]
    unshown: Mapping[str, str]
    """Why instances of some suites cannot be shown, by suite."""
    shelves: Shelves
    """The records behind the hits."""

    def narrowed(self, hits: pa.Table) -> "Findings":
        """Return these findings with some of their hits, so that no other record is read back."""
        return replace(self, hits=hits, shelves=self.shelves.narrowed(hits))

    def record(self, hit: Hit) -> list[dict[str, Any]] | Missing:
        """Return the messages of a hit's record, each with its column, or why they cannot be read back."""
        return self.shelves.messages(hit)

    def instance(self, hit: Hit) -> dict[str, Any] | Missing:
        """Return the eval instance of a hit, or why it cannot be shown."""
        if hit["suite"] in self.unshown:
            return Missing(why=self.unshown[hit["suite"]])
        instances = next(suite.instances for suite in self.suites if suite.name == hit["suite"])
        rows = instances.filter(pc.equal(instances["id"], hit["instance"])).to_pylist()
        found: dict[str, Any] = next(row for row in rows if row["split"] == hit["split"])
        return found


def open_findings(found: Path | Version, name: str, base: Path, store: Store) -> Findings:
    """Open a report's folder or a version; raise SourceError or StoreError where it has no hits."""
    return _of_report(found, name, store) if isinstance(found, Path) else _of_version(found, base, store)


def _of_report(folder: Path, name: str, store: Store) -> Findings:
    """Open what `tulu-data decontaminate` wrote."""
    report = read_report(folder)
    opens = opens_datasets(report, folder, store)
    try:
        suites_base = folder / report["bases"]["suites"]
        asked = _Asked(suites=report["suites"], against=report["against"], base=suites_base)
    except (KeyError, TypeError):
        raise SourceError(f"{folder / REPORT_FILE}: written by an older tulu-data; scan again") from None
    return _findings(name, folder, asked, store, lambda hits: Shelves(rows=hits, key="dataset", opens=opens))


def _of_version(version: Version, base: Path, store: Store) -> Findings:
    """Open what the decontamination step of a mixture found."""
    if version.manifest.decontamination is None:
        others = " (--clusters shows its duplicates)" if version.manifest.duplicates else ""
        raise StoreError(f"{version.ref}: was not decontaminated, so it has no hits{others}")
    mixture = read_spec(Mixture, version.path / "spec.yaml")
    opens = opens_sources(version, base, store)
    step = next(step for step in reversed(mixture.steps) if isinstance(step, DecontaminateStep))
    asked = _Asked(suites=version.manifest.decontamination["suites"], against=step.against, base=base)
    return _findings(
        version.ref, version.path, asked, store, lambda hits: Shelves(rows=hits, key="source", opens=opens)
    )


def _findings(
    name: str, folder: Path, asked: _Asked, store: Store, shelves: Callable[[pa.Table], Shelves]
) -> Findings:
    """Read the hits and the suites of a scan."""
    hits = pq.read_table(folder / HITS_FILE)
    if "match" not in hits.column_names:
        raise SourceError(f"{folder / HITS_FILE}: written by an older tulu-data; scan again")
    scanned = {suite["name"]: suite for suite in asked.suites if hits.num_rows}
    read, failed = load_again(
        asked.against, asked.base.resolve(), {name: suite["files"] for name, suite in scanned.items()},
        cache=store.root / "cache" / "suites",
    )  # fmt: skip
    unshown = {key: f"{why}; put it back or scan again" for key, why in failed.items()}
    return Findings(
        name=name, hits=hits.drop_columns(["decision"]) if "decision" in hits.column_names else hits,
        suites=read, unshown=unshown | dict(_changes(read, scanned)), shelves=shelves(hits),
    )  # fmt: skip


def _changes(read: Sequence[Suite], scanned: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the suites with other files than were scanned, or read otherwise, and what changed."""
    for suite in read:
        before = scanned[suite.name]
        files = sorted({path for path, _ in {*suite.files} ^ {*before["files"].items()}})
        if files:
            yield suite.name, f"{', '.join(files)} changed since the scan; scan again"
        elif before.get("key", suite.key) != suite.key:
            yield suite.name, f"how {suite.name} is read changed since the scan; scan again"
