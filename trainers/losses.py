"""Losses as pure tensor functions.

The one idea: a loss is a sum over tokens; whoever calls divides by the number of targets of the
whole optimizer step, over all micro-batches and ranks (Tulu 3, section 4.3), so no split of the
work can change it. Nothing here averages, and nothing here knows a model class.
"""

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from trainers.packing import IGNORED

CHUNK = 2048
"""Targets whose logits exist at the same time."""


def nll_sum(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the summed negative log-likelihood of `labels` [n] under `logits` [n, vocabulary], as float64.

    Each token's value is computed in fp32; the float64 sum makes the total independent of the split.
    """
    return (
        functional.cross_entropy(logits.float(), labels, reduction="none", ignore_index=IGNORED)
        .double()
        .sum()
    )


def linear_nll_sum(
    hidden: torch.Tensor, head: torch.nn.Module, labels: torch.Tensor, *, chunk: int = CHUNK
) -> torch.Tensor:
    """Return `nll_sum(head(hidden), labels)` with at most `chunk` rows of logits alive.

    `hidden` is [rows, length, width]; positions without a target are left out before the head, and
    each chunk's logits are computed again in the backward pass.
    """
    targets = labels != IGNORED
    hidden, labels = hidden[targets], labels[targets]
    total = torch.zeros((), dtype=torch.float64, device=hidden.device)
    for h, y in zip(torch.split(hidden, chunk), torch.split(labels, chunk), strict=True):
        total = total + checkpoint(_head_nll_sum, h, head, y, use_reentrant=False)
    return total


def _head_nll_sum(hidden: torch.Tensor, head: torch.nn.Module, labels: torch.Tensor) -> torch.Tensor:
    return nll_sum(head(hidden), labels)
