"""What a source offered to a version, where the cache still has its files as they were read.

The one idea: a normalised file is named by the bytes it was read from, so what is there is what the version
was made of, whatever became of the file since. It reads no text and makes nothing that is not there.
"""

from pathlib import Path

import numpy as np
import polars as pl

from tulu_data.account.tables import id_frame
from tulu_data.sources.cache import NormalisedFile, normalised
from tulu_data.sources.files import SourceFile, file_format
from tulu_data.sources.reading import Reading
from tulu_data.sources.where import Where
from tulu_data.specs.base import read_spec
from tulu_data.specs.mixture import Mixture
from tulu_data.specs.source import Source
from tulu_data.store import SourceEntry, Store, Version


def spec_of(version: Version) -> Mixture:
    """Read the spec that a version was built from; raise SpecError where this release cannot."""
    return read_spec(Mixture, version.path / "spec.yaml")


def offered(version: Version, name: str, store: Store) -> pl.DataFrame | None:
    """Return the ids (two halves) of all records in the files of a source, and whether `where` held.

    None where not every file is kept.
    """
    source = spec_of(version).sources[name]
    entry = next(one for one in version.manifest.sources if one.name == name)
    files = kept_files(version, entry, source, store)
    if not files:
        return None
    where = source.where and Where(source.where).sql
    parts = []
    for file in files:
        held = np.zeros(file.table.num_rows, bool)
        held[file.rows(where)] = True
        parts.append(id_frame(file.table.column("id")).with_columns(held=held))
    empty = pl.DataFrame(schema={"high": pl.UInt64, "low": pl.UInt64, "held": pl.Boolean})
    return pl.concat([empty, *parts])


def kept_files(
    version: Version, entry: SourceEntry, source: Source, store: Store
) -> list[NormalisedFile] | None:
    """Return the normalised files of a source, or None where not every one of them is kept."""
    reading = Reading.of(version.kind, source)
    wheres = [Where(source.where)] if source.where is not None else []
    found = []
    for file in entry.files:
        known = file_format(file.origin.rsplit("/", 1)[-1])
        if known is None:
            return None
        like = SourceFile(
            origin=file.origin, path=Path(), sha256=file.sha256, format=known[0], compression=known[1]
        )
        kept = normalised(like, reading, store.root / "cache" / "normalised", wheres)
        if kept is None:
            return None
        found.append(kept)
    return found
