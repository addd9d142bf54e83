"""Tokens of the records of a version, as the build counted them.

The one idea: a build keeps how many tokens each record of a file has beside the normalised file, under the
hash of the tokenizer, so each record of the version is found by its id. No tokenizer is loaded and no text
is read; where the cache does not have all of it, nothing is said.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tulu_data.account.offered import kept_files, spec_of
from tulu_data.kernels.id_words import id_words
from tulu_data.mix.filtering import known_tokens
from tulu_data.schema import TEXT, Kind
from tulu_data.store import Store, Version

Count = Callable[[pa.RecordBatch, Kind], NDArray[np.int64]]


def counted_tokens(version: Version, store: Store) -> Count | None:
    """Return what counts the tokens of the records of a version; None where the cache lacks some."""
    digest = next((one.sha256 for one in version.manifest.inputs if one.role == "tokenizer"), None)
    known = None if digest is None else _known(version, store, digest)
    if known is None:
        return None
    counted = _Counted(*known)
    return counted if counted.has(version.table(["id"]).column("id")) else None


def _known(version: Version, store: Store, digest: str) -> tuple[pa.Array, NDArray[np.int64]] | None:
    """Return ids of records with their tokens."""
    mixture = spec_of(version)
    ids: list[pa.Array] = [pa.array([], TEXT)]
    tokens = [np.zeros(0, np.int64)]
    for entry in version.manifest.sources:
        files = kept_files(version, entry, mixture.sources[entry.name], store)
        if files is None:
            return None
        for file in files:
            found = known_tokens(file, digest)
            if found is not None:
                ids.append(file.table.column("id").take(found.column("row")).combine_chunks())
                tokens.append(found.column("all").to_numpy())
    return pa.concat_arrays(ids), np.concatenate(tokens)


class _Counted:
    """Looks the tokens of records up by the first halves of their ids, which tell them apart in practice."""

    def __init__(self, ids: pa.Array, tokens: NDArray[np.int64]) -> None:
        words = id_words(ids)
        order = np.lexsort((words[:, 1], words[:, 0]))
        self._words, self._tokens = words[order], tokens[order]

    def has(self, ids: pa.ChunkedArray) -> bool:
        """Tell whether the tokens of all these records are known."""
        words = id_words(ids)
        return bool(len(self._words)) and bool((self._words[self._places(words)] == words).all())

    def __call__(self, batch: pa.RecordBatch, _: Kind) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._tokens[self._places(id_words(batch.column("id")))]
        return found

    def _places(self, words: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return where ids are, or would be."""
        at = np.searchsorted(self._words[:, 0], words[:, 0])
        return np.minimum(at, len(self._words) - 1)
