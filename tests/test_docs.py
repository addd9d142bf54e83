"""Documentation that cannot go stale: commands, options, blocks of terminal text, trees of files."""

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tulu_data import __version__
from tulu_data.cli.main import VERBS, group

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "mixtures" / "README.md",
    ROOT / "pipelines" / "README.md", ROOT / "evals" / "README.md",
    ROOT / "tulu_data" / "workspace" / "files" / "README.md",
]  # fmt: skip
OTHER_COMMANDS = {
    "cat",
    "cd",
    "cp",
    "git",
    "head",
    "ls",
    "make",
    "pip",
    "python",
    "python3",
    "source",
    "zcat",
}
"""Commands of others that a terminal block may show."""


@pytest.fixture(autouse=True)
def _no_cached_help() -> None:
    """Drop the help option that click caches; a test that ran a verb by itself cached another one."""
    for verb in VERBS:
        command = group.get_command(click.Context(group), verb)
        below = command.commands.values() if isinstance(command, click.Group) else ()
        for one in (command, *below):
            if one is not None:
                one._help_option = None


def blocks(path: Path, language: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every fenced block whose language matches a pattern."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        if re.fullmatch(language, found[1]):
            yield found.string.count("\n", 0, found.start()) + 2, found[2]


def typed(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (place, words) of every command in a page's terminal blocks."""
    for first, text in blocks(path, "console"):
        joined = text.replace("\\\n", "  ")
        for number, line in enumerate(joined.splitlines(), first):
            if line.startswith("$ "):
                for part in re.split(r"\s(?:&&|\|)\s", line[2:]):
                    yield f"{path.relative_to(ROOT)}:{number}", shlex.split(part, comments=True)


COMMANDS = [command for page in PAGES if page.is_file() for command in typed(page)]


def documented() -> str:
    return "\n".join(page.read_text("utf-8") for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "reference.py"))
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == reference["page"](), "type: make docs"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_every_option_is_documented(verb: str) -> None:
    text = documented()
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    assert f"tulu-data {verb}" in text
    below = command.commands.values() if isinstance(command, click.Group) else ()
    params = [param for one in (command, *below) for param in one.params if isinstance(param, click.Option)]
    options = [option for param in params for option in param.opts if option.startswith("--")]
    assert [option for option in options if option not in text] == []


def test_the_readme_shows_every_verb_of_the_main_job() -> None:
    shown = {words[1] for place, words in COMMANDS if place.startswith("README") and words[0] == "tulu-data"}
    assert {"decontaminate", "mix", "train"} <= shown


@pytest.mark.parametrize(("place", "words"), COMMANDS, ids=[f"{p} {' '.join(w)}" for p, w in COMMANDS])
def test_a_command_in_a_terminal_block_parses(place: str, words: list[str]) -> None:
    if words[0] != "tulu-data":
        assert words[0] in OTHER_COMMANDS, place
        return
    context = click.Context(group, info_name="tulu-data")
    if len(words) == 1 or words[1].startswith("-"):
        assert {*words[1:]} <= {"--help", "-h", "--version"}, place
        return
    name, command, rest = group.resolve_command(context, words[1:])
    assert command is not None, place
    if not {"--help", "-h"} & {*rest}:
        command.make_context(name, rest, parent=context)


def test_make_targets_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        (page.name, target)
        for page in PAGES
        if page.is_file()
        for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text("utf-8"))
    }
    assert [pair for pair in sorted(named) if pair[1] not in targets] == []


def tree_paths(text: str) -> Iterator[str]:
    """Yield the paths of a file tree: names at the start of a line, indented below their folder."""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip(" "))
        chunks = re.split(r" {2,}", line.strip())
        names = [name for name in chunks[0].split(" ") if re.fullmatch(r"[\w.*/-]*[./*][\w.*/-]*", name)]
        if not names:
            continue
        above = [(depth, folder) for depth, folder in above if depth < indent]
        base = above[-1][1] if above else ""
        for name in names:
            yield base + name
        if names[0].endswith("/"):
            above.append((indent, base + names[0]))


def trees() -> Iterator[tuple[str, str]]:
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md"):
        for line, text in blocks(page, "(?:text)?") if page.is_file() else ():
            if re.search(r"^ *tulu_data/ ", text, re.MULTILINE):
                yield f"{page.name}:{line}", text


def test_the_readme_and_the_architecture_have_a_file_tree() -> None:
    assert {place.partition(":")[0] for place, _ in trees()} == {"README.md", "ARCHITECTURE.md"}


@pytest.mark.parametrize(("place", "text"), list(trees()), ids=[place for place, _ in trees()])
def test_every_name_of_a_file_tree_exists(place: str, text: str) -> None:
    assert [path for path in tree_paths(text) if not any(ROOT.glob(path.rstrip("/")))] == []


def test_a_file_tree_is_read_as_a_person_reads_it() -> None:
    text = (
        "pyproject.toml      one distribution\nREADME.md LICENSE.md\n"
        "a/   folder\n  b.py    x\n  c/\n    d.py e.py\nf/\n"
    )
    assert list(tree_paths(text)) == [
        "pyproject.toml", "README.md", "LICENSE.md", "a/", "a/b.py", "a/c/", "a/c/d.py", "a/c/e.py", "f/",
    ]  # fmt: skip


def test_the_changelog_has_a_section_for_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(
        rf"^## \[{re.escape(__version__)}\] - (\d{{4}}-\d\d-\d\d|unreleased)$", text, re.MULTILINE
    )


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        if page.is_file()
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
