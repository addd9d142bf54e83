"""`tulu-data decontaminate` from the outside: what it prints, writes and refuses."""

import gzip
import hashlib
import json
import re

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from store_fixtures import written

from tulu_data.cli.decontaminate import command
from tulu_data.cli.evals import command as evals
from tulu_data.cli.main import VERBS
from tulu_data.errors import TuluDataError
from tulu_data.report.tables import percent
from tulu_data.specs.decisions import Decision, Decisions, write_decisions
from tulu_data.store import Store

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
    assert "next: tulu-data review, which shows the hits; leave out data/b/part-0.jsonl" in done.output


def test_without_a_dataset_the_newest_versions_are_scanned_beside_the_files(workspace):
    store = Store(workspace / "store")
    written(store, ["Hello."], name="old")
    version = written(store, [LEAK], name="old", time="2030-01-02")
    done = run("--json")
    assert done.exit_code == 0, done.output
    names = [account["dataset"] for account in json.loads(done.stdout)["datasets"]]
    assert names == [version.ref, "data/a/part-0.jsonl", "data/b/part-0.jsonl"]
    assert {row["dataset"] for row in pq.read_table("reports/decontamination/hits.parquet").to_pylist()} == {
        version.ref, "data/b/part-0.jsonl",
    }  # fmt: skip


def test_the_role_of_a_suite_is_shown_and_a_development_suite_advises_to_drop_no_source(workspace):
    town = "{uri: evals/tiny.jsonl, role: development, fields: {question: question}}"
    (workspace / "roles.yaml").write_text(f"version: 1\nsuites: {{town: {town}}}", "utf-8")
    done = CliRunner().invoke(command, ["--against", "roles.yaml"])
    assert done.exit_code == 0, done.output
    starts = ("source ", "data/b/part-0.jsonl  town")
    heads, row = (line for line in done.stdout.splitlines() if line.startswith(starts))
    assert heads.split()[:4] == ["source", "suite", "role", "split"]
    assert row.split()[1:4] == ["town", "development", "test"]
    assert row.endswith("contaminated: drop matches")
    assert "next: tulu-data review, which shows the hits; drop the matching records" in done.stdout
    assert "above the threshold" not in done.stdout
    assert "role" not in run().stdout


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


def test_a_folder_that_takes_no_report_is_refused_before_the_scan(workspace, monkeypatch):
    def scanned(*_arguments, **_options):
        raise AssertionError("scanned")

    monkeypatch.setattr("tulu_data.decontaminate.audit.audit", scanned)
    (workspace / "file").write_text("")
    for folder in ("file/out", "/proc/nope/x"):
        error = run("--out", folder).exception
        assert isinstance(error, TuluDataError)
        assert str(error).startswith(f"{folder}: no report can be written (")
        assert str(error).endswith("); name another folder: --out")


