"""What becomes of rows: kept, dropped with a reason and evidence, or quarantined.

The one idea: a command names the rows to drop in one table, by dataset and origin; here it is asked row by
row, as files are copied, and what is asked for is listed. It decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.schema import TEXT
from tulu_data.sources.splitting import MAIN

DROPPED = pa.schema([(name, TEXT) for name in ("dataset", "origin", "id", "reason", "evidence")])
"""Arrow schema of rows that are dropped; `id` is null where a whole dataset is."""

_Places = Mapping[tuple[str, str], Mapping[int, int]]
"""By dataset and file: where in a table each row of the file stands, by its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """What a command leaves out of the records that were read."""

    dropped: pa.Table
    """Rows to drop, of schema DROPPED, each once; some may be of versions, which are not copied."""
    whole: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Reason and evidence of datasets that are dropped to the last record."""
    reasons: tuple[str, ...]
    """Reasons to drop that are counted of every dataset, were it zero times."""


class Sorter:
    """Says of files where their rows go."""

    def __init__(self, fates: Fates, quarantined: pa.Table) -> None:
        """Know fates by file; `quarantined` has the columns dataset and origin."""
        self._fates = fates
        self._dropped, self._bad = _places(fates.dropped), _places(quarantined)

    def reasons(self, dataset: str) -> dict[str, int]:
        """Return a count of zero for each reason that is counted of a dataset in any case."""
        whole = [self._fates.whole[dataset][0]] if dataset in self._fates.whole else []
        return dict.fromkeys([*self._fates.reasons, *whole], 0)

    def of_file(self, dataset: str, origin: str) -> "FileFates":
        """Return what tells the fates of the rows of a file."""
        key = dataset, origin
        return FileFates(key, self._fates, self._dropped.get(key, {}), self._bad.get(key, {}))


class FileFates:
    """Tells the part that each row of a file belongs to, and lists those that are dropped."""

    def __init__(
        self, key: tuple[str, str], fates: Fates, named: Mapping[int, int], bad: Mapping[int, int]
    ) -> None:
        """Begin with no row asked for."""
        self._dataset, self._origin = key
        self._table, self._whole = fates.dropped, fates.whole.get(self._dataset)
        self._named, self._bad = named, bad
        self._rows: list[int] = []

    def __call__(self, row: int) -> str:
        """Return the part of a row."""
        if row in self._bad:
            return "quarantined"
        if row not in self._named and self._whole is None:
            return MAIN
        self._rows.append(row)
        return "dropped"

    def dropped(self) -> pa.Table:
        """Return the rows that were dropped, of schema DROPPED, in the order in which they were asked for."""
        places = pa.array([self._named.get(row) for row in self._rows], pa.int64())
        assert len(places) - places.null_count == len(self._named), (
            f"{self._origin}: rows to drop are missing"
        )
        named = self._table.take(places)
        origins = pa.array([f"{self._origin}:{row}" for row in self._rows], TEXT)
        reason, evidence = (
            pc.if_else(places.is_null(), pa.scalar(text, TEXT), named[name])
            for name, text in zip(("reason", "evidence"), self._whole or (None, None), strict=True)
        )
        dataset = pa.repeat(pa.scalar(self._dataset, TEXT), len(places))
        return pa.table([dataset, origins, named["id"], reason, evidence], schema=DROPPED)


def _places(rows: pa.Table) -> _Places:
    """Find rows by the dataset, file and number that they name."""
    places: dict[tuple[str, str], dict[int, int]] = {}
    origins = zip(rows["dataset"].to_pylist(), rows["origin"].to_pylist(), strict=True)
    for place, (dataset, origin) in enumerate(origins):
        file, _, row = origin.rpartition(":")
        places.setdefault((dataset, file), {})[int(row)] = place
    return places
