"""What somebody asks about: a record by its id, by where it stands, by what it says, or by a row as it came.

The one idea: however it is asked, it becomes ids or one place, which can be looked for in any table. A row is
read by the adapters of a version's own sources, so it gets the ids that it would have there. It decides no
fate.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tulu_data.errors import SourceError
from tulu_data.schema import TEXT, Kind
from tulu_data.sources.files import source_file
from tulu_data.sources.reading import Reading
from tulu_data.sources.scan import scan_file
from tulu_data.sources.turns import columns_of
from tulu_data.specs.mixture import Mixture

LEAST_DIGITS = 4
"""Digits of an id that can be asked for."""
MOST = 20
"""Records that one question may be about."""
_ID = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},32}}")
_ORIGIN = re.compile(r"(?P<file>.+):(?P<row>[1-9][0-9]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is looked for: one of the three."""

    prefix: str | None = None
    """First digits of an id."""
    file: str | None = None
    """The name of a file, or the end of it after a slash."""
    rows: tuple[int, ...] = ()
    """With a file: its rows, from 1."""
    ids: frozenset[str] = field(default_factory=frozenset)

    def among(self, ids: pa.Array | pa.ChunkedArray, origins: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Tell which records of a table are meant; an id may be null."""
        if self.prefix is not None:
            found = pc.starts_with(ids, self.prefix)
        elif self.file is not None:
            wanted = [f"{self.file}:{row}" for row in self.rows]
            masks = [pc.ends_with(origins, f"/{one}") for one in wanted]
            found = reduce(pc.or_, masks, pc.is_in(origins, pa.array(wanted, TEXT)))
        else:
            found = pc.is_in(ids, pa.array(sorted(self.ids), TEXT))
        return pc.fill_null(found, False)  # noqa: FBT003 - a row without an id is not meant by one

    def means(self, origin: str) -> bool:
        """Tell whether a file is the one that is meant, where one is."""
        return self.file is not None and (origin == self.file or origin.endswith(f"/{self.file}"))


def sought(text: str) -> Sought:
    """Read an id or its first digits, or `file:row`; raise SourceError where it is neither."""
    if _ID.fullmatch(text.lower()):
        return Sought(prefix=text.lower())
    found = _ORIGIN.fullmatch(text)
    if found is not None:
        return Sought(file=found["file"], rows=(int(found["row"]),))
    raise SourceError(
        f"{text!r}: neither the id of a record (at least {LEAST_DIGITS} hexadecimal digits) nor file:row; "
        "give one, or --text with words of the record, or --row with a row as JSON"
    )


def placed(wanted: Sought, origins: Iterable[str], base: Path) -> Sought:
    """Take a path as one types it here for the file of these that it leads to, if it does."""
    names = [origin for origin in origins if "://" not in origin]
    if wanted.file is None or any(wanted.means(name) for name in names):
        return wanted
    typed = Path(wanted.file).expanduser().resolve()
    found = next((name for name in names if (base / name).resolve() == typed), wanted.file)
    return replace(wanted, file=found)


def ids_saying(text: str, kind: Kind, batches: Iterable[pa.RecordBatch]) -> frozenset[str]:
    """Return the ids of records with a message that holds a text; raise SourceError where it is many."""
    found: set[str] = set()
    for batch in batches:
        for name in columns_of(kind):
            column = batch.column(name)
            holds = pc.match_substring(column.flatten().field("content"), text)
            rows = pc.unique(pc.list_parent_indices(column).filter(holds))
            found.update(batch.column("id").take(rows).to_pylist())
        if len(found) > MOST:
            raise SourceError(f"--text: it stands in more than {MOST} records; give more of the text")
    return frozenset(found)


def ids_of_row(text: str, mixture: Mixture) -> tuple[frozenset[str], dict[str, str]]:
    """Return the ids that a row has as the sources of a mixture read it, and why others make no record of it.

    Raises SourceError where it is no JSON object.
    """
    try:
        row = json.loads(text)
    except ValueError as error:
        raise SourceError(f"--row: not JSON ({error}); give one row as a JSON object") from None
    if not isinstance(row, dict):
        raise SourceError("--row: not a JSON object; give one row as a source has it")
    ids, refused = set[str](), dict[str, str]()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "row.jsonl"
        path.write_text(json.dumps(row) + "\n", "utf-8")
        for name, source in mixture.sources.items():
            for key, why in _read(path, Reading.of(mixture.kind, source)):
                if key is None:
                    refused[name] = why
                else:
                    ids.add(key)
    return frozenset(ids), refused


def _read(path: Path, reading: Reading) -> Iterator[tuple[str | None, str]]:
    """Yield the id of the record in a file, or why there is none."""
    try:
        for part in scan_file(source_file(path, "row"), reading, workers=1):
            yield from ((key, "") for key in part.records.column("id").to_pylist())
            yield from ((None, f"{bad['reason']} ({bad['detail']})") for bad in part.bad.to_pylist())
    except SourceError as error:
        yield None, str(error).removeprefix("row: ")


def places_of(mask: pa.Array | pa.ChunkedArray) -> pa.Int64Array:
    """Return the places at which a mask holds."""
    whole = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    return pa.array(np.flatnonzero(whole.to_numpy(zero_copy_only=False)), pa.int64())