def test_a_torn_file_of_data_or_of_a_suite_is_told_with_the_row_that_it_ends_at(workspace):
    def torn(name, rows):
        whole = gzip.compress("".join(f"{json.dumps(row)}\n" for row in rows).encode())
        (workspace / name).write_bytes(whole[: len(whole) // 2])

    noise = [hashlib.sha256(str(k).encode()).hexdigest() * 20 for k in range(200)]
    torn("data/torn.jsonl.gz", [{"prompt": LEAK, "completion": text} for text in noise])
    torn("evals/cut.jsonl.gz", [{"question": text} for text in noise])
    done = run("data/torn.jsonl.gz")
    assert done.exit_code == 0, done.output
    report = json.loads((workspace / "reports/decontamination/report.json").read_text())
    (account,) = report["datasets"]
    cut = next(suite for suite in report["suites"] if suite["name"] == "cut")
    assert 0 < account["scanned"] < 200
    assert 0 < cut["instances"] < 200
    ends = (
        f"warning: data/torn.jsonl.gz: nothing after row {account['scanned']:,} could be read (gz data ends"
    )
    assert ends in done.stderr
    cut_ends = f"warning: evals/cut.jsonl.gz: nothing after row {cut['instances']:,} could be read; get the"
    assert cut_ends in done.stderr
    torn("data/torn.jsonl.gz", [{"prompt": "fine", "completion": text} for text in noise])
    advice = "nothing to remove in what was scanned, but 1 of the files is torn; step"
    assert advice in run("data/torn.jsonl.gz").stdout
    added = CliRunner().invoke(evals, ["add", "cut", "evals/cut.jsonl.gz", "--question", "question"])
    assert cut_ends in added.stderr


def test_a_file_that_is_named_twice_is_scanned_once(workspace):
    (workspace / "link.jsonl").symlink_to("data/b/part-0.jsonl")
    done = run("data/b/part-0.jsonl", "./data/b/part-0.jsonl", "link.jsonl", "data/b", "data/a")
    assert done.exit_code == 0, done.output
    report = json.loads((workspace / "reports/decontamination/report.json").read_text())
    assert [account["dataset"] for account in report["datasets"]] == ["data/b/part-0.jsonl", "data/a"]
    for name in ("./data/b/part-0.jsonl", "link.jsonl", "data/b"):
        assert f"warning: {name}: the same data as data/b/part-0.jsonl; read once" in done.stderr


def test_fail_on_hit_exits_with_1_only_when_there_is_one(workspace):
    assert run("--fail-on-hit", "data/b/part-0.jsonl").exit_code == 1
    assert run("--fail-on-hit", "data/a/part-0.jsonl").exit_code == 0


def test_a_clean_dataset_says_so(workspace):
    done = run("data/a/part-0.jsonl")
    assert "no hits by rule tulu3" in done.output
    assert "next: nothing to remove" in done.output


QA = [{"question": f"Please solve this: {LEAK}", "answer": "72"}, {"question": "Hi?", "answer": "Hi."}]
MAPPED = ("--columns", "prompt=question", "--columns", "completion=answer")


def test_a_dataset_without_a_record_is_never_called_clean(workspace):
    lines(workspace / "bad.jsonl", [{"prompt": 5, "completion": "x"}, {"prompt": 6, "completion": "x"}])
    for more in ((), ("--fail-on-hit",), ("--json",)):
        done = run("bad.jsonl", *more)
        assert done.exit_code == 1
        assert done.stderr == (
            "warning: bad.jsonl: none of its 2 rows could be read as records (broken messages 2); "
            "nothing was looked at\n"
        )
    done = run("bad.jsonl")
    assert "nothing was scanned" in done.stdout
    assert "no hits" not in done.stdout
    assert "nothing to remove" not in done.stdout


def test_an_empty_file_is_never_called_clean(workspace):
    (workspace / "empty.jsonl").touch()
    done = run("empty.jsonl")
    assert (done.exit_code, done.stderr) == (
        1, "warning: empty.jsonl: it has no rows; nothing was looked at\n",
    )  # fmt: skip
    assert "nothing to remove" not in done.stdout


def test_one_unread_dataset_among_others_is_named_and_the_advice_does_not_cover_it(workspace):
    (workspace / "empty.jsonl").touch()
    done = run("data/a/part-0.jsonl", "empty.jsonl")
    assert (done.exit_code, done.stderr.count("warning: ")) == (0, 1)
    assert "next: nothing to remove in what was scanned, but 1 of the datasets were not;" in done.stdout


def test_a_sub_folder_scans_and_reports_to_the_workspace(workspace, monkeypatch):
    (workspace / "tulu-data.yaml").write_text("version: 1\n", "utf-8")
    monkeypatch.chdir(workspace / "data/b")
    done = CliRunner().invoke(command, ["--against", "../../evals"])
    assert done.exit_code == 0, done.output
    assert "data/b/part-0.jsonl:2 = tiny/test/1 question" in done.stdout
    assert "wrote ../../reports/decontamination/hits.parquet, ../../reports/" in done.stdout
    assert (workspace / "reports/decontamination/report.json").is_file()
    assert [p.name for p in (workspace / "data/b").iterdir()] == ["part-0.jsonl"]


def test_a_dataset_that_is_typed_lies_in_the_current_folder(workspace, monkeypatch):
    (workspace / "tulu-data.yaml").write_text("version: 1\n", "utf-8")
    monkeypatch.chdir(workspace / "data/b")
    done = CliRunner().invoke(command, ["--against", "../../evals", "part-0.jsonl", "--json"])
    assert [a["dataset"] for a in json.loads(done.stdout)["datasets"]] == ["part-0.jsonl"]


@pytest.mark.parametrize("typed", [(), ("data",), ("data/**",)])
def test_reports_the_store_and_hidden_folders_are_no_data(workspace, typed):
    (workspace / "data/odd.jsonl").unlink()
    for folder in ("data/reports", "data/store/web", "data/.cache"):
        lines(workspace / folder / "rows.jsonl", [{"prompt": LEAK, "completion": "72"}])
    done = run(*typed, "--out", "data/reports", "--store", "data/store", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (sum(a["read"] for a in report["datasets"]), report["hits"]) == (4, 1)


def test_a_folder_with_reports_only_is_refused(workspace):
    run()
    done = run("reports")
    assert "its data files all lie in" in str(done.exception)


def test_what_can_hardly_be_found_stands_below_the_suites(workspace):
    lines(workspace / "evals/short.jsonl", [{"question": "Who won?"}, {"question": "Why?"}])
    out = run("data/a/part-0.jsonl").stdout
    assert "\n2 of 4 instances have fewer than 4 words and match only a whole turn\n" in out
    assert "\n1 of 4 instances are unmatchable: without a single word, no rule finds them\n" in out
    lines(workspace / "evals/short.jsonl", [{"question": LEAK}])
    lines(workspace / "evals/tiny.jsonl", [{"question": LEAK}])
    out = run("data/a/part-0.jsonl").stdout
    assert "whole turn" not in out
    assert "no rule finds" not in out


def test_tables_have_headings_and_gaps_and_no_trailing_spaces(workspace):
    out = run().stdout
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    assert [block.splitlines()[0] for block in out.split("\n\n")[:4]] == [
        "suites", "hits by rule tulu3 in user turns", "examples", "datasets",
    ]  # fmt: skip


def test_of_many_suites_only_those_with_hits_are_listed(workspace):
    for k in range(25):
        lines(workspace / f"evals/more{k}.jsonl", [{"question": f"Question number {k} of a long list?"}])
    out = run("data/b/part-0.jsonl").stdout
    assert "evals/tiny.jsonl" in out
    assert "more3" not in out
    assert "\n26 suites, 1 of them with hits, 27 instances, 0 bad rows\n" in out
    assert out.count("evals/") == 1
    out = run("data/a/part-0.jsonl").stdout
    assert out.startswith("suites\n26 suites, 27 instances, 0 bad rows\n")


def test_examples_are_of_as_many_pairs_as_possible_the_most_hit_first(workspace):
    texts = [" ".join(f"w{k}x{j}" for j in range(12)) for k in range(9)]
    lines(workspace / "evals/tiny.jsonl", [{"question": text} for text in texts])
    for name, some in {"a": texts[:1], "b": texts[1:5], "c": texts[2:9]}.items():
        rows = [{"prompt": text, "completion": "x"} for text in some]
        lines(workspace / f"data/{name}/part-0.jsonl", rows)
    found = re.findall(r"data/(.)/part-0.jsonl:(\d) = tiny", run("data/a", "data/b", "data/c").stdout)
    assert found == [("c", "1"), ("c", "2"), ("b", "1"), ("b", "2"), ("a", "1")]


def test_many_pairs_without_a_hit_are_one_line_below_the_hits(workspace):
    part = " ".join(f"w{j}" for j in range(30))
    for k in range(7):
        whole = f"{part} {' '.join(f'k{k}x{j}' for j in range(90))}"
        lines(workspace / f"evals/e{k}.jsonl", [{"question": whole}])
    lines(workspace / "data/a/part-0.jsonl", [{"prompt": f"Go on: {part}", "completion": "x"}])
    out = CliRunner().invoke(command, ["--against", "evals/", "data/a", "--rule", "any-13"]).stdout
    report = json.loads((workspace / "reports/decontamination/report.json").read_text())
    count = sum(1 for row in report["table"] if row["common"] + row["partials"] + row["templates"])
    assert (count, report["hits"]) == (7, 0)
    assert (
        "\nno hits by rule any-13 in user turns\n7 pairs of source and suite with other matches only (7 "
        in out
    )
    out = CliRunner().invoke(command, ["--against", "evals/", "data/a", "data/b", "--rule", "any-13"]).stdout
    assert "\nand 7 pairs of source and suite with other matches only (7 " in out
    assert "e3" not in out.partition("hits by rule")[2].partition("datasets")[0]


def test_a_small_share_has_one_decimal_more():
    assert [percent(share) for share in (0.225, 0.001, 0.00076)] == ["22.50%", "0.10%", "0.076%"]


def test_columns_that_fit_no_layout_say_in_short_what_would_do(workspace):
    lines(workspace / "qa.jsonl", QA)
    assert str(run("qa.jsonl").exception) == (
        "qa.jsonl: fits no known layout (columns: answer, question); say what is what with "
        "--columns prompt=question --columns completion=answer (or --adapter, --kind), or in a mixture spec "
        "with columns: {prompt: question, completion: answer} and try it with mix --dry-run"
    )
    lines(workspace / "wide.jsonl", [{f"c{k}": 1 for k in range(10)}])
    said = str(run("wide.jsonl").exception)
    assert "(columns: c0, c1, c2, c3, c4, c5, c6, c7 and 2 more)" in said
    assert "--columns prompt=COLUMN --columns completion=COLUMN" in said


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--kind", "sft"),
        ("--adapter", "prompt_completion"),
        ("--adapter", "prompt_completion", "--kind", "sft"),
    ],
)
def test_columns_that_are_named_are_read(workspace, more):
    lines(workspace / "qa.jsonl", QA)
    done = run("qa.jsonl", *MAPPED, *more)
    assert done.exit_code == 0, done.output
    assert "qa.jsonl:1 = tiny/test/1 question, overlap 1.00" in done.stdout


def test_a_column_inside_another_can_be_named(workspace):
    lines(workspace / "qa.jsonl", [{"row": row} for row in QA])
    done = run("qa.jsonl", "--columns", "prompt=row.question", "--columns", "completion=row.answer")
    assert "qa.jsonl:1 = tiny/test/1 question, overlap 1.00" in done.stdout, done.output


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--columns", "prompt"), 2, "'prompt': expected part=column"),
        (("--columns", "prompt=a", "--columns", "prompt=b"), 2, "'prompt=b': part 'prompt' is given twice"),
        (("--columns", "prompt=queston", "--columns", "completion=answer"), 1,
         "qa.jsonl: no column 'queston'; did you mean 'question'? (columns: answer, question)"),
        (("--adapter", "alpaka"), 2, "'alpaka' is not one of"),
        (("--kind", "dpo"), 2, "'dpo' is not one of"),
    ],
)  # fmt: skip
def test_mistakes_in_how_a_dataset_is_read_are_told(workspace, arguments, code, text):
    lines(workspace / "qa.jsonl", QA)
    done = run("qa.jsonl", *arguments)
    assert done.exit_code == code
    assert text in done.output + str(done.exception)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ("promt=question", "--columns promt=question: no part 'promt'; did you mean 'prompt'? (parts: "),
        ("prompt=queston", "qa.jsonl: no column 'queston'; did you mean 'question'? (columns: "),
        ("prompt=question", "qa.jsonl: completion is missing beside prompt=question (columns: answer, "
         "question); add --columns completion=answer"),
        ("completion=answer", "qa.jsonl: prompt is missing beside completion=answer (columns: answer, "
         "question); add --columns prompt=question"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("more", [(), ("--kind", "sft")])
def test_a_wrong_or_a_missing_part_of_the_columns_is_named(workspace, columns, text, more):
    lines(workspace / "qa.jsonl", QA)
    assert str(run("qa.jsonl", "--columns", columns, *more).exception).startswith(text)


@pytest.mark.parametrize("more", [(), ("--kind", "sft")])
def test_what_kto_data_is_told_to_be_read_with_works_at_once(workspace, more):
    turns = [{"role": "user", "content": LEAK}, {"role": "assistant", "content": "72"}]
    lines(workspace / "kto.jsonl", [{"messages": turns, "label": True}])
    (option,) = re.findall(r"--adapter \w+", str(run("kto.jsonl", *more).exception))
    assert "kto.jsonl:1 = tiny/test/1" in run("kto.jsonl", *more, *option.split()).stdout


def test_how_a_dataset_is_read_needs_a_dataset(workspace):
    done = run(*MAPPED)
    assert done.exit_code == 2
    assert "say how DATASET is read; name one" in done.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--against", "nope/"], "nope/: no such file"),
        (["--against", "evals/", "data/nothing.jsonl"], "data/nothing.jsonl: no such file"),
        (["--against", "evals/", "data/odd.jsonl"], "data/odd.jsonl: "),
        (["--against", "evals/", "--rule", "tulu4"], "no rule 'tulu4'; did you mean 'tulu3'?"),
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
    assert "no dataset to read" in str(done.exception)


def kept(workspace, name="decontamination.yaml"):
    """Decide that every hit of the last report is none."""
    hits = pq.read_table(workspace / "reports/decontamination/hits.parquet").to_pylist()
    found = [
        Decision(decision="keep", suite=h["suite"], split=h["split"], instance=h["instance"], record=h["id"])
        for h in hits
    ]
    write_decisions(workspace / name, Decisions(version=1, decisions=tuple(found)))


def test_the_workspaces_decisions_are_obeyed_and_leave_nothing_to_fail_on(workspace):
    assert run("--fail-on-hit").exit_code == 1
    kept(workspace)
    done = run("--fail-on-hit")
    assert done.exit_code == 0, done.output
    assert "no hits by rule tulu3" not in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("data/b/part-0.jsonl  tiny"))
    assert row.split()[3:] == ["2", "0", "0.00%", "0", "1", "at", "most", "2%"]
    report = json.loads((workspace / "reports/decontamination/report.json").read_text())
    assert report["decisions"] == {"keep": 1, "drop": 0, "unmet": []}
    assert (report["hits"], report["other_matches"]["keep"]) == (0, 1)


def test_other_decisions_can_be_named_and_what_they_miss_is_said(workspace):
    run()
    kept(workspace, "elsewhere.yaml")
    done = run("data/a/part-0.jsonl", "--decisions", "elsewhere.yaml")
    assert "warning: decisions that met no hit: 1 no such hit here; report.json names them\n" in done.stderr
    missing = run("--decisions", "gone.yaml")
    assert isinstance(missing.exception, TuluDataError)
    assert str(missing.exception) == "gone.yaml:1:1 no such file"


def test_a_report_says_how_to_find_its_files_again(workspace):
    run()
    report = json.loads((workspace / "reports/decontamination/report.json").read_text())
    assert report["bases"] == {"datasets": "../..", "suites": "../.."}
    digest = hashlib.sha256((workspace / "data/b/part-0.jsonl").read_bytes()).hexdigest()
    files = {name: value for account in report["datasets"] for name, value in account["files"].items()}
    assert files["data/b/part-0.jsonl"] == digest
    assert list(report["suites"][0]["files"]) == ["evals/tiny.jsonl"]
