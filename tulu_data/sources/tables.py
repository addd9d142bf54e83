"""CSV, TSV, parquet and Arrow files to raw rows.

The one idea: text files stay text (every csv value is a string, so no date or number is guessed),
and typed files keep their own types. Rows are numbered by data row, headers left out.
"""

import codecs
import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.errors import SourceError
from tulu_data.schema import TEXT
from tulu_data.sources.archives import Told, TruncatedArchiveError, untold
from tulu_data.sources.rows import RAW_LIMIT, BadRow, RawBatch

BATCH_ROWS = 8192
IPC_MAGIC = b"ARROW1"
"""How an Arrow file begins, and a stream does not."""
_END = b"\xff\xff\xff\xff\0\0\0\0"


def read_csv(
    chunks: Iterable[bytes],
    name: str,
    delimiter: str,
    only: frozenset[str] | None = None,
    header: Sequence[str] | None = None,
) -> Iterator[RawBatch]:
    """Yield the rows of a delimited text file; every value is text.

    The first line names the columns, unless `header` does.
    """
    # The module's limit of 128 KiB a field is global; rows of many MB are legitimate here.
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(_text_lines(chunks), delimiter=delimiter, strict=True)
    try:
        header = next((row for row in reader if row), None) if header is None else [*header]
    except (csv.Error, TruncatedArchiveError) as error:
        raise SourceError(f"{name}: no header line can be read ({error})") from None
    if header is None:
        return
    if _csv_problem(header, header, delimiter):
        raise SourceError(f"{name}: the header line is not UTF-8; save the file as UTF-8")
    repeated = sorted({h for h in header if header.count(h) > 1})
    if repeated:
        raise SourceError(f"{name}: column {repeated[0]!r} stands in the header twice; rename one")
    rows: list[list[str]] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    for number, row in enumerate(_csv_rows(reader, header, delimiter), start=1):
        if isinstance(row, BadRow):
            bad.append(replace(row, row=number))
        else:
            rows.append(row)
            numbers.append(number)
        if len(rows) + len(bad) >= BATCH_ROWS:
            yield _csv_batch(header, rows, numbers, bad, only)
            rows, numbers, bad = [], [], []
    if rows or bad:
        yield _csv_batch(header, rows, numbers, bad, only)


def _csv_rows(reader: Iterator[list[str]], header: list[str], delimiter: str) -> Iterator[list[str] | BadRow]:
    """Yield the values of every row, or what is wrong with it (its number is put in by the caller)."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(row=0, reason="broken csv", detail=str(error), raw="")
            continue
        except TruncatedArchiveError as error:
            yield BadRow(row=0, reason="truncated archive", detail=str(error), raw="")
            return
        if row:
            yield _csv_problem(row, header, delimiter) or row


def _csv_problem(row: list[str], header: list[str], delimiter: str) -> BadRow | None:
    """Describe what is wrong with a csv row, or return None."""
    raw = delimiter.join(row)[:RAW_LIMIT]
    if len(row) != len(header):
        detail = f"{len(row)} values where the header has {len(header)} columns"
        return BadRow(row=0, reason="broken csv", detail=detail, raw=raw)
    if not all(value.isascii() for value in row):
        try:
            "".join(row).encode("utf-8")
        except UnicodeEncodeError:
            return BadRow(row=0, reason="not utf-8", detail="bytes that are not UTF-8", raw=raw)
    return None


def _csv_batch(
    header: list[str],
    rows: list[list[str]],
    numbers: list[int],
    bad: list[BadRow],
    only: frozenset[str] | None,
) -> RawBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    wanted = {
        h: pa.array(c, TEXT)
        for h, c in zip(header, columns, strict=True)
        if only is None or h.lower() in only
    }
    table = pa.table(wanted) if wanted else pa.table({"_": pa.nulls(len(rows))}).select([])
    return RawBatch(table=table, rows=pa.array(numbers, pa.int64()), bad=tuple(bad))


def _text_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Decode bytes into lines that keep their ends, so that quoted line breaks survive."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    rest, first = "", True
    for chunk in chunks:
        text = decoder.decode(chunk)
        text = text.removeprefix("\ufeff") if first else text
        first = first and not text
        if "\n" not in text:
            rest += text
            continue
        *lines, tail = text.split("\n")
        lines[0] = rest + lines[0]
        rest = tail
        for line in lines:
            yield line + "\n"
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest


def read_parquet(
    path: Path, name: str, only: frozenset[str] | None = None, told: Told = untold
) -> Iterator[RawBatch]:
    """Yield the rows of a parquet file, reading only the columns that will be used."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            columns = None if only is None else [n for n in file.schema_arrow.names if n.lower() in only]
            number = 0
            batches = (
                file.iter_batches(BATCH_ROWS, columns=columns)
                if columns is None or columns
                else _empty_batches(file.metadata.num_rows)
            )
            bytes_per_row = path.stat().st_size / max(file.metadata.num_rows, 1)
            for batch in batches:
                told(batch.num_rows * bytes_per_row)
                yield _numbered(batch, number)
                number += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{name}: not readable as parquet ({_first_line(error)})") from None


def read_arrow(
    path: Path, name: str, only: frozenset[str] | None = None, told: Told = untold
) -> Iterator[RawBatch]:
    """Yield the rows of an Arrow IPC file or stream; a stream torn off in the middle keeps its rows."""
    if path.stat().st_size == 0:
        return
    number = 0
    try:
        with pa.memory_map(str(path)) as source:
            for batch in ipc_batches(source, told):
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    part = batch.slice(start, BATCH_ROWS)
                    if only is not None:
                        part = _project(part, only)
                    yield _numbered(part, number)
                    number += part.num_rows
    except (pa.ArrowException, OSError) as error:
        if number == 0:
            raise SourceError(f"{name}: not readable as Arrow ({_first_line(error)})") from None
        torn = BadRow(row=number + 1, reason="truncated archive", detail=_first_line(error), raw="")
        yield RawBatch(table=pa.table({}), rows=pa.array([], pa.int64()), bad=(torn,))


def ipc_batches(source: pa.MemoryMappedFile, told: Told) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an IPC file, or of an IPC stream where it is no file."""
    magic = source.read(len(IPC_MAGIC))
    source.seek(0)
    if magic != IPC_MAGIC:
        with pa.ipc.open_stream(source) as reader:
            before = 0
            for batch in reader:
                told(source.tell() - before)
                before = source.tell()
                yield batch
        # A stream torn off between two batches reads well; only its end mark is missing.
        source.seek(max(source.size() - len(_END), 0))
        if source.read(len(_END)) != _END:
            raise pa.ArrowInvalid("the stream has no end mark, so its last batches are missing")
        return
    with pa.ipc.open_file(source) as file:
        for i in range(file.num_record_batches):
            told(source.size() / file.num_record_batches)
            yield file.get_batch(i)


def _project(batch: pa.RecordBatch, only: frozenset[str]) -> pa.RecordBatch:
    return batch.select([n for n in batch.schema.names if n.lower() in only])


def _empty_batches(rows: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows, BATCH_ROWS):
        count = min(BATCH_ROWS, rows - start)
        yield pa.record_batch({"_": pa.nulls(count)}).select([])


def _numbered(batch: pa.RecordBatch, before: int) -> RawBatch:
    numbers = np.arange(before + 1, before + 1 + batch.num_rows, dtype=np.int64)
    return RawBatch(table=pa.Table.from_batches([batch]), rows=pa.array(numbers))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
