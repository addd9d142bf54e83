"""The command line as a whole: light to start, honest in its help, plain in its errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tulu_data import __version__
from tulu_data.cli import main as cli
from tulu_data.errors import SpecError, StoreError

HEAVY = (
    "torch", "transformers", "datasets", "polars", "duckdb", "numba", "pyarrow", "pydantic", "numpy",
    "pandas", "jinja2", "tokenizers", "huggingface_hub", "trainers",
)  # fmt: skip

PROBE = """
import json, sys
from click.testing import CliRunner
from tulu_data.cli.main import group
results = [CliRunner().invoke(group, words) for words in (["--help"], ["--version"], ["mixx"], [])]
print(json.dumps([[r.exit_code for r in results], results[0].output, sorted(sys.modules)]))
"""


def fresh(code: str) -> str:
    """Run code in a new interpreter that has not loaded anything yet."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(autouse=True)
def _no_cached_help() -> None:
    """Drop the help option that click caches; a test that ran a verb by itself cached another one."""
    for verb in cli.VERBS:
        command = cli.group.get_command(click.Context(cli.group), verb)
        if command is not None:
            command._help_option = None


def test_help_loads_nothing_heavy_and_no_verb() -> None:
    codes, output, modules = json.loads(fresh(PROBE))
    assert codes == [0, 0, 2, 2]
    assert "Commands:" in output
    assert [name for name in HEAVY if name in modules] == []
    loaded = {name for name in modules if name.startswith("tulu_data.cli.")}
    assert loaded == {"tulu_data.cli.main"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    modules = json.loads(fresh("import json, sys, tulu_data; print(json.dumps(sorted(sys.modules)))"))
    assert [name for name in HEAVY if name in modules] == []


def test_help_lists_every_verb_with_its_line() -> None:
    output = " ".join(CliRunner().invoke(cli.group, ["--help"]).output.split())
    for verb, (_, text) in cli.VERBS.items():
        assert f"{verb} {text}" in output


@pytest.mark.parametrize("verb", cli.VERBS)
def test_a_verbs_line_in_the_list_is_its_own_short_help(verb: str) -> None:
    command = cli.group.get_command(click.Context(cli.group), verb)
    assert command is not None
    assert command.help
    assert command.get_short_help_str(200) == cli.VERBS[verb][1]


@pytest.mark.parametrize("verb", cli.VERBS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_verb_explains_itself(verb: str, option: str) -> None:
    result = CliRunner().invoke(cli.group, [verb, option], prog_name="tulu-data")
    assert result.exit_code == 0, result.output
    assert f"Usage: tulu-data {verb}" in result.output


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_option_of_a_verb_has_a_help_text(verb: str) -> None:
    command = cli.group.get_command(click.Context(cli.group), verb)
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("mixx", "; did you mean 'mix'?"), ("trian", "; did you mean 'train'?"), ("qqq", "")],
)
def test_a_misspelt_verb_names_the_nearest_and_exits_2(typed: str, hint: str) -> None:
    result = CliRunner().invoke(cli.group, [typed], prog_name="tulu-data")
    assert result.exit_code == 2
    assert f"Error: no command {typed!r}{hint}\n" in result.output


def test_a_misspelt_option_exits_2() -> None:
    result = CliRunner().invoke(cli.group, ["list", "--jsn"], prog_name="tulu-data")
    assert result.exit_code == 2
    assert "--json" in result.output


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(cli.group, ["--version"]).output == f"tulu-data, version {__version__}\n"


def run_main(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def stub() -> None:
        raise error

    monkeypatch.setattr(cli, "group", stub)
    monkeypatch.setattr(sys, "argv", ["tulu-data"])
    cli.main()


def test_an_error_of_the_user_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_main(monkeypatch, StoreError("store: no dataset 'a'"))
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: store: no dataset 'a'\n")


def test_several_spec_problems_are_one_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_main(monkeypatch, SpecError(["a.yaml:1:1 one", "a.yaml:2:1 two"]))
    assert caught.value.code == 1
    assert "a.yaml:1:1 one\na.yaml:2:1 two\n" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run_main(monkeypatch, ZeroDivisionError())


def test_a_key_pressed_inside_a_kernel_aborts_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = SystemError("CPUDispatcher returned a result with an exception set")
    error.__cause__ = KeyboardInterrupt()
    with pytest.raises(SystemExit) as caught:
        run_main(monkeypatch, error)
    assert (caught.value.code, capsys.readouterr().err) == (1, "Aborted!\n")
    with pytest.raises(SystemError):
        run_main(monkeypatch, SystemError("something else"))


def test_a_scan_starts_without_libraries_that_it_does_not_need(tmp_path: Path) -> None:
    (tmp_path / "evals.jsonl").write_text(
        '{"question": "What is the capital of the moon in winter?"}\n', "utf-8"
    )
    (tmp_path / "data.jsonl").write_text('{"prompt": "a", "completion": "b"}\n', "utf-8")
    code = (
        "import gc, os, sys; from tulu_data.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, *({'pandas', 'scipy', 'torch'} & sys.modules.keys()))\n"
        "print(os.environ['OPENBLAS_NUM_THREADS'], gc.get_freeze_count() > 10_000)"
    )
    words = ["decontaminate", "data.jsonl", "--against", "evals.jsonl", "--out", "report"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"},
    )  # fmt: skip
    assert done.stdout.splitlines()[-2:] == ["0", "1 True"]


def test_a_command_that_uses_duckdb_ends_without_a_word_of_its_binding(tmp_path: Path) -> None:
    spec = "version: 1\nname: m\nkind: sft\ndecontaminate: none\nsources: {a: {uri: a.csv, where: x > 1}}\n"
    (tmp_path / "m.yaml").write_text(spec, "utf-8")
    (tmp_path / "a.csv").write_text("x\n1\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tulu_data", "check", "m.yaml"], cwd=tmp_path, capture_output=True, text=True,
        check=True, env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("m.yaml: ok\n", "")
