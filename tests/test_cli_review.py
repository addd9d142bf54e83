"""`tulu-data review`: what it shows, what it writes, and what the next run makes of it."""

import hashlib
import json
import os
import pty
import select
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from mixture_fixtures import chat, decontaminate

from tulu_data.cli.main import VERBS
from tulu_data.cli.review import command
from tulu_data.cli.sql import command as sql
from tulu_data.errors import SourceError, SpecError, StoreError
from tulu_data.specs.decisions import read_decisions

ONE = "A train leaves the harbour town at nine and reaches the capital at noon; how long is the ride"
TWO = "Which of the four rivers of this county has carried timber since the days of the old king"
FILE = "decontamination.yaml"


@pytest.fixture
def place(workspace):
    """Make a workspace with three records that hold one instance and one that holds another."""
    rows = [{"id": "t1", "question": ONE, "answer": "3 hours"}, {"id": "t2", "question": TWO}]
    workspace.write("evals/trains.jsonl", rows)
    workspace.write(
        "data/a.jsonl", [chat(f"Tell me. {ONE}?", "Three."), chat("fine"), chat(TWO), chat(ONE + " then?")]
    )
    workspace.write("data/b.jsonl", [chat(f"{ONE}"), chat("x" * 900 + f" {TWO} " + "y" * 900)])
    decontaminate()
    return workspace


def review(*arguments, keys=""):
    return CliRunner().invoke(command, arguments, input=keys)


def decisions(place, name=FILE):
    path = place.root / name
    return read_decisions(path).decisions if path.is_file() else ()


def told(place):
    """Return (decision, instance, origins) of every record decided, and of instances."""
    hits = pq.read_table(place.root / "reports/decontamination/hits.parquet").to_pylist()
    where = {hit["id"]: hit["origin"] for hit in hits}
    return sorted((d.decision, d.instance, where.get(d.record, "every")) for d in decisions(place))


def test_the_help_is_the_one_in_the_table():
    assert command.get_short_help_str(limit=200) == VERBS["review"][1]


def test_both_texts_are_shown_with_the_overlap_marked_and_long_ones_cut(place):
    done = review("--list")
    assert done.exit_code == 0, done.output
    assert "1/5  trains/test/t1  tulu3, overlap 1.00, item" in done.stdout
    assert "data/a.jsonl:1, record " in done.stdout
    assert f"  eval question\n    [[{ONE}]]\n  eval answer\n    3 hours\n" in done.stdout
    assert f"  turn 1 user\n    Tell me. [[{ONE}]]?\n  turn 2 assistant\n    Three.\n" in done.stdout
    assert done.stdout.count("… 701 characters …") == 2
    assert "5 undecided" in done.stdout
    assert not (place.root / FILE).exists()


def test_answers_become_decisions_that_the_next_scan_obeys(place):
    done = review(keys="kdsdk")
    assert done.exit_code == 0, done.output
    assert "and 2 more records with this instance: K or D decides for all" in done.output
    assert "2 kept, 2 dropped, 1 left undecided\n" in done.output
    assert told(place) == [
        ("drop", "t1", "data/a.jsonl:4"), ("drop", "t2", "data/a.jsonl:3"), ("keep", "t1", "data/a.jsonl:1"),
        ("keep", "t2", "data/b.jsonl:2"),
    ]  # fmt: skip
    again = decontaminate("--fail-on-hit")
    assert again.exit_code == 1
    report = json.loads((place.root / "reports/decontamination/report.json").read_text())
    assert (report["decisions"]["keep"], report["decisions"]["drop"], report["hits"]) == (2, 2, 3)
    left = review(keys="k")
    assert "1/1  trains/test/t1" in left.output
    assert len(decisions(place)) == 5
    assert "nothing to decide" in review().output


@pytest.mark.parametrize(("key", "decision"), [("K", "keep"), ("D", "drop")])
def test_one_answer_decides_for_all_records_of_an_instance(place, key, decision):
    done = review(keys=key)
    assert f"{decision} 3 records" in done.output
    assert told(place) == [
        (decision, "t1", origin) for origin in ("data/a.jsonl:1", "data/a.jsonl:4", "data/b.jsonl:1")
    ]


def test_an_instance_that_never_counts_is_one_decision_and_is_not_asked_again(place):
    done = review(keys="ni forgot the place\niq")
    assert done.output.count("trains/test/t1") == 1
    (only,) = decisions(place)
    assert (only.decision, only.instance, only.record, only.note) == (
        "keep",
        "t1",
        None,
        "i forgot the place",
    )
    decontaminate()
    assert [json.loads(line)["hits"][0]["instance"] for line in lines_of(review("--json"))] == ["t2", "t2"]


def lines_of(done):
    return [json.dumps(case) for case in json.loads(done.stdout)]


