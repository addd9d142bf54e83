"""Recipes and overrides: every mistake at its place, every shipped recipe with the published numbers."""

from pathlib import Path

import pytest
from trainer_fixtures import REPOSITORY

from trainers.configs import SftConfig, find_recipe, read_recipe, recipe_names, to_yaml
from tulu_data.errors import SpecError, TrainError


def recipe(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", recipe_names())
def test_every_packaged_recipe_reads(name):
    assert read_recipe(find_recipe(name)).name == name


def test_the_demo_recipe_reads():
    path = REPOSITORY / "tulu_data" / "workspace" / "files" / "recipes" / "sft.yaml"
    assert read_recipe(path).config.init == "random"


@pytest.mark.parametrize(
    ("size", "learning_rate", "batch_size"), [("8b", 5e-6, 128), ("70b", 2e-6, 128), ("405b", 2e-6, 256)]
)
def test_the_tulu_3_recipes_hold_the_published_numbers(size, learning_rate, batch_size):
    found = read_recipe(find_recipe(f"sft_tulu3_{size}")).config
    assert (found.learning_rate, found.batch_size) == (learning_rate, batch_size)
    assert (found.max_length, found.num_epochs, found.schedule) == (4096, 2, "linear")
    assert (found.warmup_ratio, found.weight_decay, found.precision) == (0.03, 0.0, "bf16")
    assert found.packing == "step"


def test_every_setting_is_explained():
    assert [name for name, field in SftConfig.model_fields.items() if not field.description] == []


def test_a_config_survives_being_written_and_read(tmp_path):
    config = SftConfig(model="m", steps=3, adam_betas=(0.9, 0.95), max_grad_norm=None, track=("wandb",))
    assert read_recipe(recipe(tmp_path, to_yaml(config))).config == config


def test_mistakes_in_a_recipe_are_reported_at_their_places(tmp_path):
    path = recipe(tmp_path, "algorithm: sft\nlearning_rat: 1e-5\nbatch_size: many\nschedule: linaer\n")
    with pytest.raises(SpecError) as caught:
        read_recipe(path)
    text = str(caught.value)
    assert f"{path}:2:1 learning_rat: unknown key 'learning_rat'; did you mean 'learning_rate'?" in text
    assert f"{path}:3:13 batch_size: expected a whole number, found 'many'" in text
    assert f"{path}:4:11 schedule: expected one of constant, cosine, linear, found 'linaer'" in text


def test_overrides_are_read_like_yaml_and_win(tmp_path):
    path = recipe(tmp_path, "algorithm: sft\nepochs: 2\nlearning_rate: 1e-5\n")
    found = read_recipe(
        path, ["learning_rate=3e-4", "steps=7", "max_grad_norm=null", "adam_betas=[0.8, 0.9]", "model=a/b"]
    ).config
    assert (found.learning_rate, found.steps, found.epochs, found.model) == (3e-4, 7, None, "a/b")
    assert (found.max_grad_norm, found.adam_betas) == (None, (0.8, 0.9))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batch_size", "--set batch_size: expected KEY=VALUE, found no '='"),
        ("batch_sise=3", "--set batch_sise: unknown key 'batch_sise'; did you mean 'batch_size'? (known: "),
        ("batch_size=x", "--set batch_size: expected a whole number, found 'x'"),
        ("batch_size=0", "--set batch_size: must be at least 1, found 0"),
        ("packing=globl", "--set packing: expected one of global, none, step, found 'globl'; did you mean"),
        ("adam_betas=[0.9, 2]", "--set adam_betas: must be below 1, found 2"),
        ("model=[", "--set model:1:2 not YAML: "),
        ("micro_batch_tokens=64", "--set micro_batch_tokens: must be at least max_length (4096), found 64"),
    ],
)
def test_a_mistaken_override_says_what_would_do(tmp_path, override, message):
    with pytest.raises(SpecError) as caught:
        read_recipe(recipe(tmp_path, "algorithm: sft\n"), [override])
    assert str(caught.value).startswith(message)


def test_several_mistaken_overrides_are_reported_at_once(tmp_path):
    given = ["batch_sise=3", "batch_size=x", "packing", "schedule=linaer"]
    with pytest.raises(SpecError) as caught:
        read_recipe(recipe(tmp_path, "algorithm: sft\nseed: -1\n"), given)
    problems = "\n".join(sorted(caught.value.problems))
    for start in (
        "--set batch_sise: unknown", "--set batch_size: expected a", "--set packing: expected KEY=VALUE",
        "--set schedule: expected one of", f"{tmp_path / 'mine.yaml'}:2:7 seed: must be at least 0",
    ):  # fmt: skip
        assert start in problems
    assert len(caught.value.problems) == 5


def test_steps_and_epochs_exclude_each_other(tmp_path):
    path = recipe(tmp_path, "algorithm: sft\nepochs: 2\nsteps: 3\n")
    with pytest.raises(SpecError, match="3:1 steps: give epochs or steps, not both"):
        read_recipe(path)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(TrainError, match="no recipe 'sft_smok'; did you mean 'sft_smoke'"):
        find_recipe("sft_smok")
