"""The content id: what a version is, and nothing about how or where it was built.

A Merkle hash over the ordered (record id, source, copy). It does not see codec, shard size,
library release or machine:

    row  := id (16 bytes)  sha256(source name)[:8]  copy (8 bytes, little-endian)
    leaf := sha256(row * 4096)            the last leaf may be shorter
    root := sha256("tulu-data version 1" 0x00 kind 0x00 rows (8 bytes, little-endian) leaf*)
"""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from tulu_data.schema import Kind

LEAF_ROWS = 4096
_ROW = np.dtype([("id", ">u8", 2), ("source", "V8"), ("copy", "<u8")])


def content_id(
    kind: Kind,
    ids: npt.NDArray[np.uint64],
    sources: Sequence[str],
    source: npt.NDArray[np.integer],
    copies: npt.NDArray[np.integer],
) -> str:
    """Hash the records of a version in their order: ids (n, 2), index into sources (n,), copies (n,)."""
    rows = np.empty(len(ids), _ROW)
    rows["id"] = ids
    keys = np.array([sha256(name.encode()).digest()[:8] for name in sources], dtype="V8")
    rows["source"] = keys[source] if len(ids) else rows["source"]
    rows["copy"] = copies
    head = b"tulu-data version 1\0" + kind.encode() + b"\0" + len(ids).to_bytes(8, "little")
    root = sha256(head)
    for start in range(0, len(ids), LEAF_ROWS):
        root.update(sha256(rows[start : start + LEAF_ROWS].tobytes()).digest())
    return root.hexdigest()
