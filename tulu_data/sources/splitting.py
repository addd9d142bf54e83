"""Split a data file by row into files of the same format, every row as it stands.

The one idea: a row's number is the one that readers give it, and a row of text is a stretch of the
file's own bytes, so what is kept is the same to the byte. Rows of parquet and Arrow files keep their
schema and groups. What a row means, and where it goes, is not known here.
"""

import bz2
import csv
import gzip
import lzma
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tulu_data.sources.archives import TruncatedArchiveError, byte_chunks, untold
from tulu_data.sources.document_rows import document_rows
from tulu_data.sources.files import Compression, SourceFile
from tulu_data.sources.json_lines import BOM
from tulu_data.sources.tables import IPC_MAGIC, ipc_batches

Fate = Callable[[int], str]
"""Says by the number of a row which part it goes to."""
MAIN = "kept"
"""The part that also gets what belongs to no row, such as blank lines."""
_HEAD, _NO_ROW = -1, 0
_CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}


class _Sink(Protocol):
    def write(self, data: Any, /) -> Any: ...

    def close(self) -> None: ...


def split_file(file: SourceFile, fate: Fate, targets: Mapping[str, Path]) -> Counter[str]:
    """Write every row of a file to the target of its part; return how many rows each part has.

    A part without rows gets no file. Raises OSError when the disk refuses, SourceError where the
    file cannot be read.
    """
    with _Parts(file, targets) as parts:
        if file.format == "parquet":
            _split_parquet(file, fate, parts)
        elif file.format == "arrow":
            _split_arrow(file, fate, parts)
        else:
            _split_text(file, fate, parts)
        return parts.rows


class _Parts:
    """The files of the parts, each opened with its first row."""

    def __init__(self, file: SourceFile, targets: Mapping[str, Path]) -> None:
        self.rows: Counter[str] = Counter()
        self.head = b""
        self._file, self._targets = file, targets
        self._open: dict[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sink(self, part: str, opened: Callable[[Path], _Sink]) -> Any:
        """Return the writer of a part."""
        if part not in self._open:
            path = self._targets[part]
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open[part] = opened(path)
            self._stack.callback(self._open[part].close)
        return self._open[part]

    def text(self, part: str, data: bytes) -> None:
        """Write text to a part, behind the head of the file."""
        is_new = part not in self._open
        sink = self.sink(part, lambda path: _text_sink(path, self._file.compression))
        sink.write(self.head + data if is_new else data)

    def is_open(self, part: str) -> bool:
        """Tell whether a part has a row yet."""
        return part in self._open


def _text_sink(path: Path, compression: Compression | None) -> _Sink:
    """Open a text file for writing, compressed like another."""
    if compression == "gz":
        return cast("_Sink", _Gzip(path))
    if compression == "bz2":
        return cast("_Sink", bz2.open(path, "wb"))
    if compression == "xz":
        return cast("_Sink", lzma.open(path, "wb"))
    if compression == "zst":
        return cast("_Sink", pa.CompressedOutputStream(str(path), "zstd"))
    return cast("_Sink", path.open("wb"))


class _Gzip:
    """A gzip file without a time in its head, so that the same rows are the same bytes."""

    def __init__(self, path: Path) -> None:
        self._raw: BinaryIO = path.open("wb")
        self._gzip = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0)

    def write(self, data: bytes) -> None:
        self._gzip.write(data)

    def close(self) -> None:
        self._gzip.close()
        self._raw.close()


def _split_text(file: SourceFile, fate: Fate, parts: _Parts) -> None:
    """Split a file of lines, of delimited values, or a JSON document."""
    if file.format == "json":
        body = _whole(file)
        found = document_rows(body)
        if found is not None:
            shares: dict[str, list[str]] = {}
            for number, row in enumerate(found.rows, start=1):
                shares.setdefault(fate(number), []).append(row)
            for part, some in shares.items():
                parts.text(part, body if len(shares) == 1 else found.document(some).encode())
                parts.rows[part] += len(some)
            return
    for number, data in _values(file) if file.format in ("csv", "tsv") else _lines(file):
        if number == _HEAD:
            parts.head += data
        elif number == _NO_ROW:
            if parts.is_open(MAIN):
                parts.text(MAIN, data)
        else:
            part = fate(number)
            parts.text(part, data)
            parts.rows[part] += 1


