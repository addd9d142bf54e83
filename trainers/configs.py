"""Settings of the trainers: frozen configs, recipes on disk, overrides from the command line.

The one idea: a run is described by one flat mapping that a person can read, and every mistake in
it is reported before anything is loaded. Nothing here touches a model, data or a device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator

from tulu_data.errors import SpecError, TrainError, nearest
from tulu_data.specs.base import Mistake, Spec, refuse, validate
from tulu_data.specs.document import Document, KeyPath, parse_document, read_document

ABOUT = "checkpoint.json"
"""The file by which a folder is a checkpoint."""

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Tracker = Literal["tensorboard", "wandb"]


class SftConfig(Spec):
    """Supervised fine-tuning: token-normalised cross-entropy on the assistant's tokens."""

    algorithm: Literal["sft"] = "sft"
    """The trainer that reads this recipe."""
    model: str | None = None
    """Folder of a transformers model, a .gguf file, or a hub id. Default: the workspace's model."""
    revision: str | None = None
    """Branch, tag or commit of a hub model. Default: main."""
    init: Literal["pretrained", "random"] = "pretrained"
    """`random` draws the weights from `seed` and the model's config; `pretrained` needs weights."""
    data: str | None = None
    """Dataset version to train on, `name` or `name@version`. Default: the version built last."""

    max_length: Positive = 4096
    """Most tokens of one document; also the length of a packed row."""
    overflow: Literal["truncate", "drop", "split"] = "truncate"
    """A record longer than `max_length` is cut, left out, or cut into several documents; always counted."""
    packing: Literal["global", "step", "none"] = "global"
    """Rows shared by documents, which never see each other: `global` fits best over the whole epoch,
    `step` packs each step's own `batch_size` records, `none` gives every document its own row."""

    batch_size: Positive = 128
    """Records per optimizer step (the effective batch of the Tulu 3 paper), however they are packed.
    Exact for `step` and `none`; with `global` a step takes the fixed number of rows that holds this
    many records on average."""
    micro_batch_tokens: Positive = 16384
    """Most tokens, padding counted, of one forward pass; it changes memory and speed, never the result."""
    epochs: Positive | None = None
    """Passes over the version. Default: 2, unless `steps` is given."""
    steps: Positive | None = None
    """Optimizer steps, over as many epochs as they need. Give this or `epochs`."""

    learning_rate: Annotated[float, Field(gt=0)] = 5e-6
    """Peak learning rate of AdamW."""
    schedule: Literal["linear", "constant", "cosine"] = "linear"
    """After the warmup: falls to 0 linearly or along a half cosine, or stays."""
    warmup_ratio: Share = 0.03
    """Share of the steps over which the learning rate rises linearly from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay on matrices; vectors (norms, biases) have none."""
    adam_betas: tuple[Share, Share] = (0.9, 0.999)
    """Decay of AdamW's running mean and running square."""
    adam_eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to AdamW's denominator."""
    max_grad_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Gradients are scaled down to this global L2 norm; null leaves them as they are."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number type of the compute; weights, gradients and optimizer stay fp32.
    auto: bf16 on a GPU, fp32 on a CPU."""
    activation_checkpointing: Literal["none", "full"] = "none"
    """`full` recomputes each layer in the backward pass: less memory, about a third more time."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    """Attention implementation. auto: flash_attention_2 on a GPU that has the package, else sdpa."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of random weights and of the order of records."""

    save_every: Positive | None = None
    """Steps between checkpoints. Default: 10 checkpoints over the run."""
    keep: Positive = 1
    """How many of the newest checkpoints stay on disk; when the model is saved they all go."""
    log_every: Positive = 10
    """Steps between progress lines where there is no terminal; metrics.jsonl has every step."""
    track: tuple[Tracker, ...] = ()
    """Trackers that also receive the metrics (needs the `track` extra). Default: none."""
    output: str | None = None
    """Folder of the run. Default: runs/<version>-<recipe>."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SftConfig":
        if self.epochs is not None and self.steps is not None:
            text = "give epochs or steps, not both"
            raise refuse(Mistake(text=text, path=("steps",), on_key=True))
        if self.micro_batch_tokens < self.max_length:
            text = f"must be at least max_length ({self.max_length}), found {self.micro_batch_tokens}"
            raise refuse(Mistake(text=text, path=("micro_batch_tokens",)))
        return self

    @property
    def num_epochs(self) -> int:
        """Epochs of a run that is not measured in steps."""
        return self.epochs or 2


RESULT_NEUTRAL = frozenset({"save_every", "keep", "log_every", "track", "output", "data"})
"""Fields that cannot change the weights (the data is identified by its content id instead)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A config with the name it was read by."""

    name: str
    config: SftConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class _Overridden(Document):
    """A document some of whose keys came from the command line."""

    given: frozenset[str]

    def problem(self, path: KeyPath, text: str, *, key: bool = False, against: Sequence[KeyPath] = ()) -> str:
        """Point at the override instead of a line of the file."""
        if path and path[0] in self.given:
            return f"--set {path[0]}: {text}"
        return Document.problem(self, path, text, key=key, against=against)


def check_resume(value: str) -> Path | None:
    """Return the checkpoint that `resume` names, None for auto and never; raise TrainError for another."""
    if value in ("auto", "never"):
        return None
    folder = Path(value)
    if (folder / ABOUT).is_file():
        return folder
    found = f"no {ABOUT}, so no checkpoint" if folder.is_dir() else "no such folder"
    near = nearest(value, ["auto", "never"])
    raise TrainError(
        f"--resume {value}: {found}{near}; give a folder checkpoints/step-... of a run, auto or never"
    )


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(p.name.removesuffix(".yaml") for p in _shipped().iterdir() if p.name.endswith(".yaml"))


def find_recipe(word: str) -> Path:
    """Return the file of a recipe given by path, or by the name of one that comes with the package."""
    path = Path(word)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    if word in recipe_names():
        return Path(str(_shipped() / f"{word}.yaml"))
    names = recipe_names()
    raise TrainError(
        f"train: no recipe {word!r}{nearest(word, names)}; "
        f"give a path to a .yaml file or one of {', '.join(names)}"
    )


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and lay `key=value` overrides over it; raise SpecError with every mistake."""
    document = read_document(path)
    given, problems = _parse_overrides(overrides)
    if given and isinstance(document.data, dict):
        base = {"steps": "epochs", "epochs": "steps"}
        kept = {k: v for k, v in document.data.items() if base.get(k) not in given}
        document = _Overridden(
            name=document.name,
            data={**kept, **given},
            values=document.values,
            keys=document.keys,
            given=frozenset(given),
        )
    try:
        config = validate(SftConfig, document)
    except SpecError as error:
        raise SpecError([*problems, *error.problems]) from None
    if problems:
        raise SpecError(problems)
    return Recipe(name=path.stem, config=config)


