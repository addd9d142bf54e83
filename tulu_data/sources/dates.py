"""When the rows of a source were made: a moment by row, given by SQL over the source's own columns.

The one idea: as for `quality`, records do not carry the column, so it is read from the raw file and kept
beside the normalised one. A value that is no date is data, not an error: it is told apart from none at all.
"""

import hashlib

import pyarrow as pa

from tulu_data.sources.cache import NormalisedFile, replace_table
from tulu_data.sources.expression import Expression
from tulu_data.sources.scan import scan_values

DATES = pa.schema([("moment", pa.timestamp("us", "UTC")), ("wrong", pa.large_string())])
"""The moment of a record, or else the text of what is none; both null where the value is."""
_STRUCT = pa.struct(list(DATES))


class Dates(Expression):
    """One compiled expression that gives dates or times; a time without a zone is in UTC."""

    key = "date"
    noun = "expression"
    example = "created_at"

    def values(self, table: pa.Table) -> pa.StructArray:
        """Return for every row its moment, and as text what is none; both null where the value is."""
        if table.num_rows == 0:
            return pa.array([], _STRUCT)
        # Through text, since numbers cannot be cast to times: what they count from is for a person to say.
        text = "cast({sql} AS VARCHAR)"
        found = self._evaluate(
            table,
            f"epoch_us(try_cast({text} AS TIMESTAMPTZ)) AS moment, "
            f"CASE WHEN try_cast({text} AS TIMESTAMPTZ) IS NULL THEN {text} END AS wrong",
        )
        moment, wrong = (found[name].combine_chunks() for name in DATES.names)
        parts = [moment.cast(pa.int64()).cast(DATES.field("moment").type), wrong.cast(pa.large_string())]
        return pa.StructArray.from_arrays(parts, fields=list(DATES))


def record_dates(kept: NormalisedFile, dates: Dates) -> pa.Table:
    """Return the dates of the records of a normalised file; what was read once is kept beside it."""
    path = kept.folder / f"date-{hashlib.sha256(dates.sql.encode()).hexdigest()[:40]}.arrow"
    if not path.is_file():
        replace_table(path, _read(kept, dates))
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _read(kept: NormalisedFile, dates: Dates) -> pa.Table:
    """Evaluate the expression over the raw rows that became records."""
    rows, values = [pa.array([], pa.int64())], [pa.array([], _STRUCT)]
    for these, found in scan_values(kept.file, dates):
        rows.append(these)
        values.append(found)
    # A record whose row the expression never saw has no date.
    at = pa.compute.index_in(kept.table.column("row"), pa.concat_arrays(rows))
    found = pa.concat_arrays(values).take(at.combine_chunks())
    return pa.table([found.field(name) for name in DATES.names], schema=DATES)
