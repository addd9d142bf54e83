"""A condition in SQL over a source's own columns: which of its rows are taken.

The one idea: a row is taken where the condition is true; null counts as false.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tulu_data.sources.expression import Expression, selected
from tulu_data.sources.sql import sql_error

if TYPE_CHECKING:
    import pyarrow as pa


class Where(Expression):
    """One compiled condition."""

    key = "where"
    noun = "condition"
    example = "length(messages) <= 20"

    def values(self, table: "pa.Table") -> "pa.BooleanArray":
        """Return for every row whether the condition is true; null counts as false."""
        import pyarrow as pa  # what has a table has it loaded; a check of specs does without

        if table.num_rows == 0:
            return pa.array([], pa.bool_())
        found = self._evaluate(table, "coalesce({sql}, false) AS keep")["keep"].combine_chunks()
        if not pa.types.is_boolean(found.type):
            raise self._problem(f"gives {found.type} values, expected true or false", table.column_names)
        return found


def held(wheres: Sequence[Where], table: "pa.Table") -> "list[pa.BooleanArray]":
    """Return what each condition's `values` gives, of many conditions by one query."""
    import pyarrow as pa

    if len(wheres) > 1 and table.num_rows:
        select = ", ".join(f"coalesce({where.bracketed}, false) AS held{i}" for i, where in enumerate(wheres))
        try:
            found = selected(table, select, frozenset[str]().union(*(where.columns() for where in wheres)))
        except sql_error():
            pass  # Asked alone, the one at fault says so.
        else:
            if found.num_rows == table.num_rows and all(map(pa.types.is_boolean, found.schema.types)):
                return [column.combine_chunks() for column in found.columns]
    return [where.values(table) for where in wheres]
