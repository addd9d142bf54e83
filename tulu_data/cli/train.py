"""`tulu-data train`: choose version, recipe and output, call one trainer, print what came of it."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.cli.console import print_json, stage
from tulu_data.cli.options import json_option, open_store, store_option, workspace_root
from tulu_data.errors import MissingExtraError, TrainError, nearest
from tulu_data.schema import Kind
from tulu_data.specs.workspace import read_workspace
from tulu_data.store import Store, Version

if TYPE_CHECKING:
    from trainers.configs import Recipe, SftConfig
    from trainers.run import Job, Plan, Summary

ALGORITHMS: dict[str, Kind] = {"sft": "sft"}
"""Algorithm -> kind of the versions it reads."""


@click.command(short_help="Train a model on a dataset version.")
@click.argument("words", nargs=-1, metavar="[ALGORITHM] [RECIPE]")
@click.option("--data", metavar="NAME@VERSION", help="Version to train on (default: the one built last).")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting; repeatable."
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Run folder (default: runs/<version>-<recipe>)."
)
@store_option
@click.option("--dry-run", is_flag=True, help="Print steps, tokens and predicted memory; train nothing.")
@click.option(
    "--resume",
    default="auto",
    metavar="auto|never|PATH",
    help="Checkpoint to go on from (default: auto, the newest whole one of the run).",
)
@json_option
def command(
    words: tuple[str, ...],
    data: str | None,
    overrides: tuple[str, ...],
    output: Path | None,
    store: Path | None,
    dry_run: bool,
    resume: str,
    as_json: bool,
) -> None:
    """Train a model on a dataset version.

    ALGORITHM is sft. RECIPE is a .yaml file or the name of a recipe that comes with the package.
    Without arguments: the version built last, recipes/sft.yaml of the workspace (else the packaged
    smoke recipe), and the workspace's model.
    """
    _need_trainers()
    from trainers.run import Job, default_output, plan_run
    from trainers.sft import train_sft

    root = workspace_root(Path())
    recipe, version = _choose(words, data, overrides, open_store(store, root), root)
    folder = output or (
        Path(recipe.config.output) if recipe.config.output else default_output(version, recipe)
    )
    job = Job(recipe=recipe, version=version, output=folder, resume=resume)
    if dry_run:
        plan = plan_run(job)
        print_json(plan.to_dict()) if as_json else click.echo(_plan_text(plan))
        return
    stage(f"train: {recipe.config.model} on {version.ref} by {recipe.name}")
    summary = train_sft(job)
    print_json(summary.to_dict()) if as_json else click.echo(_summary_text(job, summary))


def _need_trainers() -> None:
    """Raise MissingExtraError when the train extra is not installed."""
    for module in ("torch", "transformers"):
        if find_spec(module) is None:
            raise MissingExtraError("train", "train", module)


def _choose(
    words: tuple[str, ...], data: str | None, overrides: tuple[str, ...], store: Store, root: Path
) -> tuple["Recipe", Version]:
    """Settle what to train on what: arguments first, then the recipe, then the workspace."""
    from trainers.configs import Recipe, read_recipe

    algorithm, path = _read_words(words)
    named = read_recipe(path, overrides) if path else None
    version = _version(store, data or (named.config.data if named else None))
    algorithm = algorithm or (named.config.algorithm if named else _algorithm_for(version))
    recipe = named or read_recipe(_default_recipe(algorithm, root), overrides)
    _check_kind(recipe.config.algorithm, version)
    return Recipe(name=recipe.name, config=_with_model(recipe.config, root)), version


def _with_model(config: "SftConfig", root: Path) -> "SftConfig":
    """Fill in the workspace's model where the recipe names none, and find a folder of the workspace."""
    from trainers.configs import with_model

    filled = with_model(config, read_workspace(root).model)
    inside = root / (filled.model or "")
    if root != Path.cwd() and inside.exists():
        return filled.model_copy(update={"model": str(inside)})
    return filled


def _read_words(words: tuple[str, ...]) -> tuple[str | None, Path | None]:
    """Tell the algorithm word from the recipe."""
    from trainers.configs import find_recipe, recipe_names

    algorithm = words[0] if words and words[0] in ALGORITHMS else None
    rest = words[1:] if algorithm else words
    if len(rest) > 1:
        choices = [*ALGORITHMS, *recipe_names()]
        raise click.UsageError(
            f"expected [ALGORITHM] [RECIPE], found {len(words)} words; "
            f"{rest[0]!r} is no algorithm{nearest(rest[0], choices)}"
        )
    return algorithm, find_recipe(rest[0]) if rest else None


