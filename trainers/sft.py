"""Supervised fine-tuning: a dataset version in, a transformers model directory out.

Reads top to bottom: inputs, model, start, loop, save. The loss is the negative log-likelihood of the
assistant's tokens, summed and divided by their number in the whole step (Tulu 3, section 4.3), so
neither packing nor the split into micro-batches changes what is learned.
"""

import shutil
import time
from contextlib import ExitStack

from trainers.checkpoint import Progress, load_checkpoint, save_checkpoint
from trainers.configs import to_mapping
from trainers.engine import StepResult, learning_rate, make_optimizer, optimizer_step, seed_everything
from trainers.memory import Shape
from trainers.metrics import (
    Metrics,
    MetricsFile,
    display,
    flops_per_step,
    need_trackers,
    open_trackers,
    peak_flops,
    tell,
)
from trainers.model import load_policy, save_model
from trainers.packing import Step, steps_from
from trainers.run import (
    MODEL,
    TRAINING,
    Job,
    Summary,
    Watch,
    find_start,
    finished,
    model_card,
    provenance,
    read_inputs,
    start_folder,
    summarise,
    training_record,
)
from trainers.stop import explained, listening


def _unwatched(event: str, step: int) -> None:
    """Do nothing; tests watch the loop here."""


def train_sft(job: Job, *, watch: Watch = _unwatched) -> Summary:
    """Train to the end, from the start or from a checkpoint, and return what came of it.

    Ctrl-C raises Interrupted, after a checkpoint of the step that was being taken.
    """
    with explained(job.output, job.resume):
        return _train(job, watch)


def _train(job: Job, watch: Watch) -> Summary:
    if (done := finished(job)) is not None:
        return done
    config = job.recipe.config
    need_trackers(config.track)

    # Start: which checkpoint, if any, this run goes on from.
    checkpoint, progress = find_start(job)

    # Inputs: tokens with their loss mask, and the number of steps they make.
    inputs = read_inputs(job)
    documents, total = inputs.documents, inputs.steps

    # Model: fp32 weights, AdamW, and everything as it was at the checkpoint.
    policy = load_policy(config, inputs.tokenizer)
    policy.model.train()
    optimizer = make_optimizer(policy.model, config)
    start_folder(job)
    seed_everything(config.seed)
    if checkpoint is not None:
        load_checkpoint(checkpoint, policy, optimizer)
        tell(f"resuming from step {progress.step} ({checkpoint})", quiet=job.quiet)

    # Loop: one optimizer step per turn; a row of metrics each; a checkpoint now and then.
    save_every = config.save_every or max(1, total // 10)
    with ExitStack() as stack:
        metrics = stack.enter_context(MetricsFile(job.output, done=progress.step))
        show = stack.enter_context(display(total, config.log_every, done=progress.step, quiet=job.quiet))
        trackers = open_trackers(config.track, job.output, to_mapping(config))
        stop = stack.enter_context(listening(quiet=job.quiet))
        cursor = {"epoch": progress.epoch, "index": progress.index}
        for step in steps_from(documents, config, total=total, **cursor):
            began = time.perf_counter()
            rate = learning_rate(config, progress.step, total)
            result = optimizer_step(policy, optimizer, documents, step.rows, config, rate)
            watch("stepped", progress.step + 1)

            progress = _advance(progress, step, result, time.perf_counter() - began)
            row = _row(
                progress, step, result, inputs.shape, time.perf_counter() - began, peak_flops(policy.device)
            )
            metrics.write(row)
            show(row)
            for tracker in trackers:
                tracker.log(row)
            watch("logged", progress.step)

            stopping = stop.asked
            if stopping or progress.step % save_every == 0 or progress.step == total:
                metrics.sync()
                save_checkpoint(job.output, policy, optimizer, progress, config, job.version)
                watch("saved", progress.step)
            if stopping:
                raise KeyboardInterrupt

    # Save: a transformers model directory that names the version it was trained on.
    summary = summarise(job, progress)
    files = {"README.md": model_card(job, summary), TRAINING: training_record(job, summary, documents.counts)}
    save_model(job.output / MODEL, policy, inputs.tokenizer, provenance(job, progress), files)
    shutil.rmtree(job.output / "checkpoints")
    return summary


def _advance(progress: Progress, step: Step, result: StepResult, seconds: float) -> Progress:
    """Return the progress after a step; the cursor names the step that comes next."""
    return Progress(
        step=progress.step + 1,
        epoch=step.epoch,
        index=step.index + 1,
        tokens=progress.tokens + result.tokens,
        targets=progress.targets + result.targets,
        seconds=progress.seconds + seconds,
    )


def _row(
    progress: Progress, step: Step, result: StepResult, shape: Shape, seconds: float, peak: float | None
) -> Metrics:
    """Return the row of metrics.jsonl; `tokens` and `supervised_tokens` are totals since the start."""
    plain, full = flops_per_step(
        shape.matmul_parameters,
        shape.layers,
        shape.attention_width,
        tokens=result.tokens,
        square_lengths=result.square_lengths,
    )
    return {
        "step": progress.step,
        "epoch": step.epoch,
        "loss": result.loss,
        "learning_rate": result.learning_rate,
        "grad_norm": result.grad_norm,
        "tokens": progress.tokens,
        "supervised_tokens": progress.targets,
        "padding": result.padding,
        "tokens_per_second": result.tokens / seconds,
        "mfu_6n": plain / seconds / peak if peak else None,
        "mfu_attention": full / seconds / peak if peak else None,
        "elapsed": progress.seconds,
    }
