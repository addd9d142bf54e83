"""Record ids as numbers: two words of 64 bits each.

The one idea: numbers sort, join and hash as text does not. It does not make ids.
"""

from binascii import unhexlify

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.kernels.buffers import text_of


def id_words(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return ids as (n, 2) unsigned 64-bit words, big-endian halves of the 16 bytes."""
    chunks = ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids]
    packed = b"".join(map(_unpacked, chunks))
    return np.frombuffer(packed, ">u8").astype(np.uint64).reshape(-1, 2)


def digest_words(digests: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Return ids, given as (n, 16) bytes, as (n, 2) unsigned 64-bit words."""
    return np.ascontiguousarray(digests).view(">u8").astype(np.uint64)


def _unpacked(ids: pa.Array) -> bytes:
    """Return the bytes that hexadecimal digits stand for."""
    text = text_of(ids)
    return unhexlify(text.bytes[text.offsets[0] : text.offsets[-1]].tobytes())