def _shipped() -> "resources.abc.Traversable":
    return resources.files("trainers") / "recipes"


def _parse_overrides(overrides: Sequence[str]) -> tuple[dict[str, object], list[str]]:
    """Read each `key=value` with YAML's scalar rules; return the values and what is wrong with the rest."""
    given: dict[str, object] = {}
    problems: list[str] = []
    known = list(SftConfig.model_fields)
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals:
            problems.append(f"--set {text}: expected KEY=VALUE, found no '='")
        elif key not in known:
            problems.append(
                f"--set {key}: unknown key {key!r}{nearest(key, known)} (known: {', '.join(sorted(known))})"
            )
        else:
            try:
                given[key] = parse_document(value, f"--set {key}").data
            except SpecError as error:
                problems.extend(error.problems)
    return given, problems


def to_mapping(config: SftConfig) -> dict[str, object]:
    """Return a config as plain JSON data."""
    data = config.model_dump(mode="json")
    assert isinstance(data, dict)
    return data


def to_yaml(config: SftConfig) -> str:
    """Write a config as YAML that `read_recipe` reads back."""
    return yaml.safe_dump(to_mapping(config), sort_keys=False)


def differences(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """List the settings that change the result and differ, as `key: old -> new`."""
    keys = [k for k in new if k not in RESULT_NEUTRAL]
    return [f"{k}: {old.get(k)!r} -> {new[k]!r}" for k in keys if old.get(k) != new[k]]


def with_model(config: SftConfig, model: str | None) -> SftConfig:
    """Fill in the workspace's model where the recipe names none; raise TrainError when neither does."""
    if config.model is None and model is None:
        raise TrainError(
            "train: no model is named; "
            "write `model:` in the recipe or in tulu-data.yaml, or give --set model=FOLDER"
        )
    return config if config.model is not None else config.model_copy(update={"model": model})
