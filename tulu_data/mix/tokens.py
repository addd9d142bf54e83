"""Token counts: tokens of a turn's content, without chat template or special tokens.

The one idea: the tokenizer runs on all cores by itself and holds no lock, so it is given many texts at once,
but never so many that their tokens fill the memory. Counts are kept by whoever asks.
"""

from collections.abc import Iterator
from importlib.metadata import version as installed
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.errors import HubError, SourceError
from tulu_data.filters.lengths import lengths
from tulu_data.kernels.buffers import text_of
from tulu_data.schema import Kind
from tulu_data.sources.digests import sha256_of

Ints = npt.NDArray[np.int64]
_SHARE = 8 << 20
"""Bytes of text that are tokenized at once."""


class TokenCounter:
    """Counts tokens with one tokenizer; its file's hash is part of a version's inputs."""

    def __init__(self, name: str, base: Path) -> None:
        """Load `tokenizer.json` of a folder or hub id; raise SourceError when there is none."""
        from tokenizers import Tokenizer

        from tulu_data.sources.hub_cache import fetch_file

        folder = base / name
        if not folder.exists() and (
            name.startswith((".", "/", "~")) or ("/" in name and folder.parent.is_dir())
        ):
            raise SourceError(
                f"tokenizer: no folder {folder}; give a folder that has a tokenizer.json, or a hub id"
            )
        try:
            path = folder / "tokenizer.json" if folder.is_dir() else fetch_file(name, "tokenizer.json")
        except HubError as error:
            raise HubError(f"tokenizer: no folder {folder}, and as a hub id {error}") from None
        if not path.is_file():
            raise SourceError(
                f"tokenizer: {name}: no tokenizer.json in this folder; "
                "give a folder that has one, or a hub id"
            )
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
            raise SourceError(f"tokenizer: {path}: not a tokenizer ({error}); save it again") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.sha256 = sha256_of(path)

    @property
    def key(self) -> str:
        """Name all that a text's tokens depend on besides the text."""
        return counter_key(self.sha256)

    def sizes(self, content: pa.Array) -> Ints:
        """Count the tokens of each of some texts."""
        counts = [np.zeros(0, np.int64)]
        for texts in _shares(content):
            encoded = self._tokenizer.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
            counts.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        return np.concatenate(counts)

    def count(self, batch: pa.RecordBatch, kind: Kind) -> Ints:
        """Count the tokens of every record of a batch."""
        found: Ints = lengths(batch, kind, self.sizes).column("all").to_numpy()
        return found


def counter_key(sha256: str) -> str:
    """Name all that a text's tokens depend on by a tokenizer, besides the text."""
    return f"{sha256} {installed('tokenizers')}"


def _shares(content: pa.Array) -> Iterator[pa.Array]:
    """Cut texts into shares of about so many bytes, since their tokens take much more room."""
    offsets = text_of(content).offsets
    start = 0
    while start < len(content):
        end = max(start + 1, int(np.searchsorted(offsets, offsets[start] + _SHARE, side="right")) - 1)
        yield content.slice(start, end - start).fill_null("")
        start = end
