"""What a wheel and an sdist carry: code, package data, and nothing of a developer's folder."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from tulu_data import __version__

ROOT = Path(__file__).parents[1]
FILES = ROOT / "tulu_data" / "workspace" / "files"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = builder.build(directory=str(folder), versions=["standard"])
    assert Path(path).name == f"tulu_data-{__version__}-py3-none-any.whl"
    return set(zipfile.ZipFile(path).namelist())


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    builder = pytest.importorskip("hatchling.builders.sdist").SdistBuilder(str(ROOT))
    (path,) = builder.build(directory=str(tmp_path_factory.mktemp("sdist")), versions=["standard"])
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def shipped(folder: Path) -> set[str]:
    paths = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p.relative_to(ROOT)) for p in paths}


def test_the_wheel_carries_both_packages_and_their_data(wheel: set[str]) -> None:
    expected = shipped(ROOT / "tulu_data") | shipped(ROOT / "trainers")
    assert {"tulu_data/py.typed", "trainers/py.typed", "tulu_data/cli/main.py"} <= expected
    assert str((FILES / "data" / "chat.jsonl").relative_to(ROOT)) in expected
    assert any(name.startswith("trainers/recipes/") and name.endswith(".yaml") for name in expected)
    assert expected - wheel == set()


def test_the_wheel_carries_nothing_else_but_its_own_papers(wheel: set[str]) -> None:
    rest = wheel - shipped(ROOT / "tulu_data") - shipped(ROOT / "trainers")
    papers = f"tulu_data-{__version__}.dist-info/"
    assert [name for name in rest if not name.startswith(papers)] == []
    assert f"{papers}licenses/LICENSE" in rest
    assert f"{papers}entry_points.txt" in rest


def test_the_sdist_carries_what_a_packager_needs_to_test_it(sdist: set[str]) -> None:
    expected = {
        ".ci/run", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "constraints.txt",
        "pyproject.toml", "evals/word_problems.jsonl", "mixtures/README.md", "tests/test_wheel.py",
    }  # fmt: skip
    assert expected - sdist == set()
    assert shipped(ROOT / "tulu_data") - sdist == set()


def test_the_sdist_leaves_environments_stores_and_caches_out(sdist: set[str]) -> None:
    unwanted = {".venv", ".git", "demo", "demo.previous", "store", "runs", "dist", "build"}
    assert [name for name in sdist if name.partition("/")[0] in unwanted or "__pycache__" in name] == []
