"""One optimizer step over any number of micro-batches and ranks.

The one idea: every micro-batch adds the gradient of (its summed loss / targets of the whole step),
so the split into micro-batches and ranks is invisible in loss and gradient. No algorithm lives
here and nothing is read from disk.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import distributed

from trainers.configs import SftConfig
from trainers.data import Documents
from trainers.model import Policy
from trainers.packing import Batch, Row, collate, micro_batches
from tulu_data.errors import TrainError


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one optimizer step did, over all ranks."""

    loss: float
    """Mean negative log-likelihood per target, in nats."""
    grad_norm: float
    """Global L2 norm before clipping."""
    learning_rate: float
    tokens: int
    targets: int
    padding: int
    square_lengths: int
    """Sum of squared document lengths, for attention FLOPs."""


def rank() -> int:
    """Return this process's rank; 0 without torch.distributed."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Return the number of ranks; 1 without torch.distributed."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def sum_over_ranks(tensor: torch.Tensor) -> torch.Tensor:
    """Add a tensor over all ranks, in place."""
    if world_size() > 1:
        distributed.all_reduce(tensor)
    return tensor


def seed_everything(seed: int) -> None:
    """Seed every generator that a model or a library may draw from (dropout, for one)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries draw from the global generator
    torch.manual_seed(seed)


def make_optimizer(model: torch.nn.Module, config: SftConfig) -> torch.optim.AdamW:
    """Build AdamW over fp32 weights; vectors (norms, biases) have no weight decay."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = weights[0].device.type == "cuda"
    return torch.optim.AdamW(
        [g for g in groups if g["params"]],
        lr=config.learning_rate,
        betas=config.adam_betas,
        eps=config.adam_eps,
        fused=fused,
    )


def learning_rate(config: SftConfig, step: int, total: int) -> float:
    """Return the learning rate of step 0..total-1: rising from above 0, then the schedule, ending above 0."""
    warmup = math.ceil(config.warmup_ratio * total)
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    left = (total - step) / max(1, total - warmup)
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "linear":
        return config.learning_rate * left
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (1 - left)))


def optimizer_step(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    documents: Documents,
    rows: Sequence[Row],
    config: SftConfig,
    rate: float,
) -> StepResult:
    """Learn from `rows`; every rank is given all of them and takes its share."""
    own = rows[rank() :: world_size()]
    groups = micro_batches(own, documents.lengths, config.micro_batch_tokens)
    batches = [collate(documents, group, flat=policy.flat) for group in groups]
    lengths = [int(documents.lengths[d]) for row in rows for d in row]
    targets = _targets(documents, rows)
    loss = torch.zeros((), dtype=torch.float64, device=policy.device)
    optimizer.zero_grad(set_to_none=True)
    for batch in batches:
        summed = policy.nll_sum(_to(batch, policy.device)) / targets
        summed.backward()  # type: ignore[no-untyped-call]
        loss += summed.detach()
    sum_over_ranks(loss)
    norm = _reduce_and_clip(policy.model, config.max_grad_norm)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrainError(
            f"train: the loss is {float(loss)} with gradient norm {float(norm)}, so this step "
            "would spoil the weights; lower learning_rate, or try --set precision=fp32"
        )
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    return StepResult(
        loss=float(loss),
        grad_norm=float(norm),
        learning_rate=rate,
        tokens=sum(lengths),
        targets=targets,
        padding=sum(b.input_ids.numel() for b in batches)
        - sum(int(documents.lengths[d]) for r in own for d in r),
        square_lengths=sum(n * n for n in lengths),
    )


def _targets(documents: Documents, rows: Sequence[Row]) -> int:
    """Count the supervised tokens of a whole step."""
    offsets = documents.offsets
    return sum(int(documents.supervised[offsets[d] : offsets[d + 1]].sum()) for row in rows for d in row)


def _to(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cpu":
        return batch
    move = {name: getattr(batch, name).to(device, non_blocking=True) for name in Batch.__slots__}
    return Batch(**move)


def _reduce_and_clip(model: torch.nn.Module, limit: float | None) -> torch.Tensor:
    """Add gradients over ranks, scale them to at most `limit`, and return their norm before that."""
    weights = [p for p in model.parameters() if p.requires_grad]
    for weight in weights:
        if weight.grad is None:  # a rank without rows, or a weight that nothing used
            weight.grad = torch.zeros_like(weight)
        sum_over_ranks(weight.grad)
    return torch.nn.utils.clip_grad_norm_(weights, math.inf if limit is None else limit)
