"""Token documents kept beside the versions of a store, so that a version is tokenised once.

The one idea: an entry is named by everything that decides its bytes (content id, tokenizer, chat
template, max_length, overflow) and appears whole by one rename. A store that cannot be written is
no error: the documents stay in memory.
"""

import json
import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from trainers.data import Documents, Overflow, check_tokenizer, encode_version, template_text
from tulu_data.store.version import Version

FORMAT = 1
"""Rises when the same input would give other documents."""
_ARRAYS = ("tokens", "supervised", "offsets", "records")


def load_documents(
    version: Version, tokenizer: PreTrainedTokenizerBase, *, max_length: int, overflow: Overflow
) -> Documents:
    """Return a version's documents, from the cache where they are, memory-mapped."""
    check_tokenizer(tokenizer)
    folder = cache_folder(version, tokenizer, max_length=max_length, overflow=overflow)
    if folder is not None and (cached := _read(folder)) is not None:
        return cached
    documents = encode_version(version, tokenizer, max_length=max_length, overflow=overflow)
    if folder is not None and _write(folder, documents):
        return _read(folder) or documents
    return documents


def cache_folder(
    version: Version, tokenizer: PreTrainedTokenizerBase, *, max_length: int, overflow: Overflow
) -> Path | None:
    """Return where a version's documents are kept, or None for a version outside a store."""
    root = version.path.parent.parent
    if not (root / "refs").is_dir():
        return None
    parts = [
        FORMAT,
        version.content_id,
        tokenizer_id(tokenizer),
        template_text(tokenizer),
        max_length,
        overflow,
    ]
    key = sha256(json.dumps(parts).encode()).hexdigest()[:32]
    return root / "cache" / "tokens" / key


def tokenizer_id(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hash a fast tokenizer by its own serialised form, wherever it came from."""
    backend = getattr(tokenizer, "backend_tokenizer")  # noqa: B009 - the base class does not declare it
    return sha256(backend.to_str().encode()).hexdigest()


def _read(folder: Path) -> Documents | None:
    """Map an entry into memory; None where there is none or it is not whole."""
    try:
        counts = json.loads((folder / "counts.json").read_bytes())
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    except (OSError, ValueError):
        return None
    return Documents(counts=counts, **arrays)


def _write(folder: Path, documents: Documents) -> bool:
    """Write an entry under a temporary name and rename it; False where the store is read-only."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    except OSError:
        return False
    try:
        for name in _ARRAYS:
            np.save(temporary / f"{name}.npy", getattr(documents, name))
        (temporary / "counts.json").write_text(json.dumps(dict(documents.counts)), encoding="utf-8")
        os.rename(temporary, folder)  # noqa: PTH104 - must fail, not replace, where another process was first
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        return folder.is_dir()
    return True