def _whole(file: SourceFile) -> bytes:
    """Return the bytes of a file, up to where an archive is torn."""
    pieces: list[bytes] = []
    with suppress(TruncatedArchiveError):
        pieces.extend(byte_chunks(file))
    return b"".join(pieces)


def _lines(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their ends, by number; blank ones are no rows."""
    rest, number = b"", 0
    chunks = byte_chunks(file)
    while True:
        try:
            chunk = next(chunks, b"")
        except TruncatedArchiveError:
            # The line before a tear has no end; readers count it as a bad row.
            if rest:
                yield number + 1, rest
            return
        lines = (rest + chunk).split(b"\n") if chunk else [rest, b""]
        rest = lines.pop()
        for k, line in enumerate(lines):
            is_end = not chunk and k == len(lines) - 1
            if is_end and not line:
                break
            number += 1
            is_blank = not line.removeprefix(BOM if number == 1 else b"").strip()
            yield _NO_ROW if is_blank else number, line if is_end else line + b"\n"
        if not chunk:
            return


def _values(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """Yield the rows of delimited values, as many lines as each has; the head comes first."""
    csv.field_size_limit(sys.maxsize)
    taken: list[bytes] = []

    def lines() -> Iterator[str]:
        for number, (_, line) in enumerate(_lines(file)):
            taken.append(line)
            yield (line.removeprefix(BOM) if number == 0 else line).decode("utf-8", "surrogateescape")

    reader = csv.reader(lines(), delimiter="\t" if file.format == "tsv" else ",", strict=True)
    number = _HEAD
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            row = ["broken"]
        data = b"".join(taken)
        taken.clear()
        if number == _HEAD:
            yield _HEAD, data
            number = 0 if row else _HEAD
        elif row:
            number += 1
            yield number, data
        else:
            yield _NO_ROW, data
    if taken and number != _HEAD:
        yield number + 1, b"".join(taken)


def _split_parquet(file: SourceFile, fate: Fate, parts: _Parts) -> None:
    """Split a parquet file row group by row group."""
    with pq.ParquetFile(file.path, memory_map=True) as source:
        before, schema = 0, source.schema_arrow
        codec = source.metadata.row_group(0).column(0).compression if source.num_row_groups else "SNAPPY"

        def opened(path: Path) -> Any:
            return pq.ParquetWriter(path, schema, compression=_CODECS.get(codec, codec.lower()))

        for group in range(source.num_row_groups):
            table = source.read_row_group(group)
            for part, rows in _shares(fate, before, table.num_rows):
                parts.sink(part, opened).write_table(table.take(rows), row_group_size=len(rows))
                parts.rows[part] += len(rows)
            before += table.num_rows


def _split_arrow(file: SourceFile, fate: Fate, parts: _Parts) -> None:
    """Split an Arrow file or stream batch by batch; a torn one as far as it goes."""
    with pa.memory_map(str(file.path)) as source, suppress(pa.ArrowInvalid):
        new = pa.ipc.new_file if source.read(len(IPC_MAGIC)) == IPC_MAGIC else pa.ipc.new_stream
        source.seek(0)
        before = 0
        for batch in ipc_batches(source, untold):
            for part, rows in _shares(fate, before, batch.num_rows):
                parts.sink(part, partial(_ipc_sink, new, batch.schema)).write_batch(batch.take(rows))
                parts.rows[part] += len(rows)
            before += batch.num_rows


def _ipc_sink(new: Callable[..., Any], schema: pa.Schema, path: Path) -> Any:
    """Open an Arrow file or stream for writing."""
    return new(str(path), schema)


def _shares(fate: Fate, before: int, count: int) -> Iterator[tuple[str, pa.Array]]:
    """Yield the parts that rows after so many others go to, and which rows."""
    fates = np.array([fate(before + k + 1) for k in range(count)])
    for part in sorted(set(fates.tolist())):
        yield part, pa.array(np.flatnonzero(fates == part))
