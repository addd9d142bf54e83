"""The content id: what a version is, and nothing about how or where it was built.

A Merkle hash over the ordered (record id, source, copy). It does not see codec, shard size,
library release or machine:

    row  := id (16 bytes)  sha256(source name)[:8]  copy (8 bytes, little-endian)
    leaf := sha256(row * 4096)            the last leaf may be shorter
    root := sha256("tulu-data version 1" 0x00 kind 0x00 rows (8 bytes, little-endian) leaf*)

Of a version in splits, each has its own root, and the version has one over them, in their order:

    root := sha256("tulu-data splits 1" 0x00 (name 0x00 root of the split (32 bytes))*)
"""

from collections.abc import Mapping, Sequence
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
    keys = np.array([sha256(name.encode()).digest()[:8] for name in sources], dtype="V8")
    head = b"tulu-data version 1\0" + kind.encode() + b"\0" + len(ids).to_bytes(8, "little")
    root = sha256(head)
    for start in range(0, len(ids), LEAF_ROWS):
        leaf = slice(start, start + LEAF_ROWS)
        rows = np.empty(len(ids[leaf]), _ROW)
        rows["id"], rows["source"], rows["copy"] = ids[leaf], keys[source[leaf]], copies[leaf]
        root.update(sha256(rows.tobytes()).digest())
    return root.hexdigest()


def content_id_of_splits(
    kind: Kind,
    splits: Mapping[str, int],
    ids: npt.NDArray[np.uint64],
    sources: Sequence[str],
    source: npt.NDArray[np.integer],
    copies: npt.NDArray[np.integer],
) -> str:
    """Hash the records of a version whose splits, given by name and rows, lie one after the other.

    A version that is not split, for which `splits` is empty, has the content id of its records.
    """
    if not splits:
        return content_id(kind, ids, sources, source, copies)
    root, start = sha256(b"tulu-data splits 1\0"), 0
    for name, rows in splits.items():
        here = slice(start, start + rows)
        root.update(name.encode() + b"\0")
        root.update(bytes.fromhex(content_id(kind, ids[here], sources, source[here], copies[here])))
        start += rows
    return root.hexdigest()
