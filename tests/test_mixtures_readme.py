"""What the README of the mixtures shows is what its commands do, one after the other in a fresh workspace."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tulu_data.cli.init import write_workspace
from tulu_data.cli.main import group

README = (Path(__file__).parents[1] / "mixtures" / "README.md").read_text("utf-8")
SPEC = "mixtures/mine.yaml"


def shown() -> list[tuple[str, list[str]]]:
    """Return the commands of the README, each with the lines below it but for those of tables."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"(?m)^\$ tulu-data ", block)[1:]:
            command, *lines = part.splitlines()
            found.append((command, [line for line in lines if line and "  " not in line and line != "..."]))
    return found


def test_the_readme_derives_a_mixture_and_every_command_does_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TULU_DATA_STORE", raising=False)
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    Path(SPEC).write_text(text, "utf-8")
    verbs = []
    for command, lines in shown():
        done = CliRunner().invoke(group, shlex.split(command))
        said = f"{done.output}\nerror: {done.exception}".splitlines()
        assert [line for line in lines if line not in said] == [], command
        assert (done.exit_code != 0) == any(line.startswith("error: ") for line in lines), command
        verbs.append(command.split()[0])
    assert set(verbs) == {"check", "plan", "mix", "tag", "diff", "lock"}


def test_the_readme_names_every_mixture_that_ships() -> None:
    ships = {path.name for path in (Path(__file__).parents[1] / "mixtures").glob("*.yaml")}
    assert set(re.findall(r"^\| `(\w+\.yaml)`", README, re.MULTILINE)) == ships
