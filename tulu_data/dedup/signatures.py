"""Signatures of a version: what is kept beside it, so that others are compared with it without reading it.

The one idea: they follow from the version's records and from some settings alone, since frames are counted
among its own texts; so they are the same whenever they are made, and never stale under their name. They lie
in a folder of the version, in the store's cache where that cannot be written, and else in memory for once.
What other versions of the name hold is taken from theirs; only texts are signed that they lack, or whose
frames count otherwise here.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tulu_data.dedup.exact import first_equal, first_of_each
from tulu_data.dedup.finder import LARGEST, Finder
from tulu_data.dedup.frames import Frames
from tulu_data.dedup.likeness import Search
from tulu_data.dedup.search import sign_all
from tulu_data.engine.local import default_workers
from tulu_data.kernels.frames import PLACES, PLAIN, Levels
from tulu_data.kernels.jit import SOURCES
from tulu_data.kernels.sketch import Signatures
from tulu_data.kernels.words import Hashes, fixed
from tulu_data.specs.near import Key, Near
from tulu_data.store import Version
from tulu_data.store.saved import Shelf
from tulu_data.store.version import SIGNATURES

SIGNING = ("shingles", "n", "scheme", "num_perm", "seed", "frames")
"""Settings that a signature depends on; thresholds do not enter it."""
_MADE_BY = ("exact", "finder", "frames", "heard", "likeness", "pile", "search", "signatures", "texts")
"""Modules of this step that say what signatures are."""
_FEW = 4
"""So many of a version and a key stay, of different settings: those written last."""


class Signed(NamedTuple):
    """The records of a version, by row."""

    ids: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    """(n, 2): record ids, and keys of what is compared; zeros where there is not a word."""
    sizes: NDArray[np.int64]
    """Bytes of what is compared."""
    rows: NDArray[np.int64]
    """The first row of each text that is compared, in their order."""
    signatures: NDArray[np.uint32]
    """One row for each of these; no rows where only exact duplicates are looked for."""
    places: NDArray[np.uint32]
    depths: NDArray[np.uint8]
    """Frames: the places of levels that are not zero, and how often the weight there is halved."""

    @property
    def levels(self) -> Levels:
        """How much each shingle counts among the texts of the version."""
        if not len(self.places):
            return PLAIN
        levels = np.zeros(PLACES, np.uint8)
        levels[self.places] = self.depths
        return fixed(levels)


def signed(
    version: Version,
    key: Key,
    near: Near | None,
    *,
    cache: Path,
    workers: int | None,
    told: Callable[[str], None],
) -> Signed:
    """Return the signatures of a version, which are made and kept where they are not there.

    They lie in the folder `cache` where they cannot lie in the version's own.
    """

    def place(content_id: str) -> tuple[Shelf, str, str]:
        """Return where signatures of a version of this name lie, by label and key."""
        shelf = Shelf([version.path.with_name(content_id) / SIGNATURES, cache / SIGNATURES])
        asked = near and near.model_dump(include=set(SIGNING))
        return shelf, f"{content_id[:16]}-{key}", _digest(content_id, version.kind, key, asked)

    def make() -> Signed:
        told(f"{version.ref}: signing {version.num_rows:,} records, once")
        others = sorted(each.name for each in version.path.parent.iterdir() if each != version.path)
        found = (shelf.find(label, name, Signed) for shelf, label, name in map(place, others))
        earlier = [one for one in found if one is not None]
        return sign_version(version, key, near, folder=cache / "dedup", workers=workers, earlier=earlier)

    def refused() -> None:
        told(f"{version.path}: its signatures cannot be kept; they are made again next time")

    shelf, label, name = place(version.content_id)
    return shelf.kept(label, name, Signed, make, most=_FEW, refused=refused)


def sign_version(
    version: Version,
    key: Key,
    near: Near | None,
    *,
    folder: Path,
    workers: int | None,
    earlier: Sequence[Signed] = (),
) -> Signed:
    """Make the signatures of a version: all its records are read, once; texts lie in `folder` meanwhile.

    What `earlier` holds of other versions, under the same settings, is taken from there where it is the same.
    """
    workers = workers or default_workers()
    with Finder(key=key, near=near, folder=folder, workers=workers) as finder:
        finder.read(version.batches(), version.kind)
        ids, keys, sizes, texts, _ = finder.aside()
        rows, levels, signatures = np.zeros(0, np.int64), PLAIN, np.zeros((0, 0), np.uint32)
        if near is not None and texts is not None:
            compared = first_of_each(keys, np.arange(len(keys)))[0]
            rows = np.flatnonzero(compared & keys.any(axis=1) & (sizes <= LARGEST))
            some, search = texts.chosen(rows), Search(near)
            frames = Frames(some, keys[rows], search, workers)
            levels, signatures = frames.levels, np.empty((len(rows), near.num_perm), np.uint32)
            is_new = np.ones(len(rows), np.bool_)
            for one in earlier:
                _take(one, ids[rows], frames, signatures, is_new)
            signatures[is_new] = sign_all(some.chosen(np.flatnonzero(is_new)), search, levels, workers)
    places = np.flatnonzero(levels)
    return Signed(
        fixed(ids), fixed(keys), fixed(sizes), fixed(rows), fixed(signatures),
        fixed(places.astype(np.uint32)), fixed(levels[places]),
    )  # fmt: skip


def _take(
    one: Signed, ids: Hashes, frames: Frames, signatures: Signatures, is_new: NDArray[np.bool_]
) -> None:
    """Take signatures of the very same records, but where they hold a shingle that counts otherwise now."""
    places = np.where(is_new, first_equal(one.ids[one.rows], ids), -1)
    rows = np.flatnonzero(places >= 0)
    changed = frames.levels != one.levels
    if changed.any():
        rows = rows[~frames.holding(rows, changed)]
    signatures[rows] = one.signatures[places[rows]]
    is_new[rows] = False


def _digest(*content: object) -> str:
    """Name signatures by what they depend on: this code and the tables of Unicode too."""
    return hashlib.sha256(json.dumps([_code(), *content]).encode()).hexdigest()


@lru_cache(1)
def _code() -> list[str]:
    """Return what signatures of the same texts depend on."""
    own = (Path(__file__).with_name(f"{name}.py").read_bytes() for name in _MADE_BY)
    return [SOURCES, hashlib.sha256(b"\0".join(own)).hexdigest(), unicodedata.unidata_version]
