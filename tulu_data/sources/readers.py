"""Read any data file as batches of raw rows.

The one idea: whatever the format, a file is a stream of `RawBatch`, bounded in memory, whose
rows and bad rows together are the rows of the file. Chat formats are the adapters' business.
"""

from collections.abc import Iterator

from tulu_data.errors import SourceError
from tulu_data.sources.archives import byte_chunks
from tulu_data.sources.files import SourceFile
from tulu_data.sources.json_documents import read_json_document
from tulu_data.sources.json_lines import read_json_lines
from tulu_data.sources.rows import RawBatch
from tulu_data.sources.tables import read_arrow, read_csv, read_parquet

READER_VERSION = 1
"""Raised whenever the same bytes would give other rows, so that caches are written anew."""


def read_raw(file: SourceFile, only: frozenset[str] | None = None) -> Iterator[RawBatch]:
    """Yield the raw rows of a file; `only` names, in lower case, the columns to read if not all.

    Raises SourceError when the file as a whole cannot be read; single bad rows are in the batches.
    """
    if file.format == "parquet":
        return read_parquet(file.path, file.origin, only)
    if file.format == "arrow":
        return read_arrow(file.path, file.origin, only)
    chunks = _checked(byte_chunks(file), file.origin)
    if file.format == "jsonl":
        return read_json_lines(chunks, only)
    if file.format == "json":
        return read_json_document(chunks, file.origin, only)
    return read_csv(chunks, file.origin, "\t" if file.format == "tsv" else ",", only)


def _checked(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Pass bytes on; refuse text that is plainly UTF-16, which no row would survive."""
    first = True
    for chunk in chunks:
        if first and chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError(f"{name}: UTF-16 text; save it as UTF-8")
        first = False
        yield chunk