def test_going_back_replaces_the_answer_given_there(place):
    review(keys="Kbdq")
    assert told(place) == [("drop", "t1", "data/a.jsonl:1")]
    assert "this is the first" in review("--all", keys="bq").output


def test_going_back_and_skipping_leaves_the_answer(place):
    review(keys="dbsq")
    assert told(place) == [("drop", "t1", "data/a.jsonl:1")]


def test_an_unknown_key_and_the_end_of_input_change_nothing(place):
    done = review(keys="x?")
    assert "no key 'x'; ? for help" in done.output
    assert "i  the instance never counts" in done.output
    assert "5 undecided" in done.output
    assert decisions(place) == ()


def test_filters_choose_what_is_shown(place):
    def chosen(*options):
        return [c["hits"][0]["origin"] for c in json.loads(review("--json", *options).stdout)]

    assert chosen("--source", "data/b*") == ["data/b.jsonl:1", "data/b.jsonl:2"]
    assert chosen("--suite", "nothing") == chosen("--rule", "any-13") == chosen("--match", "template") == []
    assert len(chosen("--suite", "trains", "--rule", "tulu3", "--match", "any")) == 5
    assert chosen("--min-overlap", "1.0") == chosen()
    review(keys="d")
    assert len(chosen()) == 4
    assert len(chosen("--all")) == 5
    assert "hits that were not chosen: 5 item" in review("--suite", "nothing", "--list").output


def test_json_gives_the_texts_and_spans(place):
    case = json.loads(review("--json").stdout)[0]
    turn = case["hits"][0]["record_spans"][0]
    assert case["record"][turn["turn"]]["content"][turn["start"] : turn["end"]] == ONE
    span = case["hits"][0]["instance_spans"][0]
    assert case["instance"]["question"][span["start"] : span["end"]] == ONE


def test_what_others_write_meanwhile_is_kept(place, monkeypatch):
    from tulu_data.decontaminate import walk

    theirs = "version: 1\ndecisions:\n- {decision: keep, suite: other, source: x}\n"
    original = walk.Walk.answer

    def answer(self, *arguments, **options):
        (place.root / FILE).write_text(theirs)
        return original(self, *arguments, **options)

    monkeypatch.setattr(walk.Walk, "answer", answer)
    review(keys="dq")
    assert sorted(d.suite for d in decisions(place)) == ["other", "trains"]


def test_a_record_that_moved_is_found_and_one_that_changed_is_said(place):
    place.write("data/a.jsonl", [chat("new first"), chat(f"Tell me. {ONE}?", "Three.")])
    done = review("--list", "--source", "data/a.jsonl")
    assert f"Tell me. [[{ONE}]]?" in done.stdout
    assert (
        done.stdout.count("record not shown: data/a.jsonl changed since the report, and this record is gone")
        == 2
    )
    (place.root / "data/a.jsonl").unlink()
    gone = review("--list", "--source", "data/a.jsonl")
    assert "record not shown: cannot be read back: data/a.jsonl: no such file" in gone.stdout
    assert gone.exit_code == 0


def test_an_instance_of_a_changed_suite_is_not_shown_with_wrong_spans(place):
    place.write("evals/trains.jsonl", [{"id": "t1", "question": TWO}, {"id": "t2", "question": ONE}])
    done = review("--list")
    assert done.stdout.count("eval not shown: evals/trains.jsonl changed since the scan; scan again") == 5
    (place.root / "evals/trains.jsonl").unlink()
    gone = review("--list")
    assert gone.exit_code == 0, gone.output
    assert gone.stdout.count("eval not shown: evals/: no data file") == 5
    assert gone.stdout.count("; put it back or scan again") == 5
    assert f"[[{TWO}" in gone.stdout


@pytest.fixture
def mapped(place):
    """Make a workspace in which a spec says of one suite how it is read, and nothing of another."""
    row = {"task_id": 2, "text": "Write a function to find the shared elements of two lists of tuples.",
           "code": "def f(a, b): return a & b", "test_list": ["assert f({1}, {1})"]}  # fmt: skip
    place.write("raw/tasks.jsonl", [row])
    suite = {"uri": "../raw/tasks.jsonl", "fields": {"id": "{task_id}", "question": "text", "answer": "code"}}
    (place.root / "evals/suites.yaml").write_text(yaml.safe_dump({"version": 1, "suites": {"tasks": suite}}))
    place.write("data/a.jsonl", [chat(row["text"]), chat(ONE)])
    decontaminate("data/a.jsonl")
    return place


