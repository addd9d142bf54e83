"""`tulu-data train`: choose version, recipe and output, call one trainer, print what came of it."""

import contextlib
import itertools
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
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
from tulu_data.store.version import SHORT

if TYPE_CHECKING:
    from trainers.configs import Recipe, SftConfig
    from trainers.run import Plan, Summary

ALGORITHMS: dict[str, Kind] = {"sft": "sft"}
"""Algorithm -> kind of the versions it reads."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it: 128 and the signal's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user gave to choose recipe and version by."""

    words: tuple[str, ...]
    data: str | None
    overrides: tuple[str, ...]
    store: Path | None


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
    asked = Asked(words=words, data=data, overrides=overrides, store=store)
    try:
        _run(asked, output, resume, dry_run=dry_run, as_json=as_json)
    except KeyboardInterrupt as stop:
        click.echo(str(stop) or "stopped; nothing was trained", err=True)
        raise SystemExit(INTERRUPTED) from None


def _run(asked: "Asked", output: Path | None, resume: str, *, dry_run: bool, as_json: bool) -> None:
    """Check everything that needs no torch, then plan or train."""
    from trainers.configs import check_resume

    _need_trainers()
    checkpoint = check_resume(resume)
    root = workspace_root(Path())
    recipe, version = _choose(asked, root)
    folder = output or _below(root, Path(recipe.config.output or _default_output(version, recipe)))
    from trainers.run import Job, plan_run
    from trainers.sft import train_sft

    job = Job(
        recipe=recipe,
        version=version,
        output=_from(root, folder),
        resume=resume if checkpoint is None else str(_from(root, checkpoint)),
    )
    with contextlib.chdir(root):  # a model of the workspace has one name, wherever the command is given
        if dry_run:
            plan = plan_run(job)
            print_json(plan.to_dict()) if as_json else click.echo(_plan_text(plan))
            return
        stage(f"train: {recipe.config.model} on {version.ref} by {recipe.name}")
        summary = train_sft(job)
    again = _another(asked, folder, recipe.config.learning_rate / 2)
    print_json(summary.to_dict()) if as_json else click.echo(_summary_text(summary, again))


def _below(root: Path, folder: Path) -> Path:
    """Return a folder of the workspace as it is called from here."""
    return folder if root == Path.cwd() else root / folder


def _from(root: Path, path: Path) -> Path:
    """Return a path given from here as it is called from the workspace."""
    return path if root == Path.cwd() else path.absolute()


def _default_output(version: Version, recipe: "Recipe") -> Path:
    """Return the run folder of a version and a recipe: runs/<name>-<short id>-<recipe>."""
    return Path("runs") / f"{version.name}-{version.content_id[:SHORT]}-{recipe.name}"


def _need_trainers() -> None:
    """Raise MissingExtraError when the train extra is not installed."""
    for module in ("torch", "transformers"):
        if find_spec(module) is None:
            raise MissingExtraError("train", "train", module)


def _choose(asked: "Asked", root: Path) -> tuple["Recipe", Version]:
    """Settle what to train on what: arguments first, then the recipe, then the workspace."""
    from trainers.configs import Recipe, read_recipe

    algorithm, path = _read_words(asked.words)
    named = read_recipe(path, asked.overrides) if path else None
    store = open_store(_from(root, asked.store) if asked.store else None, root)
    version = _version(store, asked.data or (named.config.data if named else None))
    algorithm = algorithm or (named.config.algorithm if named else _algorithm_for(version))
    recipe = named or read_recipe(_default_recipe(algorithm, root), asked.overrides)
    _check_kind(recipe.config.algorithm, version)
    return Recipe(name=recipe.name, config=_with_model(recipe.config, root)), version


def _with_model(config: "SftConfig", root: Path) -> "SftConfig":
    """Fill in the workspace's model where the recipe names none; a path means the workspace's first."""
    from trainers.configs import with_model

    filled = with_model(config, read_workspace(root).model)
    model = Path(filled.model or "")
    if not (root / model).exists() and model.exists():
        return filled.model_copy(update={"model": str(model.absolute())})
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
    raise _no_trainer(version)


def _no_trainer(version: Version) -> TrainError:
    """Say that a version's kind has no trainer yet, and what can be done with the version."""
    known = ", ".join(ALGORITHMS.values())
    return TrainError(
        f"{version.ref}: there is no trainer for versions of kind {version.kind!r} yet (only for {known}); "
        f"read it with another tool ({version.path}), or name another version with --data NAME@VERSION"
    )


def _default_recipe(algorithm: str, root: Path) -> Path:
    """Return the workspace's recipe of an algorithm, or the smoke recipe that comes with the package."""
    from trainers.configs import find_recipe

    own = root / "recipes" / f"{algorithm}.yaml"
    return own if own.is_file() else find_recipe(f"{algorithm}_smoke")


def _check_kind(algorithm: str, version: Version) -> None:
    """Raise TrainError when a version's records are not what the algorithm learns from."""
    if version.kind != ALGORITHMS[algorithm]:
        raise _no_trainer(version)


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


def _another(asked: "Asked", folder: Path, rate: float) -> str:
    """Write the command that was given with another learning rate and a folder of its own."""
    changed = ("learning_rate", "output")
    kept = [text for text in asked.overrides if text.partition("=")[0].strip() not in changed]
    words = ["tulu-data", "train", *asked.words]
    words += ["--data", asked.data] if asked.data else []
    words += ["--store", str(asked.store)] if asked.store else []
    for text in (*kept, f"learning_rate={rate:g}"):
        words += ["--set", text]
    return shlex.join([*words, "--output", str(_next_folder(folder))])


def _next_folder(folder: Path) -> Path:
    """Return the first free name among folder-2, folder-3, ...; a number that is there is counted on."""
    numbered = re.fullmatch(r"(.+)-([2-9]|[1-9]\d)", folder.name)
    stem = numbered[1] if numbered else folder.name
    numbers = itertools.count(int(numbered[2]) + 1 if numbered else 2)
    names = (folder.with_name(f"{stem}-{n}") for n in numbers)
    return next(name for name in names if not name.exists())


def _summary_text(summary: "Summary", again: str) -> str:
    """Write a summary for people, ending with what to try next."""
    question = "[{'role': 'user', 'content': 'Hello'}]"
    ask = f"print(pipeline('text-generation', '{summary.model}')({question}))"
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
        f"  {again}",
        f'  python -c "from transformers import pipeline; {ask}"',
    ]
    return "\n".join(lines)
