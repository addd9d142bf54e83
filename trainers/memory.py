"""A prediction of peak memory, component by component, before anything is loaded.

The one idea: sizes follow from the shape of the model and the micro-batch. They are estimates for
decoder models of the Llama kind (rows marked so in the report), never a promise.
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from trainers.configs import SftConfig
from trainers.losses import CHUNK
from trainers.model import head_of, table_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a model that memory and FLOPs depend on."""

    parameters: int
    matmul_parameters: int
    """Weights used in matrix products: all but an embedding table that is only looked up in."""
    layers: int
    width: int
    feed_forward: int
    attention_width: int
    vocabulary: int


def shape_of(model: PreTrainedModel) -> Shape:
    """Read the sizes off a model, with or without memory for its weights."""
    config: Any = model.config.get_text_config(decoder=True)
    table = table_of(model)
    parameters = sum(p.numel() for p in model.parameters())
    tied = head_of(model).weight is table
    heads = getattr(config, "num_attention_heads", 1)
    head_width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return Shape(
        parameters=parameters,
        matmul_parameters=parameters - (0 if tied else table.numel()),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        feed_forward=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
        attention_width=heads * head_width,
        vocabulary=table.shape[0],
    )


def predict_memory(shape: Shape, config: SftConfig, dtype: torch.dtype) -> dict[str, int]:
    """Return predicted bytes by component, at the fullest micro-batch."""
    size, tokens = dtype.itemsize, config.micro_batch_tokens
    kept = 6 * shape.width + 3 * shape.attention_width + 4 * shape.feed_forward
    layers = tokens * size * kept * shape.layers
    if config.activation_checkpointing == "full":
        layers = tokens * size * (shape.width * shape.layers + kept)
    rows = max(1, tokens // config.max_length)
    return {
        "weights (fp32)": 4 * shape.parameters,
        "gradients (fp32)": 4 * shape.parameters,
        "optimizer (AdamW, fp32)": 8 * shape.parameters,
        "compute copies (bf16)": 2 * shape.parameters if size == 2 else 0,
        "activations": layers,
        "attention mask": rows * config.max_length**2,
        "logits": min(tokens, CHUNK) * shape.vocabulary * (8 + size),
    }
