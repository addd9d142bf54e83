"""Token counts of records: tokens of every turn's content, without chat template or special tokens."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.errors import HubError, SourceError
from tulu_data.filters.turns import turns_of
from tulu_data.schema import Kind
from tulu_data.sources.files import sha256_of


class TokenCounter:
    """Counts tokens with one tokenizer; its file's hash is part of a version's inputs."""

    def __init__(self, name: str, base: Path) -> None:
        """Load `tokenizer.json` of a folder or hub id; raise SourceError when there is none."""
        from tokenizers import Tokenizer

        from tulu_data.sources.hub_cache import fetch_file

        folder = base / name
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

    def count(self, batch: pa.RecordBatch, kind: Kind) -> npt.NDArray[np.int64]:
        """Return the tokens of every record of a batch."""
        counts = np.zeros(batch.num_rows, np.int64)
        for turns in turns_of(batch, kind):
            encoded = self._tokenizer.encode_batch_fast(turns.content.to_pylist(), add_special_tokens=False)
            np.add.at(counts, turns.record, np.array([len(e) for e in encoded], np.int64))
        return counts
