"""What the README shows of a terminal is what the commands print in a fresh workspace."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tulu_data.cli.init import write_workspace
from tulu_data.cli.main import group

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
BLOCK = re.compile(r"```console\n\$ tulu-data ((?:decontaminate|mix|dedup)\b[^\n]*)\n(.*?)```", re.DOTALL)
SHOWN = BLOCK.findall(README)
"""Commands, each with what the README shows that it prints; `...` stands for any lines."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    write_workspace(folder)
    return folder


def printed(root: Path, command: str) -> str:
    """Run a command in a workspace; paths start there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("TULU_DATA_STORE", raising=False)
        done = CliRunner().invoke(group, shlex.split(command))
    assert done.exit_code == 0, done.output
    return done.stdout.replace(f"{root}/", "").strip() + "\n"


def test_the_readme_shows_each_of_the_commands() -> None:
    assert [command.split()[0] for command, _ in SHOWN] == ["decontaminate", "mix", "dedup"]


@pytest.mark.parametrize(("command", "said"), SHOWN)
def test_a_command_prints_what_the_readme_shows(root: Path, command: str, said: str) -> None:
    anything = ".*".join(map(re.escape, said.split("...\n")))
    assert re.fullmatch(anything, printed(root, command), re.DOTALL)


def test_a_pair_of_records_is_shown_as_in_the_readme(root: Path) -> None:
    printed(root, "dedup")
    (shown,) = re.findall(r"```\n(\d/\d  near_duplicate .*?)```", README, re.DOTALL)
    assert shown in printed(root, "review reports/dedup --list")
