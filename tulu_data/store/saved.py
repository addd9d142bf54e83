"""Flat arrays on disk, mapped into memory and not read.

The one idea: a value is a NamedTuple of arrays, of numbers and of more of its kind; its file is one row of
an Arrow table with a list for each array, so that opening it looks at the end of the file alone. Arrays come
back as kernels take them: read-only, contiguous, of the types that the NamedTuple names. A file is named
by its content and says so inside; one that is torn or is something else counts as absent and is made
anew, and one that cannot be written is done without. It does not know what the arrays mean.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.store.whole import write_whole

T = TypeVar("T", bound=tuple[Any, ...])

_SAVED = b"saved"


class Shelf:
    """Saved values."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Keep values in the first of some folders that can be written, or in none of them."""
        self._folders = list(dict.fromkeys(folders))

    def kept(
        self,
        label: str,
        key: str,
        kind: type[T],
        make: Callable[[], T],
        *,
        most: int,
        refused: Callable[[], None] = lambda: None,
    ) -> T:
        """Return the value of a key, which is made and saved where it is not there.

        Of each label, the `most` that were written last stay. `refused` is called where no folder takes it.
        """
        name = f"{label}-{key[:32]}.arrow"
        found = self._find(name, key, kind)
        if found is None:
            made = make()
            if not self._save(name, key, made, label, most):
                refused()
            # Pages of a file are shared with other processes, and given back where memory is short.
            found = self._find(name, key, kind) or made
        return found

    def find(self, label: str, key: str, kind: type[T]) -> T | None:
        """Return the value of a key where it is there."""
        return self._find(f"{label}-{key[:32]}.arrow", key, kind)

    def _find(self, name: str, key: str, kind: type[T]) -> T | None:
        """Return a value that was saved."""
        for folder in self._folders:
            # Absent, torn, foreign, or of other arrays: all the same.
            with suppress(OSError, pa.ArrowException, KeyError, TypeError, ValueError):
                return _opened(folder / name, key, kind)
        return None

    def _save(self, name: str, key: str, value: tuple[Any, ...], label: str, most: int) -> bool:
        """Write a value where it can be written, and remove the oldest of its label; tell if it was."""
        for folder in self._folders:
            try:
                write_whole(folder, name, _table(key, value))
            except OSError:
                continue
            with suppress(OSError):
                aged = sorted(folder.glob(f"{label}-*.arrow"), key=lambda path: path.stat().st_mtime_ns)
                for old in [path for path in aged if path.name != name][: max(len(aged) - most, 0)]:
                    old.unlink(missing_ok=True)
            return True
        return False


def arrays_of(value: tuple[Any, ...], path: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays and numbers of a value, each with its place."""
    for name, kind in get_type_hints(type(value)).items():
        part = getattr(value, name)
        if _is_nested(kind):
            yield from arrays_of(part, f"{path}{name}.")
        else:
            yield f"{path}{name}", np.asarray(part, _dtype(kind))


def _table(key: str, value: tuple[Any, ...]) -> pa.Table:
    """Lay a value out as one row."""
    shapes, columns = {}, {}
    for place, array in arrays_of(value):
        shapes[place] = array.shape
        flat = np.ascontiguousarray(array).reshape(-1)
        values = pa.array(flat.view(_stored(flat.dtype)))
        columns[place] = pa.LargeListArray.from_arrays(pa.array([0, len(flat)], pa.int64()), values)
    facts = json.dumps({"key": key, "shapes": shapes})
    return pa.table(columns).replace_schema_metadata({_SAVED: facts.encode()})


def _opened(path: Path, key: str, kind: type[T]) -> T:
    """Map a value; raise one of many errors where the file is not what it should be."""
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    facts = json.loads(table.schema.metadata[_SAVED])
    if facts["key"] != key or table.num_rows != 1:
        raise ValueError(path)
    return _built(kind, table, facts["shapes"], "")


def _built(kind: type[T], table: pa.Table, shapes: dict[str, list[int]], path: str) -> T:
    """Make a value of the columns of a table."""
    parts: list[Any] = []
    for name, part in get_type_hints(kind).items():
        place = f"{path}{name}"
        if _is_nested(part):
            parts.append(_built(part, table, shapes, f"{place}."))
            continue
        array = _array(table.column(place).chunk(0), _dtype(part), shapes[place])
        parts.append(array if get_args(part) else part(array.item()))
    return kind(*parts)


def _array(column: pa.LargeListArray, dtype: np.dtype[Any], shape: list[int]) -> NDArray[Any]:
    """View the one list of a column; raise ValueError where it is another one."""
    if column.type != pa.large_list(pa.from_numpy_dtype(_stored(dtype))):
        raise ValueError(column.type)
    values = column.values
    if len(values) != math.prod(shape):
        raise ValueError(len(values))
    # Not by Arrow's own to_numpy, which would import pandas.
    flat = np.frombuffer(values.buffers()[1] or b"", dtype, len(values))
    flat.flags.writeable = False
    return flat.reshape(shape)


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return how numbers of a type are stored: Arrow packs truth values into bits, kernels take bytes."""
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype


def _is_nested(kind: Any) -> bool:
    """Tell whether a part of a NamedTuple is one itself."""
    return hasattr(kind, "_fields")


def _dtype(kind: Any) -> np.dtype[Any]:
    """Return the type of the numbers of a part: of `NDArray[np.int64]`, `int` or `np.uint64`."""
    return np.dtype(get_args(get_args(kind)[1])[0] if get_args(kind) else kind)  # type: ignore[no-any-return]
