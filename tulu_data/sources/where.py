"""A condition in SQL over a source's own columns: which of its rows are taken.

The one idea: a row is taken where the condition is true; null counts as false.
"""

import pyarrow as pa

from tulu_data.sources.expression import Expression


class Where(Expression):
    """One compiled condition."""

    key = "where"
    noun = "condition"
    example = "length(messages) <= 20"

    def values(self, table: pa.Table) -> pa.BooleanArray:
        """Return for every row whether the condition is true; null counts as false."""
        if table.num_rows == 0:
            return pa.array([], pa.bool_())
        found = self._evaluate(table, "coalesce({sql}, false) AS keep")["keep"].combine_chunks()
        if not pa.types.is_boolean(found.type):
            raise self._problem(f"gives {found.type} values, expected true or false", table.column_names)
        return found
