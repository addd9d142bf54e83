"""Every YAML file that ships is read by the model that it is written for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tulu_data.specs.lock import read_lock
from tulu_data.specs.mixture import read_mixture
from tulu_data.specs.suite import ROLES, read_suites
from tulu_data.specs.workspace import WORKSPACE_FILE, Workspace, read_workspace

ROOT = Path(__file__).parents[1]
FILES = ROOT / "tulu_data" / "workspace" / "files"
PLACES = (ROOT / "mixtures", ROOT / "evals", ROOT / "pipelines", ROOT / "trainers" / "recipes", FILES)
SHIPPED = sorted(p for place in PLACES for p in place.rglob("*.y*ml"))


def recipe(path: Path) -> object:
    # Reading a recipe needs no torch, but it lives with the trainers.
    return pytest.importorskip("trainers.configs").read_recipe(path)


def lock(path: Path) -> object:
    return read_lock(path.with_name(path.name.replace(".lock.yaml", ".yaml")))


READERS: dict[str, Callable[[Path], object]] = {
    "evals": read_suites,
    "mixtures": read_mixture,
    "recipes": recipe,
}
"""Folder -> how its files are read; a folder that is missing here has no format yet."""


def reader(path: Path) -> Callable[[Path], object]:
    if path.name == WORKSPACE_FILE:
        return lambda file: read_workspace(file.parent)
    if path.name.endswith(".lock.yaml"):
        return lock
    folders = [name for name in path.relative_to(ROOT).parts if name in READERS]
    assert folders, f"{path}: no model reads this file; add its folder to READERS, or remove it"
    return READERS[folders[-1]]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_shipped_spec_is_read_by_its_model(path: Path) -> None:
    assert reader(path)(path) is not None


def test_the_workspace_ships_a_mixture_a_recipe_and_its_settings() -> None:
    names = {str(path.relative_to(FILES)) for path in SHIPPED if FILES in path.parents}
    assert {"mixtures/demo.yaml", "recipes/sft.yaml", "tulu-data.yaml"} <= names
    assert read_workspace(FILES) == Workspace(version=1, store="store", model="models/tiny")


def test_shipped_mixtures_pin_no_commit_that_was_typed_by_hand() -> None:
    for path in (p for p in SHIPPED if "mixtures" in p.parts and not p.name.endswith(".lock.yaml")):
        for source in read_mixture(path).mixture.sources.values():
            assert source.revision is None or len(source.revision) != 40, f"{path}: {source.uri}"


def test_the_suites_of_tulu_3_ship_in_two_roles_and_pin_no_commit_that_was_typed_by_hand() -> None:
    suites = read_suites(ROOT / "evals" / "tulu3.yaml").spec.suites
    roles = {role: {name for name, suite in suites.items() if suite.role == role} for role in ROLES}
    assert roles["development"] == {
        "mmlu", "popqa", "truthfulqa", "bbh", "drop", "math", "gsm8k", "humaneval", "humaneval_plus",
        "ifeval", "alpaca_eval_2", "xstest", "harmbench", "do_anything_now", "jailbreak_trigger",
        "wildjailbreak_test", "wildguard_test",
    }  # fmt: skip
    assert roles["unseen"] == {
        "mmlu_pro", "gpqa", "agieval_english", "deepmind_mathematics", "bigcodebench_hard",
        "ifeval_ood", "href",
    }  # fmt: skip
    assert [
        name for name, suite in suites.items() if not suite.is_hub or len(suite.revision or "") == 40
    ] == []
