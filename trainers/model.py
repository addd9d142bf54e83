"""Models and tokenizers through transformers: load, prove, save.

The one idea: weights are fp32 masters of a plain transformers model, and before a run starts a
small forward pass proves that this model keeps packed documents apart. Nothing here trains.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging
from transformers.utils.import_utils import is_flash_attn_2_available

from trainers.configs import SftConfig
from trainers.hub import hushed, why_closed
from trainers.losses import linear_nll_sum, nll_sum
from trainers.packing import Batch
from tulu_data.errors import MissingExtraError, TrainError

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""Largest relative difference of hidden states, packed against alone, that rounding explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model comes from: arguments of `from_pretrained`."""

    path: str
    arguments: Mapping[str, Any]
    local: Path | None
    """The folder, when the model is on this machine."""
    closed: str | None = None
    """Why only the cache can be read, when the hub that has the model cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A model that is being trained, and how it computes."""

    model: PreTrainedModel
    device: torch.device
    dtype: torch.dtype
    """Number type of the compute; the weights are fp32."""
    flat: bool
    """Whether a micro-batch is one row without padding, as variable-length attention wants it."""
    linear_head: bool
    """Whether logits are exactly `output embeddings(hidden)`; then the loss is computed in chunks."""

    def nll_sum(self, batch: Batch) -> torch.Tensor:
        """Return the summed negative log-likelihood of a micro-batch's targets, as float64."""
        with self.computing():
            if self.linear_head:
                return linear_nll_sum(hidden_states(self.model, batch), head_of(self.model), batch.labels)
            out = self.model(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False)
            return nll_sum(out.logits.flatten(0, 1), batch.labels.flatten())

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Compute in `dtype`; the fp32 weights are cast as they are used."""
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            yield


def head_of(model: PreTrainedModel) -> torch.nn.Module:
    """Return the module that turns hidden states into logits."""
    untyped: Any = model
    head = untyped.get_output_embeddings()
    assert isinstance(head, torch.nn.Module)
    return head


def table_of(model: PreTrainedModel) -> torch.Tensor:
    """Return the embedding table, [vocabulary, width]."""
    untyped: Any = model
    table = untyped.get_input_embeddings().weight
    assert isinstance(table, torch.Tensor)
    return table


def find_source(config: SftConfig) -> Source:
    """Tell a folder, a .gguf file and a hub id apart; raise TrainError when a path is not there."""
    name = config.model or ""
    path = Path(name)
    if path.suffix == ".gguf" and path.is_file():
        return _gguf(path)
    if path.is_dir():
        ggufs = sorted(path.glob("*.gguf"))
        if ggufs and not (path / "config.json").is_file():
            if len(ggufs) > 1:
                raise TrainError(f"{name}: holds {len(ggufs)} .gguf files; name one of them")
            return _gguf(ggufs[0])
        if not (path / "config.json").is_file():
            raise TrainError(
                f"{name}: has no config.json, so it is no model folder; name a folder that has one"
            )
        return Source(path=name, arguments={}, local=path)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or path.suffix == ".gguf":
        raise TrainError(
            f"{name}: no such model folder or .gguf file (seen from {Path.cwd()}); mend `model:`"
        )
    return Source(path=name, arguments={"revision": config.revision} if config.revision else {}, local=None)


def _open_source(config: SftConfig) -> Source:
    """Find where a model comes from; without a hub, its model comes from the cache or not at all."""
    source = find_source(config)
    if source.local is not None or (closed := why_closed()) is None:
        return source
    return replace(source, arguments={**source.arguments, "local_files_only": True}, closed=closed)


def _gguf(file: Path) -> Source:
    """Name a .gguf file as transformers wants it; raise MissingExtraError when it could not unpack it."""
    for module in ("gguf", "accelerate"):
        if find_spec(module) is None:
            raise MissingExtraError(f"{file}", "gguf", module)
    return Source(path=str(file.parent), arguments={"gguf_file": file.name}, local=file.parent)


def load_tokenizer(config: SftConfig) -> PreTrainedTokenizerBase:
    """Load the tokenizer that stands with the model."""
    source = _open_source(config)
    with _explained(source):
        tokenizer = AutoTokenizer.from_pretrained(source.path, **source.arguments)
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer


def load_shape(config: SftConfig) -> PreTrainedModel:
    """Build the model without memory for its weights, to count and plan."""
    source = _open_source(config)
    with _explained(source):
        shape = AutoConfig.from_pretrained(source.path, **source.arguments)
    with torch.device("meta"):
        return _from_config(shape, dtype=torch.float32)


def load_policy(config: SftConfig, tokenizer: PreTrainedTokenizerBase) -> Policy:
    """Load fp32 weights (or draw them from the seed), move them to the device and prove the attention."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    attention = _attention(config, device)
    model = _load_model(config, attention)
    size = table_of(model).shape[0]
    if len(tokenizer) > size:
        raise TrainError(
            f"{config.model}: the tokenizer has {len(tokenizer)} tokens but the model embeds {size}; "
            "use the tokenizer that belongs to the model"
        )
    if config.activation_checkpointing == "full":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.to(device)  # type: ignore[arg-type]
    dtype = compute_dtype(config, device)
    flat = attention == "flash_attention_2" and config.packing != "none"
    policy = Policy(model=model, device=device, dtype=dtype, flat=flat, linear_head=True)
    linear = _prove(policy, packed=config.packing != "none")
    return Policy(model=model, device=device, dtype=dtype, flat=flat, linear_head=linear)


