"""Read any data file as batches of raw rows.

The one idea: whatever the format, a file is a stream of `RawBatch`, bounded in memory, whose
rows and bad rows together are the rows of the file. Chat formats are the adapters' business.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from tulu_data.errors import SourceError
from tulu_data.sources.archives import Told, byte_chunks, untold
from tulu_data.sources.files import SourceFile
from tulu_data.sources.json_documents import read_json_document
from tulu_data.sources.json_lines import json_line_parts, read_json_lines
from tulu_data.sources.rows import Part, RawBatch
from tulu_data.sources.tables import read_arrow, read_csv, read_parquet
from tulu_data.sources.threads import joined


def read_parts(
    file: SourceFile, only: frozenset[str] | None = None, *, told: Told = untold
) -> Iterator[Part]:
    """Yield the parts of a file, to be read by any thread; the arguments are those of `read_raw`.

    What has to be read in order is read here already. Raises SourceError as `read_raw` does.
    """
    if file.format == "jsonl" and not file.threads:
        return json_line_parts(_checked(byte_chunks(file, told), file.origin), only)
    return (partial(_same, batch) for batch in read_raw(file, only, told=told))


def _same(batch: RawBatch) -> RawBatch:
    return batch


def read_raw(
    file: SourceFile,
    only: frozenset[str] | None = None,
    header: Sequence[str] | None = None,
    *,
    told: Told = untold,
) -> Iterator[RawBatch]:
    """Yield the raw rows of a file; `only` names, in lower case, the columns to read if not all.

    `header` names the columns of a csv or tsv file that has no header line. `told` hears of the bytes
    of the file that are read.
    Raises SourceError when the file as a whole cannot be read; single bad rows are in the batches.
    """
    if file.threads:
        return joined(read_raw(replace(file, threads=False), None, header, told=told), only, file.origin)
    if file.format == "parquet":
        return read_parquet(file.path, file.origin, only, told)
    if file.format == "arrow":
        return read_arrow(file.path, file.origin, only, told)
    chunks = _checked(byte_chunks(file, told), file.origin)
    if file.format == "jsonl":
        return read_json_lines(chunks, only)
    if file.format == "json":
        return read_json_document(chunks, file.origin, only)
    return read_csv(chunks, file.origin, "\t" if file.format == "tsv" else ",", only, header)


def _checked(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Pass bytes on; refuse text that is plainly UTF-16, which no row would survive."""
    first = True
    for chunk in chunks:
        if first and chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError(f"{name}: UTF-16 text; save it as UTF-8")
        first = False
        yield chunk