def _version(store: Store, ref: str | None) -> Version:
    """Open the version to train on; raise TrainError in an empty store."""
    if ref is not None:
        return store.resolve(ref)
    newest = store.latest()
    if newest is None:
        raise TrainError(f"{store.root}: holds no dataset version; build one first with: tulu-data mix SPEC")
    return newest


def _algorithm_for(version: Version) -> str:
    for algorithm, kind in ALGORITHMS.items():
        if version.kind == kind:
            return algorithm
    known = ", ".join(ALGORITHMS.values())
    raise TrainError(
        f"{version.ref}: no trainer reads versions of kind {version.kind!r} yet (kinds: {known}); "
        "name another with --data NAME@VERSION"
    )


def _default_recipe(algorithm: str, root: Path) -> Path:
    """Return the workspace's recipe of an algorithm, or the smoke recipe that comes with the package."""
    from trainers.configs import find_recipe

    own = root / "recipes" / f"{algorithm}.yaml"
    return own if own.is_file() else find_recipe(f"{algorithm}_smoke")


def _check_kind(algorithm: str, version: Version) -> None:
    """Raise TrainError when a version's records are not what the algorithm learns from."""
    kind = ALGORITHMS[algorithm]
    if version.kind != kind:
        raise TrainError(
            f"{version.ref}: {algorithm} reads versions of kind {kind!r}, found {version.kind!r}; "
            "name another with --data NAME@VERSION"
        )


def _plan_text(plan: "Plan") -> str:
    """Write a plan for people."""
    data = plan.data
    tokens = f"{data['tokens']:,} tokens, {data['supervised_tokens']:,} supervised"
    lines = [
        f"would train   {plan.model} ({plan.parameters:,} parameters) on {plan.version}",
        f"into          {plan.output}",
        f"data          {data['records']:,} records, {tokens}",
        *(f"              {text}" for text in _overflow_notes(data)),
        f"steps         {plan.steps:,} of {plan.records_per_step:.1f} records on average",
        f"packing       {plan.rows_per_epoch:,} rows an epoch, {plan.packing_efficiency:.1%} full",
        f"compute       {plan.precision} on {plan.device}",
        f"peak memory   {_size(sum(plan.memory.values()))} (estimate)",
        *(f"  {_size(size):>11} {name}" for name, size in plan.memory.items()),
    ]
    return "\n".join(lines)


def _overflow_notes(data: Mapping[str, int]) -> list[str]:
    """Say what overflow and the edges of turns did, where they did something."""
    notes = []
    if data["too_long"]:
        notes.append(
            f"{data['too_long']:,} records longer than max_length: {data['truncated_tokens']:,} tokens cut, "
            f"{data['dropped_tokens']:,} dropped, {data['dropped_records']:,} records left out"
        )
    if data["straddling_tokens"]:
        notes.append(f"{data['straddling_tokens']:,} tokens straddle the edge of an assistant turn")
    return notes


def _size(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**28 else f"{size / 2**20:.1f} MiB"


def _summary_text(job: "Job", summary: "Summary") -> str:
    """Write a summary for people, ending with what to try next."""
    question = "[{'role': 'user', 'content': 'Hello'}]"
    ask = f"print(pipeline('text-generation', '{summary.model}')({question}))"
    slower = f"--set learning_rate={job.recipe.config.learning_rate / 2:g}"
    head = "finished already; give another --output to train again" if summary.already_finished else "trained"
    lines = [
        head,
        f"model         {summary.model}",
        f"version       {summary.version}",
        f"steps         {summary.steps:,}",
        f"tokens        {summary.tokens:,} ({summary.supervised_tokens:,} supervised)",
        f"loss          {summary.first_loss:.4f} -> {summary.last_loss:.4f}",
        f"speed         {summary.tokens_per_second:,.0f} tokens/s, {summary.seconds:.1f} s",
        "",
        "try next",
        f"  tulu-data train {slower} --output {job.output}-2",
        f'  python -c "from transformers import pipeline; {ask}"',
    ]
    return "\n".join(lines)
