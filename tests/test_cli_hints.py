"""What verbs print after `next:`: each command of it works as it stands, where it was printed."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tulu_data.cli.hints import again, typed
from tulu_data.cli.main import group
from tulu_data.store import Store

NAME = "work space's"
"""A workspace whose name a shell would part."""
MORE = {"train": ["--dry-run"], "push": ["--yes"]}
"""What is added so that no test trains."""


def run(words: list[str]) -> Result:
    done = CliRunner().invoke(group, words, prog_name="tulu-data")
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done


def hints(done: Result) -> list[str]:
    """Return the commands that are printed to be typed next."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("next: ")]
    assert len(lines) == 1, done.stdout
    parts = re.split(r", or |, which |; ", lines[0].removeprefix("next: "))
    return [part for part in parts if part.startswith(("tulu-data ", "cd "))]


def follow(done: Result) -> Iterator[tuple[str, Result]]:
    """Type each of the commands as a shell reads it."""
    here = Path.cwd()
    for line in hints(done):
        words = shlex.split(line)
        if words[0] == "cd":
            assert words[2] == "&&"
            os.chdir(words[1])
            words = words[3:]
        assert words.pop(0) == "tulu-data"
        yield line, run([*words, *MORE.get(words[0], [])])
        os.chdir(here)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a workspace in it."""
    folder = tmp_path_factory.mktemp("hints")
    run(["init", str(folder / NAME)])
    return folder


@pytest.fixture(params=["inside", "below", "outside", "elsewhere", "environment"])
def at(
    request: pytest.FixtureRequest, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[str]]:
    """Stand inside a workspace, below or outside of it, with its own store or another; return both."""
    monkeypatch.delenv("TULU_DATA_STORE", raising=False)
    inside = ready / NAME
    monkeypatch.chdir({"below": inside / "data", "outside": ready}.get(request.param, inside))
    if request.param == "environment":
        monkeypatch.setenv("TULU_DATA_STORE", "their store")
    return inside, ["--store", "my store"] if request.param == "elsewhere" else []


def test_what_is_said_after_a_build_finds_it(at: tuple[Path, list[str]]) -> None:
    place, store = at
    spec = os.path.relpath(place / "mixtures" / "demo.yaml")
    said = dict(follow(run(["mix", spec, *store])))
    assert [re.split("tulu-data ", line)[1].split()[0] for line in said] == ["show", "train"]
    shown = next(iter(said.values()))
    assert shown.stdout.startswith("demo@")
    after = dict(follow(shown))
    assert len(after) == 2
    (page,) = (done for line, done in after.items() if line.startswith("tulu-data view"))
    ((line, second),) = follow(page)
    assert "--from 6" in line
    assert second.stdout.startswith("6/")


def test_what_is_said_of_other_verbs_works_too(at: tuple[Path, list[str]], tmp_path: Path) -> None:
    place, store = at
    os.chdir(place)
    run(["mix", "mixtures/demo.yaml", *store])
    list(follow(run(["push", "demo", "--to", f"file://{tmp_path}/a shelf", "--yes", *store])))
    pulled = run(["pull", f"file://{tmp_path}/a shelf/demo", "--store", str(tmp_path / "an other")])
    assert [done.stdout.split("@")[0] for _, done in follow(pulled)] == ["demo"]
    os.chdir(place / "data")
    report = ["--out", str(tmp_path / "a report")]
    for verb in (["decontaminate", "--against", "../evals"], ["dedup"]):
        for where in ([], report):
            assert [done.exit_code for _, done in follow(run([*verb, *where, *store]))] == [0]


def test_specs_that_are_written_are_named_as_a_shell_reads_them(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TULU_DATA_STORE", raising=False)
    monkeypatch.chdir(ready / NAME / "data")
    Path("list.yaml").write_text("dataset_mixer_list: [a/b, 1.0]")
    for out in ("a spec.yaml", "-x.yaml"):
        done = run(["import", "open-instruct", "list.yaml", "--out", out])
        assert [result.exit_code for _, result in follow(done)] == [0]
    added = run(["evals", "add", "again", "../evals/short_facts.jsonl", "--to", "my suites.yaml"])
    assert [line for line, _ in follow(added)] == ["tulu-data decontaminate --against 'my suites.yaml'"]
    Path("hub suites.yaml").write_text("version: 1\nsuites: {far: {uri: hf://nobody/has}}")
    listed = run(["evals", "list", "hub suites.yaml"])
    assert hints(listed) == ["tulu-data evals fetch 'hub suites.yaml'"]


def test_a_workspace_without_a_model_is_not_told_to_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TULU_DATA_STORE", raising=False)
    Path("a.jsonl").write_text('{"prompt": "p", "completion": "c"}\n')
    Path("m.yaml").write_text(
        "version: 1\nname: m\nkind: sft\ndecontaminate: none\nsources: {a: {uri: a.jsonl}}\n"
    )
    assert [line.split()[1] for line, _ in follow(run(["mix", "m.yaml"]))] == ["show"]


WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(word=WORD, many=st.lists(WORD, max_size=3), number=st.integers(0, 9), flag=st.booleans())
@example(word="-0", many=["-1"], number=0, flag=False)
@settings(max_examples=60, deadline=None)
def test_a_command_that_is_said_again_means_the_same(
    word: str, many: list[str], number: int, flag: bool
) -> None:
    seen: list[dict[str, object]] = []

    @click.command()
    @click.argument("word")
    @click.option("--many", "-m", multiple=True)
    @click.option("--on/--off", default=True)
    @click.option("--from", "start", type=int, default=0)
    def verb(word: str, many: tuple[str, ...], on: bool, start: int) -> None:
        seen.append({"word": word, "many": many, "on": on})
        click.echo(again(start=start + 1), nl=False)

    given_words = [*(f"--many={one}" for one in many), *([] if flag else ["--off"]), f"--from={number}"]
    said = CliRunner().invoke(verb, [*given_words, "--", word], prog_name="tulu-data")
    words = shlex.split(said.stdout)
    assert words.pop(0) == "tulu-data"
    repeated = CliRunner().invoke(verb, words, prog_name="tulu-data")
    assert repeated.exit_code == 0, repeated.output
    assert seen[0] == seen[1]
    assert f"--from {number + 2}" in repeated.stdout


def test_a_store_that_would_be_opened_anyway_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TULU_DATA_STORE", raising=False)
    Path("tulu-data.yaml").write_text("version: 1\nstore: kept/here\n")
    assert typed("view", "m", store=Store(Path("kept/here"))) == "tulu-data view m"
    assert typed("view", "m", store=Store(Path("store"))) == "tulu-data view m --store store"
