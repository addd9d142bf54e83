"""Bytes of a file, decompressed as they stream.

The one idea: what an archive still gives before its end is torn off is delivered, and only then
is the tear reported. It knows nothing about rows.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from tulu_data.errors import SourceError
from tulu_data.sources.files import SourceFile

Told = Callable[[float], None]
"""Who is told how many more bytes of a file, as it lies on the disk, are read."""

CHUNK = 1 << 20
_ZST_CHUNK = 1 << 14


def untold(_size: float) -> None:
    """Tell nobody."""


class TruncatedArchiveError(SourceError):
    """An archive ends, or turns to noise, before its data is complete."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def byte_chunks(file: SourceFile, told: Told = untold) -> Iterator[bytes]:
    """Yield the decompressed bytes; raise TruncatedArchiveError after the last good ones."""
    if file.compression is None:
        return _plain(file.path, told)
    if file.compression == "zst":
        return _zst(file.path, told)
    return _incremental(file.path, file.compression, told)


def _plain(path: Path, told: Told) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            told(len(chunk))
            yield chunk


def _decompressor(compression: str) -> _Decompressor:
    if compression == "gz":
        return zlib.decompressobj(wbits=31)
    return bz2.BZ2Decompressor() if compression == "bz2" else lzma.LZMADecompressor()


def _incremental(path: Path, compression: str, told: Told) -> Iterator[bytes]:
    """Decompress member after member with a standard library decompressor."""
    member: _Decompressor | None = None
    for chunk in _plain(path, told):
        data = chunk
        while data:
            if member is None:
                data = data.lstrip(b"\0") if compression != "bz2" else data
                if not data:
                    break
                member = _decompressor(compression)
            try:
                out = member.decompress(data)
            except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
                raise TruncatedArchiveError(f"{compression} data is damaged ({error})") from None
            if out:
                yield out
            data = member.unused_data if member.eof else b""
            member = None if member.eof else member
    if member is not None:
        raise TruncatedArchiveError(f"{compression} data ends before its last block")


def _zst(path: Path, told: Told) -> Iterator[bytes]:
    """Decompress in small steps: a failed step loses what it had already decoded."""
    if path.stat().st_size == 0:
        return
    with pa.OSFile(str(path)) as raw, pa.CompressedInputStream(raw, "zstd") as stream:
        before = 0
        while True:
            try:
                chunk = stream.read(_ZST_CHUNK)
            except OSError as error:
                raise TruncatedArchiveError(f"zst data is damaged or ends early ({error})") from None
            told(raw.tell() - before)
            before = raw.tell()
            if not chunk:
                return
            yield chunk