def compute_dtype(config: SftConfig, device: torch.device) -> torch.dtype:
    """Return the number type of the compute (SftConfig.precision)."""
    if config.precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if config.precision == "bf16" else torch.float32


def hidden_states(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Run the model below its head; return [rows, length, width].

    Without an attention mask, transformers reads the documents of a row off the restarting position
    ids, for every attention implementation and for sliding windows too.
    """
    body = model.base_model
    out = body(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False)
    hidden = out.last_hidden_state
    assert isinstance(hidden, torch.Tensor)
    return hidden


def _attention(config: SftConfig, device: torch.device) -> str:
    if config.attention != "auto":
        return config.attention
    fits = device.type == "cuda" and compute_dtype(config, device) == torch.bfloat16
    return "flash_attention_2" if fits and is_flash_attn_2_available() else "sdpa"


def _load_model(config: SftConfig, attention: str) -> PreTrainedModel:
    source = _open_source(config)
    arguments: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": attention}
    with _explained(source):
        if config.init == "random":
            shape = AutoConfig.from_pretrained(source.path, **source.arguments)
            with torch.random.fork_rng():
                torch.manual_seed(config.seed)
                model = _from_config(shape, **arguments)
        else:
            if source.local and "gguf_file" not in source.arguments:
                _need_weights(source.local)
            model = AutoModelForCausalLM.from_pretrained(source.path, **source.arguments, **arguments)
            if "gguf_file" in source.arguments:
                model = _plain(model, attention)
    assert isinstance(model, PreTrainedModel)
    return model


def _from_config(shape: Any, **arguments: Any) -> PreTrainedModel:
    make: Any = AutoModelForCausalLM.from_config
    model = make(shape, **arguments)
    assert isinstance(model, PreTrainedModel)
    return model


def _plain(model: PreTrainedModel, attention: str) -> PreTrainedModel:
    """Move the unpacked weights of a GGUF model into a plain one, which can be saved."""
    del model.config.quantization_config
    plain = _from_config(model.config, dtype=torch.float32, attn_implementation=attention)
    plain.load_state_dict(model.state_dict())
    return plain


def _need_weights(folder: Path) -> None:
    if not any(file for pattern in _WEIGHTS for file in folder.glob(pattern)):
        raise TrainError(
            f"{folder}: the folder has a config but no weights; "
            "set `init: random` to start from random weights, or give a folder with weights"
        )


@contextlib.contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Turn what transformers says about a model it cannot load into one line."""
    try:
        with _without_bars(), hushed():
            yield
    except (OSError, ValueError, ImportError) as error:
        if source.closed is not None:
            raise TrainError(
                f"{source.path}: no such folder, {source.closed}, and the cache has not all of the model; "
                "connect to the network, give a local folder (--set model=FOLDER), "
                "or set HF_HUB_OFFLINE=1 with a filled cache"
            ) from None
        missing = isinstance(error, ImportError)
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        hint = "mend the folder" if source.local else "check the id and the network, or give a folder"
        hint = "install what it names and run again" if missing else hint
        raise TrainError(f"{source.path}: transformers cannot load it ({said}); {hint}") from None


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    """Keep transformers' progress bars away for a while."""
    bars: Any = logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


@torch.no_grad()
def _prove(policy: Policy, *, packed: bool) -> bool:
    """Check that documents in a row do not see each other; return whether the head is a plain linear map."""
    model, device = policy.model, policy.device
    vocabulary = table_of(model).shape[0]
    first, second = (torch.arange(n, device=device) * 7919 % vocabulary for n in (5, 9))
    together = _probe(torch.cat([first, second]), [5, 9])
    training = model.training
    model.train(mode=False)
    with policy.computing():
        both = hidden_states(model, together)
        alone = torch.cat([hidden_states(model, _probe(x, [len(x)])) for x in (first, second)], dim=1)
        logits = model(
            input_ids=together.input_ids, position_ids=together.position_ids, use_cache=False
        ).logits
        projected = head_of(model)(both)
    model.train(training)
    tolerance = _TOLERANCE[policy.dtype]
    if packed and _distance(both, alone) > tolerance:
        raise TrainError(
            f"{model.config.name_or_path or model.config.model_type}: this model's attention lets packed "
            "documents see each other; set `packing: none`"
        )
    return _distance(logits, projected) <= tolerance


def _probe(tokens: torch.Tensor, lengths: list[int]) -> Batch:
    positions = torch.cat([torch.arange(n, device=tokens.device) for n in lengths])
    return Batch(input_ids=tokens[None], position_ids=positions[None], labels=tokens[None])


def _distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the norm of the difference relative to the norm."""
    return float((a.float() - b.float()).norm() / b.float().norm().clamp_min(1e-12))


def save_model(
    folder: Path,
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    provenance: Mapping[str, object],
    files: Mapping[str, str],
) -> None:
    """Write a transformers model directory with its provenance, whole by one rename."""
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    policy.model.config.tulu_data = dict(provenance)
    with _without_bars():
        policy.model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
    for name, text in files.items():
        (temporary / name).write_text(text, encoding="utf-8")
    temporary.rename(folder)