def test_suites_that_a_spec_reads_are_shown_and_queried_as_they_were_scanned(mapped):
    done = review("--list")
    assert done.exit_code == 0, done.output
    assert "tasks/test/2  tulu3" in done.stdout
    assert "  eval answer\n    def f(a, b): return a & b\n" in done.stdout
    found = CliRunner().invoke(sql, ["SELECT count(*) AS n FROM records", "--json"])
    assert json.loads(found.stdout) == [{"n": 2}]
    mapped.mix(
        {"a": {"uri": "data/a.jsonl"}, "b": {"uri": "data/b.jsonl"}},
        steps=[{"step": "decontaminate", "against": ["evals/"], "action": "flag"}],
    )
    stored = review("m", "--list")
    assert stored.exit_code == 0, stored.output
    assert "  eval answer\n    def f(a, b): return a & b\n" in stored.stdout


def test_a_suite_that_cannot_be_loaded_stops_no_other(mapped):
    (mapped.root / "raw/tasks.jsonl").unlink()
    done = review("--list")
    assert done.exit_code == 0, done.output
    assert "eval not shown: raw/tasks.jsonl: no such file" in done.stdout
    assert f"  eval question\n    [[{ONE}]]\n" in done.stdout


def test_a_suite_that_is_read_otherwise_now_is_said_to_have_changed(mapped):
    path = mapped.root / "evals/suites.yaml"
    path.write_text(path.read_text().replace("question: text", "question: '{text} {code}'"))
    done = review("--list")
    assert "eval not shown: how tasks is read changed since the scan; scan again" in done.stdout
    mapped.write("raw/tasks.jsonl", [{"task_id": 2, "text": "Another.", "code": "x"}])
    assert "eval not shown: raw/tasks.jsonl changed since the scan" in review("--list").stdout


def test_a_version_is_reviewed_and_its_next_build_obeys(place):
    step = {"step": "decontaminate", "against": ["evals/"]}
    sources = {"a": {"uri": "data/a.jsonl"}, "b": {"uri": "data/b.jsonl"}}
    version = place.mix(sources, steps=[step])
    done = review("m@latest", keys="iD")
    assert f"Tell me. [[{ONE}]]?" in done.output
    assert "data/a.jsonl:1, a, record " in done.output
    assert len(decisions(place)) == 3
    again = place.mix(sources, steps=[step | {"decisions": FILE}])
    assert (version.num_rows, again.num_rows) == (1, 4)
    place.mix(sources, name="n")
    with pytest.raises(StoreError, match="was not decontaminated, so it has no hits"):
        raise review("n").exception


def test_a_scan_of_a_version_is_reviewed(place):
    place.mix({"a": {"uri": "data/a.jsonl"}})
    decontaminate("m")
    done = review("--list")
    assert f"Tell me. [[{ONE}]]?" in done.stdout
    assert done.stdout.count("eval question") == 3


def test_what_is_no_report_is_refused(place):
    with pytest.raises(SourceError) as caught:
        raise review("elsewhere").exception
    assert str(caught.value) == (
        "elsewhere: no report (is not there); make one with: tulu-data decontaminate --against evals/, or "
        "tulu-data dedup; or give the folder of one, or a version as name@id"
    )


def test_a_mistake_in_the_decisions_is_told_before_anything_is_asked(place):
    (place.root / FILE).write_text("version: 1\ndecisions:\n- {decision: keep, suite: trains}\n")
    done = review(keys="k")
    assert isinstance(done.exception, SpecError)
    assert "is about a whole suite" in str(done.exception)
    assert done.stdout == ""


def test_the_report_of_another_workspace_is_decided_there(place, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    done = review(str(place.root / "reports/decontamination/hits.parquet"), keys="d")
    assert done.exit_code == 0, done.output
    assert f"Tell me. [[{ONE}]]?" in done.output
    assert len(decisions(place)) == 1
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("leave", [b"q", b"\x03", b"\x04"], ids=["q", "ctrl-c", "ctrl-d"])
def test_on_a_terminal_keys_need_no_return_and_spans_are_in_colour(place, leave):
    code = "from tulu_data.cli.main import main; main()"
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(sys.path)}
        os.environ.pop("NO_COLOR", None)
        os.execv(sys.executable, [sys.executable, "-c", code, "review"])  # noqa: S606 - this interpreter
    said = b""

    def until(words):
        nonlocal said
        while words not in said:
            assert select.select([terminal], [], [], 60)[0], said
            said += os.read(terminal, 65536)

    until(b"? help")
    os.write(terminal, b"d")
    until(b"2/5")
    os.write(terminal, leave)
    until(b"4 left undecided")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert b"\x1b[1;30;43m" in said
    assert [d.decision for d in decisions(place)] == ["drop"]


def test_the_report_is_only_read(place):
    def digests():
        found = Path("reports").rglob("*.*")
        return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in found}

    before = digests()
    review(keys="kkkkk")
    assert digests() == before
