"""A run: its job, its plan, its folder and its summary; what every trainer has in common.

The one idea: a run folder says by itself what it is (config.yaml), how far it came (metrics.jsonl,
checkpoints/) and what came out (model/, whole by one rename, so its presence means finished).
Nothing here trains.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from trainers.checkpoint import Progress, checkpoints, read_about
from trainers.configs import Recipe, check_resume, differences, to_mapping, to_yaml
from trainers.data import Documents
from trainers.memory import Shape, predict_memory, shape_of
from trainers.metrics import read_metrics
from trainers.model import compute_dtype, load_shape, load_tokenizer
from trainers.packing import count_steps, epoch_steps
from trainers.token_cache import load_documents
from tulu_data.errors import TrainError
from tulu_data.store.version import Version

MODEL, CONFIG, TRAINING = "model", "config.yaml", "training.json"

Watch = Callable[[str, int], None]
"""Called with (event, step) after an event of the loop: `stepped`, `logged`, `saved`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to train, on what, and where to."""

    recipe: Recipe
    version: Version
    output: Path
    resume: str = "auto"
    """`auto`: go on from the newest checkpoint; `never`: want a fresh folder; else the path of one."""
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do, known before it starts."""

    version: str
    content_id: str
    model: str
    output: str
    steps: int
    records_per_step: float
    rows_per_epoch: int
    packing_efficiency: float
    """Tokens over the room of the rows at max_length; 1.0 without packing."""
    data: Mapping[str, int]
    parameters: int
    device: str
    precision: str
    memory: Mapping[str, int]
    """Predicted peak bytes by component; an estimate."""

    def to_dict(self) -> dict[str, object]:
        """Return plain data for `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a finished run did."""

    model: str
    version: str
    content_id: str
    steps: int
    tokens: int
    supervised_tokens: int
    first_loss: float
    last_loss: float
    tokens_per_second: float
    seconds: float
    already_finished: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return plain data for `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a trainer reads: the tokenizer, the documents and the sizes of the model."""

    tokenizer: PreTrainedTokenizerBase
    documents: Documents
    shape: Shape
    steps: int


def read_inputs(job: Job) -> Inputs:
    """Load everything but the weights; raise TrainError when nothing would be trained on."""
    config = job.recipe.config
    tokenizer = load_tokenizer(config)
    documents = load_documents(job.version, tokenizer, max_length=config.max_length, overflow=config.overflow)
    if not len(documents):
        raise TrainError(
            f"{job.version.ref}: no record is left to train on with max_length {config.max_length} and "
            f"overflow {config.overflow!r}; raise max_length"
        )
    shape = shape_of(load_shape(config))
    return Inputs(tokenizer=tokenizer, documents=documents, shape=shape, steps=count_steps(documents, config))


def plan_run(job: Job) -> Plan:
    """Work out steps, tokens and memory without loading weights or writing to the run folder."""
    check_resume(job.resume)
    config, inputs = job.recipe.config, read_inputs(job)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = compute_dtype(config, device)
    steps = epoch_steps(inputs.documents, config, 0)
    rows = sum(len(step.rows) for step in steps)
    tokens = inputs.documents.counts["tokens"]
    return Plan(
        version=job.version.ref,
        content_id=job.version.content_id,
        model=config.model or "",
        output=str(job.output),
        steps=inputs.steps,
        records_per_step=inputs.documents.counts["trained_records"] / len(steps),
        rows_per_epoch=rows,
        packing_efficiency=tokens / (rows * config.max_length) if config.packing != "none" else 1.0,
        data=dict(inputs.documents.counts),
        parameters=inputs.shape.parameters,
        device=str(device),
        precision=str(dtype).removeprefix("torch."),
        memory=predict_memory(inputs.shape, config, dtype),
    )


def find_start(job: Job) -> tuple[Path | None, Progress]:
    """Return the checkpoint to go on from and its progress; raise TrainError when `resume` forbids it."""
    config = job.recipe.config
    if (folder := check_resume(job.resume)) is not None:
        return folder, read_about(folder, config, job.version)
    found = checkpoints(job.output)
    if job.resume == "never" and (found or read_metrics(job.output)):
        raise TrainError(
            f"{job.output}: holds a run already ({len(read_metrics(job.output))} steps); "
            "leave out `--resume never` to go on with it, or give another --output"
        )
    return (found[-1], read_about(found[-1], config, job.version)) if found else (None, Progress())


def finished(job: Job) -> Summary | None:
    """Return the summary of the run when it is finished already; raise TrainError when it was another run."""
    if (folder := check_resume(job.resume)) is not None:
        read_about(folder, job.recipe.config, job.version)
    path = job.output / MODEL / TRAINING
    if not path.is_file():
        return None
    done = json.loads(path.read_bytes())
    changed = differences(done["config"], to_mapping(job.recipe.config))
    if done["summary"]["content_id"] != job.version.content_id:
        changed.append(f"data: {done['summary']['version']} -> {job.version.ref}")
    if changed or job.resume == "never":
        why = f"with other settings ({'; '.join(changed)})" if changed else "already"
        raise TrainError(f"{job.output}: holds a finished run {why}; give another --output")
    return Summary(**{**done["summary"], "already_finished": True})


def start_folder(job: Job) -> None:
    """Make the run folder and write the resolved config into it."""
    try:
        job.output.mkdir(parents=True, exist_ok=True)
        (job.output / CONFIG).write_text(to_yaml(job.recipe.config), encoding="utf-8")
    except OSError as error:
        raise TrainError(
            f"{job.output}: cannot be written ({error.strerror}); give another --output"
        ) from None


def summarise(job: Job, progress: Progress) -> Summary:
    """Gather the summary of a run from its metrics and totals."""
    rows = read_metrics(job.output)
    return Summary(
        model=str(job.output / MODEL),
        version=job.version.ref,
        content_id=job.version.content_id,
        steps=progress.step,
        tokens=progress.tokens,
        supervised_tokens=progress.targets,
        first_loss=float(rows[0]["loss"] or 0),
        last_loss=float(rows[-1]["loss"] or 0),
        tokens_per_second=progress.tokens / max(progress.seconds, 1e-9),
        seconds=progress.seconds,
    )


def provenance(job: Job, progress: Progress) -> dict[str, object]:
    """Return what a saved model says about where it came from."""
    return {
        "version": job.version.ref,
        "content_id": job.version.content_id,
        "recipe": job.recipe.name,
        "algorithm": job.recipe.config.algorithm,
        "base_model": job.recipe.config.model,
        "steps": progress.step,
    }


def training_record(job: Job, summary: Summary, counts: Mapping[str, int]) -> str:
    """Return the text of training.json: the settings, the data, and what came of it."""
    decontamination = job.version.manifest.decontamination
    record = {
        "summary": summary.to_dict(),
        "config": to_mapping(job.recipe.config),
        "data": dict(counts),
        "decontaminated": decontamination is not None,
        "torch": torch.__version__,
    }
    return json.dumps(record, indent=2) + "\n"


def model_card(job: Job, summary: Summary) -> str:
    """Return the README.md of a saved model."""
    config = job.recipe.config
    start = "random weights" if config.init == "random" else "the weights"
    return (
        f"# {job.version.name}, {config.algorithm}\n\n"
        f"Trained by tulu-data from {start} of `{config.model}` on dataset version `{summary.version}`.\n\n"
        f"| | |\n|---|---|\n| content id | `{summary.content_id}` |\n| recipe | `{job.recipe.name}` |\n"
        f"| steps | {summary.steps:,} |\n"
        f"| tokens | {summary.tokens:,} ({summary.supervised_tokens:,} supervised) |\n"
        f"| loss, first and last step | {summary.first_loss:.4f}, {summary.last_loss:.4f} |\n\n"
        "All settings are in `training.json`.\n"
    )
