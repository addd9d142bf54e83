"""`tulu-data train`: choose version, recipe and output, call one trainer, print what came of it."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tulu_data.errors import MissingExtraError, TrainError, nearest
from tulu_data.schema import Kind
from tulu_data.specs.workspace import Workspace, read_workspace
from tulu_data.store import Store, Version

if TYPE_CHECKING:
    from trainers.configs import Recipe
    from trainers.run import Job, Plan, Summary

ALGORITHMS: dict[str, Kind] = {"sft": "sft"}
"""Algorithm -> kind of the versions it reads."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("words", nargs=-1, metavar="[ALGORITHM] [RECIPE]")
@click.option(
    "--data", metavar="NAME@VERSION", help="Dataset version to train on. Default: the one built last."
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting; repeatable."
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Run folder. Default: runs/<version>-<recipe>."
)
@click.option(
    "--store", type=click.Path(path_type=Path), help="Store of dataset versions. Default: the workspace's."
)
@click.option("--dry-run", is_flag=True, help="Print steps, tokens and predicted memory; train nothing.")
@click.option(
    "--resume", default="auto", show_default=True, metavar="auto|never|PATH", help="Checkpoint to go on from."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    *,
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
    Without arguments: the version built last, recipes/sft.yaml if there is one, and the workspace's model.
    """
    _need_trainers()
    from trainers.run import plan_run
    from trainers.sft import train_sft

    job = _job(words, data=data, overrides=overrides, output=output, store=store, resume=resume)
    if dry_run:
        plan = plan_run(job)
        click.echo(json.dumps(plan.to_dict(), indent=2) if as_json else _plan_text(plan))
        return
    if not as_json:
        click.echo(f"training {job.recipe.config.model} on {job.version.ref} by {job.recipe.name}", err=True)
    summary = train_sft(job)
    click.echo(json.dumps(summary.to_dict(), indent=2) if as_json else _summary_text(job, summary))


def _need_trainers() -> None:
    """Raise MissingExtraError when the train extra is not installed."""
    for module in ("torch", "transformers"):
        if find_spec(module) is None:
            raise MissingExtraError("train", "train", module)


def _job(
    words: tuple[str, ...],
    *,
    data: str | None,
    overrides: tuple[str, ...],
    output: Path | None,
    store: Path | None,
    resume: str,
) -> "Job":
    """Settle what to train on what: arguments first, then the recipe, then the workspace."""
    from trainers.configs import read_recipe, with_model
    from trainers.run import Job, default_output

    workspace = read_workspace(Path())
    algorithm, recipe_path = _read_words(words)
    named = read_recipe(recipe_path, overrides) if recipe_path else None
    wanted = data or (named.config.data if named else None)
    version = _version(_store(store, workspace), wanted)
    algorithm = algorithm or _algorithm_for(version)
    recipe = named or _default_recipe(algorithm, overrides)
    _check_kind(recipe, version)
    recipe = type(recipe)(name=recipe.name, config=with_model(recipe.config, workspace.model))
    folder = output or (
        Path(recipe.config.output) if recipe.config.output else default_output(version, recipe)
    )
    return Job(recipe=recipe, version=version, output=folder, resume=resume, quiet=False)


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


def _store(given: Path | None, workspace: Workspace) -> Store:
    default = Path(workspace.store)
    return Store.default(given or (default if default != Path("store") else None))


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


def _default_recipe(algorithm: str, overrides: tuple[str, ...]) -> "Recipe":
    """Read the workspace's recipe of an algorithm, or the smoke recipe that comes with the package."""
    from trainers.configs import find_recipe, read_recipe

    own = Path("recipes") / f"{algorithm}.yaml"
    return read_recipe(own if own.is_file() else find_recipe(f"{algorithm}_smoke"), overrides)


def _check_kind(recipe: "Recipe", version: Version) -> None:
    kind = ALGORITHMS[recipe.config.algorithm]
    if version.kind != kind:
        raise TrainError(
            f"{version.ref}: {recipe.config.algorithm} reads versions of kind {kind!r}, "
            f"found {version.kind!r}; name another with --data NAME@VERSION"
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
        f'  python -c "{ask}"',
    ]
    return "\n".join(lines)
