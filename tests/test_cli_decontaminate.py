"""`tulu-data decontaminate` from the outside: what it prints, writes and refuses."""

import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tulu_data.cli.decontaminate import command
from tulu_data.cli.main import VERBS
from tulu_data.errors import TuluDataError

LEAK = "Natalia sold clips to 48 of her friends in April, and then she sold half as many in May."


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Make a workspace with a suite, a leaking file, a clean file and one that holds no records."""
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "evals/tiny.jsonl", [{"question": LEAK}, {"question": "?"}])
    lines(tmp_path / "data/a/part-0.jsonl", [{"prompt": "Hi.", "completion": "Hi!"}])
    lines(
        tmp_path / "data/b/part-0.jsonl",
        [
            {"prompt": "Hello.", "completion": "Hi!"},
            {"prompt": f"Solve: {LEAK}", "completion": "72"},
            {"prompt": 5},
        ],
    )
    lines(tmp_path / "data/odd.jsonl", [{"x": 1}])
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(command, ["--against", "evals/", *arguments])


def test_the_help_is_the_one_in_the_table():
    assert command.get_short_help_str(limit=200) == VERBS["decontaminate"][1]


def test_without_a_dataset_everything_below_data_is_scanned(workspace):
    done = run()
    assert done.exit_code == 0, done.output
    assert "data/b/part-0.jsonl:2 = tiny/test/1 question, overlap 1.00" in done.output
    assert "not scanned: data/odd.jsonl: " in done.output
    assert "contaminated" in done.output
    assert "next: leave out data/b/part-0.jsonl" in done.output


def test_hits_of_files_with_one_base_name_stay_apart(workspace):
    run()
    hits = pq.read_table(workspace / "reports/decontamination/hits.parquet").to_pylist()
    assert [(h["dataset"], h["source"], h["origin"]) for h in hits] == [
        ("data/b/part-0.jsonl", "data/b/part-0.jsonl", "data/b/part-0.jsonl:2")
    ]
    assert hits[0]["record_spans"] == [{"turn": 0, "start": 7, "end": 7 + len(LEAK) - 1}]


def test_json_accounts_for_every_row(workspace):
    done = run("--json")
    report = json.loads(done.stdout)
    assert report == json.loads((workspace / "reports/decontamination/report.json").read_text("utf-8"))
    for account in report["datasets"]:
        assert account["read"] == account["scanned"] + sum(account["quarantined"].values())
    assert [a["read"] for a in report["datasets"]] == [1, 3]
    assert report["suites"][0]["unmatchable"] == 1


def test_fail_on_hit_exits_with_1_only_when_there_is_one(workspace):
    assert run("--fail-on-hit", "data/b/part-0.jsonl").exit_code == 1
    assert run("--fail-on-hit", "data/a/part-0.jsonl").exit_code == 0


def test_a_clean_dataset_says_so(workspace):
    done = run("data/a/part-0.jsonl")
    assert "no hits by rule tulu3" in done.output
    assert "next: nothing to remove" in done.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--against", "nope/"], "nope/: no such file"),
        (["--against", "evals/", "data/nothing.jsonl"], "data/nothing.jsonl: no such file"),
        (["--against", "evals/", "data/odd.jsonl"], "data/odd.jsonl: "),
        (["--against", "evals/", "--rule", "tulu4"], "rule 'tulu4': no such rule; did you mean 'tulu3'?"),
    ],
)
def test_mistakes_are_one_clear_line(workspace, arguments, text):
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, TuluDataError)
    assert text in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_workspace_without_data_says_what_to_name(workspace):
    for path in sorted((workspace / "data").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (workspace / "data").rmdir()
    done = run()
    assert "no dataset to scan" in str(done.exception)
