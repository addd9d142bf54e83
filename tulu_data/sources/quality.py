"""How good the rows of a source are: a number by row, given by SQL over the source's own columns.

The one idea: records do not carry the columns that say it, so it is read from the raw file beside its rows,
and kept with the normalised file. A row whose number is null has none; what is no number is an error.
"""

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.sources.cache import NormalisedFile, replace_table
from tulu_data.sources.expression import Expression, ExpressionError
from tulu_data.sources.files import SourceFile
from tulu_data.sources.scan import scan_values

Numbers = NDArray[np.float64]
_CUT = 60


class Quality(Expression):
    """One compiled expression that gives numbers."""

    key = "quality"
    noun = "expression"
    example = "score"

    def values(self, table: pa.Table) -> pa.StructArray:
        """Return for every row its number, and as text what is none; both null where the value is."""
        if table.num_rows == 0:
            return pa.array([], _VALUES)
        found = self._evaluate(
            table,
            "try_cast({sql} AS DOUBLE) AS number, "
            "CASE WHEN try_cast({sql} AS DOUBLE) IS NULL THEN cast({sql} AS VARCHAR) END AS wrong",
        )
        parts = [found[field.name].cast(field.type).combine_chunks() for field in _VALUES]
        return pa.StructArray.from_arrays(parts, fields=list(_VALUES))

    def numbers(self, origin: str, rows: pa.Array, values: pa.StructArray) -> Numbers:
        """Return the numbers of rows, NaN where there is none; raise SourceError for what is no number."""
        wrong = values.field("wrong")
        if wrong.null_count < len(wrong):
            at = int(np.flatnonzero(wrong.is_valid().to_numpy(zero_copy_only=False))[0])
            text = wrong[at].as_py()
            shown = text if len(text) <= _CUT else f"{text[:_CUT]}..."
            text = (
                f"{origin}:{rows[at].as_py()}: {self.key} {self.sql!r} gives {shown!r}, expected a number or "
                "null; mend the row, or write try_cast(... AS DOUBLE), which gives null for what is no number"
            )
            raise ExpressionError(text, key=self.key, sql=self.sql)
        found: Numbers = values.field("number").to_numpy(zero_copy_only=False)
        return found


_VALUES = pa.struct([("number", pa.float64()), ("wrong", pa.large_string())])


class Qualities:
    """The numbers of a file's rows."""

    def __init__(self, rows: NDArray[np.int64], numbers: Numbers) -> None:
        """Know the numbers of rows, whose own numbers ascend."""
        self._rows, self._numbers = rows, numbers

    def of(self, rows: NDArray[np.int64]) -> Numbers:
        """Return the number of each of some rows, NaN where it has none."""
        if not len(self._rows):
            return np.full(len(rows), np.nan)
        at = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        found: Numbers = np.where(self._rows[at] == rows, self._numbers[at], np.nan)
        return found


def read_qualities(file: SourceFile, quality: Quality) -> Qualities:
    """Evaluate an expression over a file's raw rows; raise SourceError where it cannot be."""
    rows, numbers = [np.zeros(0, np.int64)], [np.zeros(0)]
    for these, values in scan_values(file, quality):
        rows.append(these.to_numpy(zero_copy_only=False))
        numbers.append(quality.numbers(file.origin, these, values))
    return Qualities(np.concatenate(rows), np.concatenate(numbers))


def record_qualities(kept: NormalisedFile, quality: Quality) -> Numbers:
    """Return the number of each record of a normalised file; what was read once is kept beside it."""
    path = kept.folder / f"quality-{hashlib.sha256(quality.sql.encode()).hexdigest()[:40]}.arrow"
    if not path.is_file():
        numbers = read_qualities(kept.file, quality).of(kept.table.column("row").to_numpy())
        replace_table(path, pa.table({"number": numbers}))
    found: Numbers = pa.ipc.open_file(pa.memory_map(str(path))).read_all().column("number").to_numpy()
    return found
