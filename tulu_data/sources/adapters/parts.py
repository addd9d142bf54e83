"""The columns of a raw batch by the part they play.

The one idea: a part (`prompt`, `chosen`) is found under its usual names or where `columns:` says;
dots reach into structs and, with a number, into lists. It finds columns; adapters read them.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.errors import SourceError, nearest
from tulu_data.schema import TEXT
from tulu_data.sources.adapters.faults import Faults, Mask
from tulu_data.sources.json_values import dump


class LayoutError(SourceError):
    """Rows are in no layout that gives records of the kind that is asked for."""


class PartError(LayoutError):
    """No column plays a part that a layout needs."""

    def __init__(self, text: str, *, part: str, mapped: bool) -> None:
        """Keep the part, and whether `columns:` names its column, by which a spec finds the place."""
        super().__init__(text)
        self.part, self.mapped = part, mapped


class Parts:
    """The columns of one batch, looked up by part."""

    def __init__(
        self, table: pa.Table, names: Mapping[str, tuple[str, ...]], columns: Mapping[str, str]
    ) -> None:
        self.table = table
        self.names = names
        self.columns = columns

    def find(self, part: str) -> pa.Array | None:
        """Return the column of a part, or None when the batch has none."""
        if part in self.columns:
            return self._chosen(self.columns[part])
        for name in self.names[part]:
            found = reach(self.table, name)
            if found is not None:
                return found
        return None

    def _chosen(self, said: str) -> pa.Array | None:
        """Return the column that is named; of several the first that says something, row by row."""
        names = (said,) if said in self.table.column_names else alternatives(said)
        columns = [reach(self.table, name) for name in names]
        found = [column for column in columns if column is not None]
        if len(columns) == 1 or len(found) < len(columns):
            return found[0] if len(columns) == len(found) else None
        texts = [any_text(column) for column in found]
        first = texts[-1]
        for text in reversed(texts[:-1]):
            first = pc.if_else(pa.array(filled(text)), text, first)
        return first

    def need(self, part: str) -> pa.Array:
        """Return the column of a part; raise SourceError when the batch has none."""
        found = self.find(part)
        if found is None:
            have = self.table.column_names
            named = alternatives(self.columns.get(part, ""))
            absent = next((name for name in named if reach(self.table, name) is None), None)
            wanted = absent or " or ".join(self.names[part])
            raise PartError(
                f"no column {wanted!r} for the part {part!r}{nearest(wanted.split('.')[0], have)} "
                f"(columns: {', '.join(sorted(have))}); map it: columns: {{{part}: COLUMN}}",
                part=part,
                mapped=part in self.columns,
            )
        return found

    def shown(self, part: str) -> str:
        """Return the name under which people know the part's column."""
        if part in self.columns:
            return self.columns[part]
        return next((n for n in self.names[part] if reach(self.table, n) is not None), part)


def alternatives(said: str) -> tuple[str, ...]:
    """Return the columns that `columns:` names for a part: one, or several as in `adversarial | vanilla`."""
    return tuple(name.strip() for name in said.split("|") if name.strip())


def reach(table: pa.Table, path: str) -> pa.Array | None:
    """Return the column at a path: a column's own name, or dots into structs, JSON text and lists."""
    if path in table.column_names:
        return whole(table.column(path))
    head, _, rest = path.partition(".")
    if not rest or head not in table.column_names:
        return None
    array: pa.Array | None = whole(table.column(head))
    for step in rest.split("."):
        array = _step(array, step) if array is not None else None
    return array


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array, dictionaries and views written out."""
    array = column
    if isinstance(column, pa.ChunkedArray):
        # One chunk is the rule, and combining it would copy it.
        array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _step(array: pa.Array, step: str) -> pa.Array | None:
    """Go one step into a struct or a list; None where it leads nowhere."""
    if pa.types.is_struct(array.type):
        return whole(pc.struct_field(array, step)) if step in {f.name for f in array.type} else None
    if is_list(array.type) and step.isdigit():
        values = [None if v is None or int(step) >= len(v) else v[int(step)] for v in array.to_pylist()]
        return pa.array(values, array.type.value_type)
    return pa.nulls(len(array)) if pa.types.is_null(array.type) else None


def is_list(kind: pa.DataType) -> bool:
    """Tell whether a type is a list of any layout."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a type is text of any layout."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def nulls_in(array: pa.Array) -> Mask:
    """Return the mask of null rows."""
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False), dtype=bool)


def text_column(array: pa.Array, place: str, faults: Faults, *, required: bool = True) -> pa.Array:
    """Return a column as large text; null is a fault where text is required, other types always."""
    if pa.types.is_null(array.type):
        array = pa.nulls(len(array), TEXT)
    if not is_text(array.type):
        kind = str(array.type).split("<")[0]
        faults.mark(~nulls_in(array), "not text", f"{place} is {kind}, expected text")
        array = pa.nulls(len(array), TEXT)
    if required and array.null_count:
        faults.mark(nulls_in(array), "missing value", f"{place} is null")
    return array.cast(TEXT)


def any_text(array: pa.Array) -> pa.Array:
    """Return a column as text whatever its type: numbers as they print, structures as JSON."""
    if is_text(array.type) or pa.types.is_null(array.type):
        return array.cast(TEXT)
    if pa.types.is_integer(array.type):
        return array.cast(TEXT)
    return pa.array([None if v is None else dump(v) for v in array.to_pylist()], TEXT)


def filled(array: pa.Array) -> Mask:
    """Tell which rows hold text that is not blank."""
    # Asked so, a text is looked at up to its first letter; trimming it would copy it.
    some = pc.and_not(pc.greater(pc.binary_length(array), 0), pc.utf8_is_space(array))
    return np.asarray(pc.fill_null(some, False).to_numpy(zero_copy_only=False), dtype=bool)  # noqa: FBT003
